"""What the networks cost, against the layer tables they come from; `network_checks` compares with Keras."""

import pytest

from kbnd.errors import UsageError
from kbnd.models import MODELS, Cost, cost
from kbnd.models.residual import RULES
from kbnd.spec import ModelSpec

DEPTHS = {"basic": (20, 56, 110, 164), "bottleneck": (20, 29, 110, 164)}
CIFAR, MNIST, LARGE = (32, 32, 3), (28, 28, 1), (224, 224, 3)


def costs(name, *, input_shape=CIFAR, classes=10, options=None, **fields):
    return cost(ModelSpec(name=name, options=options or {}, **fields), input_shape=input_shape, classes=classes)


def resnet(depth, **options):
    return costs("resnet", options={"depth": depth, **options})


@pytest.mark.parametrize(
    ("name", "input_shape", "plain", "batch_norm", "macs"),
    [
        ("lenet5", MNIST, 61_706, 284, 416_520),
        ("lenet5", (32, 32, 1), 61_706, 284, 416_520),
        ("simple_cnn", CIFAR, 1_250_858, 384, 20.7e6),
        ("deeper_cnn", CIFAR, 1_343_210, 768, 56.2e6),
        ("alexnet", CIFAR, 2_472_266, 2_304, 15.0e6),
        ("alexnet_d2l", LARGE, 46_787_978, 2_752, 1.006e9),
    ],
)
def test_chains_have_the_published_parameters_and_operations(name, input_shape, plain, batch_norm, macs):
    counted = costs(name, input_shape=input_shape)
    assert counted.n_parameters == plain
    assert counted.macs == (macs if name == "lenet5" else pytest.approx(macs, rel=0.004))
    normed = costs(name, input_shape=input_shape, batch_norm="before_activation")
    assert normed.n_parameters == plain + batch_norm
    assert normed.macs == counted.macs


@pytest.mark.parametrize(
    ("depth", "zero_pad", "projection", "projection_bn", "macs"),
    [
        (20, 269_722, 272_282, 272_474, 40.8),
        (32, 464_154, 466_714, 466_906, 69.1),
        (44, 658_586, 661_146, 661_338, 97.4),
        (56, 853_018, 855_578, 855_770, 125.7),
        (110, 1_727_962, 1_730_522, 1_730_714, 253.1),
        (164, 2_602_906, 2_605_466, 2_605_658, 380.6),
    ],
)
def test_residual_networks_of_basic_blocks(depth, zero_pad, projection, projection_bn, macs):
    counts = {"zero_pad": zero_pad, "projection": projection, "projection_bn": projection_bn}
    assert {shortcut: resnet(depth, shortcut=shortcut).n_parameters for shortcut in counts} == counts
    assert resnet(depth).macs / 1e6 == pytest.approx(macs, abs=0.06)


@pytest.mark.parametrize(
    ("depth", "n_parameters", "macs"),
    [(20, 219_482, 30.6), (29, 312_218, 44.0), (110, 1_146_842, 164.3), (164, 1_703_258, 244.5)],
)
def test_residual_networks_of_bottlenecks(depth, n_parameters, macs):
    counted = resnet(depth, block="bottleneck")
    assert counted.n_parameters == n_parameters
    assert counted.macs / 1e6 == pytest.approx(macs, abs=0.06)


@pytest.mark.parametrize("block", DEPTHS)
def test_all_orders_with_batch_norm_have_equal_capacity_at_each_depth(block):
    for depth in DEPTHS[block]:
        counts = {
            order: resnet(depth, block=block, order=order).n_parameters for order in RULES if order != "post_no_bn"
        }
        assert len(counts) == 6
        assert set(counts.values()) == {resnet(depth, block=block).n_parameters}


@pytest.mark.parametrize(
    ("block", "channels"), [("basic", 16 + 6 * (16 + 32 + 64)), ("bottleneck", 16 + 2 * 6 * (16 + 32 + 64))]
)
def test_without_batch_norm_its_two_parameters_for_each_channel_are_missing(block, channels):
    same = {"depth": 20, "block": block}
    missing = resnet(**same).n_parameters - resnet(**same, order="post_no_bn").n_parameters
    assert missing == 2 * channels


def test_dropout_costs_no_parameters_and_no_multiply_accumulates_but_memory():
    dense = 512
    plain, dropped = costs("simple_cnn"), costs("simple_cnn", dropout=0.5)
    assert dropped == Cost(plain.n_parameters, plain.macs, plain.n_activations + dense)


def test_a_width_shrinks_every_layer():
    half = costs("simple_cnn", options={"width": 0.5})
    filters = [(3, 16), (16, 16), (16, 32), (32, 32)]
    expected = sum(9 * n_in * n + n for n_in, n in filters) + (6 * 6 * 32 + 1) * 256 + 257 * 10
    assert half.n_parameters == expected


def test_the_head_of_alexnet_is_said_in_units_and_not_scaled():
    headed = costs("alexnet", options={"width": 0.5, "head": [512, 100]})
    bare = costs("alexnet", options={"width": 0.5})
    dense = (128 + 1) * 512 + (512 + 1) * 100 + (100 + 1) * 10
    assert headed.n_parameters - bare.n_parameters == dense - (128 + 1) * 10


@pytest.mark.parametrize("name", MODELS)
def test_a_network_that_cannot_be_built_has_no_cost(name):
    options = {"depth": 20} if name == "resnet" else {}
    with pytest.raises(UsageError, match="classes should be a whole number from 2"):
        costs(name, input_shape=LARGE, classes=1, options=options)
    with pytest.raises(UsageError, match=r"input_shape should be \(height, width, channels\)"):
        costs(name, input_shape=(32, 32), options=options)


@pytest.mark.parametrize("network", ["lenet5", "alexnet", "alexnet_d2l", "simple_cnn", "deeper_cnn"])
def test_a_small_image_has_no_cost(network):
    with pytest.raises(UsageError, match=f"{network} needs images of at least"):
        costs(network, input_shape=(8, 8, 3))


def test_costs_are_added():
    assert Cost(1, 2, 3) + Cost(10, 20, 30) == Cost(11, 22, 33)
