"""The Keras layers of a unit, put in the order that the placement table gives.

`unit` reads `kbnd.models.placement.ORDER` (through a `Plan`) and applies one step after the other, so that every
network places Batch Normalization and Dropout in the same way. Layer names carry the structure, because initial
weights and dropout masks are keyed by them: `conv1`, `conv1_bn`, `conv1_activation`, `conv1_pool`, `conv1_dropout`.
`channels_last` and float32 are said to every layer, whatever the user's keras.json says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import keras

from kbnd.layers import VariableDropout
from kbnd.models.placement import ORDER, Plan, Unit, carried

__all__ = ["ORDER", "chain", "unit"]

CHANNELS = "channels_last"
DTYPE = "float32"


def chain(
    units: Sequence[Unit], plan: Plan, *, input_shape: tuple[int, int, int], classes: int, name: str
) -> keras.Model:
    """Return the uncompiled network that applies the units one after the other and ends in logits.

    Args:
        units: convolutions first, then dense layers, `logits` last.
        plan: where BN and Dropout stand.
        input_shape: (height, width, channels).
        classes: width of the logits.
        name: of the model.

    Returns:
        A functional model from float32 images (n, height, width, channels) to float32 logits (n, classes).
    """
    image = x = keras.Input(input_shape, dtype=DTYPE, name="image")
    for one in units:
        if one.kind != "conv" and len(x.shape) > 2:
            x = keras.layers.Flatten(data_format=CHANNELS, dtype=DTYPE, name="flatten")(x)
        x = unit(x, replace(one, width=classes) if one.kind == "logits" else one, plan)
    model = keras.Model(image, x, name=name)
    model.dtype_policy = DTYPE
    return model


def unit(x: keras.KerasTensor, one: Unit, plan: Plan) -> keras.KerasTensor:
    """Apply the steps that one unit carries, in the order of the plan."""
    for step in carried(one, plan):
        x = STEPS[step](x, one, plan)
    return x


def _weight(x: keras.KerasTensor, one: Unit, _: Plan) -> keras.KerasTensor:
    if one.kind == "conv":
        convolution = keras.layers.Conv2D(
            one.width, one.kernel, padding=one.padding, data_format=CHANNELS, dtype=DTYPE, name=one.name
        )
        return convolution(x)
    return keras.layers.Dense(one.width, dtype=DTYPE, name=one.name)(x)


def _batch_norm(x: keras.KerasTensor, one: Unit, plan: Plan) -> keras.KerasTensor:
    normalization = keras.layers.BatchNormalization(
        axis=-1,
        momentum=plan.batch_norm_momentum,
        epsilon=plan.batch_norm_epsilon,
        dtype=DTYPE,
        name=f"{one.name}_bn",
    )
    return normalization(x)


def _activation(x: keras.KerasTensor, one: Unit, plan: Plan) -> keras.KerasTensor:
    return keras.layers.Activation(plan.activation, dtype=DTYPE, name=f"{one.name}_activation")(x)


def _pool(x: keras.KerasTensor, one: Unit, _: Plan) -> keras.KerasTensor:
    return keras.layers.MaxPooling2D(one.pool, data_format=CHANNELS, dtype=DTYPE, name=f"{one.name}_pool")(x)


def _dropout(x: keras.KerasTensor, one: Unit, plan: Plan) -> keras.KerasTensor:
    return VariableDropout(plan.dropout[one.name], dtype=DTYPE, name=f"{one.name}_dropout")(x)


STEPS: dict[str, Callable[[keras.KerasTensor, Unit, Plan], keras.KerasTensor]] = {
    "weight": _weight,
    "batch_norm": _batch_norm,
    "activation": _activation,
    "pool": _pool,
    "dropout": _dropout,
}
