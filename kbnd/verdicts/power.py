"""How many seeds would decide? From the spread of a pilot, taken at its upper limit.

The SD of five differences is known to a factor of three, and of heavy-tailed ones worse: a plan on the point value is
too small in half of all cases. Plans therefore take the SD's upper 80 % limit, sd sqrt((n - 1) / chi2_0.2(n - 1)).

| question                        | n is the smallest with                                                        |
|---------------------------------|-------------------------------------------------------------------------------|
| see a difference of delta       | power of the two-sided paired t-test, integrated over its SD                  |
| show that it is within +-margin | power of the two one-sided tests at a true difference of 0, by the central t  |

Reference: Cohen (1988), Statistical power analysis; Julious (2004), Sample sizes for clinical trials with
    normal data, Statistics in Medicine 23.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import chdtri, ndtr, stdtr, stdtrit

POWER = 0.8

MOST_SEEDS = 10_000
"""Where a plan gives up: nobody trains more."""

_N_SDS = 2000
"""Quantiles of the sample SD that a power is the mean of; its error is below 0.0001."""


def upper_sd(sd: float, n: int, *, confidence: float = 0.8) -> float:
    """Return the upper limit of a standard deviation that n values have given; nan below two."""
    return float(sd * np.sqrt((n - 1) / chdtri(n - 1, confidence))) if n > 1 else np.nan


def seeds_to_see(
    delta: float, sd: float, *, alpha: float = 0.05, power: float = POWER, fixed: float = 0.0
) -> int | None:
    """Return the seeds with which a paired t-test sees a difference; None for more than `MOST_SEEDS`.

    Args:
        delta: true difference, not 0.
        sd: of the differences.
        alpha: two-sided level; of the first of m tests of a family 0.05 / m.
        power: chance to see it.
        fixed: variance of the mean that no number of seeds takes away, as of the test images.
    """
    return _smallest(lambda n: power_to_see(delta, sd, n, alpha=alpha, fixed=fixed), power)


def seeds_to_show_within(
    margin: float, sd: float, *, alpha: float = 0.05, power: float = POWER, fixed: float = 0.0
) -> int | None:
    """Return the seeds with which two one-sided tests show that a difference of 0 lies within a margin."""
    return _smallest(lambda n: power_to_show_within(margin, sd, n, alpha=alpha, fixed=fixed), power)


def power_to_see(delta: float, sd: float, n: int, *, alpha: float = 0.05, fixed: float = 0.0) -> float:
    """Return the chance that a paired t-test of n differences is significant at `alpha`, two-sided.

    The mean over the possible sample SDs, s sqrt(df) = chi: of both tails of a normal beyond s times the critical t.
    scipy's noncentral t, and statsmodels' power with it, is nan for some large effects.
    """
    df = n - 1
    s = np.sqrt(chdtri(df, (np.arange(_N_SDS) + 0.5) / _N_SDS) / df)
    critical, shift = stdtrit(df, 1 - alpha / 2) * s, abs(delta) / _error(sd, n, fixed)
    return float(np.mean(ndtr(shift - critical) + ndtr(-shift - critical)))


def power_to_show_within(margin: float, sd: float, n: int, *, alpha: float = 0.05, fixed: float = 0.0) -> float:
    """Return the chance that n differences of mean 0 are shown to lie within +-margin (central t: an approximation)."""
    return float(max(0.0, 2 * stdtr(n - 1, margin / _error(sd, n, fixed) - stdtrit(n - 1, 1 - alpha)) - 1))


def _error(sd: float, n: int, fixed: float) -> float:
    return float(np.sqrt(sd**2 / n + fixed))


def _smallest(power_of: Callable[[int], float], power: float) -> int | None:
    """The smallest n from 2 on with enough power, which grows with n: doubled, then halved between."""
    high = 2
    while power_of(high) < power:
        high *= 2
        if high > MOST_SEEDS:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle > 1 and power_of(middle) >= power else (middle, high)
    return high
