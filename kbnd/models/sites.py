"""Which units of a chain carry Batch Normalization and Dropout: placement, sites and rates resolved, free of Keras.

Sites name units: a kind (`conv`, `dense`, `logits`) or a single unit (`conv1`), which goes before its kind. What is
named and has no place in the network is refused, never dropped:

| named                                                          | refused because                                  |
|----------------------------------------------------------------|--------------------------------------------------|
| a unit or kind that the network has not                        | there is none                                    |
| under `before_weight` the first unit, or a kind of it alone    | its input is the image, which is left alone      |
| in a mapping a kind all of whose units have rates of their own | no unit takes the kind's rate                    |
| sites without a word on what stands there (`HOSTS`)            | nothing would: `none` or rate 0 has to be *said* |

A kind means its units that can carry the layer: `conv` under `before_weight` is every convolution but the first.
Placement `none` and rate 0 leave all sites empty, so that one list of sites serves every arm of a comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kbnd.errors import UsageError, checked_rate, unknown
from kbnd.models.options import DEFAULTS, PlacementOptions, check_layers, completed
from kbnd.models.placement import ORDER, PLACEMENTS, Plan, Unit

BATCH_NORM_SITES = ("conv",)
DROPOUT_SITES = ("dense",)

HOSTS = {
    "batch_norm_sites": "batch_norm",
    "batch_norm_momentum": "batch_norm",
    "batch_norm_epsilon": "batch_norm",
    "dropout_sites": "dropout",
}
"""A setting -> the option that says whether there is anything to set."""

REMEDIES = {
    "batch_norm": f"say where BN stands too, as batch_norm {', '.join(PLACEMENTS[1:])} (or none)",
    "dropout": "say a dropout rate too (0 for none)",
}


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
            where the network has no place for it; the sentence lists the sites that there are.
    """
    settings = completed(network, options, PlacementOptions)
    batch_norm = settings["batch_norm"]
    if batch_norm not in PLACEMENTS:
        raise unknown("batch_norm placement", batch_norm, PLACEMENTS)
    check_layers(settings)
    chain = Chain(network, tuple(units), n_barred=int(batch_norm == "before_weight"), hint=hint)
    normed = _normed(batch_norm, settings["batch_norm_sites"], chain)
    rates = _rates(settings["dropout"], settings["dropout_sites"], chain)
    _check_hosts(options)
    return Plan(
        order=ORDER[batch_norm],
        batch_norm=frozenset(normed),
        dropout=rates,
        activation=settings["activation"],
        batch_norm_momentum=settings["batch_norm_momentum"],
        batch_norm_epsilon=settings["batch_norm_epsilon"],
    )


@dataclass(frozen=True)
class Chain:
    """The units of a network, and which of them can carry Batch Normalization and Dropout under a placement.

    Attributes:
        network: its name.
        units: all of them, in order.
        n_barred: how many of the first can carry neither.
        hint: what the network can do about a missing dense layer.
    """

    network: str
    units: tuple[Unit, ...]
    n_barred: int
    hint: str

    def at(self, sites: Iterable[str]) -> list[str]:
        """Return the names of the units that can carry a layer at these sites, in their order."""
        named = set(sites)
        return [unit.name for unit in self.units[self.n_barred :] if {unit.name, unit.kind} & named]

    def site_names(self, *, n_barred: int = 0) -> list[str]:
        """Return every site, kinds first, of all units but the first `n_barred`."""
        units = self.units[n_barred:]
        return list(dict.fromkeys([unit.kind for unit in units] + [unit.name for unit in units]))

    def checked(self, field: str, sites: Sequence[str]) -> list[str]:
        """Return the sites that were named on purpose as a list, each of them known to the network."""
        if isinstance(sites, str):
            raise UsageError(f"{field} should be a list of names, received the single text {sites!r}")
        names = self.site_names()
        for site in sites:
            if site not in names:
                error = unknown(f"site of {self.network} in {field}", site, names)
                is_hinted = site.startswith("dense") and "dense" not in names and self.hint
                raise UsageError(f"{error}; {self.hint}") if is_hinted else error
        return list(sites)

    def check_places(self, field: str, sites: Iterable[str]) -> None:
        """Refuse a site none of whose units can carry the layer."""
        for site in sites:
            if not self.at([site]):
                raise UsageError(
                    f"before_weight leaves the input image alone, and with it {self.units[0].name}: {field} names "
                    f"{site!r}, choose from {', '.join(self.site_names(n_barred=self.n_barred))}"
                )

    def without_place(self, what: str, field: str) -> UsageError:
        """Return the error of a layer that is asked for and would stand nowhere."""
        has_dense = "dense" in self.site_names()
        remedy = f"{self.hint}, or name" if self.hint and not has_dense and field == "dropout_sites" else "name"
        names = ", ".join(self.site_names(n_barred=self.n_barred))
        return UsageError(f"{what} has no place in {self.network}: {remedy} {field} among {names}")


def _check_hosts(options: PlacementOptions) -> None:
    """Refuse a setting that nobody would read, unless it was said that there is nothing to set."""
    for setting, host in HOSTS.items():
        value = options.get(setting)
        if value is not None and value != DEFAULTS[setting] and host not in options:
            shown = ", ".join(value) if isinstance(value, (list, tuple)) else value
            raise UsageError(f"{setting} {shown} would change nothing: {REMEDIES[host]}, or leave it out")


def _normed(batch_norm: str, sites: Sequence[str] | None, chain: Chain) -> list[str]:
    """Return the names of the units with Batch Normalization, in the order of the units."""
    named = [] if sites is None else chain.checked("batch_norm_sites", sites)
    if batch_norm == "none":
        return []
    chain.check_places("batch_norm_sites", named)
    normed = chain.at(BATCH_NORM_SITES if sites is None else named)
    if not normed:
        raise chain.without_place(f"batch_norm {batch_norm!r}", "batch_norm_sites")
    return normed


def _rates(dropout: float | Mapping[str, float], sites: Sequence[str] | None, chain: Chain) -> dict[str, float]:
    """Return the positive rates by unit name, in the order of the units; a unit overrides its kind."""
    if not isinstance(dropout, Mapping):
        return _rates_of_one(checked_rate(dropout), sites, chain)
    if sites is not None:
        raise UsageError("a mapping of dropout rates names its own sites: leave dropout_sites out")
    by_site = {site: checked_rate(dropout[site]) for site in chain.checked("dropout", list(dropout))}
    positive = [site for site, rate in by_site.items() if rate > 0.0]
    chain.check_places("dropout", positive)
    kinds = {unit.name: unit.kind for unit in chain.units}
    rates = {name: by_site.get(name, by_site.get(kinds[name], 0.0)) for name in chain.at(by_site)}
    for site in positive:
        if by_site[site] not in [rates[name] for name in chain.at([site])]:
            raise UsageError(
                f"dropout {by_site[site]} of {site!r} reaches no unit of {chain.network}: "
                f"{', '.join(chain.at([site]))} have rates of their own, leave one or the other out"
            )
    return {name: rate for name, rate in rates.items() if rate > 0.0}


def _rates_of_one(rate: float, sites: Sequence[str] | None, chain: Chain) -> dict[str, float]:
    """Return the one rate, where it is above 0, by the names of the units that are to carry it."""
    named = [] if sites is None else chain.checked("dropout_sites", sites)
    if rate == 0.0:
        return {}
    chain.check_places("dropout_sites", named)
    rates = dict.fromkeys(chain.at(DROPOUT_SITES if sites is None else named), rate)
    if not rates:
        raise chain.without_place(f"dropout {rate!r}", "dropout_sites")
    return rates
