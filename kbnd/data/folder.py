"""A folder of class folders as a dataset: `folder:PATH`, read as a person would read it.

    layout (what is meant) --> pixels (each file) --> sizes (one array) --> splits (order, fingerprint)

Images are grey where all of them are, else RGB. Whatever the order of its files, a folder gives the same arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kbnd.data import pixels
from kbnd.data.layout import Layout
from kbnd.data.pixels import UnreadableImageError
from kbnd.data.sizes import differing, stack
from kbnd.data.splits import Arrays, arrange, n_twins
from kbnd.errors import UsageError

MOST_NAMED = 5
"""Unreadable images that one error names."""

Result = TypeVar("Result")


def decode(folder: Layout, *, size: tuple[int, int] | None, how: str) -> tuple[Arrays, bool]:
    """Return the images of a folder, and whether they had one size on disk.

    Args:
        folder: what it holds.
        size: (height, width) for images that differ; images of one size stay as they are.
        how: `pad` or `bilinear`.

    Raises:
        UsageError: broken images, which it names, or images of several sizes and no size given.
    """
    name = f"folder:{folder.root}"
    headers = list(_each(pixels.header, (file for images in folder.splits.values() for file, _ in images)))
    sizes = {tuple(sorted(header.size)) for header in headers}
    if size is None and len(sizes) > 1:  # said before all are decoded; upright ones may differ yet
        raise differing(name, {header.size for header in headers})
    is_grey = all(header.is_grey for header in headers)
    parts = [_labelled(images, is_grey=is_grey) for images in folder.splits.values()]
    stacked, is_uniform = stack(parts, name=name, size=size, how=how)
    splits = dict(zip(folder.splits, stacked, strict=True))
    arrays = arrange(
        splits["train"], splits.get("test"), classes=len(folder.classes), validation=splits.get("validation")
    )
    return replace(arrays, class_names=folder.classes, n_twins=n_twins(arrays)), is_uniform


def _labelled(images: Iterable[tuple[Path, int]], *, is_grey: bool) -> Iterator[tuple[NDArray[np.uint8], int]]:
    images = list(images)
    arrays = _each(lambda file: pixels.decoded(file, is_grey=is_grey).pixels, (file for file, _ in images))
    return zip(arrays, (label for _, label in images), strict=True)


def _each(read: Callable[[Path], Result], files: Iterable[Path]) -> Iterator[Result]:
    """What is read from each file; once one cannot be, the others are only tried, to name all that cannot."""
    errors = []
    for file in files:
        try:
            result = read(file)
        except UnreadableImageError as error:
            errors.append(str(error))
        else:
            if not errors:
                yield result
    if errors:
        more = f"; and {len(errors) - MOST_NAMED:,} images more" if len(errors) > MOST_NAMED else ""
        raise UsageError("; ".join(errors[:MOST_NAMED]) + more)
