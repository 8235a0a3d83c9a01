"""What a path is, files written whole or not at all, and the errors of a disk as one sentence each.

Only regular files and folders are worked with: a pipe would be waited for until somebody else opens it, a device is
never full, or always. Whoever is given a path asks here what it is (`check_file`, `check_folder`) before it is opened.

    temporary file beside the place -> flush, fsync -> rename -> fsync of the folder

A reader sees the old file or the new one, also after a power cut; where writing fails, the old one stays and the
temporary is removed. A killed process leaves its temporary, `.NAME.XXXXXXXX.part`. Files are made with the mode
0o666, from which the system takes the umask: it is never read, since that would set it for every thread.

| a link that stands where                  |                                                                       |
|-------------------------------------------|-----------------------------------------------------------------------|
| a person names a folder (`--out`)         | is followed: it is theirs                                             |
| a folder below that is made (`figures`)   | is refused (`folder_below`): files elsewhere would be replaced by it  |
| a file is written                         | is replaced by the file; what it led to stays as it is                |
| a ledger is opened                        | is followed, also to its checkpoints                                  |

Reference: Pillai et al. (2014), All file systems are not created equal, OSDI 14.
"""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EDQUOT, EFBIG, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EOPNOTSUPP
from pathlib import Path
from typing import BinaryIO, Literal

from kbnd.errors import KbndError, NoSpaceError, UsageError

NO_SPACE = (ENOSPC, EDQUOT, EFBIG)
"""No space on the disk, in the quota, below the limit of a file's size."""


Kind = Literal["file", "folder", "nothing"]

_STRANGE = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_UNREACHABLE = {ELOOP: "it is a symlink that leads in a circle", ENAMETOOLONG: "the name is longer than names can be"}
_SHOWN = 80


def kind_of(path: Path, *, what: str) -> Kind:
    """Return what a path is, symlinks followed, without opening it.

    Args:
        path: to a file, a folder or nothing yet.
        what: it is meant to be, for the sentence of an error, such as `ledger`.

    Raises:
        UsageError: it is anything else, such as a pipe, a device or a symlink to nothing, or cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except ValueError:
        raise UsageError(f"the {what} {str(path)!r:.{_SHOWN}} holds a character that no name of a file can") from None
    except OSError as error:
        if error.errno in (ENOENT, ENOTDIR) and not path.is_symlink():
            return "nothing"
        reason = "it is a symlink to nothing" if error.errno == ENOENT else _UNREACHABLE.get(error.errno or 0)
        place = path if error.errno != ENAMETOOLONG else f"{path!s:.{_SHOWN}}..."
        raise UsageError(f"the {what} {place} cannot be used: {reason or error.strerror}") from None
    if stat.S_ISDIR(mode):
        return "folder"
    for is_it, name in _STRANGE:
        if is_it(mode):
            raise UsageError(f"the {what} {path} is {name}, allowed are regular files and folders of them")
    return "file"


def check_file(path: Path, *, what: str, may_be_new: bool = False) -> None:
    """Refuse what is no regular file.

    Args:
        path: the file.
        what: as of `kind_of`.
        may_be_new: whether it need not exist, but then its folder.

    Raises:
        UsageError: it is something else, is missing, or cannot be looked at.
    """
    kind = kind_of(path, what=what)
    if kind == "folder":
        raise UsageError(f"the {what} should be a file, received the folder {path}")
    if kind == "nothing" and not may_be_new:
        raise UsageError(f"the {what} {path} does not exist")
    if kind == "nothing" and kind_of(path.parent, what=f"folder of the {what}") != "folder":
        raise UsageError(f"the folder {path.parent} of the {what} {path.name} does not exist")


def check_folder(path: Path, *, what: str) -> None:
    """Refuse what is neither a folder nor nothing yet; arguments and errors as of `kind_of`."""
    if kind_of(path, what=what) == "file":
        raise UsageError(f"the {what} should be a folder, received the file {path}")


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
        UsageError: the folder is missing or cannot be written, or something else than a file has this name.
    """
    check_file(path, what=what, may_be_new=True)
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


def folder_below(top: Path, name: str) -> Path:
    """Make a folder below one that a person named, where it is missing, and return it.

    Args:
        top: the folder that was named; it must exist and may be a link.
        name: of the folder, or a path of several.

    Raises:
        NoSpaceError: the disk is full.
        UsageError: it cannot be made, or it or one above it is a link.
    """
    folder = top
    for part in Path(name).parts:
        folder = folder / part
        if folder.is_symlink():
            raise UsageError(f"the folder {folder} is a link to {folder.readlink()}: remove it, or name another {top}")
        with disk_errors(f"the folder {folder}"):
            folder.mkdir(exist_ok=True)
    return folder


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
    except OSError as error:
        if error.errno not in (EINVAL, EOPNOTSUPP):  # shares of Windows have no such order
            raise
    finally:
        os.close(handle)
