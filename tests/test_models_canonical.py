"""Equal networks have one spec, and so one run id, however their sites and rates were written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbnd.errors import UsageError
from kbnd.models import check, resolve
from kbnd.models.canonical import canonical_spec
from kbnd.models.lenet import UNITS
from kbnd.models.options import PlacementOptions, options_of
from kbnd.models.placement import PLACEMENTS, Unit, carried
from kbnd.models.sites import place
from kbnd.spec import ModelSpec

SITES = ("conv", "dense", "logits", "conv1", "conv2", "conv3", "dense1")
RATES = (0.0, 0.1, 0.5)

PLACED = {
    "batch_norm": st.sampled_from(PLACEMENTS),
    "batch_norm_sites": st.none() | st.lists(st.sampled_from(SITES)),
    "batch_norm_momentum": st.sampled_from((0.9, 0.99)),
    "batch_norm_epsilon": st.sampled_from((1e-5, 1e-3)),
    "options": st.sampled_from(({}, {"activation": "relu"}, {"activation": "tanh"})),
}
UNIFORM = {"dropout": st.sampled_from(RATES), "dropout_sites": st.none() | st.lists(st.sampled_from(SITES))}
MAPPING = {"dropout": st.dictionaries(st.sampled_from(SITES), st.sampled_from(RATES))}


def lenet(**fields):
    return ModelSpec(name="lenet5", **fields)


def is_possible(spec):
    try:
        check(spec)
    except UsageError:
        return False
    return True


def specs(*fields):
    return st.one_of(*(st.builds(lenet, **PLACED, **rates) for rates in fields)).filter(is_possible)


anyhow = specs(UNIFORM, MAPPING)


def plan_of(spec):
    return place("lenet5", UNITS, options_of(spec, PlacementOptions))


def network(spec):
    """Everything that `blocks` makes layers of."""
    plan = plan_of(spec)
    layers = tuple((unit.name, carried(unit, plan), plan.dropout.get(unit.name)) for unit in UNITS)
    normalization = (plan.batch_norm_momentum, plan.batch_norm_epsilon) if plan.batch_norm else None
    return layers, plan.activation, normalization


@given(anyhow)
def test_the_canonical_spec_is_the_same_network(spec):
    assert network(resolve(spec)) == network(spec)


@given(anyhow)
def test_resolving_twice_changes_nothing(spec):
    once = resolve(spec)
    assert resolve(once) == once


def test_two_specs_resolve_to_one_exactly_if_they_are_one_network():
    resolved, networks = {}, {}

    @settings(max_examples=500)  # so that many networks come more than once
    @given(anyhow)
    def every_example(spec):
        layers, text = network(spec), resolve(spec).model_dump_json()
        assert resolved.setdefault(layers, text) == text  # compared with all examples before
        assert networks.setdefault(text, layers) == layers

    every_example()


@given(specs(UNIFORM), st.randoms())
def test_the_order_and_repetition_of_sites_mean_nothing(spec, random):
    shuffled = {}
    for field in ("batch_norm_sites", "dropout_sites"):
        if sites := getattr(spec, field):
            shuffled[field] = tuple(random.sample(sites, len(sites))) + sites[:1]
    assert resolve(spec.model_copy(update=shuffled)) == resolve(spec)


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({"batch_norm": "none", "batch_norm_sites": ["conv"], "dropout": 0.0, "dropout_sites": ["dense1"]}, {}),
        ({"batch_norm": "none", "batch_norm_momentum": 0.5, "batch_norm_epsilon": 1e-3}, {}),
        ({"dropout": {"conv": 0.0}}, {}),
        ({"options": {"activation": "relu"}}, {}),
        ({"dropout": 0.5, "dropout_sites": ["dense1"]}, {"dropout": 0.5}),
        ({"dropout": {"dense1": 0.5}}, {"dropout": 0.5}),
        (
            {"batch_norm": "before_activation", "batch_norm_sites": ["conv3", "conv1", "conv2"]},
            {"batch_norm": "before_activation"},
        ),
        (
            {"batch_norm": "before_weight", "batch_norm_sites": ["conv2", "conv3"]},
            {"batch_norm": "before_weight"},
        ),
        (
            {"batch_norm": "after_activation", "batch_norm_sites": ["logits"]},
            {"batch_norm": "before_activation", "batch_norm_sites": ["logits"]},
        ),
        ({"dropout": {"dense1": 0.1, "conv": 0.1}}, {"dropout": 0.1, "dropout_sites": ["conv", "dense"]}),
        ({"dropout": 0.1, "dropout_sites": ["conv3", "conv1"]}, {"dropout": 0.1, "dropout_sites": ["conv1", "conv3"]}),
        ({"dropout": {"conv": 0.1, "conv2": 0.3}}, {"dropout": {"conv1": 0.1, "conv2": 0.3, "conv3": 0.1}}),
        (
            {"dropout": {"conv2": 0.1, "conv1": 0.1, "conv3": 0.1, "dense": 0.5}},
            {"dropout": {"conv": 0.1, "dense": 0.5}},
        ),
    ],
)
def test_what_is_written_in_many_ways_becomes_one(fields, same):
    assert resolve(lenet(**fields)) == lenet(**same)


@pytest.mark.parametrize(
    ("name", "fields", "same"),
    [
        ("alexnet", {"options": {"head": [], "width": 1}}, {}),
        (
            "alexnet",
            {"options": {"head": (512, 512)}, "dropout": {"dense": 0.5}},
            {"dropout": 0.5, "options": {"head": [512, 512]}},
        ),
        ("alexnet", {"dropout": 0.0, "dropout_sites": ["conv"]}, {}),
        ("alexnet_d2l", {"dropout": {"dense2": 0.5, "dense1": 0.5}}, {"dropout": 0.5}),
        ("simple_cnn", {"options": {"width": 2}}, {"options": {"width": 2.0}}),
        ("simple_cnn", {"dropout": {"conv1": 0.0, "dense1": 0.5}}, {"dropout": 0.5}),
        (
            "deeper_cnn",
            {"batch_norm": "after_activation", "batch_norm_sites": [f"conv{i}" for i in range(8, 0, -1)]},
            {"batch_norm": "after_activation"},
        ),
    ],
)
def test_it_is_so_for_every_chain(name, fields, same):
    assert resolve(ModelSpec(name=name, **fields)).model_dump_json() == ModelSpec(name=name, **same).model_dump_json()


def test_the_unit_that_before_weight_leaves_alone_does_not_keep_its_kind_from_being_named():
    convolutions = (Unit("conv1", "conv"), Unit("conv2", "conv"), Unit("logits", "logits"))
    spec = ModelSpec(name="bare", batch_norm="before_weight", batch_norm_sites=["conv2", "logits"])
    plan = place("bare", convolutions, {"batch_norm": "before_weight", "batch_norm_sites": ("conv2", "logits")})
    assert canonical_spec(spec, plan, convolutions, defaults={}).batch_norm_sites == ("conv", "logits")


def test_what_cannot_be_built_is_refused():
    with pytest.raises(UsageError, match="unknown site of lenet5 in batch_norm_sites 'conv9'"):
        resolve(lenet(batch_norm_sites=["conv9"]))
