"""Where Batch Normalization and Dropout stand in a network: the ORDER table and its resolution, free of Keras.

A network is made of *units*, each one weight layer with what belongs to it. A placement is the order of the
steps within a unit, looked up here and carried out by `kbnd.models.blocks.unit`; no network has an `if` for it.
In a chain of units, sites name them: a kind (`conv`, `dense`, `logits`) or a single unit (`conv1`). Residual networks
have orders and rules of their own (`kbnd.models.residual`). Keeping this apart from Keras lets a command refuse a
wrong site, rate or size before a backend is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kbnd.errors import UsageError, unknown

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

ACTIVATIONS = ("relu", "tanh", "sigmoid", "leaky_relu", "elu", "selu", "gelu", "silu", "linear")

BATCH_NORM_SITES = ("conv",)
DROPOUT_SITES = ("dense",)


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
        bias: whether the weight layer adds one.
    """

    name: str
    kind: Literal["conv", "dense", "logits", "head"]
    width: int = 0
    kernel: int = 1
    stride: int = 1
    padding: Literal["same", "valid"] | int = "valid"
    pool: int = 1
    pool_stride: int | None = None
    bias: bool = True

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


def place(
    network: str,
    units: Sequence[Unit],
    *,
    batch_norm: str = "none",
    dropout: float | Mapping[str, float] = 0.0,
    batch_norm_sites: Sequence[str] | None = None,
    dropout_sites: Sequence[str] | None = None,
    activation: str = "relu",
    batch_norm_momentum: float = 0.9,
    batch_norm_epsilon: float = 1e-5,
    hint: str = "",
) -> Plan:
    """Resolve placements, sites and rates to the units of one chain.

    Args:
        network: name used in errors.
        units: the chain, in order; the first one sees the input.
        batch_norm: one of `PLACEMENTS`.
        dropout: rate in [0, 1) at `dropout_sites`, or a mapping site -> rate in which a unit overrides its kind.
        batch_norm_sites: kinds or units with BN; None is `BATCH_NORM_SITES`. No part of it while `batch_norm` is
            `none`, but the names are checked all the same.
        dropout_sites: kinds or units with dropout; None is `DROPOUT_SITES`, or the keys of a mapping.
        activation: one of `ACTIVATIONS`.
        batch_norm_momentum: in [0, 1).
        batch_norm_epsilon: positive.
        hint: what the network can do about a missing dense layer, for the error.

    Returns:
        The plan. Under `before_weight` the first unit carries nothing: the input is left alone.

    Raises:
        UsageError: an unknown placement, site or activation, a value out of range, or BN or dropout asked for
            where the network has no place for it.
    """
    if batch_norm not in PLACEMENTS:
        raise unknown("batch_norm placement", batch_norm, PLACEMENTS)
    check_settings(activation, batch_norm_momentum, batch_norm_epsilon)
    normed = _normed(batch_norm, batch_norm_sites, network, units)
    has_dense = any(unit.kind == "dense" for unit in units)
    rates = _rates(dropout, dropout_sites, network, units, "" if has_dense else hint)
    if batch_norm == "before_weight":
        first = units[0].name
        normed = _without(first, normed, "batch_norm_sites")
        rates = {name: rates[name] for name in _without(first, list(rates), "dropout_sites")}
    return Plan(
        order=ORDER[batch_norm],
        batch_norm=frozenset(normed),
        dropout=rates,
        activation=activation,
        batch_norm_momentum=batch_norm_momentum,
        batch_norm_epsilon=batch_norm_epsilon,
    )


def carried(unit: Unit, plan: Plan) -> tuple[str, ...]:
    """Return the steps that a unit of a chain carries, in their order: its layers."""
    has = {
        "weight": True,
        "batch_norm": unit.name in plan.batch_norm,
        "activation": unit.kind != "logits",
        "pool": unit.pool > 1,
        "dropout": unit.name in plan.dropout,
    }
    return tuple(step for step in plan.order if has[step])


def placed(units: Sequence[Unit], plan: Plan, classes: int) -> tuple[Placed, ...]:
    """Return the units of a chain with their steps, the logits as wide as there are classes."""
    widths = (classes if unit.kind == "logits" else unit.width for unit in units)
    return tuple(Placed(replace(unit, width=n), carried(unit, plan)) for unit, n in zip(units, widths, strict=True))


def check_settings(activation: str, momentum: float, epsilon: float) -> None:
    """Refuse an unknown activation, and settings of Batch Normalization out of range.

    Raises:
        UsageError: it says which.
    """
    if not isinstance(activation, str):
        raise UsageError(f"activation should be a name, received {activation!r}")
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    if not 0.0 <= momentum < 1.0:
        raise UsageError(f"batch_norm_momentum should lie in [0, 1), received {momentum!r}")
    if not (epsilon > 0.0 and math.isfinite(epsilon)):
        raise UsageError(f"batch_norm_epsilon should be positive and finite, received {epsilon!r}")


def checked_rate(rate: object) -> float:
    """Return a dropout rate as a float.

    Raises:
        UsageError: it does not lie in [0, 1).
    """
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0.0 <= rate < 1.0:
        raise UsageError(f"dropout should lie in [0, 1), received {rate!r}")
    return float(rate)


def _normed(batch_norm: str, sites: Sequence[str] | None, network: str, units: Sequence[Unit]) -> list[str]:
    """Return the names of the units with Batch Normalization, in the order of the units."""
    places = BATCH_NORM_SITES if sites is None else _checked("batch_norm_sites", sites, network, units)
    if batch_norm == "none":
        return []
    normed = _units_at(places, units)
    if not normed:
        raise _has_no_place(f"batch_norm {batch_norm!r}", "batch_norm_sites", network, units)
    return normed


def _rates(
    dropout: float | Mapping[str, float], sites: Sequence[str] | None, network: str, units: Sequence[Unit], hint: str
) -> dict[str, float]:
    """Return the positive rates by unit name, in the order of the units; a unit overrides its kind."""
    if isinstance(dropout, Mapping):
        if sites is not None:
            raise UsageError("a mapping of dropout rates names its own sites: leave dropout_sites out")
        by_site = {
            site: checked_rate(dropout[site]) for site in _checked("dropout", list(dropout), network, units, hint)
        }
    else:
        places = DROPOUT_SITES if sites is None else _checked("dropout_sites", sites, network, units, hint)
        by_site = dict.fromkeys(places, checked_rate(dropout))
    rates = {unit.name: by_site.get(unit.name, by_site.get(unit.kind, 0.0)) for unit in units}
    positive = {name: rate for name, rate in rates.items() if rate > 0.0}
    if not positive and (any(by_site.values()) or (not by_site and dropout)):
        raise _has_no_place(f"dropout {dropout!r}", "dropout_sites", network, units, hint)
    return positive


def _checked(field: str, sites: Sequence[str], network: str, units: Sequence[Unit], hint: str = "") -> list[str]:
    """Return the sites that were named on purpose as a list, each of them known to the network."""
    if isinstance(sites, str):
        raise UsageError(f"{field} should be a list of names, received the single text {sites!r}")
    for site in sites:
        if site not in _site_names(units):
            error = unknown(f"site of {network} in {field}", site, _site_names(units))
            raise UsageError(f"{error}; {hint}") if hint and site.startswith("dense") else error
    return list(sites)


def _units_at(sites: Sequence[str], units: Sequence[Unit]) -> list[str]:
    return [unit.name for unit in units if unit.name in sites or unit.kind in sites]


def _without(first: str, names: list[str], field: str) -> list[str]:
    """Return the names without the first unit, whose input is the image."""
    if names == [first]:
        raise UsageError(f"before_weight leaves the input image alone, so {field} needs more than {first!r}")
    return [name for name in names if name != first]


def _site_names(units: Sequence[Unit]) -> list[str]:
    return list(dict.fromkeys([unit.kind for unit in units] + [unit.name for unit in units]))


def _has_no_place(what: str, field: str, network: str, units: Sequence[Unit], hint: str = "") -> UsageError:
    remedy = f"{hint}, or name" if hint else "name"
    return UsageError(f"{what} has no place in {network}: {remedy} {field} among {', '.join(_site_names(units))}")
