"""Closed forms of what Batch Normalization and dropout do to activations, to lay beside measurements; free of Keras.

With keep = 1 - rate, a unit's mean mu and variance v in eval mode:

| quantity                         | formula                                              | function              |
|----------------------------------|------------------------------------------------------|-----------------------|
| factor on a correlation          | kappa = keep v / (v + (1 - keep) mu^2)               | `kappa`               |
| variance in eval over train mode | v / ((mu^2 + v) / keep - mu^2)                       | `variance_shift`      |
| mean and variance after ReLU     | of max(0, N(mean, sd^2))                             | `relu_gaussian`       |
| linearity of an activation       | R^2 of the best a + b u for f(u), u ~ N(0, gamma^2)  | `linearity_index`     |
| runs for a clear winner          | (z_alpha + z_beta)^2 / (6 (probability - 1/2)^2)     | `noether_sample_size` |

The first two are the same number: inverted dropout leaves covariances as they are and divides variances by kappa.

References: Chen et al., arXiv 1905.05928 (2019), who state the factor on correlations as keep, which is kappa at
mu = 0; Li et al., "Understanding the disharmony between dropout and batch normalization by variance shift", CVPR 2019.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from statistics import NormalDist

import numpy as np

from kbnd.errors import UsageError, unknown

NORMAL = NormalDist()

ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda u: u,
    "relu": lambda u: np.maximum(u, 0.0),
    "sigmoid": lambda u: 0.5 * (1.0 + np.tanh(0.5 * u)),  # 1 / (1 + exp(-u)) without its overflow
    "tanh": np.tanh,
}

FARTHEST_SD = 12.0
"""Where the Gaussian integrals end: what lies beyond is below 1e-30."""

N_NODES = 200
"""Gauss-Legendre nodes on each side of 0; a kink at 0, as ReLU's, costs no accuracy."""


def kappa(keep: float, mean: float, variance: float) -> float:
    """Return what dropout multiplies the correlation of two units with equal moments by.

    Where their moments differ it is the geometric mean of the two units' kappa.

    Args:
        keep: probability that an element is kept, in (0, 1].
        mean: of a unit in eval mode, before the dropout.
        variance: likewise, above 0.

    Returns:
        A factor in (0, 1]; `keep` itself at mean 0, as behind BN.

    Raises:
        UsageError: an argument out of range.

    Reference: derived in this module's terms: Cov(x m / keep) = Cov(x) + (1 - keep) / keep * diag(v + mu^2).
    """
    _check_unit(keep, variance)
    return keep * variance / (variance + (1.0 - keep) * mean**2)


def variance_shift(keep: float, mean: float, variance: float) -> float:
    """Return a unit's variance in eval mode over that in train mode, behind dropout: what BN's statistics miss.

    Args:
        keep: probability that an element is kept, in (0, 1].
        mean: of the unit in eval mode, before the dropout.
        variance: likewise, above 0.

    Returns:
        A ratio in (0, 1], equal to `kappa`.

    Raises:
        UsageError: an argument out of range.

    Reference: Li et al. (2019), case a: dropout directly before BN.
    """
    _check_unit(keep, variance)
    return variance / ((mean**2 + variance) / keep - mean**2)


def relu_gaussian(mean: float = 0.0, sd: float = 1.0) -> tuple[float, float]:
    """Return mean and variance of max(0, u), u ~ N(mean, sd^2): (0.3989, 0.3408) for the standard normal.

    With a = mean / sd, E = mean Phi(a) + sd phi(a) and E2 = (mean^2 + sd^2) Phi(a) + mean sd phi(a); the variance is
    E2 - E^2.

    Raises:
        UsageError: an sd that is not above 0.
    """
    if not sd > 0.0:
        raise UsageError(f"sd should be above 0, received {sd!r}")
    below, density = NORMAL.cdf(mean / sd), NORMAL.pdf(mean / sd)
    first = mean * below + sd * density
    return first, (mean**2 + sd**2) * below + mean * sd * density - first**2


def linearity_index(activation: str | Callable[[np.ndarray], np.ndarray], gamma: float = 1.0) -> float:
    """Return how nearly straight an activation is on the inputs that BN gives it: 1 is a straight line.

    R^2 = Cov(u, f(u))^2 / (Var(u) Var(f(u))) for u ~ N(0, gamma^2), by Gauss-Legendre quadrature. At gamma 1: sigmoid
    0.9842, tanh 0.9305, ReLU 0.7335 (1 / (2 - 2/pi), at any gamma).

    Args:
        activation: key of `ACTIVATIONS`, or a function of a NumPy array.
        gamma: standard deviation of the inputs, BN's gamma at beta 0; above 0.

    Raises:
        UsageError: an unknown name, a gamma out of range, or an activation that is constant or not finite.
    """
    if isinstance(activation, str) and activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    if not 0.0 < gamma < math.inf:
        raise UsageError(f"gamma should be positive and finite, received {gamma!r}")
    function = ACTIVATIONS[activation] if isinstance(activation, str) else activation
    z, weights = _standard_normal()
    f = np.asarray(function(gamma * z), dtype=float)
    if not np.ptp(f) > 0.0:
        raise UsageError("the activation should be finite and not constant: nothing is left to be linear")
    f = f - weights @ f
    return float((weights @ (z * f)) ** 2 / (weights @ f**2))


def noether_sample_size(probability: float = 0.75, *, alpha: float = 0.05, beta: float = 0.05) -> int:
    """Return how many paired runs tell P(A > B) = probability from 1/2: 29 for 0.75 at the default errors.

    n = (z_(1 - alpha) + z_(1 - beta))^2 / (6 (probability - 1/2)^2), rounded up.

    Args:
        probability: that a run of A beats one of B, in (0, 1) without 1/2.
        alpha: of the one-sided test, in (0, 1/2).
        beta: chance to miss it, in (0, 1/2).

    Raises:
        UsageError: an argument out of range.

    Reference: Noether, "Sample size determination for some common nonparametric tests", JASA 82 (1987), for two samples
    of n each; Bouthillier et al., "Accounting for variance in machine learning benchmarks", MLSys 2021.
    """
    if not 0.0 < probability < 1.0 or probability == 0.5:
        raise UsageError(f"probability should lie in (0, 1) and not be 1/2, received {probability!r}")
    for name, error in (("alpha", alpha), ("beta", beta)):
        if not 0.0 < error < 0.5:
            raise UsageError(f"{name} should lie in (0, 1/2), received {error!r}")
    quantiles = NORMAL.inv_cdf(1 - alpha) + NORMAL.inv_cdf(1 - beta)
    return math.ceil(quantiles**2 / (6 * (probability - 0.5) ** 2))


@cache
def _standard_normal() -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights with sum(weights * f(nodes)) = E[f(z)], z ~ N(0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
    half, of_half = FARTHEST_SD * (nodes + 1) / 2, FARTHEST_SD * weights / 2
    z = np.concatenate([-half[::-1], half])
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return z, np.concatenate([of_half[::-1], of_half]) * density


def _check_unit(keep: float, variance: float) -> None:
    if not 0.0 < keep <= 1.0:
        raise UsageError(f"keep should lie in (0, 1], received {keep!r}")
    if not variance > 0.0:
        raise UsageError(f"variance should be above 0, received {variance!r}")
