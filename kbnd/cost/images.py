"""What is known of a dataset before it is decoded, held against what a network and a batch need of it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from kbnd import data, models
from kbnd.data import DATASETS, sources
from kbnd.data.dataset import carve
from kbnd.data.sizes import check_fit
from kbnd.errors import UsageError
from kbnd.spec import DataSpec, ModelSpec, TrainSpec

MOST_PARAMETERS = 1_000_000_000
"""4 GB of them, and as much again for their gradients; AlexNet for 224x224 images has 47 million."""


@dataclass(frozen=True)
class Images:
    """What a dataset asks of a network.

    Attributes:
        shape: (height, width, channels) that the network sees.
        classes: number of classes.
        n_train: training images.
        n_validation: images held out.
        n_test: test images.
        n_new_bytes: what decoding the dataset will add to the cache.
    """

    shape: tuple[int, int, int]
    classes: int
    n_train: int
    n_validation: int
    n_test: int
    n_new_bytes: int = 0

    @property
    def n_bytes(self) -> int:
        """Bytes of all images as the network's size has them, one for each value."""
        return (self.n_train + self.n_validation + self.n_test) * int(np.prod(self.shape))


def images_of(spec: DataSpec) -> Images | None:
    """Return what is known of a dataset without decoding it: from the catalogue, or else the cache; None otherwise."""
    spec = data.resolve(spec)
    is_here = sources.is_decoded(spec)
    if spec.name in DATASETS:
        entry = DATASETS[spec.name]
        stored = (entry.n_train + entry.n_test) * int(np.prod(entry.image_shape))
        size = spec.image_size or entry.image_shape[:2]
        counts = (spec.n_train or 0, spec.n_validation or 0, entry.n_test)
        return Images((*size, entry.image_shape[2]), entry.classes, *counts, n_new_bytes=0 if is_here else stored)
    if not is_here:
        return None
    arrays = sources.obtain(spec, download=False)
    n_train, n_validation, n_test = map(len, carve(arrays, spec))  # none is fitted: arms ask for this again and again
    height, width, channels = arrays.train.images.shape[1:]
    size = spec.image_size or (height, width)
    check_fit((height, width), size, how=spec.fit)
    return Images((*size, channels), arrays.classes, n_train, n_validation, n_test)


def check_images(model: ModelSpec, images: DataSpec) -> None:
    """Refuse images too small for a network while nothing is made yet, where their size is known that early.

    Raises:
        UsageError: it says both sizes, and what would do.
    """
    facts, least = images_of(images), models.smallest_side(model)
    if facts is None or min(facts.shape[:2]) >= least:
        return
    height, width, _ = facts.shape
    usual = models.MODELS[model.name].dataset
    another = f"--dataset {usual} or " if min(DATASETS[usual].image_shape[:2]) >= least else ""
    raise UsageError(
        f"{model.name} needs images of at least {least}x{least}, those of {images.name} are {height}x{width}: "
        f"choose {another}an image size of {max(height, least)}x{max(width, least)}"
    )


def check_size(model: ModelSpec, images: DataSpec) -> None:
    """Refuse a network that no machine is meant to hold, where the size of its images is known before they are read.

    Raises:
        UsageError: it says how many parameters the network would have.
    """
    facts = images_of(images)
    if facts is None:
        return
    n = models.cost(model, input_shape=facts.shape, classes=facts.classes).n_parameters
    if n > MOST_PARAMETERS:
        size = "x".join(map(str, facts.shape[:2]))
        raise UsageError(
            f"{model.name} of {size} images would have {n:,} parameters, more than the {MOST_PARAMETERS:,} that a "
            "network can have here: choose smaller images, or a smaller width or head"
        )


def check_batch(train: TrainSpec, images: DataSpec) -> None:
    """Warn of a batch that no epoch fills, where the number of images is known before they are read."""
    facts = images_of(images)
    if facts is not None and train.batch_size > facts.n_train:
        warnings.warn(
            f"batch_size {train.batch_size} is more than the {facts.n_train} training images of {images.name}: every "
            "epoch is one step with all of them",
            stacklevel=1,
        )
