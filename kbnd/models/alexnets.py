"""AlexNet in two sizes, for source S4: one for 32x32 images, one for 224x224.

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
Differs: `head` gives the small one hidden dense layers, which S4 has none of, so that dropout has a place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from kbnd.errors import UsageError
from kbnd.models.chains import chain_of
from kbnd.models.options import PlacementOptions, taking
from kbnd.models.placement import Unit
from kbnd.models.sizes import is_count, scaled

if TYPE_CHECKING:
    import keras

HINT = "head=[512, 512] gives it dense layers"

MOST_HEADS = 100

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
        raise UsageError(f"head should be a list of whole numbers, such as [512, 512], received {head!r:.100}")
    if len(head) > MOST_HEADS:
        raise UsageError(f"head should have at most {MOST_HEADS} layers, received {len(head):,}")
    return (
        Unit("conv1", "conv", scaled(64, width), kernel=11, stride=4, padding=5, pool=2),
        Unit("conv2", "conv", scaled(192, width), kernel=5, padding=2, pool=2),
        Unit("conv3", "conv", scaled(384, width), kernel=3, padding=1),
        Unit("conv4", "conv", scaled(256, width), kernel=3, padding=1),
        Unit("conv5", "conv", scaled(256, width), kernel=3, padding=1, pool=2),
        *(Unit(f"dense{i}", "dense", n) for i, n in enumerate(head, start=1)),
        Unit("logits", "logits"),
    )


@taking(PlacementOptions)
def alexnet(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    head: Sequence[int] = (),
    width: float = 1.0,
    name: str = "alexnet",
    **options: Unpack[PlacementOptions],
) -> keras.Model:
    """Return an uncompiled AlexNet for small images that outputs logits: 2,472,266 parameters at 32x32x3.

    Args:
        input_shape: (height, width, channels), at least 29x29.
        classes: number of logits.
        head: units of the hidden dense layers between the maps and the logits, such as (512, 512).
        width: factor on the filters of the convolutions, rounded; the head is not changed by it.
        name: of the model.
        **options: of `kbnd.models.PlacementOptions`. Units are `conv1` to `conv5`, those of the head (`dense1`, ...)
            and `logits`. By default BN stands on the convolutions and dropout on the head: the plain network has no
            place for it, so give it a `head` or name `dropout_sites`.

    Returns:
        A `keras.Model` from images scaled to [0, 1], (n, height, width, channels), to logits (n, classes). Its
        weights are an unseeded Glorot-uniform draw; `kbnd.training.initial.initialise` gives seeded ones.

    Raises:
        TypeError: a keyword that is none of these.
        UsageError: an image that is too small, or an unknown or misplaced option.
    """
    units = alexnet_units(head=head, width=width)
    return chain_of("alexnet", units, options, input_shape=input_shape, classes=classes, name=name, hint=HINT)


@taking(PlacementOptions)
def alexnet_d2l(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    name: str = "alexnet_d2l",
    **options: Unpack[PlacementOptions],
) -> keras.Model:
    """Return an uncompiled AlexNet for large images that outputs logits: 46,787,978 parameters at 224x224x3.

    Args:
        input_shape: (height, width, channels), at least 65x65; S4 resizes to 224x224.
        classes: number of logits.
        name: of the model.
        **options: of `kbnd.models.PlacementOptions`. Units are `conv1` to `conv5`, `dense1`, `dense2` and `logits`.
            By default BN stands on the convolutions and dropout, 0.5 in S4, on both hidden dense layers.

    Returns:
        A `keras.Model` from images scaled to [0, 1], (n, height, width, channels), to logits (n, classes). Its
        weights are an unseeded Glorot-uniform draw; `kbnd.training.initial.initialise` gives seeded ones.

    Raises:
        TypeError: a keyword that is none of these.
        UsageError: an image that is too small, or an unknown or misplaced option.
    """
    return chain_of("alexnet_d2l", D2L_UNITS, options, input_shape=input_shape, classes=classes, name=name)
