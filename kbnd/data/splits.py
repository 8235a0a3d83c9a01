"""Train, validation and test images: stratified, independent of the seed, and slices of one stored order.

Images are stored in *stratified order*: example j of the n_c examples of class c stands at (j + 1/2) / n_c, so
that every prefix holds the classes in their proportions, to about one image of each class. All splits are then
slices, which need no index and stay memory-mapped:

    train part      |<- n_train ->|  unused  |<- n_validation ->|

Where a dataset brings validation images of its own, they are used and none are carved. A smaller training subset lies
inside a larger one, and neither depends on the other's size. Within a class, examples follow the SHA-256 of their
pixels: the order is the content's own, whatever order a download arrived in.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kbnd.errors import UsageError

TEST_SHARE = 6
"""One image in so many becomes a test image where a dataset brings no test part."""


@dataclass(frozen=True)
class Split:
    """Images and their classes.

    Attributes:
        images: uint8, shape (n, height, width, channels).
        labels: int64, shape (n,), from 0.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Split:
        """Return the rows asked for; a slice copies nothing."""
        return Split(self.images[rows], self.labels[rows])


@dataclass(frozen=True)
class Arrays:
    """A whole dataset at its own size, all parts in stratified order.

    Attributes:
        train: images for training, and for validation where it brings none.
        test: images for the final evaluation.
        classes: number of classes.
        fingerprint: SHA-256 of the arrays.
        validation: images for validation that the dataset brings; None where they are carved from `train`.
        class_names: of a folder's classes, by label; empty where nobody knows them here.
        n_twins: images of `test` that equal one of another part, and of `validation` that equal one of `train`.
    """

    train: Split
    test: Split
    classes: int
    fingerprint: str
    validation: Split | None = None
    class_names: tuple[str, ...] = ()
    n_twins: int = 0


def arrange(
    train: Split,
    test: Split | None,
    *,
    classes: int,
    n_test: int | None = None,
    validation: Split | None = None,
) -> Arrays:
    """Return the dataset in stratified order, with a test part carved from `train` where there is none.

    Args:
        train: images in any order.
        test: likewise; None carves `n_test` images.
        classes: number of classes.
        n_test: images to carve; None is a sixth.
        validation: the dataset's own, in any order; None leaves it to be carved from `train`.
    """
    train = train[stratified_order(train)]
    if test is None:
        n_left = len(train) - (n_carved(len(train)) if n_test is None else n_test)
        train, test = train[:n_left], train[n_left:]
    test = test[stratified_order(test)]
    train, test = (Split(np.ascontiguousarray(part.images), part.labels) for part in (train, test))
    validation = None if validation is None else validation[stratified_order(validation)]
    return Arrays(train, test, classes, fingerprint_of(train, test, validation), validation)


def n_carved(n_images: int) -> int:
    """Return how many images become the test part of a dataset that brings none."""
    return n_images // TEST_SHARE


def n_twins(arrays: Arrays) -> int:
    """Return how many images for evaluation equal one that they are held against (see `Arrays`)."""
    parts = [part for part in (arrays.train, arrays.validation, arrays.test) if part is not None]
    contents = [contents_of(part.images) for part in parts]
    return sum(
        int(np.isin(part, np.concatenate(contents[:place])).sum()) for place, part in enumerate(contents) if place
    )


def contents_of(images: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Return the SHA-256 of each image's pixels, shape (n,)."""
    return np.array([hashlib.sha256(image).digest() for image in np.ascontiguousarray(images)], dtype="S32")


def stratified_order(split: Split) -> NDArray[np.int64]:
    """Return the permutation of the rows that puts the classes in proportion in every prefix, shape (n,)."""
    return stratified(split.labels, contents_of(split.images))


def stratified(labels: NDArray[np.int64], contents: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Return `stratified_order` of images of which only labels and contents are at hand."""
    by_class = np.lexsort((contents, labels))
    labels = labels[by_class]
    _, first, counts = np.unique(labels, return_index=True, return_counts=True)
    rank = np.arange(len(labels)) - np.repeat(first, counts)
    place = (rank + 0.5) / np.repeat(counts, counts)
    return by_class[np.lexsort((labels, place))]


def fingerprint_of(train: Split, test: Split, validation: Split | None = None) -> str:
    """Return the SHA-256 of all arrays, their types and their shapes."""
    total = hashlib.sha256()
    parts = (train, test) if validation is None else (train, test, validation)
    for array in (array for part in parts for array in (part.images, part.labels)):
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def default_n_validation(n_images: int) -> int:
    """Return the validation images of a dataset without a rule of its own: a tenth."""
    return n_images // 10


def split_sizes(name: str, n_images: int, *, n_train: int | None, n_validation: int) -> tuple[int, int]:
    """Return (n_train, n_validation) once they are known to fit.

    Args:
        name: of the dataset, for the error.
        n_images: images of the training part.
        n_train: images asked for; None is all that validation leaves.
        n_validation: images set aside.

    Raises:
        UsageError: more images are asked for than there are.
    """
    left = n_images - n_validation
    if left < 1:
        raise UsageError(
            f"n_validation of dataset {name!r} leaves no training image: "
            f"received {n_validation}, allowed 0 to {n_images - 1}"
        )
    if n_train is not None and n_train > left:
        raise UsageError(
            f"dataset {name!r} has {left:,} training images beside {n_validation:,} for validation, "
            f"received n_train {n_train:,}"
        )
    return (left if n_train is None else n_train), n_validation
