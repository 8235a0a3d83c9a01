"""`load`: a DataSpec becomes train, validation and test images, ready for a network.

    name --> arrays in stratified order --> slices (n_train, n_validation) --> image_size

Pixels stay uint8; training scales them to [0, 1]. Slices of a cached dataset at its own size are memory maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kbnd.data import sources
from kbnd.data.catalogue import label_for, note_for, resolve
from kbnd.data.sizes import fit_images
from kbnd.data.splits import TEST_SHARE, Arrays, Split, default_n_validation, split_sizes
from kbnd.errors import UsageError
from kbnd.spec import DataSpec
from kbnd.words import listed


@dataclass(frozen=True)
class Dataset:
    """The images of one DataSpec.

    Attributes:
        name: as in the spec, such as ``"cifar10"``.
        label: how to print it, such as ``"CIFAR-10 (JPEG)"``.
        classes: number of classes.
        image_shape: (height, width, channels) of every image here.
        fingerprint: SHA-256 of the whole dataset at its own size, before splits and fitting.
        train: training images.
        validation: images set aside for selection, possibly none.
        test: images for the final evaluation.
        spec: the resolved spec.
        note: what must be said beside its results; empty for most.
    """

    name: str
    label: str
    classes: int
    image_shape: tuple[int, int, int]
    fingerprint: str
    train: Split
    validation: Split
    test: Split
    spec: DataSpec
    note: str = ""


def load(spec: DataSpec, *, download: bool = True) -> Dataset:
    """Return the images of a spec, from the cache where they are there.

    Args:
        spec: resolved or not.
        download: fetch what is neither cached nor prepared.

    Raises:
        UsageError: unknown name, or sizes that cannot be.
        DataMissingError: nothing is at hand, or the cached copy is damaged.
        NoSpaceError: the disk of the cache is full.
    """
    spec = resolve(spec)
    arrays = sources.obtain(spec, download=download)
    train, validation, test = (_fitted(split, spec) for split in carve(arrays, spec))
    height, width, channels = train.images.shape[1:]
    return Dataset(
        name=spec.name,
        label=label_for(spec.name, arrays.fingerprint),
        classes=arrays.classes,
        image_shape=(height, width, channels),
        fingerprint=arrays.fingerprint,
        train=train,
        validation=validation,
        test=test,
        spec=spec,
        note=note_for(spec.name, arrays.fingerprint),
    )


def fingerprint(spec: DataSpec, *, download: bool = True) -> str:
    """Return the SHA-256 of a spec's dataset; after the first time it reads a small file only."""
    return sources.fingerprint_of(resolve(spec), download=download)


def carve(arrays: Arrays, spec: DataSpec) -> tuple[Split, Split, Split]:
    """Return the train, validation and test images of a resolved spec, as they are stored.

    Raises:
        UsageError: more images are asked for than there are, a class without a training image, or no test image.
    """
    n_images = len(arrays.train)
    if arrays.validation is None:
        n_validation = default_n_validation(n_images) if spec.n_validation is None else spec.n_validation
    else:
        n_validation = 0
    n_train, n_validation = split_sizes(spec.name, n_images, n_train=spec.n_train, n_validation=n_validation)
    train = arrays.train[:n_train]
    _check_trainable(arrays, train, spec)
    if arrays.validation is not None:
        return train, _own_validation(arrays.validation, spec), arrays.test
    return train, arrays.train[n_images - n_validation :], arrays.test


def _own_validation(images: Split, spec: DataSpec) -> Split:
    """The first of the validation images that a dataset brings."""
    n_validation = len(images) if spec.n_validation is None else spec.n_validation
    if n_validation > len(images):
        raise UsageError(
            f"dataset {spec.name!r} brings {len(images):,} validation images of its own, received n_validation "
            f"{n_validation:,}"
        )
    return images[:n_validation]


def _check_trainable(arrays: Arrays, train: Split, spec: DataSpec) -> None:
    """Refuse what cannot be learned or cannot be tested."""
    if not len(arrays.test):
        raise UsageError(
            f"dataset {spec.name!r} has {len(arrays.train)} images, of which none is left for a test: it needs "
            f"{TEST_SHARE} or more, or a test part of its own"
        )
    counts = np.bincount(train.labels, minlength=arrays.classes)
    if counts.all():
        return
    names = arrays.class_names or tuple(map(str, range(arrays.classes)))
    empty = [repr(name) for name, n in zip(names, counts, strict=True) if n == 0]
    raise UsageError(
        f"the {len(train):,} training images of dataset {spec.name!r} hold none of {len(empty)} of its "
        f"{arrays.classes} classes: {listed(empty)}; allowed are splits that leave each class a training image"
    )


def _fitted(split: Split, spec: DataSpec) -> Split:
    size = spec.image_size or split.images.shape[1:3]
    return Split(fit_images(split.images, size, how=spec.fit), split.labels)
