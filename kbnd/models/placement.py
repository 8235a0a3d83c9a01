"""Where Batch Normalization and Dropout stand in a unit: the ORDER table, and units with their steps, free of Keras.

A network is made of *units*, each one weight layer with what belongs to it. A placement is the order of the
steps within a unit, looked up here and carried out by `kbnd.models.blocks.apply_unit`; no network has an `if` for it.
`kbnd.models.sites.place` says which units of a chain carry what; residual networks have orders and rules of their own
(`kbnd.models.residual`). Keeping this apart from Keras lets a command refuse a wrong site, rate or size before a
backend is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

ORDER: dict[str, tuple[str, ...]] = {
    "none": ("weight", "activation", "pool", "dropout"),
    "before_activation": ("weight", "batch_norm", "activation", "pool", "dropout"),
    "after_activation": ("weight", "activation", "batch_norm", "pool", "dropout"),
    "before_weight": ("batch_norm", "dropout", "weight", "activation", "pool"),
    "post": ("weight", "batch_norm", "activation", "dropout"),
    "post_after": ("weight", "activation", "batch_norm", "dropout"),
    "post_no_bn": ("weight", "activation", "dropout"),
    "pre": ("batch_norm", "activation", "dropout", "weight"),
    "relu_ic_conv": ("activation", "batch_norm", "dropout", "weight"),
    "ic_conv_relu": ("batch_norm", "dropout", "weight", "activation"),
    "conv_relu_ic": ("weight", "activation", "batch_norm", "dropout"),
}
"""Steps of a unit by placement. A step that a unit does not carry (`carried`) is passed over."""

PLACEMENTS = ("none", "before_activation", "after_activation", "before_weight")
"""The orders of chains; the others are those of residual networks."""


@dataclass(frozen=True)
class Unit:
    """One weight layer and its size.

    Attributes:
        name: name of the weight layer, and the stem of the names of the layers around it.
        kind: what sites call it; only `conv` has kernel, stride, padding and pool, only `logits` has no activation.
            A residual network has a `head`, which stands before its logits and has no weight.
        width: filters of a convolution, units of a dense layer; the number of classes takes its place for `logits`.
        kernel: side of the square kernel.
        stride: of the kernel, in both directions.
        padding: `same`, `valid`, or the rows and columns of zeros on each side. With a stride above 1 only the number
            is what PyTorch does: Keras' `same` puts fewer zeros before the maps than behind them.
        pool: side of the max-pooling that follows the unit; 1 is none.
        pool_stride: its stride; None is its side.
        has_bias: whether the weight layer adds one.
    """

    name: str
    kind: Literal["conv", "dense", "logits", "head"]
    width: int = 0
    kernel: int = 1
    stride: int = 1
    padding: Literal["same", "valid"] | int = "valid"
    pool: int = 1
    pool_stride: int | None = None
    has_bias: bool = True

    @property
    def is_flat(self) -> bool:
        """Whether the weight layer is a dense one, which sees its input flat."""
        return self.kind in ("dense", "logits")

    @property
    def keras_padding(self) -> str:
        """What the Keras layer is told: `same` also where it means the number of zeros asked for."""
        is_same = self.stride == 1 and self.padding == (self.kernel - 1) / 2
        return "same" if is_same or self.padding == "same" else "valid"

    @property
    def n_zeros(self) -> int:
        """Rows and columns of zeros that a layer before the convolution puts on each side."""
        return self.padding if isinstance(self.padding, int) and self.keras_padding == "valid" else 0


@dataclass(frozen=True)
class Placed:
    """A unit and the steps it carries, in their order: its layers."""

    unit: Unit
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A placement resolved for one network: what `kbnd.models.blocks` needs beside the units.

    Attributes:
        order: steps within each unit.
        batch_norm: names of the units with Batch Normalization.
        dropout: rate in (0, 1) by name of the units with Dropout.
        activation: Keras' name of the activation.
        batch_norm_momentum: weight of the old moving statistics in their update.
        batch_norm_epsilon: added to the variance.
    """

    order: tuple[str, ...]
    batch_norm: frozenset[str]
    dropout: Mapping[str, float]
    activation: str
    batch_norm_momentum: float
    batch_norm_epsilon: float


def carried(unit: Unit, plan: Plan) -> tuple[str, ...]:
    """Return the steps that a unit of a chain carries, in their order: its layers."""
    is_carried = {
        "weight": True,
        "batch_norm": unit.name in plan.batch_norm,
        "activation": unit.kind != "logits",
        "pool": unit.pool > 1,
        "dropout": unit.name in plan.dropout,
    }
    return tuple(step for step in plan.order if is_carried[step])


def placed(units: Sequence[Unit], plan: Plan, classes: int) -> tuple[Placed, ...]:
    """Return the units of a chain with their steps, the logits as wide as there are classes."""
    widths = (classes if unit.kind == "logits" else unit.width for unit in units)
    return tuple(Placed(replace(unit, width=n), carried(unit, plan)) for unit, n in zip(units, widths, strict=True))
