"""What stands in the manifest of a cached dataset, and whether it is what kbnd wrote.

A manifest says of itself what its other fields digest to, so that none of them can change unseen. One that was written
before digests has none: its fields are then only checked for what they can be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from kbnd.spec import digest

FORMAT = 1
FILES = ("train_images", "train_labels", "test_images", "test_labels")
OWN_VALIDATION = ("validation_images", "validation_labels")
"""Further files of a dataset that brings validation images of its own."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Manifest:
    """What a cached dataset is.

    Attributes:
        name: of the dataset.
        fingerprint: SHA-256 of its arrays.
        classes: number of classes.
        source: what it was decoded from, for people.
        state: token of the source's content; a folder whose token changed is decoded again.
        sha256: of each file.
        format: version of this layout.
        class_names: as in `Arrays`.
        n_twins: as in `Arrays`.
        digest: of all other fields; empty in what was written before there were digests.
    """

    name: str
    fingerprint: str
    classes: int
    source: str
    state: str
    sha256: dict[str, str]
    format: int = FORMAT
    class_names: tuple[str, ...] = ()
    n_twins: int = 0
    digest: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The files that hold it."""
        return FILES + OWN_VALIDATION * any(file in self.sha256 for file in OWN_VALIDATION)


def to_json(manifest: Manifest) -> str:
    """Return the text of a manifest, with its digest."""
    return json.dumps(asdict(replace(manifest, digest=_digest(manifest))), indent=1)


def from_json(text: str) -> Manifest:
    """Return the manifest that a text says.

    Raises:
        ValueError: kbnd did not write it.
        TypeError: it has other fields.
    """
    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("no object")
    names = values.get("class_names", [])
    manifest = Manifest(**values | {"class_names": tuple(names) if isinstance(names, list) else names})
    wrong = [name for name, is_right in _checks(manifest) if not is_right]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} cannot be")
    if manifest.digest and manifest.digest != _digest(manifest):
        raise ValueError("the digest differs")
    return manifest


def _checks(manifest: Manifest) -> Iterator[tuple[str, bool]]:
    """Yield each field and whether it holds what it can."""
    for field in fields(Manifest):
        value = getattr(manifest, field.name)
        yield field.name, _RIGHT[field.name](value)
    yield "files", isinstance(manifest.sha256, dict) and set(manifest.files) == set(manifest.sha256)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any, *, least: int) -> bool:
    return type(value) is int and least <= value < 2**63


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


_RIGHT = {
    "name": _is_text,
    "fingerprint": _is_sha256,
    "classes": lambda value: _is_count(value, least=1),
    "source": _is_text,
    "state": _is_text,
    "sha256": lambda value: isinstance(value, dict) and all(map(_is_sha256, value.values())),
    "format": lambda value: type(value) is int and value == FORMAT,
    "class_names": lambda value: isinstance(value, tuple) and all(map(_is_text, value)),
    "n_twins": lambda value: _is_count(value, least=0),
    "digest": _is_text,
}
"""Field -> whether a value is one that it can hold."""


def _digest(manifest: Manifest) -> str:
    """Digest of what is said: a field that is added later changes none that was written before."""
    unsigned = replace(manifest, digest="")
    values = {field.name: (getattr(unsigned, field.name), field.default) for field in fields(Manifest)}
    return digest({name: value for name, (value, default) in values.items() if value != default})
