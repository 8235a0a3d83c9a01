"""A mean with what it is sure by: the t-tests and intervals of a verdict, over seeds or over seeds and new images.

| null hypothesis                | method      | p                                                           |
|--------------------------------|-------------|-------------------------------------------------------------|
| the mean is at most x          | `beyond`    | one-sided: P(T_df > (mean - x) / error)                     |
| the mean is at least x         | `below`     | one-sided                                                   |
| the mean is 0                  | `two_sided` | twice the smaller of both                                   |
| the mean lies outside +-margin | `within`    | the larger of two one-sided tests (TOST)                    |

The error and its degrees of freedom are those of n differences, s / sqrt(n) and n - 1, or of seeds crossed with test
images (`images.spread`). Without any spread there is no p but of the mean itself: that n accuracies are equal to the
last digit is what a small test set makes of them, and no certainty.

Reference: Student (1908), The probable error of a mean, Biometrika 6; Schuirmann (1987), A comparison of the two
    one-sided tests procedure and the power approach, Journal of Pharmacokinetics and Biopharmaceutics 15.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# As in `kbnd.analysis.stats`: scipy.stats would take most of a second.
from scipy.special import stdtr, stdtrit

from kbnd.analysis.stats import LEVEL, Interval
from kbnd.verdicts.images import spread

_ROUNDING = 1e-9
"""Relative differences below this are those of arithmetic."""


@dataclass(frozen=True)
class Mean:
    """A mean that can be tested.

    Attributes:
        value: nan of nothing.
        error: its standard error; 0 where nothing varies.
        df: degrees of freedom of the error.
        n: differences, one for each seed or block.
    """

    value: float
    error: float
    df: float
    n: int

    @classmethod
    def over_seeds(cls, d: ArrayLike) -> Mean:
        """Return the mean of n differences, as it would vary over other seeds on the same test images."""
        x = np.asarray(d, dtype=np.float64)
        n = len(x)
        if n < 2:
            return cls(float(x.mean()) if n else np.nan, np.nan, 0.0, n)
        is_equal = np.ptp(x) <= _ROUNDING * np.abs(x).max()
        return cls(float(x.mean()), 0.0 if is_equal else float(x.std(ddof=1) / np.sqrt(n)), n - 1.0, n)

    @classmethod
    def over_seeds_and_images(cls, d: ArrayLike) -> Mean:
        """Return the mean of (n, N) gains, seeds by images, as it would vary over other seeds and new images."""
        x = np.asarray(d, dtype=np.float64)
        if len(x) < 2:
            return cls.over_seeds(x.mean(axis=1))
        parts = spread(x)
        return cls(parts.mean, float(np.sqrt(parts.seeds + parts.images)), parts.df, parts.n_seeds)

    def interval(self, level: float = LEVEL) -> Interval:
        """Return the mean with its limits; nan for one difference."""
        half = float(stdtrit(self.df, (1 + level) / 2) * self.error) if self.error else 0.0
        return Interval(self.value, self.value - half, self.value + half, self.n)

    def beyond(self, x: float = 0.0) -> float:
        """Return the p of a mean of at most x: small where it lies above."""
        return self._p(self.value - x)

    def below(self, x: float = 0.0) -> float:
        """Return the p of a mean of at least x: small where it lies below."""
        return self._p(x - self.value)

    def two_sided(self, floor: float = 0.0) -> float:
        """Return the p of a mean of 0, or of one within +-floor: a difference that a control could have shown too."""
        return float(np.minimum(1.0, 2 * np.minimum(self.beyond(floor), self.below(-floor))))  # nan stays nan

    def within(self, margin: float) -> float:
        """Return the p of a mean of +-margin or more: small where the mean is shown to be smaller."""
        return float(np.maximum(self.beyond(-margin), self.below(margin)))

    def _p(self, distance: float) -> float:
        if not self.error > 0:
            return 0.5 if self.n > 1 and distance == 0 else np.nan
        return float(stdtr(self.df, -distance / self.error))
