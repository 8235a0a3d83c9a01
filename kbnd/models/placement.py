"""Where Batch Normalization and Dropout stand in a network: the ORDER table and its resolution, free of Keras.

A network is a chain of *units*, each one weight layer with what belongs to it. A placement is the order of the
steps within a unit, looked up here and carried out by `kbnd.models.blocks.unit`; no network has an `if` for it.
Sites name the units: a kind (`conv`, `dense`, `logits`) or a single unit (`conv1`). Keeping this apart from Keras
lets a command refuse a wrong site, rate or size before a backend is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kbnd.errors import UsageError, unknown

ORDER: dict[str, tuple[str, ...]] = {
    "none": ("weight", "activation", "pool", "dropout"),
    "before_activation": ("weight", "batch_norm", "activation", "pool", "dropout"),
    "after_activation": ("weight", "activation", "batch_norm", "pool", "dropout"),
    "before_weight": ("batch_norm", "dropout", "weight", "activation", "pool"),
}
"""Steps of a unit by placement. A step that a unit does not carry (`carried`) is passed over."""

ACTIVATIONS = ("relu", "tanh", "sigmoid", "leaky_relu", "elu", "selu", "gelu", "silu", "linear")

BATCH_NORM_SITES = ("conv",)
DROPOUT_SITES = ("dense",)


@dataclass(frozen=True)
class Unit:
    """One weight layer and its size.

    Attributes:
        name: name of the weight layer, and the stem of the names of the layers around it.
        kind: what sites call it; only `conv` has kernel, padding and pool, only `logits` has no activation.
        width: filters of a convolution, units of a dense layer; the number of classes takes its place for `logits`.
        kernel: side of the square kernel.
        padding: `same` or `valid`.
        pool: side and stride of the max-pooling that follows the unit; 1 is none.
    """

    name: str
    kind: Literal["conv", "dense", "logits"]
    width: int = 0
    kernel: int = 1
    padding: Literal["same", "valid"] = "valid"
    pool: int = 1


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
) -> Plan:
    """Resolve placements, sites and rates to the units of one network.

    Args:
        network: name used in errors.
        units: the chain, in order; the first one sees the input.
        batch_norm: key of `ORDER`.
        dropout: rate in [0, 1) at `dropout_sites`, or a mapping site -> rate in which a unit overrides its kind.
        batch_norm_sites: kinds or units with BN; None is `BATCH_NORM_SITES`. No part of it while `batch_norm` is
            `none`, but the names are checked all the same.
        dropout_sites: kinds or units with dropout; None is `DROPOUT_SITES`, or the keys of a mapping.
        activation: one of `ACTIVATIONS`.
        batch_norm_momentum: in [0, 1).
        batch_norm_epsilon: positive.

    Returns:
        The plan. Under `before_weight` the first unit carries nothing: the input is left alone.

    Raises:
        UsageError: an unknown placement, site or activation, a value out of range, or BN or dropout asked for
            where the network has no place for it.
    """
    _check_settings(batch_norm, activation, batch_norm_momentum, batch_norm_epsilon)
    normed = _normed(batch_norm, batch_norm_sites, network, units)
    rates = _rates(dropout, dropout_sites, network, units)
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
    """Return the steps that a unit carries, in their order: its layers."""
    has = {
        "weight": True,
        "batch_norm": unit.name in plan.batch_norm,
        "activation": unit.kind != "logits",
        "pool": unit.pool > 1,
        "dropout": unit.name in plan.dropout,
    }
    return tuple(step for step in plan.order if has[step])


def check_input(network: str, units: Sequence[Unit], input_shape: Sequence[int], classes: int) -> None:
    """Refuse images that the chain of units would shrink to nothing, and fewer than two classes.

    Raises:
        UsageError: it says the smallest size.
    """
    sizes = tuple(input_shape)
    if len(sizes) != 3 or not all(_is_count(size) for size in sizes):
        raise UsageError(f"input_shape should be (height, width, channels), received {input_shape!r}")
    if not _is_count(classes) or classes < 2:
        raise UsageError(f"classes should be a whole number from 2, received {classes!r}")
    if min(output_side(units, side) for side in sizes[:2]) == 0:
        least = next(side for side in range(1, 10_000) if output_side(units, side))
        raise UsageError(f"{network} needs images of at least {least}x{least}, received {sizes[0]}x{sizes[1]}")


def output_side(units: Sequence[Unit], side: int) -> int:
    """Return the height (or width) of the maps that leave the last convolution, 0 for an image too small."""
    for unit in units:
        if unit.kind == "conv":
            grown = side if unit.padding == "same" else side - unit.kernel + 1
            side = max(grown, 0) // unit.pool
    return side


def _check_settings(batch_norm: str, activation: str, momentum: float, epsilon: float) -> None:
    if batch_norm not in ORDER:
        raise unknown("batch_norm placement", batch_norm, ORDER)
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    if not 0.0 <= momentum < 1.0:
        raise UsageError(f"batch_norm_momentum should lie in [0, 1), received {momentum!r}")
    if not (epsilon > 0.0 and math.isfinite(epsilon)):
        raise UsageError(f"batch_norm_epsilon should be positive and finite, received {epsilon!r}")


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
    dropout: float | Mapping[str, float], sites: Sequence[str] | None, network: str, units: Sequence[Unit]
) -> dict[str, float]:
    """Return the positive rates by unit name, in the order of the units; a unit overrides its kind."""
    if isinstance(dropout, Mapping):
        if sites is not None:
            raise UsageError("a mapping of dropout rates names its own sites: leave dropout_sites out")
        by_site = {site: _rate(dropout[site]) for site in _checked("dropout", list(dropout), network, units)}
    else:
        places = DROPOUT_SITES if sites is None else _checked("dropout_sites", sites, network, units)
        by_site = dict.fromkeys(places, _rate(dropout))
    rates = {unit.name: by_site.get(unit.name, by_site.get(unit.kind, 0.0)) for unit in units}
    positive = {name: rate for name, rate in rates.items() if rate > 0.0}
    if not positive and (any(by_site.values()) or (not by_site and dropout)):
        raise _has_no_place(f"dropout {dropout!r}", "dropout_sites", network, units)
    return positive


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _rate(rate: object) -> float:
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0.0 <= rate < 1.0:
        raise UsageError(f"dropout should lie in [0, 1), received {rate!r}")
    return float(rate)


def _checked(field: str, sites: Sequence[str], network: str, units: Sequence[Unit]) -> list[str]:
    """Return the sites that were named on purpose as a list, each of them known to the network."""
    if isinstance(sites, str):
        raise UsageError(f"{field} should be a list of names, received the single text {sites!r}")
    for site in sites:
        if site not in _site_names(units):
            raise unknown(f"site of {network} in {field}", site, _site_names(units))
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


def _has_no_place(what: str, field: str, network: str, units: Sequence[Unit]) -> UsageError:
    return UsageError(f"{what} has no place in {network}: name {field} among {', '.join(_site_names(units))}")
