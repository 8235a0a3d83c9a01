"""Evidence that may be looked at after every seed: the t e-process, and the confidence sequence that it inverts to.

A t-test that is repeated after each new seed until it says p < 0.05 says so in 15 % of the worlds in which there is
nothing; an e-process may be looked at as often as one likes. Of n differences with mean m, sample SD s and
t = sqrt(n) (m - mu) / s, the evidence against the mean mu is a likelihood ratio: a normal prior of one observation's
weight on (mean - mu) / SD against a mean of mu, the scale integrated out of both with Jeffreys' prior,

    log E = (1/2) log r + (n/2) [log(1 + t^2 / (n - 1)) - log(1 + r t^2 / (n - 1))]        r = 1 / (n + 1)

Where mu is true, the chance that E ever reaches e is at most 1 / e (Ville), whatever the SD is:

    E                                                20 = 1 / 0.05
    |                                  .--x  <- decided: a difference
    |                     .--.   .----'
    |   .---.  .---------'    `-'
    +--'-----`'------------------------------> seeds
       6 (first look)

The means that are not refused, E < e, are an interval at every n, valid at all n at once.

Reference: Lai (1976), On confidence sequences, Annals of Statistics 4 (the t mixture); Ville (1939); Wang and Ramdas
    (2025), Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance, Sequential
    Analysis 44.
Differs: the first look is at the sixth seed, where a sign-flip test could first say anything too; leaving looks out
    only lowers the chance of an error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kbnd.analysis.stats import N_NONPARAMETRIC, Interval

EVIDENCE = 20.0
"""E at which a mean is refused: 1 / 0.05."""


FIRST_LOOK = N_NONPARAMETRIC
"""Seeds before which nothing is decided."""


def log_evidence(mean: ArrayLike, sd: ArrayLike, n: ArrayLike, *, against: ArrayLike = 0.0) -> NDArray[np.float64]:
    """Return log E against a mean of the differences; -log(2) / 2 ... where the data speak for it.

    All arguments broadcast, so that a whole simulation is one call.

    Args:
        mean: mean of n differences.
        sd: their sample SD (n - 1); 0 is allowed: n equal differences are strong evidence, but not infinite.
        n: how many there are, 2 or more.
        against: the mean that is doubted.
    """
    count = np.asarray(n, dtype=np.float64)
    distance = np.asarray(mean, dtype=np.float64) - np.asarray(against, dtype=np.float64)
    r = 1 / (count + 1)
    # Both logarithms times (n - 1) s^2, so that an SD of 0 divides nothing.
    squares, pull = (count - 1) * np.square(sd), count * np.square(distance)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(squares + pull) - np.log(squares + r * pull)
    is_exact = (squares == 0) & (pull == 0)
    return 0.5 * np.log(r) + count / 2 * np.where(is_exact, 0.0, ratio)


def confidence_sequence(d: ArrayLike, *, evidence: float = EVIDENCE) -> Interval:
    """Return the means that the differences do not refuse; limits are infinite while nothing can be refused.

    The inverse in closed form: with K = exp((2 / n) (log e - log(r) / 2)), E < e where
    t^2 < (n - 1) (K - 1) / (1 - r K), and everywhere where r K >= 1.

    Args:
        d: n differences, one for each seed, in any order.
        evidence: E at which a mean is refused: 20 for 95 %, for one of m claims 20 m.
    """
    values = np.asarray(d, dtype=np.float64)
    n = len(values)
    if n < 2:
        return Interval(float(values.mean()) if n else np.nan, -np.inf, np.inf, n)
    mean, sd, r = float(values.mean()), float(values.std(ddof=1)), 1 / (n + 1)
    k = np.exp(2 / n * (np.log(evidence) - 0.5 * np.log(r)))
    half = np.inf if r * k >= 1 else float(sd * np.sqrt((n - 1) * (k - 1) / (1 - r * k) / n))
    return Interval(mean, mean - half, mean + half, n)
