"""Which units of a chain carry Batch Normalization and Dropout: placement, sites and rates resolved, free of Keras.

Sites name units: a kind (`conv`, `dense`, `logits`) or a single unit (`conv1`), which goes before its kind. A site that
is named and has no place in the network is refused, never dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kbnd.errors import UsageError, checked_rate, unknown
from kbnd.models.options import PlacementOptions, check_layers, completed
from kbnd.models.placement import ORDER, PLACEMENTS, Plan, Unit

BATCH_NORM_SITES = ("conv",)
DROPOUT_SITES = ("dense",)


def place(network: str, units: Sequence[Unit], options: PlacementOptions, *, hint: str = "") -> Plan:
    """Resolve placements, sites and rates to the units of one chain.

    Args:
        network: name used in errors.
        units: the chain, in order; the first one sees the input.
        options: those that were given. Sites that are None are `BATCH_NORM_SITES` and `DROPOUT_SITES`; those of Batch
            Normalization are checked also where the placement is `none`.
        hint: what the network can do about a missing dense layer, for the error.

    Returns:
        The plan. Under `before_weight` the first unit carries nothing: the input is left alone.

    Raises:
        TypeError: an option that there is not.
        UsageError: an unknown placement, site or activation, a value out of range, or BN or dropout asked for
            where the network has no place for it.
    """
    settings = completed(network, options, PlacementOptions)
    batch_norm = settings["batch_norm"]
    if batch_norm not in PLACEMENTS:
        raise unknown("batch_norm placement", batch_norm, PLACEMENTS)
    check_layers(settings)
    normed = _normed(batch_norm, settings["batch_norm_sites"], network, units)
    has_dense = any(unit.kind == "dense" for unit in units)
    rates = _rates(settings["dropout"], settings["dropout_sites"], network, units, "" if has_dense else hint)
    if batch_norm == "before_weight":
        first = units[0].name
        normed = _without(first, normed, "batch_norm_sites")
        rates = {name: rates[name] for name in _without(first, list(rates), "dropout_sites")}
    return Plan(
        order=ORDER[batch_norm],
        batch_norm=frozenset(normed),
        dropout=rates,
        activation=settings["activation"],
        batch_norm_momentum=settings["batch_norm_momentum"],
        batch_norm_epsilon=settings["batch_norm_epsilon"],
    )


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
