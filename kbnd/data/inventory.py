"""What data are at hand: listed, prepared ahead of time, verified.

| state     | meaning                                                                              |
|-----------|--------------------------------------------------------------------------------------|
| `bundled` | comes with the installation                                                          |
| `cached`  | decoded; no TensorFlow is needed any more                                            |
| `prepared`| in the folder of tensorflow-datasets; decoded when it is first used                  |
| `damaged` | cached, but not what was written: `kbnd data prepare NAME --force`                   |
| `outdated`| a folder's images, as they were before it changed; they are read again               |
| `missing` | will be downloaded when it is first used                                             |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kbnd.data import cache, census, digits, layout, sources, tfds
from kbnd.data.catalogue import DATASETS, ORIGINALS, is_folder, label_for, note_for, resolve
from kbnd.data.census import Census
from kbnd.errors import DataMissingError
from kbnd.spec import DataSpec

State = Literal["bundled", "cached", "prepared", "damaged", "outdated", "missing"]


@dataclass(frozen=True)
class Availability:
    """Whether one dataset is at hand.

    Attributes:
        name: what a spec calls it.
        label: how it is printed.
        state: see the table of this module.
        where: the folder that holds it, `scikit-learn`, or empty.
        fingerprint: SHA-256 of its arrays, None where it is not decoded yet.
        note: what must be said beside its results; empty for most.
    """

    name: str
    label: str
    state: State
    where: str
    fingerprint: str | None = None
    note: str = ""


def available() -> list[Availability]:
    """Return the state of every named dataset and of whatever else is cached; it hashes nothing."""
    named = [_named(name) for name in DATASETS]
    others = [_cached(key) for key in cache.cached_keys() if key not in DATASETS]
    return named + others


def prepare(
    name: str,
    *,
    force: bool = False,
    download: bool = True,
    image_size: tuple[int, int] | None = None,
    fit: Literal["pad", "bilinear"] = "pad",
) -> Availability:
    """Decode a dataset into the cache, so that later runs start at once and offline.

    Args:
        name: of the dataset.
        force: decode again what is cached, which repairs a damaged copy.
        download: fetch what is not prepared.
        image_size: (height, width), needed only for images that differ in size.
        fit: how such images are brought to that size: `pad` or `bilinear`.
    """
    spec = resolve(DataSpec(name=name, image_size=image_size, fit=fit))
    key = sources.ensure(spec, download=download, force=force)
    return _bundled() if key is None else _cached(key)


def verify(name: str) -> list[Availability]:
    """Hash every cached copy of a dataset again, file by file and as a whole.

    Returns:
        One entry for each cached copy (several for images that were fitted to several sizes); of a folder, which
        needs no copy to be looked at (`census_of`), perhaps none.

    Raises:
        DataMissingError: none is cached, or one is damaged.
    """
    spec = resolve(DataSpec(name=name))
    if spec.name == "digits":
        if digits.decode().fingerprint != ORIGINALS["digits"]:
            raise DataMissingError("the digits of the installed scikit-learn are not the ones kbnd knows")
        return [_bundled()]
    base = sources.base_key(spec.name)
    keys = [key for key in cache.cached_keys() if key == base or key.startswith(f"{base}@")]
    if not keys and not is_folder(spec.name):
        raise DataMissingError(f"dataset {name!r} is not cached in {cache.cache_dir()}: run kbnd data prepare {name}")
    for key in keys:
        cache.read(key, is_thorough=True)
    state = sources.state_of(spec)
    return [_cached(key, state=state) for key in keys]


def census_of(name: str) -> Census:
    """Return what a folder of images, `folder:PATH`, holds now, whatever of it is cached.

    Raises:
        UsageError: it is no folder, or no folder of class folders.
    """
    name = resolve(DataSpec(name=name)).name
    return census.take(name, layout.read(sources.folder_of(name)))


def _named(name: str) -> Availability:
    if name == "digits":
        return _bundled()
    if name in cache.cached_keys():
        return _cached(name)
    if tfds.is_prepared(name):
        return Availability(name, label_for(name), "prepared", str(tfds.data_dir() / name))
    return Availability(name, label_for(name), "missing", "")


def _bundled() -> Availability:
    return Availability("digits", label_for("digits"), "bundled", "scikit-learn", ORIGINALS["digits"])


def _cached(key: str, *, state: str | None = None) -> Availability:
    """A cached copy; with a folder's state now, whether it is still of that."""
    where = str(cache.cache_dir() / key)
    try:
        manifest = cache.manifest_of(key)
    except DataMissingError:
        manifest = None
    if manifest is None:
        return Availability(key, label_for(key), "damaged", where)
    return Availability(
        manifest.name,
        label_for(manifest.name, manifest.fingerprint),
        "cached" if state in (None, manifest.state) else "outdated",
        where,
        manifest.fingerprint,
        note_for(manifest.name, manifest.fingerprint),
    )
