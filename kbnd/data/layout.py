"""How a folder of images is meant: which of its folders are splits and which are classes.

| layout                       | read as                                                                            |
|------------------------------|------------------------------------------------------------------------------------|
| `PATH/CLASS/*.png` ...       | classes; a stratified sixth becomes the test part, always the same                 |
| `PATH/train/CLASS/*.png` ... | splits, where `val` or `test` stands beside `train`, or `train` is the only folder |
| `PATH/CLASS/more/*.png` ...  | images of CLASS, however deep; counted                                             |

Splits are known by their names in any capitals (`NAMES`). Those that a folder has are used, those that it lacks are
carved from `train`, test first. All splits hold the same classes, which are numbered in the order of their names in
`train`. What is left out is for `kbnd.data.entries` to say. Nothing here opens an image.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kbnd.data.entries import SUFFIXES, Skipped, Walk, folders
from kbnd.errors import UsageError
from kbnd.words import listed

RULES = 2
"""Version of how a folder is read, here, in `entries` and in `pixels`: a folder cached by other rules is read again."""

NAMES = {"train": ("train", "training"), "validation": ("val", "valid", "validation"), "test": ("test", "testing")}
"""Split -> how people name its folder, in any capitals."""

LIKE_A_SPLIT = re.compile(r"(train|val|dev|test|eval|hold)", re.IGNORECASE)
"""How the names of folders begin that may be splits under other names, as `train_set` or `dev`."""

SPLITS = {name: split for split, names in NAMES.items() for name in names}


@dataclass(frozen=True)
class Layout:
    """What a folder holds, as a person means it.

    Attributes:
        root: the folder.
        classes: their names; a label is a place here.
        splits: split -> its images with their labels; `train` alone where the rest is to be carved from it.
        skipped: what is left out, in the order of the folder.
        n_nested: images in folders inside a class folder.
    """

    root: Path
    classes: tuple[str, ...]
    splits: Mapping[str, tuple[tuple[Path, int], ...]]
    skipped: tuple[Skipped, ...]
    n_nested: int

    def relative(self, file: Path) -> str:
        """Return a file's path below the folder."""
        return str(file.relative_to(self.root))

    def state(self) -> str:
        """Return a token that changes when an image is added, removed or rewritten, or is read by other rules.

        Raises:
            UsageError: an image went away meanwhile.
        """
        token = hashlib.sha256(f"rules {RULES}\n".encode())
        for split, images in self.splits.items():
            for file, label in images:
                try:
                    stat = file.stat()
                except OSError as error:
                    raise UsageError(f"image {str(file)!r} cannot be read ({error.strerror})") from None
                token.update(
                    os.fsencode(str(file)[len(str(self.root)) :])
                    + f"\0{split}\0{label}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode()
                )
        return token.hexdigest()


def read(root: Path) -> Layout:
    """Return what a folder holds.

    Raises:
        UsageError: fewer than two classes, classes that differ between splits or in capitals only, splits that
            cannot be told, or a folder that cannot be read.
    """
    walk = Walk(root)
    parts = _splits(root)
    if parts:
        walk.skip_beside(parts.values())
    else:
        _check_unnamed_splits(root)
    parts = parts or {"train": root}
    by_class = {split: walk.classes(part) for split, part in parts.items()}
    by_class = {split: images for split, images in by_class.items() if images or split == "train"}
    by_key = {split: _by_key(images, parts[split]) for split, images in by_class.items()}
    classes = tuple(by_class["train"])
    if len(classes) < 2:
        raise _too_few(root, classes, parts["train"])
    _check_same(root, by_class)
    labels = {_key(name): label for label, name in enumerate(classes)}
    return Layout(
        root,
        classes,
        {split: tuple((file, labels[key]) for key in labels for file in keys[key]) for split, keys in by_key.items()},
        tuple(walk.skipped),
        walk.n_nested,
    )


def _splits(root: Path) -> dict[str, Path]:
    """The folders of a root that are splits, `train` first; none where its folders are classes."""
    by_split: dict[str, list[Path]] = {split: [] for split in NAMES}
    others: list[Path] = []
    for folder in folders(root):
        by_split.get(SPLITS.get(folder.name.casefold(), ""), others).append(folder)
    names = {split: [folder.name for folder in folders] for split, folders in by_split.items() if folders}
    for split, several in names.items():
        if len(several) > 1:
            raise UsageError(f"folder {str(root)!r} has more than one {split} split: {listed(map(repr, several))}")
    if not names or (set(names) == {"train"} and (others or not folders(by_split["train"][0]))):
        return {}
    if "train" not in names:
        stray = next(iter(names.values()))[0]
        raise UsageError(
            f"folder {str(root)!r} holds {stray!r}, which is the name of a split, but no 'train' beside it: put the "
            "class folders to train on into 'train', or rename it"
        )
    return {split: by_split[split][0] for split in names}


def _check_unnamed_splits(root: Path) -> None:
    """Refuse folders that would be taken for classes, hold the same class folders and are called like splits."""
    inner = {folder: {_key(part.name) for part in folders(folder)} for folder in folders(root)}
    for folder, classes in inner.items():
        twins = [other.name for other in inner if other != folder and inner[other] == classes]
        if LIKE_A_SPLIT.match(folder.name) and len(classes) > 1 and twins:
            names = ", ".join(" or ".join(names) for names in NAMES.values())
            raise UsageError(
                f"folder {str(root)!r} holds {folder.name!r} and {twins[0]!r} with the same class folders "
                f"({listed(map(repr, sorted(classes)))}): are they splits? These are called {names}"
            )


def _check_same(root: Path, by_class: Mapping[str, Iterable[str]]) -> None:
    train = {_key(name): name for name in by_class["train"]}
    for split, classes in by_class.items():
        names = {_key(name): name for name in classes}
        lacking = [name for key, name in train.items() if key not in names]
        strange = [name for key, name in names.items() if key not in train]
        if lacking or strange:
            parts = [("lacks", lacking), ("has, beyond those of train,", strange)]
            text = " and ".join(f"{verb} {listed(map(repr, some))}" for verb, some in parts if some)
            raise UsageError(
                f"the splits of folder {str(root)!r} should hold the same classes: its {split} split {text}"
            )


def _by_key(images: Mapping[str, tuple[Path, ...]], part: Path) -> dict[str, tuple[Path, ...]]:
    """The images of a split's classes by what people take for the same name."""
    names: dict[str, str] = {}
    for name in images:
        inner = [path.name for path in folders(part / name) if SPLITS.get(path.name.casefold(), "train") != "train"]
        if inner:
            raise UsageError(
                f"class folder {str(part / name)!r} holds a split, {inner[0]!r}: put the splits outermost, "
                f"as {inner[0]}/{name}"
            )
        if (other := names.setdefault(_key(name), name)) != name:
            raise UsageError(
                f"folder {str(part)!r} has the classes {other!r} and {name!r}, which differ in capitals or accents' "
                "encoding only: put them together, or rename one"
            )
    return {_key(name): files for name, files in images.items()}


def _too_few(root: Path, classes: tuple[str, ...], part: Path) -> UsageError:
    sentence = f"folder {str(part)!r} should hold one folder of images for each of 2 or more classes, received "
    sentence += f"{len(classes)}" + (f" ({classes[0]!r})" if classes else "")
    inner = folders(root)
    if len(inner) == 1 and len(folders(inner[0])) > 1:
        return UsageError(f"{sentence}: did you mean folder:{inner[0]}?")
    return UsageError(
        sentence if classes else f"{sentence}: it holds no image that ends in {', '.join(sorted(SUFFIXES))}"
    )


def _key(name: str) -> str:
    """What people take for the same name: without capitals, and however its accents are encoded."""
    return unicodedata.normalize("NFC", name).casefold()
