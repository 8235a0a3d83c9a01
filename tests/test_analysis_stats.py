"""The estimators against scipy, statsmodels and known truth."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from statsmodels.stats.weightstats import DescrStatsW

from kbnd.analysis.stats import Interval, mean_interval, paired_difference, paired_ratio, standard_deviation
from kbnd.errors import UsageError

NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False)
SAMPLES = hnp.arrays(np.float64, st.integers(2, 12), elements=NUMBERS)


def limits(found: Interval) -> tuple[float, float]:
    return found.low, found.high


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_mean_interval_agrees_with_scipy_and_statsmodels(n: int, level: float) -> None:
    x = np.random.default_rng(n).normal(0.98, 0.004, n)
    found = mean_interval(x, level=level)
    assert found.estimate == pytest.approx(x.mean())
    assert limits(found) == pytest.approx(tuple(scipy.stats.ttest_1samp(x, 0).confidence_interval(level)))
    assert limits(found) == pytest.approx(DescrStatsW(x).tconfint_mean(1 - level))


def test_paired_difference_agrees_with_scipys_paired_test() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.normal(1, 1, 8), rng.normal(0, 1, 8)
    expected = scipy.stats.ttest_rel(a, b).confidence_interval(0.95)
    assert limits(paired_difference(a, b)) == pytest.approx((expected.low, expected.high))


def test_paired_ratio_is_the_interval_of_the_logs() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.lognormal(0, 0.1, 9), rng.lognormal(0, 0.1, 9)
    expected = scipy.stats.ttest_rel(np.log(a), np.log(b)).confidence_interval(0.95)
    found = paired_ratio(a, b)
    assert found.estimate == pytest.approx(scipy.stats.gmean(a / b))
    assert limits(found) == pytest.approx(tuple(np.exp([expected.low, expected.high])))


@pytest.mark.parametrize("n", [2, 3, 5, 15])
def test_intervals_cover_the_truth_as_often_as_they_say(n: int) -> None:
    """Of 2,000 intervals 95 % hold the truth; 4.5 standard errors of that share is 2.2 points."""
    rng, n_trials = np.random.default_rng(n), 2000
    seeds = rng.normal(0, 1, (n_trials, n))
    a, b = 0.3 + seeds + rng.normal(0, 0.5, (n_trials, n)), seeds + rng.normal(0, 0.5, (n_trials, n))
    found = [paired_difference(x, y) for x, y in zip(a, b, strict=True)]
    ratios = [paired_ratio(np.exp(x), np.exp(y)) for x, y in zip(a, b, strict=True)]
    for share in (
        np.mean([interval.low <= 0.3 <= interval.high for interval in found]),
        np.mean([interval.low <= np.exp(0.3) <= interval.high for interval in ratios]),
    ):
        assert share == pytest.approx(0.95, abs=0.022)


def test_pairing_removes_what_the_seeds_share() -> None:
    rng = np.random.default_rng(3)
    seeds = rng.normal(0, 1, 10)
    a, b = seeds + 0.5 + rng.normal(0, 0.01, 10), seeds + rng.normal(0, 0.01, 10)
    assert paired_difference(a, b).low > 0.45
    assert mean_interval(a).low < mean_interval(b).high


@given(SAMPLES, NUMBERS)
def test_a_shift_moves_the_interval_and_nothing_else(x: np.ndarray, shift: float) -> None:
    before, after = mean_interval(x), mean_interval(x + shift)
    width = before.high - before.low
    # Adding a number of size 1e3 rounds at 1e-13; sums of twelve and t(1) = 12.7 enlarge that.
    assert after.estimate == pytest.approx(before.estimate + shift, abs=1e-9)
    assert after.high - after.low == pytest.approx(width, abs=1e-9, rel=1e-9)


@given(SAMPLES)
def test_a_difference_from_oneself_is_exactly_zero(x: np.ndarray) -> None:
    assert paired_difference(x, x) == Interval(0.0, 0.0, 0.0, len(x))


@given(hnp.arrays(np.float64, (2, 6), elements=st.floats(1e-3, 1e3)))
def test_slower_and_faster_count_alike(times: np.ndarray) -> None:
    one, other = paired_ratio(times[0], times[1]), paired_ratio(times[1], times[0])
    assert one.estimate == pytest.approx(1 / other.estimate)
    assert limits(one) == pytest.approx((1 / other.high, 1 / other.low))


def test_one_value_has_a_mean_and_no_interval() -> None:
    found = mean_interval([0.5])
    assert (found.estimate, found.n) == (0.5, 1)
    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(standard_deviation([0.5]))


def test_no_value_has_neither() -> None:
    found = paired_ratio([], [])
    assert found.n == 0
    assert np.isnan(found.estimate)
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize("bad", [[0.1, np.nan], [0.1, np.inf]])
def test_a_diverged_value_is_refused(bad: list[float]) -> None:
    with pytest.raises(UsageError, match="finite"):
        mean_interval(bad)


def test_ratios_refuse_zero_and_pairs_of_unequal_length() -> None:
    with pytest.raises(UsageError, match="positive"):
        paired_ratio([1.0, 0.0], [1.0, 1.0])
    with pytest.raises(UsageError, match="received 2 and 3"):
        paired_difference([1, 2], [1, 2, 3])
    with pytest.raises(UsageError, match="level"):
        mean_interval([1, 2], level=95)
