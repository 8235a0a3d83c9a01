"""Means that are tested: against scipy and statsmodels, at the edges, and against the truth of simulated worlds."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.weightstats import ttost_paired
from test_verdicts_images import gains
from test_verdicts_paired import differences

from kbnd.analysis.stats import mean_interval
from kbnd.verdicts.means import Mean


@pytest.mark.parametrize("n", [2, 5, 9, 30])
def test_t_test_and_tost_agree_with_scipy_and_statsmodels(n: int) -> None:
    d = differences(n)
    assert Mean.over_seeds(d).two_sided() == pytest.approx(scipy.stats.ttest_1samp(d, 0).pvalue)
    assert Mean.over_seeds(d).within(0.8) == pytest.approx(ttost_paired(d, np.zeros(n), -0.8, 0.8)[0])
    assert Mean.over_seeds(d).beyond(0.1) == pytest.approx(
        scipy.stats.ttest_1samp(d, 0.1, alternative="greater").pvalue
    )


@pytest.mark.parametrize("d", [[], [0.2], [0.2, 0.2, 0.2]])
def test_equal_or_single_differences_have_no_p(d: list[float]) -> None:
    """Equal to the last digit is what a small test set makes of a difference: no certainty comes of it."""
    assert math.isnan(Mean.over_seeds(d).two_sided())


def test_nothing_at_all_is_no_difference() -> None:
    assert Mean.over_seeds([0.0, 0.0, 0.0]).two_sided() == 1.0


@pytest.mark.parametrize(("n", "of_seeds_alone"), [(5, 0.93), (20, 0.9)])
def test_intervals_for_new_images_hold_the_truth_as_often_as_they_say(n: int, of_seeds_alone: float) -> None:
    """600 worlds: 3 standard errors of 0.95 are 0.027; a t-interval over seeds holds it less often."""
    rng, n_held, n_by_seeds = np.random.default_rng(n), 0, 0
    for _ in range(600):
        d = gains(n, 200, hardness=1.0, rng=rng)
        both, seeds = Mean.over_seeds_and_images(d).interval(), Mean.over_seeds(d.mean(axis=1)).interval()
        n_held += both.low <= 0 <= both.high
        n_by_seeds += seeds.low <= 0 <= seeds.high
    assert 0.92 <= n_held / 600 <= 0.985
    assert n_by_seeds / 600 < of_seeds_alone


def test_equal_arms_have_no_spread() -> None:
    nothing = Mean.over_seeds_and_images(np.zeros((3, 50))).interval()
    assert nothing.low == nothing.high == 0.0


def test_intervals_over_seeds_are_those_of_the_tables() -> None:
    d = differences(7)
    # to the last bit but one: scipy's quantiles differ by one between its versions
    assert asdict(Mean.over_seeds(d).interval()) == pytest.approx(asdict(mean_interval(d)), rel=1e-14)


def test_a_floor_is_what_a_difference_has_to_be_beyond() -> None:
    d = 0.05 + differences(15, 0.0) * 0.01
    mean = Mean.over_seeds(d)
    assert mean.two_sided(0.03) == pytest.approx(2 * scipy.stats.ttest_1samp(d, 0.03, alternative="greater").pvalue)
    assert mean.two_sided(0.03) < 0.05 < mean.two_sided(0.06)
    assert Mean.over_seeds(-d).two_sided(0.03) == pytest.approx(mean.two_sided(0.03))
