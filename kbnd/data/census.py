"""What is in a folder of images, counted before anything is trained: classes by split, what is left out, and twins.

Twins are images whose pixels are equal. Where they lie in two splits, what a test says of a network is not true of new
images; where they lie in two classes, one of the labels is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kbnd.data import pixels
from kbnd.data.entries import Skipped
from kbnd.data.layout import Layout
from kbnd.data.pixels import UnreadableImageError
from kbnd.data.splits import contents_of, default_n_validation, n_carved, stratified

ANY_SPLIT = "any"
"""The split of an image that depends on the size to which images are brought."""


@dataclass(frozen=True)
class Twins:
    """Files whose images are equal, below the folder, and the splits and classes in which they lie."""

    files: tuple[str, ...]
    splits: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Census:
    """What a folder of images holds.

    Attributes:
        name: `folder:PATH`.
        classes: their names.
        counts: split -> images of each class; where they are carved, as many as are by default.
        carved: the splits that the folder does not have, which kbnd sets aside.
        sizes: the smallest and the largest (height, width) of the images; empty where none can be read.
        channels: 1 where all images are grey, else 3.
        n_nested: images in folders inside a class folder.
        skipped: what is left out.
        remarks: what was done to how many images before they are used.
        unreadable: a sentence for each image that cannot be used.
        twins: groups of equal images, those between splits first.
    """

    name: str
    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    carved: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    channels: int
    n_nested: int
    skipped: tuple[Skipped, ...]
    remarks: Mapping[str, int]
    unreadable: tuple[str, ...]
    twins: tuple[Twins, ...]


@dataclass(frozen=True)
class _Image:
    """One readable image: where it is, and what tells it from others."""

    file: Path
    label: int
    split: str
    size: tuple[int, int]
    content: bytes
    remarks: tuple[str, ...]


def take(name: str, folder: Layout) -> Census:
    """Return what a folder holds; every image is decoded, and those that cannot be are named.

    Args:
        name: `folder:PATH`.
        folder: what it holds.
    """
    images, unreadable, is_grey = _images(folder)
    splits, carved = _splits(folder, images)
    counts = {split: Counter[int]() for split in ("train", "validation", "test")}
    for image, split in zip(images, splits, strict=True):
        counts[split][image.label] += 1
    labels = range(len(folder.classes))
    sizes = sorted({image.size for image in images})
    is_exact = len(sizes) == 1 or not carved
    return Census(
        name=name,
        classes=folder.classes,
        counts={split: tuple(count[label] for label in labels) for split, count in counts.items()},
        carved=carved,
        sizes=tuple(sizes[:: max(len(sizes) - 1, 1)]),
        channels=1 if is_grey else 3,
        n_nested=folder.n_nested,
        skipped=folder.skipped,
        remarks=dict(Counter(remark for image in images for remark in image.remarks)),
        unreadable=unreadable,
        twins=_twins(folder, images, splits if is_exact else [ANY_SPLIT] * len(images)),
    )


def _images(folder: Layout) -> tuple[list[_Image], tuple[str, ...], bool]:
    """The images that can be read, a sentence for each other one, and whether all are grey."""
    files = [(split, file, label) for split, images in folder.splits.items() for file, label in images]
    errors: dict[Path, str] = {}
    is_grey = True
    for _, file, _ in files:
        try:
            is_grey = pixels.header(file).is_grey and is_grey
        except UnreadableImageError as error:
            errors[file] = str(error)
    images = []
    for split, file, label in files:
        try:
            picture = None if file in errors else pixels.decoded(file, is_grey=is_grey)
        except UnreadableImageError as error:
            errors[file], picture = str(error), None
        if picture is not None:
            height, width = picture.pixels.shape[:2]
            content = bytes(contents_of(picture.pixels[None])[0])
            images.append(_Image(file, label, split, (height, width), content, picture.remarks))
    return images, tuple(errors.values()), is_grey


def _splits(folder: Layout, images: list[_Image]) -> tuple[list[str], tuple[str, ...]]:
    """The split of each image once the missing ones are carved, as `arrange` and `load` carve them; and which are."""
    splits = [image.split for image in images]
    carved = tuple(split for split in ("test", "validation") if split not in folder.splits)
    rows = np.array([row for row, split in enumerate(splits) if split == "train"], np.int64)
    labels = np.array([images[row].label for row in rows], np.int64)
    order = rows[stratified(labels, np.array([images[row].content for row in rows], "S32"))]
    for split in carved:
        n = n_carved(len(order)) if split == "test" else default_n_validation(len(order))
        order, end = order[: len(order) - n], order[len(order) - n :]
        for row in end:
            splits[row] = split
    return splits, carved


def _twins(folder: Layout, images: list[_Image], splits: list[str]) -> tuple[Twins, ...]:
    groups: dict[tuple[tuple[int, int], bytes], list[int]] = {}
    for row, image in enumerate(images):
        groups.setdefault((image.size, image.content), []).append(row)
    twins = [
        Twins(
            tuple(folder.relative(images[row].file) for row in rows),
            tuple(sorted({splits[row] for row in rows})),
            tuple(sorted({folder.classes[images[row].label] for row in rows})),
        )
        for rows in groups.values()
        if len(rows) > 1
    ]
    return tuple(sorted(twins, key=lambda group: (-len(group.splits), -len(group.classes), group.files)))
