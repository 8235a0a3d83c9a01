"""LeNet-5 with ReLU and max-pooling, the network of sources S0 and S2.

| unit   | layer                    | output (28x28x1) | parameters | BN   |
|--------|--------------------------|------------------|-----------:|-----:|
| conv1  | 6 filters 5x5, padded    | 28x28x6          |        156 |  +12 |
|        | max-pool 2x2             | 14x14x6          |            |      |
| conv2  | 16 filters 5x5           | 10x10x16         |      2,416 |  +32 |
|        | max-pool 2x2             | 5x5x16           |            |      |
| conv3  | 120 filters 5x5          | 1x1x120          |     48,120 | +240 |
| dense1 | 84                       | 84               |     10,164 |      |
| logits | 10                       | 10               |        850 |      |
|        | total                    |                  |     61,706 | +284 |

The third convolution stays a convolution (not the dense layer of equal size), so that it can carry BN.

Reference: LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 86 (1998).
Differs: ReLU, max-pooling and a full conv2, as in both; the paper has tanh, trained pooling and a sparse conv2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from kbnd.models.chains import chain_of
from kbnd.models.options import PlacementOptions, taking
from kbnd.models.placement import Unit

if TYPE_CHECKING:
    import keras

UNITS = (
    Unit("conv1", "conv", 6, kernel=5, padding="same", pool=2),
    Unit("conv2", "conv", 16, kernel=5, pool=2),
    Unit("conv3", "conv", 120, kernel=5),
    Unit("dense1", "dense", 84),
    Unit("logits", "logits"),
)

UNPADDED_SIDE = 32


@taking(PlacementOptions)
def lenet5(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    name: str = "lenet5",
    **options: Unpack[PlacementOptions],
) -> keras.Model:
    """Return an uncompiled LeNet-5 that outputs logits.

    Images of 32x32 and more meet an unpadded first convolution, as in the paper; smaller ones are padded by 2,
    which for 28x28 is the same network.

    Args:
        input_shape: (height, width, channels), at least 28x28.
        classes: number of logits.
        name: of the model.
        **options: of `kbnd.models.PlacementOptions`. Units are `conv1` to `conv3`, `dense1` and `logits`. By default
            BN stands on the convolutions and dropout on `dense1`.

    Returns:
        A `keras.Model` from images scaled to [0, 1], (n, height, width, channels), to logits (n, classes). Its
        weights are an unseeded Glorot-uniform draw; `kbnd.training.initial.initialise` gives seeded ones.

    Raises:
        TypeError: a keyword that is none of these.
        UsageError: an image that is too small, or an unknown or misplaced option.
    """
    return chain_of("lenet5", UNITS, options, input_shape=input_shape, classes=classes, name=name, fitted=fitted)


def fitted(units: Sequence[Unit], input_shape: Sequence[int]) -> tuple[Unit, ...]:
    """Return the units with the first convolution padded only where the image is smaller than the paper's."""
    is_padded = min(input_shape[:2]) < UNPADDED_SIDE
    return (replace(units[0], padding="same" if is_padded else "valid"), *units[1:])
