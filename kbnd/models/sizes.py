"""Sizes of maps and layers, free of Keras: a network is refused before a backend is loaded.

With side s, kernel k, stride t and p zeros on each side, in both directions:

    valid:  floor((s + 2p - k) / t) + 1        same:  ceil(s / t)        pooling:  floor((s - k) / t) + 1

and 0 where the kernel does not fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kbnd.errors import UsageError, checked_whole, is_number, is_whole
from kbnd.models.placement import Unit


def check_input(network: str, units: Sequence[Unit], input_shape: Sequence[int], classes: int) -> None:
    """Refuse images that the chain of units would shrink to nothing, and fewer than two classes.

    Raises:
        UsageError: it says the smallest size.
    """
    sizes = tuple(input_shape)
    if len(sizes) != 3 or not all(is_count(size) for size in sizes):
        raise UsageError(f"input_shape should be (height, width, channels), received {input_shape!r}")
    checked_whole(classes, "classes", least=2)
    least = smallest_side(units)
    if min(sizes[:2]) < least:
        raise UsageError(
            f"{network} needs images of at least {least}x{least}, received {sizes[0]}x{sizes[1]}: "
            "choose another image size"
        )


def smallest_side(units: Sequence[Unit]) -> int:
    """Return the smallest height (or width) of images of which the chain of units leaves something."""
    return next(side for side in range(1, 10_000) if output_side(units, side))


def output_side(units: Sequence[Unit], side: int) -> int:
    """Return the height (or width) of the maps that leave the last convolution, 0 for an image too small."""
    for unit in units:
        if unit.kind == "conv":
            side = pooled_side(unit, convolved_side(unit, side))
    return side


def convolved_side(unit: Unit, side: int) -> int:
    """Return the height (or width) of what a convolution makes of maps, 0 where its kernel does not fit."""
    if unit.padding == "same":
        return -(-side // unit.stride)
    n_zeros = 0 if unit.padding == "valid" else unit.padding
    return max((side + 2 * n_zeros - unit.kernel) // unit.stride + 1, 0)


def pooled_side(unit: Unit, side: int) -> int:
    """Return the height (or width) of what the max-pooling of a unit makes of maps; pool 1 leaves them."""
    return max((side - unit.pool) // (unit.pool_stride or unit.pool) + 1, 0)


def scaled(filters: int, width: float) -> int:
    """Return a number of filters (or units) times a width multiplier, rounded, halves upwards.

    Raises:
        UsageError: the width is no positive number, or nothing would be left.
    """
    if not is_number(width) or not 0.0 < filters * width < math.inf:
        raise UsageError(f"width should be a positive number, received {width!r}")
    n = math.floor(filters * width + 0.5)
    if n == 0:
        raise UsageError(f"width {width!r} leaves nothing of {filters} filters")
    return n


def is_count(value: object) -> bool:
    """Return whether a value is a whole number from 1."""
    return is_whole(value) and value > 0  # type: ignore[operator]
