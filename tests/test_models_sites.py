"""What a person names gets its layer, in every network and placement, or is refused: no more layers and no less."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from network_checks import layer_names, network

from kbnd.errors import UsageError
from kbnd.models import MODELS, ResidualArchitecture, check, resolve
from kbnd.models.placement import PLACEMENTS, Placed
from kbnd.models.residual import RULES
from kbnd.models.sites import BATCH_NORM_SITES, DROPOUT_SITES
from kbnd.spec import ModelSpec

SMALL: dict[str, tuple[str, dict[str, Any], tuple[int, int, int]]] = {
    "lenet5": ("lenet5", {}, (28, 28, 1)),
    "alexnet": ("alexnet", {"width": 0.05}, (29, 29, 1)),
    "alexnet with head": ("alexnet", {"width": 0.05, "head": [4, 4]}, (29, 29, 1)),
    "simple_cnn": ("simple_cnn", {"width": 0.1}, (10, 10, 1)),
    "deeper_cnn": ("deeper_cnn", {"width": 0.1}, (11, 11, 1)),
}
"""Chains with few filters and small images."""

SITES: tuple[list[str], ...] = (
    *([site] for site in ("conv", "dense", "logits", "conv1", "dense1")),
    *(["conv1", "conv2"], ["conv", "dense"], ["conv1", "conv2", "conv3", "dense1"], []),
)

MAPPINGS: tuple[dict[str, float], ...] = (
    *({"conv": 0.2}, {"conv1": 0.2, "dense": 0.5}, {"conv2": 0.2, "dense": 0.5}, {"conv": 0.1, "conv1": 0.0}),
    *({"conv": 0.1, "conv1": 0.3}, {"conv": 0.1, "conv2": 0.3}, {"dense": 0.5, "dense1": 0.3}, {"logits": 0.1}, {}),
    {"conv": 0.1, **{f"conv{i}": 0.3 for i in range(1, 9)}},
)


def specs(case: str) -> Iterator[ModelSpec]:
    """Every placement with every site for Batch Normalization and for dropout, one rate and by site."""
    name, options, _ = SMALL[case]
    dropouts = [
        *({"dropout": rate, "dropout_sites": sites} for rate, sites in itertools.product((0.0, 0.2), (None, *SITES))),
        *({"dropout": mapping} for mapping in MAPPINGS),
    ]
    for placement, sites, dropout in itertools.product(PLACEMENTS, (None, *SITES), dropouts):
        yield ModelSpec(name=name, options=options, batch_norm=placement, batch_norm_sites=sites, **dropout)


def is_accepted(spec: ModelSpec) -> bool:
    try:
        check(spec)
    except UsageError:
        return False
    return True


def units_of(spec: ModelSpec) -> dict[str, str]:
    """Name -> kind of the units of a chain, in order."""
    units = MODELS[spec.name].units(**{n: v for n, v in spec.options.items() if n != "activation"})  # type: ignore[union-attr]
    return {unit.name: unit.kind for unit in units}


def meant(spec: ModelSpec) -> tuple[list[str], dict[str, float]] | None:
    """The units that are to carry BN, and the rates of those with dropout, by the words of a spec; None for no way.

    Written down anew from what is promised: a named unit has its layer, a kind has it on its units but for the first
    of the chain under `before_weight`, and whatever is named is found again.
    """
    kinds = units_of(spec)
    barred = list(kinds)[: int(spec.batch_norm == "before_weight")]

    def at(sites: Any) -> list[str] | None:
        free = [name for name in kinds if name not in barred]
        reached = {site: [name for name in free if site in (name, kinds[name])] for site in sites}
        return (
            None if not all(reached.values()) else [name for name in free if any(name in r for r in reached.values())]
        )

    named = spec.batch_norm_sites
    normed = at(BATCH_NORM_SITES if named is None else named) if spec.batch_norm != "none" else []
    if not isinstance(spec.dropout, dict):
        named = spec.dropout_sites
        dropped = at(DROPOUT_SITES if named is None else named) if spec.dropout else []
        rates = None if dropped is None else dict.fromkeys(dropped, spec.dropout)
        is_lost = bool(spec.dropout) and not rates
    else:
        positive = [site for site, rate in spec.dropout.items() if rate]
        by_unit = {name: spec.dropout.get(name, spec.dropout.get(kind, 0.0)) for name, kind in kinds.items()}
        rates = {name: rate for name, rate in by_unit.items() if rate and name not in barred}
        is_lost = any(spec.dropout[site] not in [rates.get(name) for name in at([site]) or []] for site in positive)
    is_bare = spec.batch_norm != "none" and not normed
    known = {*kinds, *kinds.values()}
    is_unknown = not {*(spec.batch_norm_sites or ()), *(spec.dropout_sites or ())} <= known or (
        isinstance(spec.dropout, dict) and not set(spec.dropout) <= known
    )
    return None if is_lost or is_bare or is_unknown or normed is None or rates is None else (normed, rates)


def carried(spec: ModelSpec, input_shape: tuple[int, int, int]) -> tuple[list[str], list[str]]:
    """Units with BN and units with dropout, by the layers that are to be made of them."""
    parts = [
        part for part in MODELS[spec.name].parts(spec, input_shape=input_shape, classes=10) if isinstance(part, Placed)
    ]
    return tuple([part.unit.name for part in parts if step in part.steps] for step in ("batch_norm", "dropout"))  # type: ignore[return-value]


@pytest.mark.parametrize("case", SMALL)
def test_what_is_named_has_its_layer_and_nothing_else_has_one_or_it_is_refused(case: str) -> None:
    n_accepted = 0
    for spec in specs(case):
        expected = meant(spec)
        assert is_accepted(spec) == (expected is not None), spec
        if expected is not None:
            n_accepted += 1
            for same in (spec, resolve(spec)):
                assert carried(same, SMALL[case][2]) == (expected[0], list(expected[1])), spec
                assert MODELS[spec.name].plan(same).dropout == expected[1], spec
    assert n_accepted > 200


def built(spec: ModelSpec, input_shape: tuple[int, int, int]) -> tuple[list[str], list[str]]:
    names = layer_names(network(spec, input_shape))
    return tuple(
        [name.removesuffix(ending) for name in names if name.endswith(ending)] for ending in ("_bn", "_dropout")
    )  # type: ignore[return-value]


@pytest.mark.backend
@pytest.mark.filterwarnings("ignore:dropout .* on logits")
@pytest.mark.parametrize("case", SMALL)
def test_the_built_network_has_these_layers(case: str) -> None:
    possible = [spec for spec in specs(case) if meant(spec) is not None]
    for spec in possible[:: len(possible) // 6]:
        normed, rates = meant(spec) or ([], {})
        assert built(spec, SMALL[case][2]) == (normed, list(rates)), spec


@pytest.mark.backend
@pytest.mark.parametrize("order", RULES)
def test_a_residual_network_has_the_layers_that_its_order_puts_there(order: str) -> None:
    spec = ModelSpec(name="resnet", dropout=0.2, options={"depth": 8, "order": order, "width": 0.2})
    normed, dropped = built(spec, (8, 8, 1))
    n_units = {"post_no_bn": 0}.get(order, 7)  # 6 convolutions and the stem, or the head in its place
    assert len(normed) == n_units
    assert len(dropped) == (3 if RULES[order].dropped is not None else 6 + ("dropout" in RULES[order].stem))


@pytest.mark.parametrize("order", RULES)
@pytest.mark.parametrize(
    "fields",
    [
        {"batch_norm_sites": ["conv"]},
        {"batch_norm": "before_activation"},
        {"dropout": 0.2, "dropout_sites": ["conv"]},
        {"dropout": 0.0, "dropout_sites": ["conv1"]},
        {"dropout": {"conv": 0.2}},
    ],
    ids=str,
)
def test_a_residual_network_takes_no_sites_in_any_order(order: str, fields: dict[str, Any]) -> None:
    assert isinstance(MODELS["resnet"], ResidualArchitecture)
    with pytest.raises(UsageError, match=r"order .*(leave batch_norm and batch_norm_sites out|name no sites)"):
        check(ModelSpec(name="resnet", options={"depth": 8, "order": order}, **fields))


@pytest.mark.parametrize(
    ("name", "fields", "sentence"),
    [
        (
            "lenet5",
            {"batch_norm": "before_weight", "batch_norm_sites": ["conv1", "conv2", "conv3", "dense1"]},
            r"leaves the input image alone, and with it conv1: batch_norm_sites names 'conv1', choose from conv, "
            r"dense, logits, conv2, conv3, dense1$",
        ),
        (
            "lenet5",
            {"batch_norm": "before_weight", "dropout": {"conv1": 0.2, "dense": 0.5}},
            r"and with it conv1: dropout names 'conv1', choose from conv, dense, logits, conv2",
        ),
        (
            "lenet5",
            {"dropout": {"dense": 0.5, "dense1": 0.3}},
            r"^dropout 0.5 of 'dense' reaches no unit of lenet5: dense1 have rates of their own, leave one or the",
        ),
        ("alexnet", {"batch_norm": "none", "batch_norm_sites": ["dense"]}, r"'dense'.*; head=\[512, 512\] gives it"),
        ("alexnet", {"dropout": 0.0, "dropout_sites": ["dense"]}, r"'dense'.*; head=\[512, 512\] gives it"),
        ("alexnet", {"dropout": 0.5}, r"^dropout 0.5 has no place in alexnet: head=\[512, 512\] gives it dense layers"),
        ("simple_cnn", {"batch_norm_sites": ["conv1"]}, r"^batch_norm_sites conv1 would change nothing: say where BN"),
        ("simple_cnn", {"batch_norm_momentum": 0.5}, r"^batch_norm_momentum 0.5 would change nothing: say where BN"),
        ("simple_cnn", {"dropout_sites": ["conv"]}, r"^dropout_sites conv would change nothing: say a dropout rate"),
    ],
)
def test_the_sentence_names_the_sites_there_are(name: str, fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        check(ModelSpec(name=name, **fields))


def test_a_placement_of_none_and_a_rate_of_zero_that_are_said_leave_sites_empty() -> None:
    spec = ModelSpec(
        name="lenet5", batch_norm="none", batch_norm_sites=["conv1"], dropout=0.0, dropout_sites=["conv", "dense"]
    )
    assert resolve(spec) == ModelSpec(name="lenet5")
