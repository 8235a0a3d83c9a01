"""The last steps of every builder of a chain: check the images, warn of dropout on the logits, build."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kbnd.models.logits_dropout import warn_of_logits_dropout
from kbnd.models.placement import Plan, Unit
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
    plan: Plan,
    *,
    input_shape: tuple[int, int, int],
    classes: int,
    name: str,
    fitted: Fitted = as_they_are,
) -> keras.Model:
    """Return the uncompiled model of a chain; to be called by a public builder, whose caller a warning points at.

    Args:
        network: name used in errors.
        units: the chain, in order.
        plan: where BN and Dropout stand in it.
        input_shape: (height, width, channels).
        classes: number of logits.
        name: of the model.
        fitted: the chain for images of one shape.

    Raises:
        UsageError: an image that is too small, or fewer than two classes.
    """
    check_input(network, units, input_shape, classes)
    warn_of_logits_dropout(plan, units, classes)
    from kbnd.models.blocks import chain  # Keras starts here, so that the networks' tables are readable without it

    return chain(fitted(units, input_shape), plan, input_shape=input_shape, classes=classes, name=name)
