"""The Keras layers of a network, put in the order that the placement tables give.

`apply_unit` applies the steps of a unit (`kbnd.models.placement.Placed`) one after the other, `apply_block` adds the
shortcut of a residual block to its branch; every network is made by them, so that all place Batch Normalization and
Dropout in the same way. Layer names carry the structure, because initial weights and dropout masks are keyed by them:
`conv1`, `conv1_pad`, `conv1_bn`, `conv1_activation`, `conv1_pool`, `conv1_dropout`; in a residual network
`stage1_block2_conv1_bn`, `stage2_block1_shortcut`, `stage2_block1_add`, `head_bn`.
`channels_last` and float32 are said to every layer, whatever the user's keras.json says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from kbnd.layers import VariableDropout
from kbnd.models.placement import Placed, Plan, Unit
from kbnd.models.residual import Block
from kbnd.models.shortcuts import ZeroPadShortcut

CHANNELS = "channels_last"
DTYPE = "float32"


def network(
    parts: Iterable[Placed | Block], plan: Plan, *, input_shape: tuple[int, int, int], name: str
) -> keras.Model:
    """Return the uncompiled network of units and residual blocks, one after the other."""
    image = x = keras.Input(input_shape, dtype=DTYPE, name="image")
    for part in parts:
        x = apply_block(x, part, plan) if isinstance(part, Block) else apply_unit(x, part, plan)
    model = keras.Model(image, x, name=name)
    model.dtype_policy = DTYPE
    return model


def apply_unit(x: keras.KerasTensor, placed: Placed, plan: Plan) -> keras.KerasTensor:
    """Apply the steps that one unit carries, in their order; dense layers see flat maps."""
    if placed.unit.is_flat and len(x.shape) > 2:
        x = keras.layers.Flatten(data_format=CHANNELS, dtype=DTYPE, name="flatten")(x)
    for step in placed.steps:
        x = STEPS[step](x, placed.unit, plan)
    return x


def apply_block(x: keras.KerasTensor, block: Block, plan: Plan) -> keras.KerasTensor:
    """Add the shortcut to what the branch makes of the input, then apply what stands after the addition."""
    shortcut = apply_unit(x, block.shortcut, plan) if block.shortcut else x
    for placed in block.branch:
        x = apply_unit(x, placed, plan)
    x = keras.layers.Add(dtype=DTYPE, name=f"{block.name}_add")([x, shortcut])
    return apply_unit(x, block.merged, plan)


def _weight(x: keras.KerasTensor, unit: Unit, _: Plan) -> keras.KerasTensor:
    if unit.is_flat:
        return _apply_weights(keras.layers.Dense(unit.width, use_bias=unit.has_bias, dtype=DTYPE, name=unit.name), x)
    if unit.n_zeros:
        x = keras.layers.ZeroPadding2D(unit.n_zeros, data_format=CHANNELS, dtype=DTYPE, name=f"{unit.name}_pad")(x)
    convolution = keras.layers.Conv2D(
        unit.width,
        unit.kernel,
        strides=unit.stride,
        padding=unit.keras_padding,
        use_bias=unit.has_bias,
        data_format=CHANNELS,
        dtype=DTYPE,
        name=unit.name,
    )
    return _apply_weights(convolution, x)


def _apply_weights(layer: keras.layers.Layer, x: keras.KerasTensor) -> keras.KerasTensor:
    """Apply a new weight layer, its kernel drawn as Keras' default says but by NumPy.

    Keras' own draw is compiled by JAX for each shape of a kernel, which takes up to a second each.
    """
    default = layer.kernel_initializer

    def glorot_uniform(shape: tuple[int, ...], dtype: str | None = None) -> Any:
        fans = math.prod(shape[:-2]) * (shape[-2] + shape[-1])
        bound = math.sqrt(6 / fans)
        kernel = np.random.default_rng(default.seed).uniform(-bound, bound, shape)
        return keras.ops.convert_to_tensor(kernel.astype(DTYPE), dtype=dtype)

    layer.kernel_initializer = glorot_uniform
    outputs = layer(x)
    layer.kernel_initializer = default  # what the layer is saved with
    return outputs


def _batch_norm(x: keras.KerasTensor, unit: Unit, plan: Plan) -> keras.KerasTensor:
    normalization = keras.layers.BatchNormalization(
        axis=-1,
        momentum=plan.batch_norm_momentum,
        epsilon=plan.batch_norm_epsilon,
        dtype=DTYPE,
        name=f"{unit.name}_bn",
    )
    return normalization(x)


def _activation(x: keras.KerasTensor, unit: Unit, plan: Plan) -> keras.KerasTensor:
    return keras.layers.Activation(plan.activation, dtype=DTYPE, name=f"{unit.name}_activation")(x)


def _pool(x: keras.KerasTensor, unit: Unit, _: Plan) -> keras.KerasTensor:
    pooling = keras.layers.MaxPooling2D(
        unit.pool, strides=unit.pool_stride, data_format=CHANNELS, dtype=DTYPE, name=f"{unit.name}_pool"
    )
    return pooling(x)


def _dropout(x: keras.KerasTensor, unit: Unit, plan: Plan) -> keras.KerasTensor:
    return VariableDropout(plan.dropout[unit.name], dtype=DTYPE, name=f"{unit.name}_dropout")(x)


def _zero_pad(x: keras.KerasTensor, unit: Unit, _: Plan) -> keras.KerasTensor:
    return ZeroPadShortcut(unit.width, unit.stride, dtype=DTYPE, name=unit.name)(x)


def _global_pool(x: keras.KerasTensor, unit: Unit, _: Plan) -> keras.KerasTensor:
    return keras.layers.GlobalAveragePooling2D(data_format=CHANNELS, dtype=DTYPE, name=f"{unit.name}_pool")(x)


STEPS: dict[str, Callable[[keras.KerasTensor, Unit, Plan], keras.KerasTensor]] = {
    "weight": _weight,
    "batch_norm": _batch_norm,
    "activation": _activation,
    "pool": _pool,
    "dropout": _dropout,
    "zero_pad": _zero_pad,
    "global_pool": _global_pool,
}
