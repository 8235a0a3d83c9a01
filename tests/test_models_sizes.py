"""Sides of maps and widths of layers, before Keras is there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbnd.errors import UsageError
from kbnd.models import MODELS, alexnets, cnns
from kbnd.models.placement import Unit
from kbnd.models.sizes import check_input, convolved_side, output_side, pooled_side, scaled

SMALLEST = {
    "alexnet": (alexnets.alexnet_units(), 29),
    "alexnet_d2l": (alexnets.D2L_UNITS, 65),
    "simple_cnn": (cnns.simple_cnn_units(), 10),
    "deeper_cnn": (cnns.deeper_cnn_units(), 10),
}


def positions(side, kernel, stride, n_zeros):
    """Where a window can stand, counted one by one."""
    padded = range(-n_zeros, side + n_zeros)
    return len([start for start in padded[::stride] if start + kernel - 1 in padded])


@given(st.integers(1, 40), st.integers(1, 11), st.integers(1, 4), st.integers(0, 5))
def test_a_convolution_has_as_many_positions_as_its_window(side, kernel, stride, n_zeros):
    unit = Unit("conv1", "conv", kernel=kernel, stride=stride, padding=n_zeros)
    assert convolved_side(unit, side) == positions(side, kernel, stride, n_zeros)


@given(st.integers(1, 40), st.integers(1, 11), st.integers(1, 4))
def test_same_padding_keeps_the_side_but_for_the_stride(side, kernel, stride):
    unit = Unit("conv1", "conv", kernel=kernel, stride=stride, padding="same")
    assert convolved_side(unit, side) == len(range(0, side, stride))


@given(st.integers(1, 40), st.integers(1, 4), st.none() | st.integers(1, 4))
def test_pooling_has_as_many_positions_as_its_window(side, pool, stride):
    unit = Unit("conv1", "conv", pool=pool, pool_stride=stride)
    assert pooled_side(unit, side) == positions(side, pool, stride or pool, 0)


@pytest.mark.parametrize(
    ("units", "side", "sides"),
    [
        (alexnets.alexnet_units(), 32, [(8, 4), (4, 2), (2, 2), (2, 2), (2, 1)]),
        (alexnets.D2L_UNITS, 224, [(54, 26), (26, 12), (12, 12), (12, 12), (12, 5)]),
        (cnns.simple_cnn_units(), 32, [(32, 32), (30, 15), (15, 15), (13, 6)]),
    ],
    ids=["alexnet", "alexnet_d2l", "simple_cnn"],
)
def test_the_sides_of_the_published_networks(units, side, sides):
    for unit, expected in zip(units, sides, strict=False):
        convolved = convolved_side(unit, side)
        side = pooled_side(unit, convolved)
        assert (convolved, side) == expected


@pytest.mark.parametrize("network", SMALLEST)
def test_the_smallest_image_is_let_through_and_the_next_smaller_one_refused(network):
    units, least = SMALLEST[network]
    check_input(network, units, (least, least, 3), 10)
    for shape in ((least - 1, least, 3), (least, 1, 3)):
        with pytest.raises(
            UsageError, match=f"{network} needs images of at least {least}x{least}, received {shape[0]}x"
        ):
            check_input(network, units, shape, 10)


@pytest.mark.parametrize("network", SMALLEST)
def test_a_builder_refuses_an_image_one_smaller(network):
    least = SMALLEST[network][1]
    with pytest.raises(UsageError, match=f"{network} needs images of at least {least}x{least}"):
        MODELS[network].builder((least - 1, least, 3), 10)


def test_lenet_refuses_an_image_that_is_small_in_one_direction():
    with pytest.raises(UsageError, match="lenet5 needs images of at least 28x28, received 24x28"):
        MODELS["lenet5"].builder((24, 28, 1), 10)


@pytest.mark.parametrize("network", SMALLEST)
def test_what_fits_one_image_fits_every_larger_one(network):
    units, least = SMALLEST[network]
    sides = [output_side(units, side) for side in range(1, 300)]
    assert sides == sorted(sides)
    assert sides[least - 2 : least] == [0, 1]


def test_a_large_kernel_does_not_fit_what_pooling_left_nothing_of():
    units = (Unit("conv1", "conv", pool=4), Unit("conv2", "conv", kernel=3, padding=1))
    assert [output_side(units, side) for side in (3, 4)] == [0, 1]


@pytest.mark.parametrize(
    ("filters", "width", "expected"),
    [(16, 1, 16), (16, 0.5, 8), (6, 0.25, 2), (10, 0.25, 3), (64, 2, 128), (16, 0.04, 1)],
)
def test_widths_are_rounded_halves_upwards(filters, width, expected):
    assert scaled(filters, width) == expected


@pytest.mark.parametrize("width", [0, -1, True, "wide", None, float("nan"), float("inf"), 1e308, [1]])
def test_a_width_is_a_positive_number(width):
    with pytest.raises(UsageError, match="width should be a positive number, received"):
        scaled(16, width)


def test_a_width_that_leaves_no_filters_is_refused():
    with pytest.raises(UsageError, match=r"width 0\.03 leaves nothing of 16 filters"):
        scaled(16, 0.03)
