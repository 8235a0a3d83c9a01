"""LeNet-5 as Keras builds it: counts, shapes, unit order, explicit formats."""

import numpy as np
import pytest

from kbnd.errors import UsageError
from kbnd.models import build, lenet5, resolve
from kbnd.spec import ModelSpec

pytestmark = pytest.mark.backend

MNIST = (28, 28, 1)
PLACED = ("before_activation", "after_activation", "before_weight")


def layer_names(model):
    return [layer.name for layer in model.layers if layer.name not in ("image", "flatten")]


def n_trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.parametrize(
    ("options", "trainable", "total"),
    [
        ({}, 61_706, 61_706),
        ({"batch_norm": "before_activation"}, 61_990, 62_274),
        ({"batch_norm": "after_activation"}, 61_990, 62_274),
        ({"batch_norm": "before_activation", "batch_norm_sites": ("conv1", "conv2")}, 61_750, 61_794),
        ({"batch_norm": "before_weight"}, 61_706 + 2 * (6 + 16), 61_706 + 4 * (6 + 16)),
        ({"dropout": 0.5}, 61_706, 61_707),  # the rate is a weight
    ],
)
def test_parameter_counts(options, trainable, total):
    model = lenet5(MNIST, 10, **options)
    assert n_trainable(model) == trainable
    assert model.count_params() == total


@pytest.mark.parametrize("batch_norm", ["none", *PLACED])
@pytest.mark.parametrize("input_shape", [(28, 28, 1), (32, 32, 1)])
def test_shapes_of_the_paper_for_padded_and_for_unpadded_images(input_shape, batch_norm):
    model = lenet5(input_shape, 10, batch_norm=batch_norm, dropout=0.5)
    expected = {
        "conv1": (28, 28, 6),
        "conv1_pool": (14, 14, 6),
        "conv2": (10, 10, 16),
        "conv2_pool": (5, 5, 16),
        "conv3": (1, 1, 120),
        "dense1": (84,),
        "logits": (10,),
    }
    assert {name: model.get_layer(name).output.shape[1:] for name in expected} == expected
    assert model.output_shape == (None, 10)


def test_a_larger_image_keeps_what_is_left_of_its_maps():
    model = lenet5((40, 36, 3), 7)
    assert model.get_layer("conv3").output.shape[1:] == (3, 2, 120)
    assert model.get_layer("flatten").output.shape[1:] == (720,)
    assert model.output_shape == (None, 7)


@pytest.mark.parametrize(
    ("batch_norm", "convolution", "dense"),
    [
        ("none", "conv2 conv2_activation conv2_pool conv2_dropout", "dense1 dense1_activation dense1_dropout"),
        (
            "before_activation",
            "conv2 conv2_bn conv2_activation conv2_pool conv2_dropout",
            "dense1 dense1_bn dense1_activation dense1_dropout",
        ),
        (
            "after_activation",
            "conv2 conv2_activation conv2_bn conv2_pool conv2_dropout",
            "dense1 dense1_activation dense1_bn dense1_dropout",
        ),
        (
            "before_weight",
            "conv2_bn conv2_dropout conv2 conv2_activation conv2_pool",
            "dense1_bn dense1_dropout dense1 dense1_activation",
        ),
    ],
)
def test_order_within_a_unit(batch_norm, convolution, dense):
    everywhere = ("conv", "dense")
    model = lenet5(MNIST, 10, batch_norm=batch_norm, batch_norm_sites=everywhere, dropout=0.1, dropout_sites=everywhere)
    names = layer_names(model)
    assert [name for name in names if name.startswith("conv2")] == convolution.split()
    assert [name for name in names if name.startswith("dense1")] == dense.split()
    assert names[-1] == "logits"


def test_before_weight_leaves_the_input_alone():
    names = layer_names(lenet5(MNIST, 10, batch_norm="before_weight", dropout=0.5, dropout_sites=("conv", "dense")))
    assert names[:3] == ["conv1", "conv1_activation", "conv1_pool"]


def test_rates_and_batch_norm_settings_reach_their_layers():
    model = lenet5(MNIST, 10, batch_norm="after_activation", dropout={"conv": 0.1, "dense1": 0.5})
    assert float(model.get_layer("conv3_dropout").rate.value) == pytest.approx(0.1)
    assert float(model.get_layer("dense1_dropout").rate.value) == 0.5
    assert model.get_layer("conv1_bn").momentum == 0.9
    assert model.get_layer("conv1_bn").epsilon == 1e-5


def test_formats_are_explicit_whatever_the_user_configured():
    import keras

    before = keras.config.image_data_format(), keras.config.dtype_policy()
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = lenet5(MNIST, 10, batch_norm="before_activation", dropout=0.5)
    finally:
        keras.config.set_image_data_format(before[0])
        keras.config.set_dtype_policy(before[1])
    assert model.get_layer("conv1").output.shape == (None, 28, 28, 6)
    assert {layer.compute_dtype for layer in [model, *model.layers[1:]]} == {"float32"}
    assert model.inputs[0].dtype == model.outputs[0].dtype == "float32"
    assert model(np.zeros((1, *MNIST), "float32")).shape == (1, 10)


def test_the_outputs_are_logits():
    model = lenet5(MNIST, 10)
    model.get_layer("logits").bias.assign(np.arange(10, dtype="float32") - 5)
    model.get_layer("logits").kernel.assign(np.zeros((84, 10), "float32"))
    np.testing.assert_array_equal(model.predict_on_batch(np.ones((1, *MNIST), "float32"))[0], np.arange(10) - 5)


def test_dropout_on_the_logits_is_built_with_a_warning():
    with pytest.warns(UserWarning, match=r"below 0\.8312 nats"):
        model = lenet5(MNIST, 10, dropout=0.5, dropout_sites=("dense", "logits"))
    assert layer_names(model)[-1] == "logits_dropout"


def test_a_small_image_is_refused():
    with pytest.raises(UsageError, match="lenet5 needs images of at least 28x28, received 24x28"):
        lenet5((24, 28, 1), 10)


def test_a_spec_builds_what_the_function_builds():
    spec = ModelSpec(
        name="lenet5",
        batch_norm="after_activation",
        dropout={"dense": 0.5},
        batch_norm_momentum=0.8,
        options={"activation": "tanh"},
    )
    from_spec = build(spec, input_shape=MNIST, classes=10)
    by_hand = lenet5(
        MNIST,
        10,
        batch_norm="after_activation",
        dropout={"dense": 0.5},
        batch_norm_momentum=0.8,
        activation="tanh",
    )
    described = [
        [(type(layer).__name__, layer.get_config()) for layer in model.layers] for model in (from_spec, by_hand)
    ]
    assert described[0] == described[1]


@pytest.mark.parametrize(
    "fields",
    [
        {"batch_norm_sites": ["conv"], "dropout_sites": ["dense1"]},
        {"batch_norm": "before_weight", "batch_norm_sites": ["dense", "conv3", "conv2"], "dropout": {"dense1": 0.5}},
        {"batch_norm": "after_activation", "batch_norm_sites": ["logits"], "dropout": {"conv": 0.1, "conv2": 0.3}},
    ],
)
def test_the_canonical_spec_builds_the_same_layers(fields):
    spec = ModelSpec(name="lenet5", **fields)
    assert resolve(spec) != spec
    described = [
        [(type(layer).__name__, layer.get_config()) for layer in build(one, input_shape=MNIST, classes=10).layers]
        for one in (spec, resolve(spec))
    ]
    assert described[0] == described[1]


@pytest.mark.parametrize("batch_norm", ["before_activation", "before_weight"])
def test_it_trains(batch_norm):
    import keras

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 32)
    images = (rng.random((32, *MNIST)) * 0.1 + labels[:, None, None, None]).astype("float32")
    model = lenet5(MNIST, 2, batch_norm=batch_norm, dropout=0.1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05), loss)
    history = model.fit(images, labels, batch_size=8, epochs=4, verbose=0).history["loss"]
    assert float(history[-1]) < 0.7 * float(history[0])
