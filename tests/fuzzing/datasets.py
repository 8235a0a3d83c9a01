"""Damaged files of cached datasets: what is loaded is what was cached, or a sentence says that it is damaged."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from fuzzing.cases import Fault
from fuzzing.commands import bad_ends, kbnd
from fuzzing.drivers import new
from fuzzing.hostile import HOSTILE
from fuzzing.mutations import at, changed, damaged, leaves, with_value
from kbnd import data
from kbnd.data import cache, sources
from kbnd.data.splits import Split, arrange
from kbnd.errors import KbndError
from kbnd.spec import DataSpec

MNIST = DataSpec(name="mnist", n_train=60, n_validation=20)
CLASSES = 10


@dataclass(frozen=True)
class Cached:
    """A cache with a folder's images and some that are called MNIST.

    Attributes:
        cache: its folder.
        images: folder of the image files.
        content: what is loaded of each dataset.
    """

    cache: Path
    images: Path
    content: dict[str, Any]

    @property
    def specs(self) -> tuple[DataSpec, ...]:
        return MNIST, DataSpec(name=f"folder:{self.images}", n_validation=6)


def cached(folder: Path) -> Cached:
    """Write both datasets into a cache."""
    one = Cached(folder / "cache", new(folder / "images"), {})
    os.environ["KBND_CACHE"] = str(one.cache)
    random = np.random.default_rng(1)
    for name in ("cat", "dog", "emu"):
        for i in range(12):
            pixels = random.integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(new(one.images / name) / f"{i}.png")
    parts = [
        Split(random.integers(0, 256, (n, 28, 28, 1), np.uint8), np.arange(n, dtype=np.int64) % CLASSES)
        for n in (100, 30)
    ]
    arrays = arrange(*parts, classes=CLASSES)
    key = sources.base_key("mnist")
    with cache.lock(key):
        cache.write(key, arrays, name="mnist", source="nowhere")
    one.content.update({spec.name: _content(spec) for spec in one.specs})
    return one


def damage(one: Cached, chance: Random, folder: Path) -> Iterator[Fault]:
    """Damage one file of one dataset in a copy of the cache."""
    os.environ["KBND_CACHE"] = str(folder / "cache")
    shutil.copytree(one.cache, folder / "cache")
    spec = chance.choice(one.specs)
    home = folder / "cache" / "data" / sources.base_key(spec.name)
    files = sorted(file for file in home.rglob("*") if file.suffix in (".npy", ".json"))
    file = home / "manifest.json" if chance.random() < 0.4 else chance.choice(files)
    about = f"{spec.name.partition(':')[0]} {file.name}: {_damage(file, chance)}"
    verified = kbnd("data", "verify", spec.name)
    listed = kbnd("data", "list", "--json")
    for ended in (verified, listed):
        yield from (Fault(fault.kind, f"{about}: {fault.about}") for fault in bad_ends(ended))
    try:
        content = _content(spec)
    except KbndError:
        return  # it is damaged, which is said
    if content != one.content[spec.name]:
        wrong = [name for name in content if content[name] != one.content[spec.name][name]]
        judged = "verify says sound" if verified.code == 0 else "verify refuses it"
        yield Fault("silent", f"{about}: {judged}, loaded with another {', '.join(wrong)}")


def _content(spec: DataSpec) -> dict[str, Any]:
    dataset = data.load(spec, download=False)
    splits = {name: getattr(dataset, name) for name in ("train", "validation", "test")}
    values = {name: (split.images.tobytes(), split.labels.tobytes()) for name, split in splits.items()}
    fields = ("name", "label", "classes", "image_shape", "fingerprint", "note")
    return values | {name: getattr(dataset, name) for name in fields}


def _damage(file: Path, chance: Random) -> str:
    content = file.read_bytes()
    if file.suffix == ".json" and chance.random() < 0.7:
        manifest = json.loads(content)
        path = chance.choice(list(leaves(manifest)))
        old = at(manifest, path)
        value = chance.choice(HOSTILE) if chance.random() < 0.4 else changed(old, chance)
        file.write_text(json.dumps(with_value(manifest, path, value)))
        return f"{'.'.join(map(str, path))}: {old!r:.40} became {value!r:.40}"
    if chance.random() < 0.1:
        file.unlink()
        return "deleted"
    about, content = damaged(content, chance)
    file.write_bytes(content)
    return about
