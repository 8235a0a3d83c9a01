"""Tests by signs and ranks against every sign, and where so few differences can say nothing."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from kbnd.verdicts import paired


def differences(n: int, mean: float = 0.3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([n, seed]).normal(mean, 1, n)


@pytest.mark.parametrize("d", [[1, 2, 3, 4, 5], [0.5, -0.1, 0.3, 0.3, -0.2, 0.7], [0, 0, 1, 1, 1, 1, 1, 1, -1]])
def test_sign_flip_counts_every_sign(d: list[float]) -> None:
    sums = [abs(np.dot(signs, d)) for signs in itertools.product((1, -1), repeat=len(d))]
    assert paired.sign_flip(d) == pytest.approx(np.mean(np.array(sums) >= abs(sum(d)) - 1e-9))


def test_signed_ranks_agree_with_scipy_without_ties_and_with_every_sign_where_there_are_some() -> None:
    d = differences(9)
    assert paired.signed_ranks(d) == pytest.approx(scipy.stats.wilcoxon(d, method="exact").pvalue)
    tied = np.array([0.1, 0.1, 0.1, 0.2, 0.2, -0.1, 0.3])
    ranks = scipy.stats.rankdata(np.abs(tied))
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in itertools.product((0, 1), repeat=7)
    ]
    above = float(ranks[tied > 0].sum())
    assert paired.signed_ranks(tied) == pytest.approx(2 * np.mean(np.array(sums) >= above))


@pytest.mark.parametrize("d", [[1, 2, 3, 4, 5], [0, 0, 0, 1, 2, 3, 4, 5]])
def test_fewer_than_six_ranks_cannot_decide(d: list[float]) -> None:
    assert math.isnan(paired.signed_ranks(d))


def test_the_smallest_p_of_signs_and_ranks_is_reached() -> None:
    for n in (6, 8, 10):
        rising = np.arange(1, n + 1)
        assert paired.smallest_p(n) == paired.sign_flip(rising) == pytest.approx(paired.signed_ranks(rising))
    assert paired.smallest_p(5) == 0.0625


def test_hodges_lehmann_is_the_median_of_means_of_two() -> None:
    assert paired.hodges_lehmann([1, 2, 9]) == 3.5  # of 1, 1.5, 2, 5, 5.5, 9


def test_the_limits_of_hodges_and_lehmann_are_the_shifts_that_ranks_do_not_refuse() -> None:
    """For ten differences the 9th of 55 means of two from either end."""
    d = differences(10)
    i, j = np.triu_indices(10)
    means = np.sort((d[i] + d[j]) / 2)
    assert paired.hodges_lehmann_limits(d) == pytest.approx((means[8], means[-9]))
    low, high = paired.hodges_lehmann_limits(d)
    for shift, is_refused in ((low - 1e-6, True), (low + 1e-6, False), (high - 1e-6, False), (high + 1e-6, True)):
        assert (paired.signed_ranks(d - shift) <= 0.05) is is_refused
    assert math.isnan(paired.hodges_lehmann_limits(d[:5])[0])


def test_page_sees_an_order_and_its_reverse_and_their_smallest_p() -> None:
    table = differences(24, 0).reshape(6, 4) * 0.1 + np.arange(4)
    for places, direction in ((table, 1), (table[:, ::-1], -1)):
        assert paired.page(places) == (pytest.approx(paired.smallest_page_p(6, 4), rel=1e-6), direction)
    assert paired.page(differences(24, 0).reshape(6, 4))[0] > 0.05
    assert paired.smallest_page_p(2, 3) == pytest.approx(2 / 36)
