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
import warnings
from pathlib import Path

from kbnd import home
from kbnd.data import cache, digits, folder, layout, tfds
from kbnd.data.catalogue import FOLDER, is_folder
from kbnd.data.entries import skipped_in_words
from kbnd.data.layout import Layout
from kbnd.data.splits import Arrays
from kbnd.spec import DataSpec
from kbnd.words import counted


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
    if is_folder(spec.name):
        return _ensure_folder(spec, force=force)
    if force or not is_cached(spec):
        if not download and not tfds.is_prepared(spec.name):
            raise tfds.missing(spec.name, "downloading was declined")
        tfds.decode_in_child(spec, download=download, force=force)
    return next(key for key in _keys(spec) if cache.manifest_of(key))


def is_cached(spec: DataSpec) -> bool:
    """Whether the cache holds a dataset; for a folder, whether it holds what the folder holds now."""
    return _cached_key(spec, state_of(spec)) is not None


def state_of(spec: DataSpec) -> str | None:
    """Return the token of what a folder holds now, which a copy must be of; None for other datasets."""
    return layout.read(folder_of(spec.name)).state() if is_folder(spec.name) else None


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
    if is_folder(name):
        return f"folder-{hashlib.sha256(os.fsencode(folder_of(name))).hexdigest()[:16]}"
    return tfds.cache_key(name)


def folder_of(name: str) -> Path:
    """Return the folder that a name `folder:PATH` means."""
    return home.expanded(name.removeprefix(FOLDER)).resolve()


def _keys(spec: DataSpec) -> list[str]:
    return list(dict.fromkeys(key_for(spec, is_uniform=is_uniform) for is_uniform in (True, False)))


def _cached_key(spec: DataSpec, state: str | None) -> str | None:
    """The key of a cached copy; a folder's must be of its state now, which a copy for another size need not be."""
    manifests = {key: cache.manifest_of(key, name=spec.name) for key in _keys(spec)}
    return next((key for key, manifest in manifests.items() if manifest and state in (None, manifest.state)), None)


def _ensure_folder(spec: DataSpec, *, force: bool) -> str:
    images = layout.read(folder_of(spec.name))
    state = images.state()  # of before it is read: what changes meanwhile is read again next time
    key = None if force else _cached_key(spec, state)
    if key is None:
        with cache.lock(base_key(spec.name)):
            key = None if force else _cached_key(spec, state)
            if key is None:
                arrays, is_uniform = folder.decode(images, size=spec.image_size, how=spec.fit)
                key = key_for(spec, is_uniform=is_uniform)
                cache.write(key, arrays, name=spec.name, source=str(images.root), state=state)
    _warn(spec.name, images, cache.manifest_of(key))
    return key


def _warn(name: str, images: Layout, manifest: cache.Manifest | None) -> None:
    """Say what of a folder is not trained on, and which test results are worth little."""
    if images.skipped:
        warnings.warn(
            f"dataset {name!r}: {skipped_in_words(images.skipped)}; kbnd data verify lists them", stacklevel=2
        )
    if manifest and manifest.n_twins:
        warnings.warn(
            f"dataset {name!r}: {counted(manifest.n_twins, 'image')} for evaluation equal one to train on; "
            "kbnd data verify lists them",
            stacklevel=2,
        )
