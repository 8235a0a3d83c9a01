"""AlexNet in two sizes, for the report S4: one for 32x32 images, one for 224x224.

`alexnet`, for 32x32x3 images and ten classes:

| unit   | layer                              | output   | parameters |     BN |
|--------|------------------------------------|----------|-----------:|-------:|
| conv1  | 64 filters 11x11, stride 4, pad 5  | 8x8x64   |     23,296 |   +128 |
|        | max-pool 2x2                       | 4x4x64   |            |        |
| conv2  | 192 filters 5x5, pad 2             | 4x4x192  |    307,392 |   +384 |
|        | max-pool 2x2                       | 2x2x192  |            |        |
| conv3  | 384 filters 3x3, padded            | 2x2x384  |    663,936 |   +768 |
| conv4  | 256 filters 3x3, padded            | 2x2x256  |    884,992 |   +512 |
| conv5  | 256 filters 3x3, padded            | 2x2x256  |    590,080 |   +512 |
|        | max-pool 2x2                       | 1x1x256  |            |        |
| logits | 10                                 | 10       |      2,570 |        |
|        | total                              |          |  2,472,266 | +2,304 |

`alexnet_d2l`, for 224x224x3 images and ten classes:

| unit   | layer                              | output    | parameters |     BN |
|--------|------------------------------------|-----------|-----------:|-------:|
| conv1  | 96 filters 11x11, stride 4, pad 1  | 54x54x96  |     34,944 |   +192 |
|        | max-pool 3x3, stride 2             | 26x26x96  |            |        |
| conv2  | 256 filters 5x5, pad 2             | 26x26x256 |    614,656 |   +512 |
|        | max-pool 3x3, stride 2             | 12x12x256 |            |        |
| conv3  | 384 filters 3x3, padded            | 12x12x384 |    885,120 |   +768 |
| conv4  | 384 filters 3x3, padded            | 12x12x384 |  1,327,488 |   +768 |
| conv5  | 256 filters 3x3, padded            | 12x12x256 |    884,992 |   +512 |
|        | max-pool 3x3, stride 2             | 5x5x256   |            |        |
| dense1 | 4096                               | 4096      | 26,218,496 |        |
| dense2 | 4096                               | 4096      | 16,781,312 |        |
| logits | 10                                 | 10        |     40,970 |        |
|        | total                              |           | 46,787,978 | +2,752 |

References: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", NeurIPS 2012;
Krizhevsky, arXiv 1404.5997 (2014), whose filters the small one has, by way of github.com/bearpaw/pytorch-classification
(models/cifar/alexnet.py); Zhang et al., "Dive into Deep Learning", chapter on modern CNNs, for the large one.
Differs: `head` gives the small one hidden dense layers, which the source has none of, so that dropout has a place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kbnd.errors import UsageError
from kbnd.models.chains import chain_of
from kbnd.models.placement import Unit, place
from kbnd.models.sizes import is_count, scaled

if TYPE_CHECKING:
    import keras

HINT = "head=[512, 512] gives it dense layers"

D2L_UNITS = (
    Unit("conv1", "conv", 96, kernel=11, stride=4, padding=1, pool=3, pool_stride=2),
    Unit("conv2", "conv", 256, kernel=5, padding=2, pool=3, pool_stride=2),
    Unit("conv3", "conv", 384, kernel=3, padding=1),
    Unit("conv4", "conv", 384, kernel=3, padding=1),
    Unit("conv5", "conv", 256, kernel=3, padding=1, pool=3, pool_stride=2),
    Unit("dense1", "dense", 4096),
    Unit("dense2", "dense", 4096),
    Unit("logits", "logits"),
)


def alexnet_units(*, head: Sequence[int] = (), width: float = 1.0) -> tuple[Unit, ...]:
    """Return the chain of the small network.

    Raises:
        UsageError: a head that is no list of whole numbers, or a width that leaves no filters.
    """
    if not isinstance(head, (list, tuple)) or not all(is_count(n) for n in head):
        raise UsageError(f"head should be a list of whole numbers, such as [512, 512], received {head!r}")
    return (
        Unit("conv1", "conv", scaled(64, width), kernel=11, stride=4, padding=5, pool=2),
        Unit("conv2", "conv", scaled(192, width), kernel=5, padding=2, pool=2),
        Unit("conv3", "conv", scaled(384, width), kernel=3, padding=1),
        Unit("conv4", "conv", scaled(256, width), kernel=3, padding=1),
        Unit("conv5", "conv", scaled(256, width), kernel=3, padding=1, pool=2),
        *(Unit(f"dense{i}", "dense", n) for i, n in enumerate(head, start=1)),
        Unit("logits", "logits"),
    )


def alexnet(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    batch_norm: str = "none",
    dropout: float | Mapping[str, float] = 0.0,
    batch_norm_sites: Sequence[str] | None = None,
    dropout_sites: Sequence[str] | None = None,
    head: Sequence[int] = (),
    width: float = 1.0,
    activation: str = "relu",
    batch_norm_momentum: float = 0.9,
    batch_norm_epsilon: float = 1e-5,
    name: str = "alexnet",
) -> keras.Model:
    """Return an uncompiled AlexNet for small images that outputs logits: 2,472,266 parameters at 32x32x3.

    Args:
        input_shape: (height, width, channels), at least 29x29.
        classes: number of logits.
        batch_norm: `none`, `before_activation`, `after_activation` or `before_weight`.
        dropout: rate in [0, 1), or a mapping site -> rate. The plain network has no hidden dense layer for it: give it
            a `head`, or name `dropout_sites`.
        batch_norm_sites: `conv`, `dense`, `logits` or single units; None is every convolution.
        dropout_sites: likewise; None is the dense layers of the head.
        head: units of the hidden dense layers between the maps and the logits, such as (512, 512).
        width: factor on the filters of the convolutions, rounded; the head is not changed by it.
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
    units = alexnet_units(head=head, width=width)
    plan = place(
        "alexnet",
        units,
        batch_norm=batch_norm,
        dropout=dropout,
        batch_norm_sites=batch_norm_sites,
        dropout_sites=dropout_sites,
        activation=activation,
        batch_norm_momentum=batch_norm_momentum,
        batch_norm_epsilon=batch_norm_epsilon,
        hint=HINT,
    )
    return chain_of("alexnet", units, plan, input_shape=input_shape, classes=classes, name=name)


def alexnet_d2l(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    batch_norm: str = "none",
    dropout: float | Mapping[str, float] = 0.0,
    batch_norm_sites: Sequence[str] | None = None,
    dropout_sites: Sequence[str] | None = None,
    activation: str = "relu",
    batch_norm_momentum: float = 0.9,
    batch_norm_epsilon: float = 1e-5,
    name: str = "alexnet_d2l",
) -> keras.Model:
    """Return an uncompiled AlexNet for large images that outputs logits: 46,787,978 parameters at 224x224x3.

    Args:
        input_shape: (height, width, channels), at least 65x65; the source resizes to 224x224.
        classes: number of logits.
        batch_norm: `none`, `before_activation`, `after_activation` or `before_weight`.
        dropout: rate in [0, 1), or a mapping site -> rate; the source has 0.5.
        batch_norm_sites: `conv`, `dense`, `logits` or single units; None is every convolution.
        dropout_sites: likewise; None is both hidden dense layers.
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
    plan = place(
        "alexnet_d2l",
        D2L_UNITS,
        batch_norm=batch_norm,
        dropout=dropout,
        batch_norm_sites=batch_norm_sites,
        dropout_sites=dropout_sites,
        activation=activation,
        batch_norm_momentum=batch_norm_momentum,
        batch_norm_epsilon=batch_norm_epsilon,
    )
    return chain_of("alexnet_d2l", D2L_UNITS, plan, input_shape=input_shape, classes=classes, name=name)
