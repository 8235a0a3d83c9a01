"""Placements and sites resolve to units before Keras is there."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbnd.errors import UsageError
from kbnd.models.lenet import UNITS
from kbnd.models.logits_dropout import logits_dropout_floor, warn_of_logits_dropout
from kbnd.models.options import ACTIVATIONS
from kbnd.models.placement import ORDER, PLACEMENTS, carried
from kbnd.models.sites import place
from kbnd.models.sizes import check_input

NAMES = tuple(unit.name for unit in UNITS)
SITES = ("conv", "dense", "logits", *NAMES[:4])
PLACED = PLACEMENTS[1:]


def lenet(**options):
    return place("lenet5", UNITS, options)


def test_by_default_convolutions_carry_batch_norm_and_the_hidden_dense_layer_dropout():
    plan = lenet(batch_norm="before_activation", dropout=0.5)
    assert plan.batch_norm == {"conv1", "conv2", "conv3"}
    assert plan.dropout == {"dense1": 0.5}


def test_the_baseline_carries_nothing():
    plan = lenet()
    assert not plan.batch_norm
    assert not plan.dropout


def test_pooling_follows_the_whole_unit_and_convolution_dropout_follows_pooling():
    for placement in ("none", "before_activation", "after_activation"):
        assert ORDER[placement][-2:] == ("pool", "dropout")
    assert ORDER["before_weight"][-1] == "pool"


@given(
    st.sampled_from(("before_activation", "after_activation")),
    st.lists(st.sampled_from(SITES), min_size=1),
    st.lists(st.sampled_from(SITES), min_size=1),
    st.floats(0.0, 1.0, exclude_min=True, exclude_max=True),
)
def test_a_unit_carries_a_layer_exactly_if_it_or_its_kind_is_named(placement, normed, dropped, rate):
    plan = lenet(batch_norm=placement, batch_norm_sites=normed, dropout=rate, dropout_sites=dropped)
    for unit in UNITS:
        assert (unit.name in plan.batch_norm) == bool({unit.name, unit.kind} & set(normed))
        assert (unit.name in plan.dropout) == bool({unit.name, unit.kind} & set(dropped))
    assert set(plan.dropout.values()) == {rate}


def test_a_single_unit_overrides_its_kind_whatever_the_order():
    rates = {"conv2": 0.3, "conv": 0.1, "dense": 0.0}
    for items in itertools.permutations(rates.items()):
        assert lenet(dropout=dict(items)).dropout == {"conv1": 0.1, "conv2": 0.3, "conv3": 0.1}


def test_a_unit_can_be_freed_from_the_rate_of_its_kind():
    assert lenet(dropout={"conv": 0.1, "conv2": 0.0}).dropout == {"conv1": 0.1, "conv3": 0.1}


def test_before_weight_leaves_the_input_alone():
    plan = lenet(batch_norm="before_weight", dropout=0.2, dropout_sites=("conv", "dense"))
    assert plan.batch_norm == {"conv2", "conv3"}
    assert set(plan.dropout) == {"conv2", "conv3", "dense1"}


@pytest.mark.parametrize("field", ["batch_norm_sites", "dropout_sites"])
def test_before_weight_refuses_to_be_asked_for_the_first_unit(field):
    with pytest.raises(
        UsageError, match=f"leaves the input image alone, and with it conv1: {field} names 'conv1', choose"
    ):
        lenet(batch_norm="before_weight", dropout=0.5, **{field: ("conv1",)})


def test_sites_are_no_part_of_a_network_without_batch_norm():
    assert lenet(batch_norm="none", batch_norm_sites=("conv1",)) == lenet()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"batch_norm": "before"}, r"unknown batch_norm placement 'before'.*choose from none, before_activation"),
        ({"batch_norm_sites": ("conv4",)}, r"unknown site of lenet5 in batch_norm_sites 'conv4'.*conv, dense, logits"),
        ({"dropout_sites": ("head",)}, r"unknown site of lenet5 in dropout_sites 'head'.*dense1"),
        ({"dropout": {"hidden": 0.5}}, r"unknown site of lenet5 in dropout 'hidden'"),
        ({"dropout_sites": "dense"}, r"should be a list of names, received the single text 'dense'"),
        ({"dropout": {"dense": 0.5}, "dropout_sites": ("dense",)}, r"leave dropout_sites out"),
        ({"dropout": 1.0}, r"dropout should lie in \[0, 1\), received 1.0"),
        ({"dropout": -0.1}, r"\[0, 1\), received -0.1"),
        ({"dropout": math.nan}, r"\[0, 1\), received nan"),
        ({"dropout": True}, r"\[0, 1\), received True"),
        ({"dropout": {"dense": "half"}}, r"\[0, 1\), received 'half'"),
        ({"dropout": 0.5, "dropout_sites": ()}, r"dropout 0.5 has no place in lenet5: name dropout_sites among conv"),
        ({"batch_norm": "after_activation", "batch_norm_sites": ()}, r"'after_activation' has no place in lenet5"),
        ({"activation": "rellu"}, r"unknown activation 'rellu' \(did you mean 'relu'\?\)"),
        ({"batch_norm_momentum": 1.0}, r"batch_norm_momentum should lie in \[0, 1\), received 1.0"),
        ({"batch_norm_epsilon": 0.0}, r"batch_norm_epsilon should be positive and finite, received 0.0"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        lenet(**options)


def test_a_network_without_a_hidden_dense_layer_has_no_place_for_default_dropout():
    convolutions = (*UNITS[:3], UNITS[4])
    assert not place("bare", convolutions, {}).dropout
    with pytest.raises(UsageError, match=r"dropout 0\.5 has no place in bare: name dropout_sites among conv, logits"):
        place("bare", convolutions, {"dropout": 0.5})


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 0), (28.0, 28, 1), (28, 28, True)])
def test_an_input_shape_is_three_counts(shape):
    with pytest.raises(UsageError, match=r"input_shape should be \(height, width, channels\)"):
        check_input("lenet5", UNITS, shape, 10)


@pytest.mark.parametrize("shape", [(27, 28, 1), (28, 27, 1), (8, 8, 1), (1, 1, 1)])
def test_a_small_image_is_refused_with_the_smallest_size(shape):
    with pytest.raises(UsageError, match=f"at least 28x28, received {shape[0]}x{shape[1]}"):
        check_input("lenet5", UNITS, shape, 10)


@pytest.mark.parametrize("classes", [1, 0, -3, 2.0, True])
def test_fewer_than_two_classes_are_refused(classes):
    with pytest.raises(UsageError, match="classes should be a whole number from 2"):
        check_input("lenet5", UNITS, (28, 28, 1), classes)


@pytest.mark.parametrize(("rate", "floor"), [(0.5, 0.831232), (0.1, 0.0533), (0.2, 0.1854), (0.8, 1.674)])
def test_the_loss_floor_of_dropout_on_ten_logits(rate, floor):
    assert logits_dropout_floor(rate, 10) == pytest.approx(floor, rel=1e-3)


@given(st.integers(2, 6), st.floats(0.05, 0.95))
def test_the_loss_floor_is_the_mean_over_all_masks(classes, rate):
    expected = 0.0
    for dropped in itertools.product((False, True), repeat=classes):
        weight = math.prod(rate if one else 1 - rate for one in dropped)
        tied = sum(dropped[1:])  # the true class is the first: dropped, it ties at 0 with the other dropped ones
        expected += weight * (math.log(1 + tied) if dropped[0] else 0.0)
    assert logits_dropout_floor(rate, classes) == pytest.approx(expected)


def test_dropout_on_the_logits_warns_with_its_floor():
    with pytest.warns(UserWarning, match=r"dropout 0.5 on logits .* cannot fall below 0.8312 nats for 10 classes"):
        warn_of_logits_dropout(lenet(dropout=0.5, dropout_sites=("logits",)), UNITS, 10)


def test_dropout_before_the_last_weight_is_no_dropout_on_the_logits(recwarn):
    warn_of_logits_dropout(lenet(batch_norm="before_weight", dropout={"logits": 0.5}), UNITS, 10)
    assert not recwarn


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_listed_activation_is_accepted(activation):
    assert lenet(activation=activation).activation == activation


def test_a_unit_carries_the_steps_it_has_layers_for():
    plan = lenet(batch_norm="after_activation", dropout=0.5)
    assert [carried(unit, plan) for unit in UNITS[-3:]] == [
        ("weight", "activation", "batch_norm"),
        ("weight", "activation", "dropout"),
        ("weight",),
    ]
    assert carried(UNITS[0], plan)[-1] == "pool"


@pytest.mark.parametrize("placement", PLACED)
def test_every_placement_has_each_step_once(placement):
    assert sorted(ORDER[placement]) == ["activation", "batch_norm", "dropout", "pool", "weight"]
