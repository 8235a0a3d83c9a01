"""Residual networks as Keras builds them: wiring, counts, shapes, shortcuts, training."""

import re

import numpy as np
import pytest

from kbnd.models import build, cost, resnet
from kbnd.models.blocks import STEPS
from kbnd.models.costs import COSTS
from kbnd.models.residual import RULES
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


def n_trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def sources(model, name):
    """Names of the layers whose outputs a layer takes."""
    taken = model.get_layer(name).input
    return [tensor._keras_history.operation.name for tensor in (taken if isinstance(taken, list) else [taken])]


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


@pytest.fixture(scope="module")
def small():
    """Networks with one block in each stage, each built once."""
    built = {}

    def model(order, block):
        if (order, block) not in built:
            depth = 8 if block == "basic" else 11
            built[order, block] = resnet(SMALL, 4, depth=depth, block=block, order=order, dropout=0.1)
        return built[order, block]

    return model


@pytest.mark.parametrize(("block", "branches"), [("basic", BASIC), ("bottleneck", BOTTLENECK)])
@pytest.mark.parametrize("order", RULES)
def test_every_layer_follows_the_one_that_its_order_says(small, order, block, branches):
    model = small(order, block)
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


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("order", RULES)
def test_the_cost_is_what_keras_counts(small, order, block):
    model = small(order, block)
    options = {"depth": 8 if block == "basic" else 11, "block": block, "order": order}
    counted = cost(ModelSpec(name="resnet", dropout=0.1, options=options), input_shape=SMALL, classes=4)
    assert n_trainable(model) == counted.n_parameters
    outputs = [layer.output for layer in model.layers if layer.name != "image"]
    assert sum(int(np.prod(output.shape[1:])) for output in outputs) == counted.n_activations


@pytest.mark.parametrize("shortcut", ["zero_pad", "projection_bn"])
def test_the_cost_of_other_shortcuts_is_what_keras_counts(shortcut):
    options = {"depth": 8, "shortcut": shortcut, "width": 0.25}
    model = resnet(SMALL, 4, **options)
    counted = cost(ModelSpec(name="resnet", options=options), input_shape=SMALL, classes=4)
    assert n_trainable(model) == counted.n_parameters
    outputs = [layer.output for layer in model.layers if layer.name != "image"]
    assert sum(int(np.prod(output.shape[1:])) for output in outputs) == counted.n_activations


def test_every_step_has_a_layer_and_a_cost():
    assert set(STEPS) == set(COSTS)


@pytest.mark.parametrize(
    ("options", "n_parameters", "shapes"),
    [
        ({"depth": 110}, 1_730_522, [(32, 32, 16), (16, 16, 32), (8, 8, 64)]),
        ({"depth": 164, "block": "bottleneck", "order": "pre"}, 1_703_258, [(32, 32, 64), (16, 16, 128), (8, 8, 256)]),
    ],
)
def test_the_deep_networks_of_the_report(options, n_parameters, shapes):
    model = resnet((32, 32, 3), 10, **options)
    assert n_trainable(model) == n_parameters
    n = 18  # blocks in each stage, of both
    for stage, shape in enumerate(shapes, start=1):
        for block in (1, n):
            assert model.get_layer(f"stage{stage}_block{block}_add").output.shape[1:] == shape
    assert f"stage1_block{n + 1}_add" not in {layer.name for layer in model.layers}
    assert model.get_layer("conv1").output.shape[1:] == (32, 32, 16)
    assert model.get_layer("head_pool").output.shape[1:] == shapes[-1][-1:]
    assert not any(weight.path.endswith("bias") for weight in model.weights if "logits" not in weight.path)


def test_inside_a_bottleneck_the_maps_are_four_times_thinner(small):
    model = small("post", "bottleneck")
    names = [f"stage2_block1_{which}" for which in ("conv1", "conv2", "conv3", "shortcut")]
    assert [model.get_layer(name).output.shape[1:] for name in names] == [
        (4, 3, 32),
        (4, 3, 32),
        (4, 3, 128),
        (4, 3, 128),
    ]
    assert model.get_layer(names[0]).kernel_size == (1, 1)
    assert model.get_layer(names[0]).strides == (2, 2)


def test_a_stride_meets_zeros_on_both_sides_as_in_pytorch(small):
    import keras

    model = small("post", "basic")
    convolution = model.get_layer("stage2_block1_conv1")
    middle = np.zeros(convolution.kernel.shape, "float32")
    middle[1, 1, 0] = 1.0  # with zeros on both sides, output i is input 2i
    convolution.kernel.assign(middle)
    maps = np.random.default_rng(0).random((1, 7, 6, 16)).astype("float32")
    seen = convolution(model.get_layer("stage2_block1_conv1_pad")(maps))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(seen)[..., 0], maps[:, ::2, ::2, 0], rtol=1e-6)


def test_zero_padding_keeps_every_second_position_and_adds_empty_channels():
    import keras

    model = resnet(SMALL, 4, depth=8, shortcut="zero_pad", width=0.25)
    maps = np.random.default_rng(0).random((2, 7, 6, 4)).astype("float32")
    seen = keras.ops.convert_to_numpy(model.get_layer("stage2_block1_shortcut")(maps))
    np.testing.assert_array_equal(seen[..., :4], maps[:, ::2, ::2])
    np.testing.assert_array_equal(seen[..., 4:], np.zeros((2, 4, 3, 4)))
    assert model.get_layer("stage2_block1_shortcut").output.shape[1:] == seen.shape[1:]


def test_projections_have_batch_norm_only_if_asked_for(small):
    names = {layer.name for layer in small("post", "basic").layers}
    assert "stage2_block1_shortcut_bn" not in names
    model = resnet(SMALL, 4, depth=8, shortcut="projection_bn", width=0.25)
    assert sources(model, "stage2_block1_add")[1] == "stage2_block1_shortcut_bn"
    assert sources(model, "stage2_block1_shortcut_bn") == ["stage2_block1_shortcut"]


def test_rates_and_settings_reach_their_layers():
    model = resnet(
        SMALL, 4, depth=8, order="conv_relu_ic", dropout=0.05, width=0.25, activation="tanh", batch_norm_momentum=0.5,
        batch_norm_epsilon=1e-3,
    )  # fmt: skip
    assert float(model.get_layer("stage1_block1_conv2_dropout").rate.value) == pytest.approx(0.05)
    assert model.get_layer("stage3_block1_conv1_bn").momentum == 0.5
    assert model.get_layer("stage3_block1_conv1_bn").epsilon == 1e-3
    assert model.get_layer("conv1_activation").activation.__name__ == "tanh"
    assert model.get_layer("stage3_block1_conv1").output.shape[-1] == 16


def test_a_spec_builds_what_the_function_builds():
    options = {"depth": 8, "order": "relu_ic_conv", "shortcut": "zero_pad", "width": 0.25}
    spec = ModelSpec(name="resnet", dropout=0.1, batch_norm_epsilon=1e-3, options=options)
    models = (
        build(spec, input_shape=SMALL, classes=4),
        resnet(SMALL, 4, dropout=0.1, batch_norm_epsilon=1e-3, **options),
    )
    described = [[(type(layer).__name__, layer.get_config()) for layer in model.layers] for model in models]
    assert described[0] == described[1]


def test_formats_are_explicit_whatever_the_user_configured():
    import keras

    before = keras.config.image_data_format(), keras.config.dtype_policy()
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = resnet(SMALL, 4, depth=8, order="pre", dropout=0.1, shortcut="zero_pad", width=0.25)
    finally:
        keras.config.set_image_data_format(before[0])
        keras.config.set_dtype_policy(before[1])
    assert model.get_layer("stage3_block1_add").output.shape == (None, 2, 2, 16)
    assert {layer.compute_dtype for layer in [model, *model.layers[1:]]} == {"float32"}
    assert model.inputs[0].dtype == model.outputs[0].dtype == "float32"


def test_even_one_pixel_goes_through():
    model = resnet((1, 1, 3), 4, depth=8, width=0.25)
    assert model.get_layer("stage3_block1_add").output.shape == (None, 1, 1, 16)
    assert model(np.zeros((2, 1, 1, 3), "float32")).shape == (2, 4)


def test_it_trains():
    import keras

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 32)
    images = rng.normal(0, 0.3, (32, *SMALL)) + np.where(labels, 1.0, -1.0)[:, None, None, None]
    keras.utils.set_random_seed(1)
    model = resnet(SMALL, 4, depth=8, order="conv_relu_ic", shortcut="zero_pad", dropout=0.05, width=0.25)
    model.compile(keras.optimizers.SGD(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(images.astype("float32"), labels, batch_size=8, epochs=4, verbose=0).history["loss"]
    assert float(history[-1]) < 0.7 * float(history[0])
