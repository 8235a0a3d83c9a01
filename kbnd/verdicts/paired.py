"""Tests of n paired differences that believe in no normal distribution: by signs and by ranks.

| function       | null hypothesis               | by                                                                |
|----------------|-------------------------------|-------------------------------------------------------------------|
| `sign_flip`    | the distribution is symmetric | all signs of 14 differences or fewer; 2^14 drawn ones of more     |
| `signed_ranks` | the same                      | Wilcoxon's exact distribution; zeros left out, ties by their mean |
| `page`         | no order along the columns    | Page's L                                                          |

Of n values a rank or sign test cannot fall below 2 / 2^n: fewer than six can never say p < 0.05.

Reference: Wilcoxon (1945), Biometrics Bulletin 1; Hodges and Lehmann (1963), Annals of Mathematical Statistics 34;
    Page (1963), Ordered hypotheses for multiple treatments, JASA 58.
"""

from __future__ import annotations

from bisect import bisect_left
from math import factorial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kbnd.analysis.stats import LEVEL, N_NONPARAMETRIC

_N_SIGNS = 2**14
"""Signs that are tried: all of 14 differences or fewer, and as many drawn ones of more."""


def sign_flip(d: ArrayLike) -> float:
    """Return the two-sided p of the mean under all signs of the differences; exact up to 14."""
    x = np.asarray(d, dtype=np.float64)
    if not len(x):
        return np.nan
    from scipy.stats import permutation_test

    drawn = np.random.default_rng(0)  # used above 14 differences alone
    return float(permutation_test((x,), np.mean, permutation_type="samples", n_resamples=_N_SIGNS, rng=drawn).pvalue)


def signed_ranks(d: ArrayLike) -> float:
    """Return the exact two-sided p of Wilcoxon's signed ranks; nan where fewer than six differences are not 0.

    With fewer no ranks whatever could say p < 0.05: the test cannot decide.
    """
    x = np.asarray(d, dtype=np.float64)
    x = x[x != 0]
    if len(x) < N_NONPARAMETRIC:
        return np.nan
    from scipy.stats import PermutationMethod, wilcoxon

    has_ties = len(set(np.abs(x))) < len(x)  # of which scipy's table knows nothing
    every_sign = PermutationMethod(n_resamples=_N_SIGNS, rng=np.random.default_rng(0))
    return float(wilcoxon(x, method=every_sign if has_ties else "exact").pvalue)


def hodges_lehmann(d: ArrayLike) -> float:
    """Return the median of all means of two differences: where ranks put the middle."""
    means = _means_of_two(np.asarray(d, dtype=np.float64))
    return float(np.median(means)) if len(means) else np.nan


def hodges_lehmann_limits(d: ArrayLike, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the limits of the shifts that Wilcoxon's signed ranks do not refuse; nan below six differences."""
    x = np.asarray(d, dtype=np.float64)
    means = _means_of_two(x)
    between = (means[1:] + means[:-1]) / 2  # where no difference is 0 and, of different means, no two are tied
    if len(x) < N_NONPARAMETRIC or not np.ptp(x):
        return np.nan, np.nan
    half = len(between) // 2
    low = bisect_left(between[:half], True, key=lambda shift: signed_ranks(x - shift) > 1 - level)
    high = bisect_left(between[half:], True, key=lambda shift: signed_ranks(x - shift) <= 1 - level)
    return float(means[low]), float(means[half + high])


def page(table: ArrayLike) -> tuple[float, int]:
    """Return the two-sided p of no order along the columns, and whether it is rising (1), falling (-1) or neither (0).

    Args:
        table: (n seeds, k places in the order claimed).
    """
    places = np.asarray(table, dtype=np.float64)
    if len(places) < 2:
        return np.nan, 0
    from scipy.stats import page_trend_test

    rising, falling = (float(page_trend_test(way).pvalue) for way in (places, places[:, ::-1]))
    return min(1.0, 2 * min(rising, falling)), int(np.sign(falling - rising))


def smallest_p(n: int) -> float:
    """Return the smallest two-sided p that signs or ranks of n differences can have: 2 / 2^n."""
    return min(1.0, 2.0 ** (1 - n))


def smallest_page_p(n: int, k: int) -> float:
    """Return the smallest two-sided p that an order of k places in n seeds can have: 2 / (k!)^n."""
    return min(1.0, 2.0 / float(factorial(k)) ** n)


def _means_of_two(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The means of every two of the differences, each with itself too, in order (Walsh averages)."""
    i, j = np.triu_indices(len(x))
    return np.sort((x[i] + x[j]) / 2)
