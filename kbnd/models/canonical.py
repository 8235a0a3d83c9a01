"""One spec for one network, however its sites and rates were written, so that a run has one identity.

| field              | canonical                                                                                    |
|--------------------|----------------------------------------------------------------------------------------------|
| `batch_norm`       | the first placement of `ORDER` that gives these layers (BN on logits alone: before = after)  |
| `batch_norm_sites` | None for the default units and without BN                                                    |
| `dropout`          | 0 for none; one rate for equal rates; a mapping site -> rate for different ones              |
| `dropout_sites`    | None for the default units, for none and for a mapping                                       |
| momentum, epsilon  | their defaults without BN                                                                    |
| `options`          | without those that equal the builder's default; `width = 2` as `width = 2.0`                 |

Sites are written in the order of the units: a kind where all of its units are meant (and share a rate), else the
single units. The image-side unit, which `before_weight` leaves alone, counts for nothing in this. A residual network
has neither placement nor sites. Options are compared as they are written: two widths that round to the same filters
are two specs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kbnd.models.placement import ORDER, PLACEMENTS, Plan, Unit, carried
from kbnd.models.sites import BATCH_NORM_SITES, DROPOUT_SITES
from kbnd.spec import ModelSpec


def canonical_spec(spec: ModelSpec, plan: Plan, units: Sequence[Unit], *, defaults: Mapping[str, object]) -> ModelSpec:
    """Return the one spec of the network that a plan describes.

    Args:
        spec: where the plan came from; its name and its options are taken from it.
        plan: what `kbnd.models.sites.place` makes of the spec.
        units: the network's chain.
        defaults: what the builder takes for an option that is left out.
    """
    free = units[1:] if spec.batch_norm == "before_weight" else units
    fields: dict[str, Any] = {"name": spec.name, "options": canonical_options(spec.options, defaults)}
    if plan.batch_norm:
        fields["batch_norm"] = _placement(plan, units)
        fields["batch_norm_sites"] = _sites(plan.batch_norm, free, default=BATCH_NORM_SITES)
        fields["batch_norm_momentum"] = plan.batch_norm_momentum
        fields["batch_norm_epsilon"] = plan.batch_norm_epsilon
    rates = set(plan.dropout.values())
    if len(rates) == 1:
        fields["dropout"] = rates.pop()
        fields["dropout_sites"] = _sites(plan.dropout, free, default=DROPOUT_SITES)
    elif rates:
        fields["dropout"] = _by_site(plan.dropout, free)
    return ModelSpec(**fields)


def canonical_residual(spec: ModelSpec, plan: Plan, *, defaults: Mapping[str, object]) -> ModelSpec:
    """Return the one spec of a residual network.

    Args:
        spec: of the network, checked.
        plan: what `kbnd.models.residual.place_residual` makes of it.
        defaults: what the builder takes for an option that is left out.
    """
    fields: dict[str, Any] = {"name": spec.name, "options": canonical_options(spec.options, defaults)}
    if plan.batch_norm:
        fields["batch_norm_momentum"] = plan.batch_norm_momentum
        fields["batch_norm_epsilon"] = plan.batch_norm_epsilon
    return ModelSpec(dropout=spec.dropout, **fields)


def canonical_options(options: Mapping[str, Any], defaults: Mapping[str, object]) -> dict[str, Any]:
    """Return the options that differ from the builder's defaults, a whole number for a float as a float."""
    return {
        name: _as_default(value, defaults[name])
        for name, value in options.items()
        if _plain(value) != _plain(defaults[name])
    }


def _placement(plan: Plan, units: Sequence[Unit]) -> str:
    layers = [carried(unit, plan) for unit in units]
    return next(
        name for name in PLACEMENTS if [carried(unit, replace(plan, order=ORDER[name])) for unit in units] == layers
    )


def _sites(names: Iterable[str], units: Sequence[Unit], *, default: Sequence[str]) -> tuple[str, ...] | None:
    """Return the sites that mean these units; None where the default sites do."""
    chosen = dict.fromkeys(names, 1.0)
    is_default = set(chosen) == {unit.name for unit in units if unit.kind in default}
    return None if is_default else tuple(_by_site(chosen, units))


def _by_site(values: Mapping[str, float], units: Sequence[Unit]) -> dict[str, float]:
    """Return the values of units by site: by kind where a whole kind shares one, else by unit."""
    by_site: dict[str, float] = {}
    for kind in dict.fromkeys(unit.kind for unit in units):
        members = [unit.name for unit in units if unit.kind == kind]
        is_shared = len({values.get(name) for name in members}) == 1
        sites = {kind: values.get(members[0])} if is_shared else {name: values.get(name) for name in members}
        by_site |= {site: value for site, value in sites.items() if value is not None}
    return by_site


def _as_default(value: Any, default: object) -> Any:
    return float(value) if isinstance(default, float) and isinstance(value, int) else value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value
