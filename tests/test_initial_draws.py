"""The numbers behind initial weights: a NumPy that draws others from the same bits must not go unnoticed."""

import math

import numpy as np
import pytest

from kbnd.seeds import generator
from kbnd.training.initial import SCHEMES

KEY = (1, "weights", "conv1/kernel")
SHAPE, FAN_IN, FAN_OUT = (5, 5, 1, 6), 25, 150


def conv1_kernel(scheme):
    return SCHEMES[scheme].kernel(generator(*KEY), SHAPE, FAN_IN, FAN_OUT)


@pytest.mark.parametrize(
    ("scheme", "bound"),
    [
        ("torch_default", 1 / math.sqrt(FAN_IN)),
        ("glorot_uniform", math.sqrt(6 / (FAN_IN + FAN_OUT))),
        ("he_uniform", math.sqrt(6 / FAN_IN)),
    ],
)
def test_a_uniform_draw_is_the_upper_53_bits_of_each_word(scheme, bound):
    words = generator(*KEY).bit_generator.random_raw(math.prod(SHAPE))
    expected = -bound + 2 * bound * ((words >> np.uint64(11)) * 2.0**-53)
    # where a compiler fuses multiplication and addition, one rounding less
    np.testing.assert_allclose(conv1_kernel(scheme).ravel(), expected, rtol=0, atol=2 * bound * 2.0**-53)


FIRSTS = {
    "torch_default": -0.10399119579608654,
    "glorot_uniform": -0.09627713926739977,
    "glorot_normal": -0.15036667680951252,
    "he_uniform": -0.2547253674422711,
    "he_normal": -0.3978328323091933,
    "d2l_gaussian": -0.01406551467522406,
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_first_weight_of_lenet5_with_seed_1_never_changes(scheme):
    assert conv1_kernel(scheme)[0, 0, 0, 0] == pytest.approx(FIRSTS[scheme], rel=1e-14)
