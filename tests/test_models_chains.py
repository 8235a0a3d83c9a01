"""AlexNet, SimpleCNN and DeeperCNN as Keras builds them: counts, shapes, order, small images, training."""

import numpy as np
import pytest

from kbnd.errors import UsageError
from kbnd.models import alexnet, alexnet_d2l, build, cost, deeper_cnn, simple_cnn
from kbnd.spec import ModelSpec

pytestmark = pytest.mark.backend

CIFAR = (32, 32, 3)
BUILDERS = {"alexnet": alexnet, "simple_cnn": simple_cnn, "deeper_cnn": deeper_cnn}
SMALL = {  # smallest images, few filters
    "alexnet": ((29, 30, 3), {"width": 0.05, "head": [8, 8]}),
    "simple_cnn": ((10, 11, 1), {"width": 0.1}),
    "deeper_cnn": ((11, 10, 1), {"width": 0.1}),
}


def n_trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def layer_names(model):
    return [layer.name for layer in model.layers if layer.name not in ("image", "flatten")]


def shapes(model, *names):
    return {name: model.get_layer(name).output.shape[1:] for name in names}


@pytest.mark.parametrize(
    ("builder", "options", "trainable", "total"),
    [
        (alexnet, {"batch_norm": "before_activation"}, 2_472_266 + 2_304, 2_472_266 + 4_608),
        (simple_cnn, {"batch_norm": "after_activation"}, 1_250_858 + 384, 1_250_858 + 768),
        (deeper_cnn, {"batch_norm": "before_activation"}, 1_343_210 + 768, 1_343_210 + 1_536),
    ],
)
def test_parameter_counts(builder, options, trainable, total):
    model = builder(CIFAR, 10, **options)
    assert n_trainable(model) == trainable
    assert model.count_params() == total


def test_the_large_alexnet():
    model = alexnet_d2l((224, 224, 3), 10, batch_norm="before_activation", dropout=0.5)
    assert n_trainable(model) == 46_787_978 + 2_752
    assert shapes(model, "conv1", "conv1_pool", "conv2", "conv2_pool", "conv3", "conv4", "conv5_pool", "flatten") == {
        "conv1": (54, 54, 96),
        "conv1_pool": (26, 26, 96),
        "conv2": (26, 26, 256),
        "conv2_pool": (12, 12, 256),
        "conv3": (12, 12, 384),
        "conv4": (12, 12, 384),
        "conv5_pool": (5, 5, 256),
        "flatten": (6_400,),
    }
    tail = "flatten dense1 dense1_activation dense1_dropout dense2 dense2_activation dense2_dropout logits"
    assert [layer.name for layer in model.layers][-8:] == tail.split()


def test_the_shapes_of_alexnet():
    model = alexnet(CIFAR, 10, head=(512, 100), dropout=0.5)
    expected = {
        "conv1": (8, 8, 64),
        "conv1_pool": (4, 4, 64),
        "conv2": (4, 4, 192),
        "conv2_pool": (2, 2, 192),
        "conv3": (2, 2, 384),
        "conv4": (2, 2, 256),
        "conv5": (2, 2, 256),
        "conv5_pool": (1, 1, 256),
        "dense1": (512,),
        "dense2": (100,),
        "logits": (10,),
    }
    assert shapes(model, *expected) == expected
    assert {"dense1_dropout", "dense2_dropout"} == {name for name in layer_names(model) if name.endswith("_dropout")}


@pytest.mark.parametrize(
    ("builder", "padded", "unpadded"),
    [
        (simple_cnn, (["conv1"], ["conv3"]), ("conv2", "conv4")),
        (deeper_cnn, (["conv1", "conv2", "conv3"], ["conv5", "conv6", "conv7"]), ("conv4", "conv8")),
    ],
)
def test_the_shapes_of_both_stages(builder, padded, unpadded):
    model = builder(CIFAR, 10)
    assert shapes(model, *padded[0]) == dict.fromkeys(padded[0], (32, 32, 32))
    assert shapes(model, *padded[1]) == dict.fromkeys(padded[1], (15, 15, 64))
    assert list(shapes(model, *unpadded).values()) == [(30, 30, 32), (13, 13, 64)]
    pools = [f"{name}_pool" for name in unpadded]
    assert [name for name in layer_names(model) if name.endswith("_pool")] == pools
    assert list(shapes(model, *pools).values()) == [(15, 15, 32), (6, 6, 64)]
    assert model.get_layer("dense1").output.shape[1:] == (512,)


def test_dropout_after_pooling_as_in_keras_example():
    model = simple_cnn(CIFAR, 10, dropout={"conv2": 0.25, "conv4": 0.25, "dense": 0.5})
    names = layer_names(model)
    for unit, rate in {"conv2": 0.25, "conv4": 0.25}.items():
        assert names[names.index(f"{unit}_pool") + 1] == f"{unit}_dropout"
        assert float(model.get_layer(f"{unit}_dropout").rate.value) == rate
    assert names[-3:] == ["dense1_activation", "dense1_dropout", "logits"]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("batch_norm", ["none", "before_activation", "after_activation", "before_weight"])
def test_the_cost_is_what_keras_counts(name, batch_norm):
    input_shape, options = SMALL[name]
    sites = {"batch_norm_sites": ["conv", "dense"], "dropout_sites": ["conv", "dense"]}
    spec = ModelSpec(name=name, batch_norm=batch_norm, dropout=0.1, options=options, **sites)
    model = build(spec, input_shape=input_shape, classes=10)
    counted = cost(spec, input_shape=input_shape, classes=10)
    outputs = [layer.output for layer in model.layers if layer.name not in ("image", "flatten")]
    assert n_trainable(model) == counted.n_parameters
    assert sum(int(np.prod(output.shape[1:])) for output in outputs) == counted.n_activations


@pytest.mark.parametrize("name", SMALL)
def test_order_within_the_units(name):
    model = BUILDERS[name](SMALL[name][0], 10, **SMALL[name][1], batch_norm="before_activation", dropout=0.1)
    first = layer_names(model)[: layer_names(model).index("conv2")]
    weight = ["conv1_pad", "conv1"] if name == "alexnet" else ["conv1"]
    assert first == [*weight, "conv1_bn", "conv1_activation", *(["conv1_pool"] if name == "alexnet" else [])]


@pytest.mark.parametrize("name", SMALL)
def test_an_image_one_smaller_is_refused(name):
    (height, width, channels), options = SMALL[name]
    least = min(height, width)
    with pytest.raises(UsageError, match=f"{name} needs images of at least {least}x{least}"):
        BUILDERS[name]((least - 1, least, channels), 10, **options)


@pytest.mark.parametrize("name", SMALL)
def test_a_spec_builds_what_the_function_builds(name):
    input_shape, options = SMALL[name]
    placed = {"batch_norm": "after_activation", "dropout": {"dense": 0.5}, "batch_norm_epsilon": 1e-3}
    models = (
        build(ModelSpec(name=name, options=options, **placed), input_shape=input_shape, classes=10),
        BUILDERS[name](input_shape, 10, **options, **placed),
    )
    described = [[(type(layer).__name__, layer.get_config()) for layer in model.layers] for model in models]
    assert described[0] == described[1]


def test_formats_are_explicit_whatever_the_user_configured():
    import keras

    before = keras.config.image_data_format(), keras.config.dtype_policy()
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = alexnet((29, 29, 3), 10, width=0.05, head=(8,), batch_norm="before_activation", dropout=0.5)
    finally:
        keras.config.set_image_data_format(before[0])
        keras.config.set_dtype_policy(before[1])
    assert model.get_layer("conv1").output.shape == (None, 8, 8, 3)
    assert {layer.compute_dtype for layer in [model, *model.layers[1:]]} == {"float32"}
    assert model.inputs[0].dtype == model.outputs[0].dtype == "float32"


def test_a_stride_meets_zeros_on_both_sides_as_in_pytorch():
    import keras

    model = alexnet((33, 33, 3), 10, width=0.05, head=(8,))
    conv1 = model.get_layer("conv1")
    middle = np.zeros(conv1.kernel.shape, "float32")
    middle[5, 5, 0] = 1.0  # with 5 zeros on each side, output i is input 4i
    conv1.kernel.assign(middle)
    image = np.arange(33 * 33 * 3, dtype="float32").reshape(1, 33, 33, 3)
    maps = keras.ops.convert_to_numpy(conv1(model.get_layer("conv1_pad")(image)))
    np.testing.assert_array_equal(maps[0, :, :, 0], image[0, ::4, ::4, 0])


def test_kernels_are_drawn_as_keras_default_says_and_follow_its_seed():
    import keras

    def kernels():
        keras.utils.set_random_seed(3)
        model = simple_cnn((10, 10, 1), 10, width=0.5)
        assert type(model.get_layer("conv2").kernel_initializer) is keras.initializers.GlorotUniform
        return [keras.ops.convert_to_numpy(model.get_layer(name).kernel) for name in ("conv2", "dense1")]

    convolution, dense = kernels()
    np.testing.assert_array_equal(convolution, kernels()[0])
    for kernel, fans in ((convolution, 9 * (16 + 16)), (dense, 32 + 256)):
        bound = (6 / fans) ** 0.5
        assert 0.97 * bound < np.abs(kernel).max() <= bound
        assert kernel.std() == pytest.approx(bound / 3**0.5, rel=0.05)  # over 3 standard errors of the smaller one


def test_dropout_on_the_logits_is_built_with_a_warning():
    for name, builder in BUILDERS.items():
        input_shape, options = SMALL[name]
        with pytest.warns(UserWarning, match=r"below 0\.8312 nats") as seen:
            builder(input_shape, 10, **options, dropout=0.5, dropout_sites=("logits",))
        assert seen[0].filename == __file__


def test_it_trains():
    import keras

    (height, width, channels), options = SMALL["alexnet"]
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 32)
    images = rng.normal(0, 0.3, (32, height, width, channels)) + np.where(labels, 1.0, -1.0)[:, None, None, None]
    keras.utils.set_random_seed(1)
    model = alexnet((height, width, channels), 10, **options, batch_norm="before_activation", dropout=0.1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss)
    history = model.fit(images.astype("float32"), labels, batch_size=8, epochs=5, verbose=0).history["loss"]
    assert float(history[-1]) < 0.7 * float(history[0])
