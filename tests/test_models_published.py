"""Parameter counts that others published, from their layer tables: what the sources' networks are easily taken for."""

import pytest

from kbnd.models.costs import count
from kbnd.models.placement import Placed, Unit
from kbnd.models.residual import Residual, parts


def conv(n_in, n, kernel=3, *, bias=True):
    return kernel**2 * n_in * n + n * bias


def dense(n_in, n):
    return (n_in + 1) * n


def plain(units, input_shape):
    """Parameters of a chain without Batch Normalization."""
    placed = [Placed(unit, ("weight", "pool") if unit.pool > 1 else ("weight",)) for unit in units]
    return count(placed, input_shape).n_parameters


def test_source_s0_read_literally_is_another_lenet():
    """Ten filters in the third convolution, and dense layers 10 -> 120 -> 84 -> 10."""
    by_hand = conv(1, 6, 5) + conv(6, 16, 5) + conv(16, 10, 5) + dense(10, 120) + dense(120, 84) + dense(84, 10)
    units = (
        Unit("c1", "conv", 6, kernel=5, padding=2, pool=2),
        Unit("c3", "conv", 16, kernel=5, pool=2),
        Unit("c5", "conv", 10, kernel=5),
        Unit("f5", "dense", 120),
        Unit("f6", "dense", 84),
        Unit("f7", "logits", 10),
    )
    assert plain(units, (28, 28, 1)) == by_hand == 18_916


def test_the_alexnet_of_torchvision_with_ten_classes():
    units = (
        Unit("conv1", "conv", 64, kernel=11, stride=4, padding=2, pool=3, pool_stride=2),
        Unit("conv2", "conv", 192, kernel=5, padding=2, pool=3, pool_stride=2),
        Unit("conv3", "conv", 384, kernel=3, padding=1),
        Unit("conv4", "conv", 256, kernel=3, padding=1),
        Unit("conv5", "conv", 256, kernel=3, padding=1, pool=3, pool_stride=2),
        Unit("dense1", "dense", 4096),
        Unit("dense2", "dense", 4096),
        Unit("logits", "logits", 10),
    )
    convolutions = conv(3, 64, 11) + conv(64, 192, 5) + conv(192, 384) + conv(384, 256) + conv(256, 256)
    by_hand = convolutions + dense(6 * 6 * 256, 4096) + dense(4096, 4096) + dense(4096, 10)
    assert plain(units, (224, 224, 3)) == by_hand == 57_044_810


def keras_v1(depth):
    """(biased kernels and logits, BN channels) of Keras' `cifar10_resnet` example, version 1."""
    weights, channels, n_in = conv(3, 16), 16, 16
    for filters in (16, 32, 64):
        for _ in range((depth - 2) // 6):
            weights += conv(n_in, filters) + conv(filters, filters)
            weights += conv(n_in, filters, 1) if n_in != filters else 0
            channels += 2 * filters
            n_in = filters
    return weights + dense(64, 10), channels


def keras_v2(depth):
    """The same of version 2: bottlenecks 16-16-64, 64-64-128, 128-128-256, larger than those of He et al."""
    weights, channels, n_in = conv(3, 16), 16, 16
    for stage, (middle, filters) in enumerate(((16, 64), (64, 128), (128, 256))):
        for block in range((depth - 2) // 9):
            weights += conv(n_in, middle, 1) + conv(middle, middle) + conv(middle, filters, 1)
            weights += conv(n_in, filters, 1) if block == 0 else 0
            is_first_of_all = stage == block == 0  # its input was normalised in the stem
            channels += 2 * middle + (0 if is_first_of_all else n_in)
            n_in = filters
    return weights + dense(256, 10), channels + 256


@pytest.mark.parametrize(
    ("example", "depth", "trainable", "total"),
    [
        (keras_v1, 20, 273_066, 274_442),
        (keras_v1, 56, 857_706, 861_770),
        (keras_v1, 110, 1_734_666, 1_742_762),
        (keras_v2, 20, 570_602, 574_090),
        (keras_v2, 29, 843_786, 849_002),
        (keras_v2, 56, 1_663_338, 1_673_738),
        (keras_v2, 110, 3_302_442, 3_323_210),
        (keras_v2, 164, 4_941_546, 4_972_682),
    ],
)
def test_the_residual_networks_of_keras_example(example, depth, trainable, total):
    weights, channels = example(depth)
    assert weights + 2 * channels == trainable
    assert weights + 4 * channels == total


def test_keras_example_is_kbnds_network_with_biased_convolutions():
    n_biases = 16 + 6 * (16 + 32 + 64) + (32 + 64)
    ours = count(parts(Residual(20), classes=10), (32, 32, 3)).n_parameters
    assert ours + n_biases == 273_066
