"""The per-user cache: datasets decoded once, memory-mapped after that, readable with no TensorFlow installed.

    <cache>/data/<key>/manifest.json               what is current: fingerprint, SHA-256 of each file
    <cache>/data/<key>/<fingerprint>/*.npy         images and labels of each part
    <cache>/data/<key>/lock                        held by whoever writes

`<cache>` is `KBND_CACHE` or the user's cache folder. Files are written under a temporary name, synchronised and
renamed; the manifest comes last, so that a process killed half-way leaves the previous state and some litter,
which the next writer sweeps. A file is hashed once in each process before it is used.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from errno import EACCES, EEXIST, ENOTDIR, EPERM, EROFS
from functools import lru_cache
from pathlib import Path

import numpy as np

from kbnd import home, locks
from kbnd.data.manifest import FILES, OWN_VALIDATION, Manifest, from_json, to_json
from kbnd.data.splits import Arrays, Split, fingerprint_of
from kbnd.errors import DataMissingError
from kbnd.files import NO_SPACE, check_folder, explained, synchronise_folder, synchronised

FITTED = re.compile(r".*@(\d+x\d+)-(\w+)")
"""The key of images that were fitted to a size before they were stored."""

NOT_WRITABLE = (EACCES, EPERM, EROFS, ENOTDIR, EEXIST)


def cache_dir() -> Path:
    """Return the folder of cached datasets, which need not exist."""
    from platformdirs import user_cache_path

    own = os.environ.get("KBND_CACHE")
    if own:
        folder = home.expanded(own)
        check_folder(folder, what="cache (KBND_CACHE)")
        return folder / "data"
    home.folder()  # which platformdirs asks for
    return user_cache_path("kbnd", appauthor=False) / "data"


def cached_keys() -> list[str]:
    """Return the keys of all cached datasets."""
    return sorted(path.parent.name for path in cache_dir().glob("*/manifest.json"))


@contextmanager
def lock(key: str) -> Iterator[None]:
    """Hold the right to write one dataset; it ends with the process, however that ends."""
    folder = cache_dir() / key
    with ExitStack() as stack:
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            is_held = stack.enter_context(locks.held(folder / "lock"))
        if not is_held:
            warnings.warn(
                f"the file system of the cache ({locks.file_system(folder)}) has no locks: let one command at a time "
                f"prepare {key}, or set KBND_CACHE to a folder on another",
                stacklevel=3,
            )
        yield
        if is_held:  # else what looks like litter may be what another is writing
            _sweep(key)


def manifest_of(key: str, *, name: str = "") -> Manifest | None:
    """Return what is cached under a key, None for nothing.

    Args:
        key: of the dataset.
        name: what a spec calls it, for the error; empty where only the key is known.

    Raises:
        DataMissingError: the manifest is damaged.
    """
    path = cache_dir() / key / "manifest.json"
    try:
        return from_json(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError):
        raise damaged(path, name or key, key) from None


def read(key: str, *, is_thorough: bool = False) -> Arrays:
    """Return a cached dataset as read-only memory maps, its files checked against their SHA-256.

    Args:
        key: of the dataset.
        is_thorough: hash again what this process has hashed before, and the fingerprint too.

    Raises:
        DataMissingError: nothing is cached, or a file is damaged.
    """
    manifest = manifest_of(key)
    if manifest is None:
        raise DataMissingError(f"nothing is cached as {key!r} in {cache_dir()}")
    if is_thorough:
        _sha256_of.cache_clear()
    arrays = []
    for file in manifest.files:
        path = cache_dir() / key / manifest.fingerprint / f"{file}.npy"
        try:
            stat = path.stat()
            if _sha256_of(path, stat.st_mtime_ns, stat.st_size) != manifest.sha256.get(file):
                raise ValueError("SHA-256 differs")
            arrays.append(np.load(path, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError, EOFError):
            raise damaged(path, manifest.name, key) from None
    train, test, *others = (Split(*pair) for pair in zip(arrays[::2], arrays[1::2], strict=True))
    validation = others[0] if others else None
    if is_thorough and fingerprint_of(train, test, validation) != manifest.fingerprint:
        raise damaged(path.parent, manifest.name, key)
    names = manifest.class_names
    return Arrays(train, test, manifest.classes, manifest.fingerprint, validation, names, manifest.n_twins)


def write(key: str, arrays: Arrays, *, name: str, source: str, state: str = "") -> None:
    """Store a dataset; the caller holds its `lock`.

    Raises:
        NoSpaceError: the disk is full; what was cached before stays.
        UsageError: the folder cannot be written.
    """
    folder = cache_dir() / key
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix="writing-", dir=folder))
        try:
            sha256 = {part: _write_array(staging / f"{part}.npy", array) for part, array in _parts(arrays).items()}
            manifest = Manifest(
                name, arrays.fingerprint, arrays.classes, source, state, sha256,
                class_names=arrays.class_names, n_twins=arrays.n_twins,
            )  # fmt: skip
            with synchronised(staging / "manifest.json") as file:
                file.write(to_json(manifest).encode())
            home = folder / arrays.fingerprint
            home.mkdir(exist_ok=True)
            for part in manifest.files:
                os.replace(staging / f"{part}.npy", home / f"{part}.npy")
            synchronise_folder(home)
            os.replace(staging / "manifest.json", folder / "manifest.json")
            synchronise_folder(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def damaged(path: Path, name: str, key: str) -> DataMissingError:
    """Return the error for a cached file that is not what was written, with the command that mends it."""
    fitted = FITTED.fullmatch(key)
    size = f" --image-size {fitted[1]} --fit {fitted[2]}" if fitted else ""
    return DataMissingError(f"cached file {path} is damaged: run kbnd data prepare {shlex.quote(name)}{size} --force")


@contextmanager
def disk_errors(folder: Path, *, variable: str = "KBND_CACHE") -> Iterator[None]:
    """Turn a full or write-protected disk into one sentence about a folder and the variable that moves it.

    Raises:
        NoSpaceError: no space, no quota or a file size limit.
        UsageError: the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        # Others are passed on: a download fails with an OSError of the network too.
        if error.errno in (*NO_SPACE, *NOT_WRITABLE):
            raise explained(error, f"data in {folder}", remedy=f"set {variable} to a folder of yours") from error
        raise


@lru_cache(maxsize=256)
def _sha256_of(path: Path, mtime_ns: int, n_bytes: int) -> str:  # noqa: ARG001  (time and size key the memory)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parts(arrays: Arrays) -> dict[str, np.ndarray]:
    parts = (arrays.train, arrays.test) + (() if arrays.validation is None else (arrays.validation,))
    files = (FILES + OWN_VALIDATION)[: 2 * len(parts)]
    return dict(zip(files, (array for part in parts for array in (part.images, part.labels)), strict=True))


def _write_array(path: Path, array: np.ndarray) -> str:
    # np.save uses C's fwrite, whose failure on a full disk carries no errno; plain writes do
    with synchronised(path) as file:
        header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(np.ascontiguousarray(array).data)
    stat = path.stat()
    return _sha256_of(path, stat.st_mtime_ns, stat.st_size)


def _sweep(key: str) -> None:
    """Remove what the manifest does not name; only for who holds the lock."""
    manifest = manifest_of(key)
    for litter in (cache_dir() / key).iterdir():
        if litter.is_dir() and manifest is not None and litter.name != manifest.fingerprint:
            shutil.rmtree(litter, ignore_errors=True)
