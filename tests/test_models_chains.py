"""AlexNet, SimpleCNN and DeeperCNN as Keras builds them: counts, shapes, order, small images, training."""

import numpy as np
import pytest
from network_checks import Case, check_network, check_training, layer_names, network

from kbnd.models import MODELS, simple_cnn
from kbnd.spec import ModelSpec

pytestmark = pytest.mark.backend

CIFAR = (32, 32, 3)
SMALL = {  # smallest images, few filters
    "lenet5": ((28, 29, 1), {}),
    "alexnet": ((29, 30, 3), {"width": 0.05, "head": [8, 8]}),
    "simple_cnn": ((10, 11, 1), {"width": 0.1}),
    "deeper_cnn": ((11, 10, 1), {"width": 0.1}),
}
EVERYWHERE = {"batch_norm_sites": ["conv", "dense"], "dropout_sites": ["conv", "dense"]}
FIRST = {"alexnet": "conv1_pad conv1 conv1_bn conv1_activation conv1_pool"}
"""Layers before the second convolution, where they are not a convolution, Batch Normalization and an activation."""


def small(name, **fields):
    return ModelSpec(name=name, options=SMALL[name][1], **fields)


def stages(padded, unpadded):
    """Output shapes of both stages for 32x32 images."""
    return {
        **dict.fromkeys(padded[0], (32, 32, 32)),
        unpadded[0]: (30, 30, 32),
        f"{unpadded[0]}_pool": (15, 15, 32),
        **dict.fromkeys(padded[1], (15, 15, 64)),
        unpadded[1]: (13, 13, 64),
        f"{unpadded[1]}_pool": (6, 6, 64),
        "dense1": (512,),
    }


PUBLISHED = [
    Case(
        ModelSpec(name="alexnet", batch_norm="before_activation"),
        CIFAR,
        n_trainable=2_472_266 + 2_304,
        n_total=2_472_266 + 4_608,
    ),
    Case(
        ModelSpec(name="alexnet", dropout=0.5, options={"head": [512, 100]}),
        CIFAR,
        shapes={
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
        },
        layers={"_dropout": "dense1_dropout dense2_dropout"},
    ),
    Case(
        ModelSpec(name="alexnet_d2l", batch_norm="before_activation", dropout=0.5),
        (224, 224, 3),
        n_trainable=46_787_978 + 2_752,
        shapes={
            "conv1": (54, 54, 96),
            "conv1_pool": (26, 26, 96),
            "conv2": (26, 26, 256),
            "conv2_pool": (12, 12, 256),
            "conv3": (12, 12, 384),
            "conv4": (12, 12, 384),
            "conv5_pool": (5, 5, 256),
            "flatten": (6_400,),
        },
        last="conv5_pool dense1 dense1_activation dense1_dropout dense2 dense2_activation dense2_dropout logits",
    ),
    Case(
        ModelSpec(name="simple_cnn", batch_norm="after_activation"),
        CIFAR,
        n_trainable=1_250_858 + 384,
        n_total=1_250_858 + 768,
        shapes=stages((["conv1"], ["conv3"]), ("conv2", "conv4")),
        layers={"_pool": "conv2_pool conv4_pool"},
    ),
    Case(
        ModelSpec(name="deeper_cnn", batch_norm="before_activation"),
        CIFAR,
        n_trainable=1_343_210 + 768,
        n_total=1_343_210 + 1_536,
        shapes=stages((["conv1", "conv2", "conv3"], ["conv5", "conv6", "conv7"]), ("conv4", "conv8")),
        layers={"_pool": "conv4_pool conv8_pool"},
    ),
    # Dropout behind pooling, as in Keras' example.
    Case(
        small("simple_cnn", dropout={"conv2": 0.25, "conv4": 0.25, "dense": 0.5}),
        SMALL["simple_cnn"][0],
        layers={f"conv{i}": f"conv{i} conv{i}_activation conv{i}_pool conv{i}_dropout" for i in (2, 4)},
        last="dense1_activation dense1_dropout logits",
    ),
]

NARROW = [
    *(
        Case(
            small(name, batch_norm=placement, dropout=0.1, **EVERYWHERE),
            SMALL[name][0],
        )
        for name in SMALL
        for placement in ("none", "before_activation", "after_activation", "before_weight")
    ),
    *(
        Case(
            small(name, batch_norm="before_activation", dropout=0.1),
            SMALL[name][0],
            first=FIRST.get(name, "conv1 conv1_bn conv1_activation conv2"),
        )
        for name in SMALL
        if name != "lenet5"
    ),
    *(
        Case(
            small(name, batch_norm="after_activation", dropout={"dense": 0.5}, batch_norm_epsilon=1e-3),
            SMALL[name][0],
            is_built_again=True,
        )
        for name in SMALL
    ),
]


@pytest.mark.parametrize("case", PUBLISHED + NARROW, ids=str)
def test_a_network_is_what_the_table_says(case):
    check_network(case)


def test_a_stride_meets_zeros_on_both_sides_as_in_pytorch():
    import keras

    model = network(small("alexnet"), (33, 33, 3))
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


@pytest.mark.parametrize("name", SMALL)
def test_dropout_on_the_logits_is_built_with_a_warning(name):
    input_shape, options = SMALL[name]
    with pytest.warns(UserWarning, match=r"below 0\.8312 nats") as warnings:
        model = MODELS[name].builder(input_shape, 10, **options, dropout=0.5, dropout_sites=("dense", "logits"))
    assert warnings[0].filename == __file__
    assert layer_names(model)[-1] == "logits_dropout"


def test_it_trains():
    spec = small("alexnet", batch_norm="before_activation", dropout=0.1)
    check_training(spec, SMALL["alexnet"][0], classes=10, epochs=5, momentum=0.9)
