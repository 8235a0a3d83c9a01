"""Residual networks as Keras builds them: wiring, counts, shapes, shortcuts, training."""

import re

import numpy as np
import pytest
from network_checks import Case, check_network, check_training, network

from kbnd.models.blocks import STEPS
from kbnd.models.costs import COSTS
from kbnd.models.residual import BLOCKS, RULES
from kbnd.spec import ModelSpec

pytestmark = pytest.mark.backend

SMALL = (7, 6, 3)

# Layers one after the other: c1 is the first weight layer of a branch, BN, a and d stand for `_bn`, `_activation` and
# `_dropout` of the weight layer that they are named after.
STEMS = {
    "post": "conv1 conv1_bn conv1_a",
    "post_after": "conv1 conv1_a conv1_bn",
    "post_no_bn": "conv1 conv1_a",
    "pre": "conv1",
    "relu_ic_conv": "conv1",
    "ic_conv_relu": "conv1",
    "conv_relu_ic": "conv1 conv1_a conv1_bn conv1_d",
}
BASIC = {
    "post": "c1 c1_bn c1_a c1_d c2 c2_bn",
    "post_after": "c1 c1_a c1_bn c1_d c2",
    "post_no_bn": "c1 c1_a c1_d c2",
    "pre": "c1_bn c1_a c1 c2_bn c2_a c2_d c2",
    "relu_ic_conv": "c1_a c1_bn c1_d c1 c2_a c2_bn c2_d c2",
    "ic_conv_relu": "c1_bn c1_d c1 c1_a c2_bn c2_d c2 c2_a",
    "conv_relu_ic": "c1 c1_a c1_bn c1_d c2 c2_a c2_bn c2_d",
}
BOTTLENECK = {
    "post": "c1 c1_bn c1_a c2 c2_bn c2_a c2_d c3 c3_bn",
    "post_after": "c1 c1_a c1_bn c2 c2_a c2_bn c2_d c3",
    "post_no_bn": "c1 c1_a c2 c2_a c2_d c3",
    "pre": "c1_bn c1_a c1 c2_bn c2_a c2 c3_bn c3_a c3_d c3",
    "relu_ic_conv": "c1_a c1_bn c1_d c1 c2_a c2_bn c2_d c2 c3_a c3_bn c3_d c3",
    "ic_conv_relu": "c1_bn c1_d c1 c1_a c2_bn c2_d c2 c2_a c3_bn c3_d c3 c3_a",
    "conv_relu_ic": "c1 c1_a c1_bn c1_d c2 c2_a c2_bn c2_d c3 c3_a c3_bn c3_d",
}
AFTER_ADDITION = {"post": "c2_a", "post_after": "c2_a c2_bn", "post_no_bn": "c2_a"}  # c3 in bottlenecks
HEADS = {"pre": "head_bn head_a", "relu_ic_conv": "head_a head_bn", "ic_conv_relu": "head_bn"}


def sources(model, name):
    """Names of the layers whose outputs a layer takes."""
    inputs = model.get_layer(name).input
    return [tensor._keras_history.operation.name for tensor in (inputs if isinstance(inputs, list) else [inputs])]


def between(model, first, last):
    """Layers behind `first` up to `last`, which is reached without passing an addition; zero padding is left out."""
    names = []
    while last != first:
        names.insert(0, last)
        (last,) = sources(model, last)
    text = " ".join(name for name in names if not name.endswith("_pad"))
    return re.sub(r"stage\d_block\d_conv", "c", text).replace("_activation", "_a").replace("_dropout", "_d")


def block_ends(model, name):
    """(input of a block, last layer of its branch, its shortcut layer or None)."""
    branch, shortcut = sources(model, f"{name}_add")
    is_identity = not shortcut.startswith(f"{name}_shortcut")
    return (shortcut, branch, None) if is_identity else (*sources(model, f"{name}_shortcut"), branch, shortcut)


def residual(*, dropout=0.0, momentum=0.9, epsilon=1e-5, **options):
    return ModelSpec(
        name="resnet",
        dropout=dropout,
        batch_norm_momentum=momentum,
        batch_norm_epsilon=epsilon,
        options={"depth": 8, **options},
    )


def small(order, block):
    """One block in each stage."""
    return residual(dropout=0.1, depth=8 if block == "basic" else 11, block=block, order=order)


THIN = {f"stage2_block1_{layer}": (4, 3, 32) for layer in ("conv1", "conv2")}
"""Inside a bottleneck the maps are four times thinner."""

PUBLISHED = [  # `test_models_costs` and `test_models_residual` have the other depths
    Case(
        residual(**options),
        (32, 32, 3),
        n_trainable=n_parameters,
        shapes={
            "conv1": (32, 32, 16),
            **{f"stage{stage}_block{i}_add": shape for stage, shape in enumerate(shapes, start=1) for i in (1, n)},
            "head_pool": shapes[-1][-1:],
        },
        layers={f"stage1_block{n + 1}": ""},
    )
    for options, n, n_parameters, shapes in [
        ({"depth": 20}, 3, 272_282, [(32, 32, 16), (16, 16, 32), (8, 8, 64)]),
        (
            {"depth": 164, "block": "bottleneck", "order": "pre"},
            18,
            1_703_258,
            [(32, 32, 64), (16, 16, 128), (8, 8, 256)],
        ),
    ]
]

SHALLOW = [
    *(Case(small(order, block), SMALL, 4) for order in RULES for block in BLOCKS),
    Case(
        small("post", "bottleneck"),
        SMALL,
        4,
        shapes=THIN | {f"stage2_block1_{layer}": (4, 3, 128) for layer in ("conv3", "shortcut")},
    ),
    *(Case(residual(shortcut=shortcut, width=0.25), SMALL, 4) for shortcut in ("zero_pad", "projection_bn")),
    Case(
        residual(order="conv_relu_ic", dropout=0.05, width=0.25, activation="tanh", momentum=0.5, epsilon=1e-3),
        SMALL,
        4,
        shapes={"stage3_block1_conv1": (2, 2, 16)},
    ),
    Case(
        residual(order="relu_ic_conv", shortcut="zero_pad", width=0.25, dropout=0.1, epsilon=1e-3),
        SMALL,
        4,
        is_built_again=True,
    ),
    Case(
        residual(order="pre", dropout=0.1, shortcut="zero_pad", width=0.25),
        SMALL,
        4,
        shapes={"stage3_block1_add": (2, 2, 16)},
    ),
    # Even one pixel goes through.
    Case(residual(width=0.25), (1, 1, 3), 4, shapes={"stage3_block1_add": (1, 1, 16)}),
]


@pytest.mark.parametrize("case", PUBLISHED + SHALLOW, ids=str)
def test_a_network_is_what_the_table_says(case):
    check_network(case)
    model = network(case.spec, case.input_shape, case.classes)
    assert not any(weight.path.endswith("bias") for weight in model.weights if "logits" not in weight.path)


@pytest.mark.parametrize(("block", "branches"), [("basic", BASIC), ("bottleneck", BOTTLENECK)])
@pytest.mark.parametrize("order", RULES)
def test_every_layer_follows_the_one_that_its_order_says(order, block, branches):
    model = network(small(order, block), SMALL, 4)
    after = AFTER_ADDITION.get(order, "").replace("c2", "c2" if block == "basic" else "c3")
    before, expected = "image", STEMS[order]
    for stage in (1, 2, 3):
        start, branch, shortcut = block_ends(model, f"stage{stage}_block1")
        assert between(model, before, start) == expected
        assert between(model, start, branch) == branches[order]
        assert shortcut == (None if stage == 1 and block == "basic" else f"stage{stage}_block1_shortcut")
        before, expected = f"stage{stage}_block1_add", after
    rest = [*expected.split(), *HEADS.get(order, "").split(), "head_pool", "logits"]
    assert between(model, before, "logits") == " ".join(rest)


def test_every_step_has_a_layer_and_a_cost():
    assert set(STEPS) == set(COSTS)


def test_a_bottleneck_has_its_stride_in_the_first_convolution():
    first = network(small("post", "bottleneck"), SMALL, 4).get_layer("stage2_block1_conv1")
    assert first.kernel_size == (1, 1)
    assert first.strides == (2, 2)


def test_a_stride_meets_zeros_on_both_sides_as_in_pytorch():
    import keras

    model = network(small("post", "basic"), SMALL, 4)
    convolution = model.get_layer("stage2_block1_conv1")
    middle = np.zeros(convolution.kernel.shape, "float32")
    middle[1, 1, 0] = 1.0  # with zeros on both sides, output i is input 2i
    convolution.kernel.assign(middle)
    maps = np.random.default_rng(0).random((1, 7, 6, 16)).astype("float32")
    outputs = convolution(model.get_layer("stage2_block1_conv1_pad")(maps))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(outputs)[..., 0], maps[:, ::2, ::2, 0], rtol=1e-6)


def test_zero_padding_keeps_every_second_position_and_adds_empty_channels():
    import keras

    shortcut = network(residual(shortcut="zero_pad", width=0.25), SMALL, 4).get_layer("stage2_block1_shortcut")
    maps = np.random.default_rng(0).random((2, 7, 6, 4)).astype("float32")
    outputs = keras.ops.convert_to_numpy(shortcut(maps))
    np.testing.assert_array_equal(outputs[..., :4], maps[:, ::2, ::2])
    np.testing.assert_array_equal(outputs[..., 4:], np.zeros((2, 4, 3, 4)))
    assert shortcut.output.shape[1:] == outputs.shape[1:]


def test_projections_have_batch_norm_only_if_asked_for():
    names = {layer.name for layer in network(small("post", "basic"), SMALL, 4).layers}
    assert "stage2_block1_shortcut_bn" not in names
    model = network(residual(shortcut="projection_bn", width=0.25), SMALL, 4)
    assert sources(model, "stage2_block1_add")[1] == "stage2_block1_shortcut_bn"
    assert sources(model, "stage2_block1_shortcut_bn") == ["stage2_block1_shortcut"]


def test_even_one_pixel_goes_through():
    model = network(residual(width=0.25), (1, 1, 3), 4)
    assert model(np.zeros((2, 1, 1, 3), "float32")).shape == (2, 4)


def test_it_trains():
    check_training(residual(order="conv_relu_ic", shortcut="zero_pad", dropout=0.05, width=0.25), SMALL)
