"""Residual networks before Keras is there: rules, options, one spec for one network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbnd.errors import UsageError
from kbnd.models import check, resolve
from kbnd.models.placement import ORDER, PLACEMENTS, Placed
from kbnd.models.residual import BLOCKS, RULES, Block, Residual, parts, place_residual
from kbnd.spec import ModelSpec

FAMILY = {"post": "post", "post_after": "post", "post_no_bn": "post", "pre": "pre"}
"""Orders whose dropout stands in one unit of a branch, by what they go back to."""


def spec(**fields):
    options = {"depth": 20} | fields.pop("options", {})
    return ModelSpec(name="resnet", options=options, **fields)


def branches(order, *, block="basic", dropout=0.0):
    """Steps of the first block's units, and of what stands after its addition."""
    network = Residual(3 * len(BLOCKS[block].kernels) + 2, block=block, order=order, dropout=dropout)
    first = next(part for part in parts(network, classes=10) if isinstance(part, Block))
    return [placed.steps for placed in first.branch], first.merged.steps


def test_every_order_has_rules_and_every_other_row_of_the_table_is_a_placement():
    assert set(ORDER) == {*PLACEMENTS, *RULES}
    assert not set(PLACEMENTS) & set(RULES)


@pytest.mark.parametrize("order", RULES)
def test_a_step_stands_once_in_a_unit(order):
    expected = {"weight", "activation", "dropout"} | ({"batch_norm"} if order != "post_no_bn" else set())
    assert set(ORDER[order]) == expected
    assert len(ORDER[order]) == len(expected)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("order", RULES)
def test_a_branch_and_what_follows_the_addition_are_its_units_one_after_the_other(order, block):
    units, after = branches(order, block=block, dropout=0.1)
    in_a_row = [*(step for steps in units for step in steps), *after]
    assert [step for step in in_a_row if step != "dropout"] == [
        step for _ in BLOCKS[block].kernels for step in ORDER[order] if step != "dropout"
    ]


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("order", FAMILY)
def test_dropout_stands_once_right_before_the_last_weight_layer(order, block):
    units, after = branches(order, block=block, dropout=0.1)
    in_a_row = [step for steps in units for step in steps]
    last_weight = len(in_a_row) - 1 - in_a_row[::-1].index("weight")
    dropouts = [i for i, step in enumerate(in_a_row) if step == "dropout"]
    assert len(dropouts) == 1
    assert "weight" not in in_a_row[dropouts[0] : last_weight]
    assert "dropout" not in after


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("order", [order for order in RULES if order not in FAMILY])
def test_ic_layers_have_dropout_right_behind_each_batch_norm(order, block):
    units, after = branches(order, block=block, dropout=0.1)
    assert after == ()
    for steps in units:
        assert steps == ORDER[order]
        assert steps[steps.index("batch_norm") + 1] == "dropout"


def test_the_stem_has_dropout_only_where_it_is_a_whole_unit():
    stems = {order: parts(Residual(8, order=order, dropout=0.1), classes=10)[0].steps for order in RULES}
    assert [order for order, steps in stems.items() if "dropout" in steps] == ["conv_relu_ic"]


@pytest.mark.parametrize("order", RULES)
def test_without_dropout_no_unit_has_any(order):
    flat = [
        placed
        for part in parts(Residual(8, order=order), classes=10)
        for placed in ([part] if isinstance(part, Placed) else part.branch)
    ]
    assert not any("dropout" in placed.steps for placed in flat)
    assert not place_residual(Residual(8, order=order), {}).dropout


@pytest.mark.parametrize(("block", "depth", "n"), [("basic", 20, 3), ("basic", 110, 18), ("bottleneck", 110, 12)])
def test_a_depth_is_the_number_of_weight_layers_on_the_longest_path(block, depth, n):
    network = parts(Residual(depth, block=block), classes=10)
    blocks = [part for part in network if isinstance(part, Block)]
    assert len(blocks) == 3 * n
    assert 1 + sum(len(one.branch) for one in blocks) + 1 == depth
    assert [one.name for one in blocks if one.shortcut] == [
        f"stage{stage}_block1" for stage in ((2, 3) if block == "basic" else (1, 2, 3))
    ]


@pytest.mark.parametrize("block", BLOCKS)
def test_the_first_weight_layer_of_stages_two_and_three_has_the_stride(block):
    strided = [
        placed.unit.name
        for part in parts(Residual(29 if block == "bottleneck" else 20, block=block), classes=10)
        for placed in (
            [part] if isinstance(part, Placed) else [*part.branch, *([part.shortcut] if part.shortcut else [])]
        )
        if placed.unit.stride > 1
    ]
    assert strided == [f"stage{s}_block1_{which}" for s in (2, 3) for which in ("conv1", "shortcut")]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"depth": None}, r"^depth is missing: resnet of basic blocks has 6n \+ 2, such as depth=20$"),
        ({"depth": 20.0}, r"depth should be a whole number from 1, received 20.0"),
        ({"depth": "20"}, r"depth should be a whole number from 1, received '20'"),
        ({"depth": True}, r"depth should be a whole number from 1, received True"),
        ({"depth": -4}, r"depth should be a whole number from 1, received -4"),
        ({"depth": 21}, r"depth 21 does not fit basic blocks, 6n \+ 2: the nearest are 20 and 26"),
        ({"depth": 2}, r"depth 2 does not fit basic blocks, 6n \+ 2: the nearest is 8"),
        ({"depth": 50, "block": "bottleneck"}, r"depth 50 does not fit bottleneck blocks, 9n \+ 2: .* 47 and 56"),
        ({"block": "botleneck"}, r"unknown block of resnet 'botleneck' \(did you mean 'bottleneck'\?\)"),
        ({"block": ["basic"]}, r"unknown block of resnet \['basic'\]"),
        (
            {"order": "before_activation"},
            r"unknown order of resnet 'before_activation'.*post, post_after, post_no_bn, pre",
        ),
        ({"order": 3}, r"unknown order of resnet 3"),
        ({"shortcut": "identity"}, r"unknown shortcut of resnet 'identity'.*projection, projection_bn, zero_pad"),
        ({"depth": 20, "block": "bottleneck", "shortcut": "zero_pad"}, r"'zero_pad' belongs to basic blocks"),
        ({"order": "post_no_bn", "shortcut": "projection_bn"}, r"'projection_bn' has Batch Normalization"),
        ({"width": 0.0}, r"width should be a positive number, received 0.0"),
        ({"width": 0.01}, r"width 0\.01 leaves nothing of 16 filters"),
        ({"activation": "rellu"}, r"unknown activation 'rellu' \(did you mean 'relu'\?\)"),
        ({"activation": 1}, r"activation should be a name, received 1"),
        ({"head": [512]}, r"unknown option of resnet 'head'"),
        ({"dropout": 0.1}, r"unknown option of resnet 'dropout'"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        check(spec(options=options))


def test_a_spec_without_a_depth_says_what_is_missing():
    with pytest.raises(UsageError, match="depth is missing"):
        check(ModelSpec(name="resnet"))


@pytest.mark.parametrize(
    "fields", [{"batch_norm": "before_activation"}, {"batch_norm_sites": ["conv"]}, {"batch_norm_sites": []}]
)
def test_batch_norm_comes_from_the_order_alone(fields):
    sentence = r"resnet has its Batch Normalization from the option order \(post, .*conv_relu_ic\)"
    with pytest.raises(UsageError, match=sentence):
        check(spec(**fields))


@pytest.mark.parametrize("fields", [{"dropout": {"conv": 0.1}}, {"dropout": {}}, {"dropout_sites": ["conv"]}])
def test_dropout_is_one_rate_without_sites(fields):
    with pytest.raises(UsageError, match="resnet has one dropout rate and its option order says where: name no sites"):
        check(spec(**fields))


@pytest.mark.parametrize("block", BLOCKS)
@given(depth=st.integers(3, 400))
def test_a_refused_depth_names_depths_that_are_let_through(block, depth):
    try:
        check(spec(options={"depth": depth, "block": block}))
    except UsageError as error:
        depths = [int(word) for word in str(error).rpartition("nearest")[2].split() if word.isdigit()]
        assert depths
        for nearest in depths:
            check(spec(options={"depth": nearest, "block": block}))


# One spec for one network


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({"options": {"block": "basic", "order": "post", "shortcut": "projection", "activation": "relu"}}, {}),
        ({"options": {"width": 1}}, {}),
        ({"options": {"width": 1.0}}, {}),
        ({"options": {"width": 2}}, {"options": {"width": 2.0}}),
        ({"dropout": 0}, {}),
        ({"options": {"order": "post_no_bn"}, "batch_norm_momentum": 0.5}, {"options": {"order": "post_no_bn"}}),
        ({"options": {"order": "post_no_bn"}, "batch_norm_epsilon": 1e-3}, {"options": {"order": "post_no_bn"}}),
        ({"batch_norm_momentum": 0.9, "batch_norm_epsilon": 1e-5}, {}),
    ],
)
def test_what_is_written_in_many_ways_becomes_one(fields, same):
    assert resolve(spec(**fields)).model_dump_json() == spec(**same).model_dump_json()


@pytest.mark.parametrize(
    "fields",
    [
        {"options": {"order": "pre"}},
        {"options": {"shortcut": "zero_pad"}},
        {"options": {"width": 0.5}},
        {"options": {"depth": 26}},
        {"options": {"block": "bottleneck"}},
        {"dropout": 0.05},
        {"batch_norm_momentum": 0.99},
        {"batch_norm_epsilon": 1e-3},
    ],
)
def test_what_makes_another_network_makes_another_spec(fields):
    changed = resolve(spec(**fields))
    assert changed != resolve(spec())
    assert resolve(changed) == changed
    assert changed.options["depth"] == spec(**fields).options["depth"]
