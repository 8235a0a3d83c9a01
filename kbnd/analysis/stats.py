"""Arrays in, numbers out: the estimators that every table and figure of kbnd is made of.

Estimator and interval are plain functions of arrays, so that they can be checked against known truth without
a run or a ledger. The values x_1 ... x_n are one number for each seed, or for each block of a timing.

| function            | estimate                      | interval                                         |
|---------------------|-------------------------------|--------------------------------------------------|
| `mean_interval`     | mean(x)                       | mean +- t(n-1) sd / sqrt(n)                      |
| `paired_difference` | mean(a - b)                   | the same, of the n differences                   |
| `paired_ratio`      | exp(mean(log a - log b))      | exp of the interval of the n log ratios          |

One value has no interval: its limits are nan, and whoever prints it says so.

Reference: Student (1908), The probable error of a mean, Biometrika 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# scipy.stats would add most of a second to `kbnd compare`; the quantile of Student's t is this one function.
from scipy.special import stdtrit

from kbnd.errors import UsageError

LEVEL = 0.95
"""Confidence of every interval that kbnd prints."""

N_NONPARAMETRIC = 6
"""Pairs from which a two-sided sign-flip or signed-rank test can reach p < 0.05 (2 / 2**6 = 0.031)."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence limits.

    Attributes:
        estimate: nan where there is no value at all.
        low: lower limit; nan where fewer than two values leave the spread unknown.
        high: upper limit, likewise.
        n: values (seeds, pairs or blocks) behind it.
    """

    estimate: float
    low: float
    high: float
    n: int


def mean_interval(x: ArrayLike, *, level: float = LEVEL) -> Interval:
    """Return the mean with its t-interval, exact for independent normal values.

    Args:
        x: n finite values.
        level: confidence in (0, 1).

    Raises:
        UsageError: a value is nan or infinite, or the level lies outside (0, 1).
    """
    values = _finite(x)
    if not 0 < level < 1:
        raise UsageError(f"a confidence level lies strictly between 0 and 1, received {level!r}")
    n = len(values)
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    mean = float(values.mean())
    if n == 1:
        return Interval(mean, np.nan, np.nan, 1)
    half = float(stdtrit(n - 1, (1 + level) / 2) * values.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def paired_difference(a: ArrayLike, b: ArrayLike, *, level: float = LEVEL) -> Interval:
    """Return mean(a - b) with its t-interval, where a_i and b_i come from the same seed.

    Args:
        a: n values.
        b: the n values they are paired with, in the same order.
        level: confidence in (0, 1).
    """
    return mean_interval(_paired(a, b, np.subtract), level=level)


def paired_ratio(a: ArrayLike, b: ArrayLike, *, level: float = LEVEL) -> Interval:
    """Return the geometric mean of a_i / b_i with its interval, exact for normal log ratios.

    Slower and faster count alike: the ratio of b to a is the reciprocal, limits included.

    Args:
        a: n positive values.
        b: the n positive values they are paired with, measured in the same block.
        level: confidence in (0, 1).
    """
    if any(np.any(_finite(values) <= 0) for values in (a, b)):
        raise UsageError("a ratio needs positive values, received one that is zero or negative")
    log = mean_interval(_paired(np.log(_finite(a)), np.log(_finite(b)), np.subtract), level=level)
    ratio, low, high = np.exp([log.estimate, log.low, log.high])
    return Interval(float(ratio), float(low), float(high), log.n)


def standard_deviation(x: ArrayLike) -> float:
    """Return the sample standard deviation (n - 1); nan for fewer than two values."""
    values = _finite(x)
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan


def _finite(x: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(x, dtype=np.float64).ravel()
    if not np.all(np.isfinite(values)):
        raise UsageError("statistics need finite values, received nan or inf: leave diverged runs out")
    return values


def _paired(a: ArrayLike, b: ArrayLike, operation: np.ufunc) -> NDArray[np.float64]:
    first, second = _finite(a), _finite(b)
    if len(first) != len(second):
        raise UsageError(f"pairs need equally many values, received {len(first)} and {len(second)}")
    return np.asarray(operation(first, second))
