"""One error in twenty sources, not one in twenty tests: p-values adjusted over all tests of a family.

A test of a claim can be wrong in one of two ways, never in both: it can call a difference real where there is none, or
call one negligible that is not. A family of m tests therefore has 2 m hypotheses of which at most m are true, and
Holm's factors start at m and not at 2 m:

    all p sorted: p_(1) <= p_(2) <= ...        adjusted p_(j) = max over i <= j of p_(i) t_i
    t_i = m - tests of which both hypotheses stand before place i

With one hypothesis a test (the other nan) these are Holm's. The chance that any of the family's decisions at 0.05 is
wrong is at most 0.05, however the tests depend on one another; the contrasts of a study share their baseline.

Reference: Holm (1979), Scandinavian Journal of Statistics 6; Shaffer (1986), Modified sequentially rejective multiple
    test procedures, JASA 81 (procedure S1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.05
"""Chance of a wrong decision anywhere in a family."""


def adjusted(p: ArrayLike) -> NDArray[np.float64]:
    """Return the adjusted p-values of a family.

    Args:
        p: (m, 2), for each test the p of its two hypotheses that exclude each other; or (m,), one of each. nan is a
            hypothesis that is not tested.

    Returns:
        The same shape; nan stays nan.
    """
    values = np.asarray(p, dtype=np.float64)
    pairs = values.reshape(len(values), -1) if values.size else np.empty((0, 2))
    result, n_left = np.full(pairs.shape, np.nan), (~np.isnan(pairs)).sum(axis=1)
    n_true, highest = int((n_left > 0).sum()), 0.0
    for flat in np.argsort(pairs, axis=None, kind="stable")[: int(n_left.sum())]:
        test, side = np.unravel_index(flat, pairs.shape)
        highest = max(highest, min(1.0, float(pairs[test, side]) * n_true))
        result[test, side] = highest
        n_left[test] -= 1
        n_true -= int(n_left[test] == 0)
    return result.reshape(values.shape)
