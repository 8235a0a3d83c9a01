"""Which entries of a folder of images count, and why the others are left out.

| left out                                                    | because                                                |
|-------------------------------------------------------------|--------------------------------------------------------|
| `.name`, such as `.ipynb_checkpoints`, `.DS_Store`, `._x.jpg` | it is hidden: a copy, or about another file          |
| the names of `LITTER`, such as `__MACOSX`, `Thumbs.db`      | systems leave them                                     |
| a file that is no image by its ending                       | notes and lists lie beside images                      |
| an image outside the class folders                          | nobody said its class                                  |
| a folder without an image                                   | a class or a split has some                            |
| a link that is broken, or a folder that is read already     | links can lead in circles                              |

Links are followed otherwise: subsets are made of them. Inside a class every folder is read once.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kbnd.errors import UsageError
from kbnd.words import listed

SUFFIXES = frozenset(
    {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)

LITTER = frozenset({"__macosx", "@eadir", "$recycle.bin", "desktop.ini", "lost+found", "thumbs.db"})
"""What systems leave in people's folders besides hidden files, in lower case."""

MOST_LEVELS = 64
"""Folders inside folders below a class."""

Entry = os.DirEntry[str]
"""An entry of a folder, of which the system says the kind along with the name: no further call for each file."""

HIDDEN, SYSTEM = "hidden", "left by a system"
ENDING, OUTSIDE, BESIDE = "no image by its ending", "image outside the class folders", "folder beside the splits"
EMPTY, AGAIN = "folder without an image", "folder that is read already"
BROKEN, SPECIAL = "broken link", "no regular file"


@dataclass(frozen=True)
class Skipped:
    """What is left out: its path below the folder, and why."""

    path: str
    reason: str


def skipped_in_words(skipped: Sequence[Skipped]) -> str:
    """Return how many entries of a folder are left out, why, and some of their names."""
    by_reason: dict[str, list[str]] = {}
    for entry in skipped:
        by_reason.setdefault(entry.reason, []).append(repr(entry.path))
    texts = [f"{len(paths):,} {reason} ({listed(paths, most=2)})" for reason, paths in by_reason.items()]
    return f"left out: {', '.join(texts)}"


class Walk:
    """The folders below a root, with what was left out on the way.

    Attributes:
        root: where it begins.
        skipped: what was left out so far.
        n_nested: images so far in folders inside a class folder.
    """

    def __init__(self, root: Path) -> None:
        """Begin at a root, with nothing left out."""
        self.root = root
        self.skipped: list[Skipped] = []
        self.n_nested = 0

    def skip_beside(self, splits: Collection[Path]) -> None:
        """Leave out what stands beside the splits of the root."""
        for entry in self._visible(self.root):
            if Path(entry.path) not in splits:
                self._skip(entry, BESIDE if _is_folder(entry) else _flaw(entry) or OUTSIDE)

    def classes(self, part: Path) -> dict[str, tuple[Path, ...]]:
        """Return the images of each class folder of a split, in the order of the classes' names.

        Raises:
            UsageError: a folder that cannot be read or lies too deep, or images but no class folder.
        """
        images: dict[str, tuple[Path, ...]] = {}
        loose = []
        for entry in self._visible(part):
            if not _is_folder(entry):
                loose += [entry] if _flaw(entry) is None else []
                self._skip(entry, _flaw(entry) or OUTSIDE)
            elif files := tuple(self._images(entry, {_identity(self.root), _identity(part)}, depth=0)):
                images[entry.name] = files
            else:
                self._skip(entry, EMPTY)
        if loose and not images:
            raise UsageError(
                f"folder {str(part)!r} holds images outside of any class folder ({loose[0].name!r}): "
                "put the images of each class into a folder named after it"
            )
        if part != self.root and not images:
            self.skipped.append(Skipped(part.name + os.sep, EMPTY))
        return images

    def _visible(self, folder: Path | Entry) -> Iterator[Entry]:
        """The entries of a folder that a person put there; the others are left out."""
        for entry in _entries(folder):
            if _is_litter(entry.name):
                self._skip(entry, HIDDEN if entry.name.startswith(".") else SYSTEM)
            else:
                yield entry

    def _images(self, folder: Entry, seen: set[tuple[int, int]], *, depth: int) -> Iterator[Path]:
        here = _identity(folder)
        if here in seen:
            self._skip(folder, AGAIN)
            return
        seen.add(here)
        if depth > MOST_LEVELS:
            raise UsageError(f"folder {folder.path!r} lies too deep: allowed are {MOST_LEVELS} folders inside a class")
        for entry in self._visible(folder):
            if _is_folder(entry):
                yield from self._images(entry, seen, depth=depth + 1)
            elif reason := _flaw(entry):
                self._skip(entry, reason)
            else:
                self.n_nested += depth > 0
                yield Path(entry.path)

    def _skip(self, entry: Entry, reason: str) -> None:
        ending = os.sep if _is_folder(entry) else ""
        self.skipped.append(Skipped(os.path.relpath(entry.path, self.root) + ending, reason))


def folders(folder: Path) -> list[Path]:
    """Return the folders in a folder that a person put there."""
    return [Path(entry.path) for entry in _entries(folder) if _is_folder(entry) and not _is_litter(entry.name)]


def _entries(folder: Path | Entry) -> list[Entry]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"folder {os.fspath(folder)!r} cannot be read ({error.strerror})") from None


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.casefold() in LITTER


def _is_folder(entry: Entry) -> bool:
    """Whether an entry is a folder, or a link to one; a link to itself raises an error only in `DirEntry.is_dir`."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _flaw(entry: Entry) -> str | None:
    """Why an entry that is no folder is no image; None for one that should be."""
    if entry.is_symlink():
        if not os.path.isfile(entry.path):
            return BROKEN
    elif not entry.is_file():
        return SPECIAL
    return None if os.path.splitext(entry.name)[1].lower() in SUFFIXES else ENDING


def _identity(folder: Path | Entry) -> tuple[int, int]:
    stat = os.stat(folder)
    return stat.st_dev, stat.st_ino
