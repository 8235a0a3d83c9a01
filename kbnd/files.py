"""Files written whole or not at all, and the errors of a disk as one sentence each.

    temporary file beside the place -> flush, fsync -> rename -> fsync of the folder

A reader sees the old file or the new one, also after a power cut; where writing fails, the old one stays and the
temporary is removed. A killed process leaves its temporary, `.NAME.XXXXXXXX.part`. Files are made with the mode
0o666, from which the system takes the umask: it is never read, since that would set it for every thread.

Reference: Pillai et al. (2014), All file systems are not created equal, OSDI 14.
"""

from __future__ import annotations

import os
import tomllib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path
from typing import Any, BinaryIO

from kbnd.errors import KbndError, NoSpaceError, UsageError

NO_SPACE = (ENOSPC, EDQUOT, EFBIG)
"""No space on the disk, in the quota, below the limit of a file's size."""


def read_toml(path: Path, *, what: str) -> dict[str, Any]:
    """Return what a TOML file holds.

    Args:
        path: the file.
        what: it is, for the error, such as `study`.

    Raises:
        UsageError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the {what} {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the {what} {path} is not TOML: {error}") from None


def write_whole(path: Path, content: bytes, *, what: str = "file") -> Path:
    """Replace a file in one step and return its path; arguments and errors as of `replacing`."""
    with replacing(path, what=what) as file:
        file.write(content)
    return path


@contextmanager
def replacing(path: Path, *, what: str = "file") -> Iterator[BinaryIO]:
    """Give a file to fill, and put it in place of `path` once it is whole and on the disk.

    Args:
        path: the place; its folder must exist.
        what: the kind of file, for the sentence of an error: "the WHAT PATH cannot be written".

    Raises:
        NoSpaceError: the disk is full.
        UsageError: the folder is missing or cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    with disk_errors(f"the {what} {path}"):
        try:
            with synchronised(temporary) as file:
                yield file
            temporary.replace(path)
            synchronise_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def remove_temporaries(path: Path) -> None:
    """Remove what killed writers of a file left; only for one who knows that nobody is writing it."""
    with suppress(OSError):
        for litter in path.parent.iterdir():
            if litter.name.startswith(f".{path.name}.") and litter.suffix == ".part":
                litter.unlink(missing_ok=True)


@contextmanager
def disk_errors(what: str, *, remedy: str = "") -> Iterator[None]:
    """Turn the errors of a disk into one sentence (arguments as of `explained`).

    Raises:
        NoSpaceError: it is full.
        UsageError: it cannot be written to.
    """
    try:
        yield
    except OSError as error:
        raise explained(error, what, remedy=remedy) from error


def explained(error: OSError, what: str, *, remedy: str = "") -> KbndError:
    """Return the error of a disk as one sentence.

    Args:
        error: what the system said.
        what: that was being written, with its path.
        remedy: what the reader can do, where there is more than to make room.
    """
    ending = f": {remedy}" if remedy else ""
    if error.errno in NO_SPACE:
        return NoSpaceError(f"no space is left to write {what}{ending or ': free some and repeat the command'}")
    return UsageError(f"{what} cannot be written ({error.strerror or error}){ending}")


@contextmanager
def synchronised(path: Path) -> Iterator[BinaryIO]:
    """Make a new file and have it on the disk at the end; `FileExistsError` where there is one."""
    with path.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def synchronise_folder(folder: Path) -> None:
    """Have the names in a folder on the disk: a rename alone may not survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
