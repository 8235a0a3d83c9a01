"""The last step of every builder of a chain: place, check the images, warn of dropout on the logits, build."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kbnd.models.logits_dropout import warn_of_logits_dropout
from kbnd.models.options import PlacementOptions
from kbnd.models.placement import Unit, placed
from kbnd.models.sites import place
from kbnd.models.sizes import check_input

if TYPE_CHECKING:
    import keras

Fitted = Callable[[Sequence[Unit], Sequence[int]], Sequence[Unit]]
"""From a chain and an input shape to the chain for images of that shape."""


def as_they_are(units: Sequence[Unit], _: Sequence[int]) -> Sequence[Unit]:
    """Return the same chain for images of every shape."""
    return units


def chain_of(
    network: str,
    units: Sequence[Unit],
    options: PlacementOptions,
    *,
    input_shape: tuple[int, int, int],
    classes: int,
    name: str,
    fitted: Fitted = as_they_are,
    hint: str = "",
) -> keras.Model:
    """Return the uncompiled model of a chain; to be called by a public builder, whose caller a warning points at.

    Args:
        network: name of the builder, used in errors.
        units: the chain, in order: convolutions first, then dense layers, `logits` last.
        options: those that were given.
        input_shape: (height, width, channels).
        classes: number of logits.
        name: of the model.
        fitted: the chain for images of one shape.
        hint: what the network can do about a missing dense layer, for the error.

    Returns:
        A functional model from float32 images (n, height, width, channels) to float32 logits (n, classes).

    Raises:
        TypeError: an option that there is not.
        UsageError: an unknown or misplaced option, an image that is too small, or fewer than two classes.
    """
    plan = place(network, units, options, hint=hint)
    check_input(network, units, input_shape, classes)
    warn_of_logits_dropout(plan, units, classes)
    from kbnd.models import blocks  # Keras starts here, so that the networks' tables are readable without it

    parts = placed(fitted(units, input_shape), plan, classes)
    return blocks.network(parts, plan, input_shape=input_shape, name=name)
