"""What a network costs, counted without Keras: parameters, multiply-accumulates, values kept for the backward pass.

For maps of h x w positions after a step, c channels before and n after it:

| step                                      | parameters     | multiply-accumulates | values kept      |
|-------------------------------------------|---------------:|---------------------:|-----------------:|
| convolution k x k (and its zeros, if any) | k^2 c n (+ n)  | h w k^2 c n          | h w n (+ zeros)  |
| dense                                     | c n + n        | c n                  | n                |
| Batch Normalization                       | 2 n            |                      | h w n            |
| activation, pooling, dropout, addition    |                |                      | h w n            |

Only trainable parameters, and only multiply-accumulates of convolutions and dense layers, are counted, so that both
are the figures that papers print. The values kept are the outputs of all layers: what a framework really holds
depends on how it fuses them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod

from kbnd.models.placement import Placed, Unit
from kbnd.models.registry import find
from kbnd.models.residual import Block
from kbnd.models.sizes import convolved_side, pooled_side
from kbnd.spec import ModelSpec

Shape = tuple[int, ...]
"""(height, width, channels) of maps, (units,) of what is flat."""


@dataclass(frozen=True)
class Cost:
    """What one network costs.

    Attributes:
        n_parameters: trainable ones.
        macs: multiply-accumulates of one forward pass, per image.
        n_activations: values held per image for the backward pass, roughly.
    """

    n_parameters: int = 0
    macs: int = 0
    n_activations: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.n_parameters + other.n_parameters,
            self.macs + other.macs,
            self.n_activations + other.n_activations,
        )


def cost(spec: ModelSpec, *, input_shape: tuple[int, int, int], classes: int) -> Cost:
    """Return what the network of a spec costs for images of one shape.

    Args:
        spec: of the network.
        input_shape: (height, width, channels).
        classes: number of logits.

    Raises:
        UsageError: the network cannot be built.
    """
    parts = find(spec.name).parts(spec, input_shape=input_shape, classes=classes)
    return count(parts, input_shape)


def count(parts: Iterable[Placed | Block], input_shape: tuple[int, int, int]) -> Cost:
    """Return what units and blocks cost, one after the other."""
    return _walk(parts, tuple(input_shape))[1]


def _walk(parts: Iterable[Placed | Block], shape: Shape) -> tuple[Shape, Cost]:
    total = Cost()
    for part in parts:
        shape, part_cost = _block(part, shape) if isinstance(part, Block) else _unit(part, shape)
        total += part_cost
    return shape, total


def _block(block: Block, shape: Shape) -> tuple[Shape, Cost]:
    shortcut = _unit(block.shortcut, shape)[1] if block.shortcut else Cost()
    shape, branch = _walk(block.branch, shape)
    addition = Cost(n_activations=prod(shape))
    return shape, shortcut + branch + addition + _unit(block.merged, shape)[1]


def _unit(placed: Placed, shape: Shape) -> tuple[Shape, Cost]:
    if placed.unit.is_flat:
        shape = (prod(shape),)
    total = Cost()
    for step in placed.steps:
        shape, step_cost = COSTS[step](shape, placed.unit)
        total += step_cost
    return shape, total


def _weight(shape: Shape, unit: Unit) -> tuple[Shape, Cost]:
    *sides, n_in = shape
    after = (*(convolved_side(unit, side) for side in sides), unit.width)
    n_weights = unit.kernel ** len(sides) * n_in * unit.width
    n_padded = prod(side + 2 * unit.n_zeros for side in sides) * n_in if unit.n_zeros else 0
    return after, Cost(
        n_parameters=n_weights + unit.width * unit.has_bias,
        macs=n_weights * prod(after[:-1]),
        n_activations=n_padded + prod(after),
    )


def _batch_norm(shape: Shape, _: Unit) -> tuple[Shape, Cost]:
    return shape, Cost(n_parameters=2 * shape[-1], n_activations=prod(shape))


def _unchanged(shape: Shape, _: Unit) -> tuple[Shape, Cost]:
    return shape, Cost(n_activations=prod(shape))


def _pool(shape: Shape, unit: Unit) -> tuple[Shape, Cost]:
    *sides, n = shape
    return _unchanged((*(pooled_side(unit, side) for side in sides), n), unit)


def _zero_pad(shape: Shape, unit: Unit) -> tuple[Shape, Cost]:
    return _unchanged((*(convolved_side(unit, side) for side in shape[:-1]), unit.width), unit)


def _global_pool(shape: Shape, unit: Unit) -> tuple[Shape, Cost]:
    return _unchanged(shape[-1:], unit)


COSTS: dict[str, Callable[[Shape, Unit], tuple[Shape, Cost]]] = {
    "weight": _weight,
    "batch_norm": _batch_norm,
    "activation": _unchanged,
    "pool": _pool,
    "dropout": _unchanged,
    "zero_pad": _zero_pad,
    "global_pool": _global_pool,
}
"""Shape after a step, and what it costs; its keys are those of `kbnd.models.blocks.STEPS`."""
