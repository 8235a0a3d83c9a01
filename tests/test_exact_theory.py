"""The closed forms of kbnd.theory against sums over all masks, integrals done otherwise, and known numbers."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from kbnd.errors import UsageError
from kbnd.theory import kappa, linearity_index, noether_sample_size, relu_gaussian, variance_shift

KEEPS = st.floats(0.05, 1.0)
MEANS = st.floats(-5.0, 5.0)
VARIANCES = st.floats(0.01, 10.0)


def over_all_masks(x, keep):
    """Mean and covariance of x * m / keep, exactly: every row of x is equally likely, every mask has its own weight."""
    masks = np.array(list(itertools.product((0.0, 1.0), repeat=x.shape[1])))
    weights = np.prod(np.where(masks, keep, 1 - keep), axis=1)
    outcomes = (x[:, None, :] * masks / keep).reshape(-1, x.shape[1])
    chances = np.tile(weights, len(x)) / len(x)
    mean = chances @ outcomes
    return mean, (outcomes - mean).T @ (chances[:, None] * (outcomes - mean))


def population(n_units=4, n_rows=60):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_rows, n_units)) @ rng.normal(size=(n_units, n_units)) + rng.normal(size=n_units)


@pytest.mark.parametrize("keep", [0.95, 0.5, 0.2])
def test_dropout_keeps_means_and_covariances_and_adds_to_variances(keep):
    x = population()
    mean, covariance = over_all_masks(x, keep)
    sigma, mu = np.cov(x.T, bias=True), x.mean(axis=0)
    np.testing.assert_allclose(mean, mu, atol=1e-12)
    ridge = (1 - keep) / keep * np.diag(np.diag(sigma) + mu**2)
    np.testing.assert_allclose(covariance, sigma + ridge, atol=1e-12)


@pytest.mark.parametrize("keep", [0.95, 0.5, 0.2])
def test_a_correlation_shrinks_by_the_geometric_mean_of_the_two_kappas(keep):
    x = population()
    covariance = over_all_masks(x, keep)[1]
    after = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    before = np.corrcoef(x.T)
    factor = np.sqrt([kappa(keep, m, v) for m, v in zip(x.mean(axis=0), x.var(axis=0), strict=True)])
    is_pair = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(after[is_pair], (before * np.outer(factor, factor))[is_pair], atol=1e-12)


@given(KEEPS, MEANS, VARIANCES)
def test_kappa_is_the_variance_shift(keep, mean, variance):
    assert kappa(keep, mean, variance) == pytest.approx(variance_shift(keep, mean, variance), rel=1e-9)


@given(KEEPS, VARIANCES)
def test_at_mean_zero_kappa_is_the_fraction_kept(keep, variance):
    assert kappa(keep, 0.0, variance) == pytest.approx(keep)


@given(KEEPS, MEANS, VARIANCES)
def test_kappa_lies_between_zero_and_the_fraction_kept(keep, mean, variance):
    assert 0 < kappa(keep, mean, variance) <= keep + 1e-12


@pytest.mark.parametrize(("keep", "expected"), [(0.95, 0.9283), (0.9, 0.8598), (0.8, 0.7317), (0.5, 0.4054)])
def test_kappa_behind_the_relu_of_a_standard_normal(keep, expected):
    assert kappa(keep, *relu_gaussian()) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (1.5, 1.0), (-1.0, 0.5), (0.3, 3.0)])
def test_moments_behind_relu_are_the_integrals(mean, sd):
    def moment(power):
        return integrate.quad(lambda u: u**power * stats.norm.pdf(u, mean, sd), 0, mean + 12 * sd)[0]

    assert relu_gaussian(mean, sd) == pytest.approx((moment(1), moment(2) - moment(1) ** 2), rel=1e-7)


@pytest.mark.parametrize(
    ("activation", "expected"), [("tanh", 0.9305), ("sigmoid", 0.9842), ("relu", 0.7335), ("linear", 1.0)]
)
def test_tanh_and_sigmoid_are_nearly_linear_on_the_outputs_of_batch_norm(activation, expected):
    assert linearity_index(activation) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("tanh", (0.984, 0.931, 0.838, 0.784, 0.731)), ("sigmoid", (0.998, 0.984, 0.931, 0.878, 0.807))],
)
def test_a_larger_gamma_brings_the_bend_back(activation, expected):
    assert [linearity_index(activation, gamma) for gamma in (0.5, 1, 2, 3, 5)] == pytest.approx(expected, abs=6e-4)


@given(st.floats(0.1, 10.0))
def test_relu_bends_alike_at_every_gamma_and_sigmoid_is_a_tanh(gamma):
    assert linearity_index("relu", gamma) == pytest.approx(1 / (2 - 2 / math.pi), rel=1e-12)
    assert linearity_index("sigmoid", 2 * gamma) == pytest.approx(linearity_index("tanh", gamma), rel=1e-12)


def test_the_linearity_index_is_r_squared_of_a_least_squares_line():
    u = 2 * np.random.default_rng(1).standard_normal(400_000)
    r_squared = stats.linregress(u, np.sin(u)).rvalue ** 2
    assert linearity_index(np.sin, 2.0) == pytest.approx(r_squared, abs=0.003)  # 5 standard errors of R^2 here


def test_noether_asks_for_29_pairs():
    assert noether_sample_size() == 29
    assert noether_sample_size(0.25) == 29  # worse is as clear as better
    assert noether_sample_size(0.9) == math.ceil((2 * 1.6449) ** 2 / (6 * 0.16))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: kappa(0.0, 0.0, 1.0), r"keep should lie in \(0, 1\], received 0.0"),
        (lambda: variance_shift(0.5, 0.0, 0.0), "variance should be above 0, received 0.0"),
        (lambda: relu_gaussian(0.0, 0.0), "sd should be above 0, received 0.0"),
        (lambda: linearity_index("tan"), r"unknown activation 'tan' \(did you mean 'tanh'\?\)"),
        (lambda: linearity_index("tanh", 0.0), "gamma should be positive and finite, received 0.0"),
        (lambda: linearity_index(np.ones_like), "activation should be finite and not constant"),
        (lambda: noether_sample_size(0.5), r"probability should lie in \(0, 1\) and not be 1/2, received 0.5"),
        (lambda: noether_sample_size(alpha=0.5), r"alpha should lie in \(0, 1/2\), received 0.5"),
    ],
)
def test_arguments_out_of_range_are_refused(call, sentence):
    with pytest.raises(UsageError, match=sentence):
        call()
