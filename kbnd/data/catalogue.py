"""The table of named datasets: sizes, splits and how their names are printed.

| name            | source              | train + validation | test   | default validation | size            |
|-----------------|---------------------|--------------------|--------|--------------------|-----------------|
| `digits`        | scikit-learn        | 1,497              | 300    | 300                | 8x8 -> 28x28    |
| `mnist`         | tensorflow-datasets | 60,000             | 10,000 | 10,000             | 28x28           |
| `fashion_mnist` | tensorflow-datasets | 60,000             | 10,000 | 10,000             | 28x28           |
| `cifar10`       | tensorflow-datasets | 50,000             | 10,000 | 5,000              | 32x32x3         |
| `cifar100`      | tensorflow-datasets | 50,000             | 10,000 | 5,000              | 32x32x3         |
| `svhn_cropped`  | tensorflow-datasets | 73,257             | 26,032 | 7,325              | 32x32x3         |

Any other image classification name of tensorflow-datasets and `folder:PATH` work too, with a tenth for
validation. A name in the table is resolved from it alone, in microseconds. For a folder, that it exists is checked;
another name is looked for in the cache, then among prepared datasets, and last in the list of tensorflow-datasets,
which is imported for that (without TensorFlow).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from kbnd import home
from kbnd.data import tfds
from kbnd.data.sizes import check_fit
from kbnd.data.splits import split_sizes
from kbnd.errors import UsageError, unknown
from kbnd.spec import DataSpec

FOLDER = "folder:"
"""How the name of a folder of class folders begins."""


@dataclass(frozen=True)
class Entry:
    """What is known of a named dataset before it is read.

    Attributes:
        label: how its name is printed.
        classes: number of classes.
        image_shape: (height, width, channels) as stored.
        n_train: images for training and validation.
        n_test: test images.
        n_validation: default validation images.
        image_size: default (height, width) the network sees; None is the stored one.
        training: defaults of `TrainSpec` that this dataset needs.
    """

    label: str
    classes: int
    image_shape: tuple[int, int, int]
    n_train: int
    n_test: int
    n_validation: int
    image_size: tuple[int, int] | None = None
    training: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Copy:
    """What a fingerprint tells about a copy of a dataset: how to print it, and what to say beside it."""

    label: str
    note: str = ""


DATASETS: dict[str, Entry] = {
    # 1,197 images in batches of 128 are 10 steps an epoch: too few to learn anything in 5 epochs
    "digits": Entry("Digits", 10, (8, 8, 1), 1_497, 300, 300, (28, 28), {"batch_size": 32, "epochs": 20}),
    "mnist": Entry("MNIST", 10, (28, 28, 1), 60_000, 10_000, 10_000),
    "fashion_mnist": Entry("Fashion-MNIST", 10, (28, 28, 1), 60_000, 10_000, 10_000),
    "cifar10": Entry("CIFAR-10", 10, (32, 32, 3), 50_000, 10_000, 5_000),
    "cifar100": Entry("CIFAR-100", 100, (32, 32, 3), 50_000, 10_000, 5_000),
    "svhn_cropped": Entry("SVHN (cropped)", 10, (32, 32, 3), 73_257, 26_032, 7_325),
}

ORIGINALS = {
    "digits": "5d0df788b308c09a2dad7c7bb6f3ef75a42c61d423b63520048ff4470ebac206",
    "mnist": "9621073849c351672dab3f0af229966e63c499ac37f2acc2564e4b27eda239d0",
}
"""Fingerprints of the original data, the same wherever they were downloaded, because `splits` orders by content."""

COPIES: dict[str, Copy] = {
    "83f8373b003fbe6b21a8ed56caff91c0121f727efdf545b8d2780845243ca274": Copy(
        "CIFAR-10 (JPEG)",
        "re-encoded as JPEG: results compare among themselves, not with published CIFAR-10 figures",
    ),
}
"""Altered copies that are about, by their fingerprint."""


def is_folder(name: str) -> bool:
    """Whether a dataset's name means a folder of class folders."""
    return name.startswith(FOLDER)


def resolve(spec: DataSpec) -> DataSpec:
    """Return the spec with everything concrete that the table knows, so that equal data have one spec.

    A name outside the table keeps its None fields, whatever happens to be cached here: the resolved spec is
    the same on every machine.

    Raises:
        UsageError: the name is unknown, more images are asked for than there are, or `fit` cannot do it.
    """
    if is_folder(spec.name):
        return _resolved_folder(spec)
    if spec.name not in DATASETS:
        if not tfds.is_known(spec.name):
            others = [f"{FOLDER}PATH", "another image classification name of tensorflow-datasets"]
            raise unknown("dataset", spec.name, [*DATASETS, *others])
        return spec
    entry = DATASETS[spec.name]
    n_validation = entry.n_validation if spec.n_validation is None else spec.n_validation
    n_train, n_validation = split_sizes(spec.name, entry.n_train, n_train=spec.n_train, n_validation=n_validation)
    size = spec.image_size or entry.image_size or entry.image_shape[:2]
    check_fit(entry.image_shape, size, how=spec.fit)
    is_stored_size = size == entry.image_shape[:2]
    return DataSpec(
        name=spec.name,
        n_train=n_train,
        n_validation=n_validation,
        image_size=size,
        fit="pad" if is_stored_size else spec.fit,  # nothing to fit: either word means the same images
        standardise=spec.standardise,
    )


def training_defaults(name: str) -> dict[str, int]:
    """Return the fields of `TrainSpec` that a dataset brings its own default for; usually none."""
    return dict(DATASETS[name].training) if name in DATASETS else {}


def label_for(name: str, fingerprint: str | None = None) -> str:
    """Return how a dataset is printed: by its fingerprint where that tells of a copy, else by its name."""
    if fingerprint in COPIES:
        return COPIES[fingerprint].label
    label = DATASETS[name].label if name in DATASETS else name
    return f"{label} (altered)" if _is_altered(name, fingerprint) else label


def note_for(name: str, fingerprint: str | None) -> str:
    """Return what must be said beside results on a dataset; empty for most."""
    if fingerprint in COPIES:
        return COPIES[fingerprint].note
    if _is_altered(name, fingerprint):
        return f"not the original {DATASETS[name].label}: its fingerprint differs"
    return ""


def _is_altered(name: str, fingerprint: str | None) -> bool:
    return fingerprint is not None and ORIGINALS.get(name, fingerprint) != fingerprint


def _resolved_folder(spec: DataSpec) -> DataSpec:
    path = spec.name.removeprefix(FOLDER)
    if not path or not os.path.isdir(home.expanded(path)):  # an empty path would be the working folder
        raise UsageError(f"dataset {spec.name!r} names no folder: {path!r} does not exist or is no folder")
    return spec.model_copy(update={"name": FOLDER + os.path.normpath(path)})
