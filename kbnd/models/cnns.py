"""SimpleCNN and DeeperCNN, the networks of the report S3 as far as it lets them be known.

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
Differs: the report names both networks without their layers; SimpleCNN is a reconstruction from that example, and
DeeperCNN from the report's words that it has the same architecture with twice the layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from kbnd.models.chains import chain_of
from kbnd.models.placement import Unit, place
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


def simple_cnn(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    batch_norm: str = "none",
    dropout: float | Mapping[str, float] = 0.0,
    batch_norm_sites: Sequence[str] | None = None,
    dropout_sites: Sequence[str] | None = None,
    width: float = 1.0,
    activation: str = "relu",
    batch_norm_momentum: float = 0.9,
    batch_norm_epsilon: float = 1e-5,
    name: str = "simple_cnn",
) -> keras.Model:
    """Return an uncompiled SimpleCNN that outputs logits: 1,250,858 parameters at 32x32x3.

    Args:
        input_shape: (height, width, channels), at least 10x10.
        classes: number of logits.
        batch_norm: `none`, `before_activation`, `after_activation` or `before_weight`.
        dropout: rate in [0, 1), or a mapping site -> rate.
        batch_norm_sites: `conv`, `dense`, `logits` or single units; None is every convolution.
        dropout_sites: likewise; None is the hidden dense layer.
        width: factor on all filters and on the units of the hidden dense layer, rounded.
        activation: one of `kbnd.models.placement.ACTIVATIONS`.
        batch_norm_momentum: weight of the old moving statistics in their update.
        batch_norm_epsilon: added to the variance.
        name: of the model.

    Returns:
        A `keras.Model` from images scaled to [0, 1], (n, height, width, channels), to logits (n, classes). Its
        weights are an unseeded Glorot-uniform draw; `kbnd.training.initial.initialise` gives seeded ones.

    Raises:
        UsageError: an image that is too small, or an unknown or misplaced option.
    """
    units = simple_cnn_units(width=width)
    plan = place(
        "simple_cnn",
        units,
        batch_norm=batch_norm,
        dropout=dropout,
        batch_norm_sites=batch_norm_sites,
        dropout_sites=dropout_sites,
        activation=activation,
        batch_norm_momentum=batch_norm_momentum,
        batch_norm_epsilon=batch_norm_epsilon,
    )
    return chain_of("simple_cnn", units, plan, input_shape=input_shape, classes=classes, name=name)


def deeper_cnn(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    batch_norm: str = "none",
    dropout: float | Mapping[str, float] = 0.0,
    batch_norm_sites: Sequence[str] | None = None,
    dropout_sites: Sequence[str] | None = None,
    width: float = 1.0,
    activation: str = "relu",
    batch_norm_momentum: float = 0.9,
    batch_norm_epsilon: float = 1e-5,
    name: str = "deeper_cnn",
) -> keras.Model:
    """Return an uncompiled DeeperCNN that outputs logits: 1,343,210 parameters at 32x32x3.

    Args:
        input_shape: (height, width, channels), at least 10x10.
        classes: number of logits.
        batch_norm: `none`, `before_activation`, `after_activation` or `before_weight`.
        dropout: rate in [0, 1), or a mapping site -> rate.
        batch_norm_sites: `conv`, `dense`, `logits` or single units; None is every convolution.
        dropout_sites: likewise; None is the hidden dense layer.
        width: factor on all filters and on the units of the hidden dense layer, rounded.
        activation: one of `kbnd.models.placement.ACTIVATIONS`.
        batch_norm_momentum: weight of the old moving statistics in their update.
        batch_norm_epsilon: added to the variance.
        name: of the model.

    Returns:
        A `keras.Model` from images scaled to [0, 1], (n, height, width, channels), to logits (n, classes). Its
        weights are an unseeded Glorot-uniform draw; `kbnd.training.initial.initialise` gives seeded ones.

    Raises:
        UsageError: an image that is too small, or an unknown or misplaced option.
    """
    units = deeper_cnn_units(width=width)
    plan = place(
        "deeper_cnn",
        units,
        batch_norm=batch_norm,
        dropout=dropout,
        batch_norm_sites=batch_norm_sites,
        dropout_sites=dropout_sites,
        activation=activation,
        batch_norm_momentum=batch_norm_momentum,
        batch_norm_epsilon=batch_norm_epsilon,
    )
    return chain_of("deeper_cnn", units, plan, input_shape=input_shape, classes=classes, name=name)
