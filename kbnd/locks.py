"""Locks of files, and file systems that have none, as some of networks, clouds and clusters.

| lock                | held by                    | released                              |
|---------------------|----------------------------|---------------------------------------|
| `flock`             | who opened the file        | when it is closed, or the process ends |
| record (SQLite's)   | the process                | when it closes *any* handle of the file |

So whether a file system has record locks is tried with a file of our own, never with the one in question.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP
from pathlib import Path

import psutil

LACKING = (ENOLCK, EOPNOTSUPP, ENOSYS, EINVAL)
"""What a file system without locks answers."""


@contextmanager
def held(file: Path) -> Iterator[bool]:
    """Wait for a lock and hold it within the block, as far as the process lives; the file is made and stays.

    Yields:
        Whether it is held; False where the file system has no locks.
    """
    with file.open("ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in LACKING:
                raise
            yield False
        else:
            yield True


def has_record_locks(folder: Path) -> bool:
    """Return whether files in a folder can be locked as SQLite does it; True where that cannot be tried."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in LACKING
    return True


def file_system(path: Path) -> str:
    """Return the file system that holds a path in words: its kind and where it is mounted."""
    place = path.resolve()
    mounts = [part for part in psutil.disk_partitions(all=True) if place.is_relative_to(part.mountpoint)]
    if not mounts:
        return f"that of {path}"
    # What is mounted last over the same folder is what is seen.
    nearest = max(enumerate(mounts), key=lambda mount: (len(Path(mount[1].mountpoint).parts), mount[0]))[1]
    return f"{nearest.fstype or 'unknown'}, mounted at {nearest.mountpoint}"
