"""SimpleCNN and DeeperCNN, the networks of source S3 as far as it lets them be known.

For 32x32x3 images and ten classes; DeeperCNN has each convolution of SimpleCNN twice:

| SimpleCNN | DeeperCNN      | layer                  | output   | SimpleCNN | DeeperCNN |
|-----------|----------------|------------------------|----------|----------:|----------:|
| conv1     | conv1 .. conv3 | 32 filters 3x3, padded | 32x32x32 |       896 |    19,392 |
| conv2     | conv4          | 32 filters 3x3         | 30x30x32 |     9,248 |     9,248 |
|           |                | max-pool 2x2           | 15x15x32 |           |           |
| conv3     | conv5 .. conv7 | 64 filters 3x3, padded | 15x15x64 |    18,496 |    92,352 |
| conv4     | conv8          | 64 filters 3x3         | 13x13x64 |    36,928 |    36,928 |
|           |                | max-pool 2x2           | 6x6x64   |           |           |
| dense1    | dense1         | 512                    | 512      | 1,180,160 | 1,180,160 |
| logits    | logits         | 10                     | 10       |     5,130 |     5,130 |
|           |                | total                  |          | 1,250,858 | 1,343,210 |
|           |                | with BN on conv        |          |      +384 |      +768 |

Reference: Keras' example `cifar10_cnn`, which has SimpleCNN with dropout 0.25 after each pooling and 0.5 after
dense1: `dropout={"conv2": 0.25, "conv4": 0.25, "dense": 0.5}`.
Differs: S3 names both networks without their layers; SimpleCNN is a reconstruction from that example, and
DeeperCNN from its words that it has the same architecture with twice the layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Unpack

from kbnd.models.chains import chain_of
from kbnd.models.options import PlacementOptions, taking
from kbnd.models.placement import Unit
from kbnd.models.sizes import scaled

if TYPE_CHECKING:
    import keras


def simple_cnn_units(*, width: float = 1.0) -> tuple[Unit, ...]:
    """Return the chain of SimpleCNN.

    Raises:
        UsageError: a width that leaves no filters.
    """
    return _units(width, paddings=("same", "valid"))


def deeper_cnn_units(*, width: float = 1.0) -> tuple[Unit, ...]:
    """Return the chain of DeeperCNN.

    Raises:
        UsageError: a width that leaves no filters.
    """
    return _units(width, paddings=("same", "same", "same", "valid"))


def _units(width: float, *, paddings: Sequence[Literal["same", "valid"]]) -> tuple[Unit, ...]:
    """Return two stages of one convolution for each padding, the last one pooled, then the dense layers."""
    layers = [
        (filters, padding, 2 if i == len(paddings) - 1 else 1)
        for filters in (32, 64)
        for i, padding in enumerate(paddings)
    ]
    convolutions = (
        Unit(f"conv{i}", "conv", scaled(filters, width), kernel=3, padding=padding, pool=pool)
        for i, (filters, padding, pool) in enumerate(layers, start=1)
    )
    return (*convolutions, Unit("dense1", "dense", scaled(512, width)), Unit("logits", "logits"))


@taking(PlacementOptions)
def simple_cnn(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    width: float = 1.0,
    name: str = "simple_cnn",
    **options: Unpack[PlacementOptions],
) -> keras.Model:
    """Return an uncompiled SimpleCNN that outputs logits: 1,250,858 parameters at 32x32x3.

    Args:
        input_shape: (height, width, channels), at least 10x10.
        classes: number of logits.
        width: factor on all filters and on the units of the hidden dense layer, rounded.
        name: of the model.
        **options: of `kbnd.models.PlacementOptions`. Units are `conv1` to `conv4`, `dense1` and `logits`. By default
            BN stands on the convolutions and dropout on `dense1`.

    Returns:
        A `keras.Model` from images scaled to [0, 1], (n, height, width, channels), to logits (n, classes). Its
        weights are an unseeded Glorot-uniform draw; `kbnd.training.initial.initialise` gives seeded ones.

    Raises:
        TypeError: a keyword that is none of these.
        UsageError: an image that is too small, or an unknown or misplaced option.
    """
    units = simple_cnn_units(width=width)
    return chain_of("simple_cnn", units, options, input_shape=input_shape, classes=classes, name=name)


@taking(PlacementOptions)
def deeper_cnn(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    width: float = 1.0,
    name: str = "deeper_cnn",
    **options: Unpack[PlacementOptions],
) -> keras.Model:
    """Return an uncompiled DeeperCNN that outputs logits: 1,343,210 parameters at 32x32x3.

    Args:
        input_shape: (height, width, channels), at least 10x10.
        classes: number of logits.
        width: factor on all filters and on the units of the hidden dense layer, rounded.
        name: of the model.
        **options: of `kbnd.models.PlacementOptions`. Units are `conv1` to `conv8`, `dense1` and `logits`. By default
            BN stands on the convolutions and dropout on `dense1`.

    Returns:
        A `keras.Model` from images scaled to [0, 1], (n, height, width, channels), to logits (n, classes). Its
        weights are an unseeded Glorot-uniform draw; `kbnd.training.initial.initialise` gives seeded ones.

    Raises:
        TypeError: a keyword that is none of these.
        UsageError: an image that is too small, or an unknown or misplaced option.
    """
    units = deeper_cnn_units(width=width)
    return chain_of("deeper_cnn", units, options, input_shape=input_shape, classes=classes, name=name)
