"""Where a dataset comes from: bundled, cached, or decoded once into the cache.

| name          | source                      | decoded                  |
|---------------|-----------------------------|--------------------------|
| `digits`      | scikit-learn, bundled       | here, at once            |
| `folder:PATH` | image files                 | here, into the cache     |
| other         | tensorflow-datasets         | in a child, into the cache |

Images of one size are cached as they are and fitted when they are loaded, so that one copy serves every
`image_size`. Images of several sizes must be fitted to be stored: their key carries size and fit.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from kbnd import home
from kbnd.data import cache, digits, folder, tfds
from kbnd.data.catalogue import FOLDER
from kbnd.data.splits import Arrays
from kbnd.spec import DataSpec


def obtain(spec: DataSpec, *, download: bool = True, force: bool = False) -> Arrays:
    """Return a dataset's arrays at their own size (arguments and errors as of `ensure`)."""
    key = ensure(spec, download=download, force=force)
    return digits.decode() if key is None else cache.read(key)


def fingerprint_of(spec: DataSpec, *, download: bool = True) -> str:
    """Return a dataset's fingerprint; once it is cached, this reads its manifest only."""
    key = ensure(spec, download=download)
    if key is None:
        return digits.decode().fingerprint
    manifest = cache.manifest_of(key)
    return manifest.fingerprint if manifest else cache.read(key).fingerprint


def ensure(spec: DataSpec, *, download: bool = True, force: bool = False) -> str | None:
    """Decode a dataset into the cache if it is not there, and return its key; None for the bundled digits.

    Args:
        spec: a resolved spec.
        download: fetch what is neither cached nor prepared.
        force: decode again what is cached.

    Raises:
        DataMissingError: nothing is at hand, or the manifest is damaged and `force` was not given.
    """
    if spec.name == "digits":
        return None
    if force or not is_cached(spec):
        if spec.name.startswith(FOLDER):
            _decode_folder(spec, force=force)
        elif not download and not tfds.is_prepared(spec.name):
            raise tfds.missing(spec.name, "downloading was declined")
        else:
            tfds.decode_in_child(spec, download=download, force=force)
    return next(key for key in _keys(spec) if cache.manifest_of(key))


def is_cached(spec: DataSpec) -> bool:
    """Whether the cache holds a dataset; for a folder, whether it holds what the folder holds now."""
    manifests = [manifest for key in _keys(spec) if (manifest := cache.manifest_of(key))]
    if not manifests or not spec.name.startswith(FOLDER):
        return bool(manifests)
    return manifests[0].state == folder.state_of(folder_of(spec.name))


def is_decoded(spec: DataSpec) -> bool:
    """Whether a resolved dataset can be read without being decoded first: the bundled one always."""
    return spec.name == "digits" or is_cached(spec)


def key_for(spec: DataSpec, *, is_uniform: bool) -> str:
    """Return the cache key of a dataset whose images have one size, or were fitted to one."""
    base = base_key(spec.name)
    if is_uniform or spec.image_size is None:
        return base
    return f"{base}@{spec.image_size[0]}x{spec.image_size[1]}-{spec.fit}"


def base_key(name: str) -> str:
    """Return the cache key of a dataset as far as its name makes it."""
    if name.startswith(FOLDER):
        return f"folder-{hashlib.sha256(os.fsencode(folder_of(name))).hexdigest()[:16]}"
    return tfds.cache_key(name)


def folder_of(name: str) -> Path:
    """Return the folder that a name `folder:PATH` means."""
    return home.expanded(name.removeprefix(FOLDER)).resolve()


def _keys(spec: DataSpec) -> list[str]:
    return list(dict.fromkeys(key_for(spec, is_uniform=is_uniform) for is_uniform in (True, False)))


def _decode_folder(spec: DataSpec, *, force: bool) -> None:
    path = folder_of(spec.name)
    with cache.lock(base_key(spec.name)):
        if not force and is_cached(spec):
            return
        state = folder.state_of(path)
        arrays, is_uniform = folder.decode(path, size=spec.image_size, how=spec.fit)
        cache.write(key_for(spec, is_uniform=is_uniform), arrays, name=spec.name, source=str(path), state=state)
