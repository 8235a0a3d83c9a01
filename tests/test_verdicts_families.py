"""Adjusted p-values: Holm's where a test has one hypothesis, and no more errors than promised where it has two."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from kbnd.verdicts.families import adjusted


@pytest.mark.parametrize("m", [1, 2, 5, 12])
def test_one_hypothesis_a_test_is_holm(m: int) -> None:
    p = np.random.default_rng(m).uniform(0, 0.3, m)
    assert adjusted(p) == pytest.approx(multipletests(p, method="holm")[1])
    beside_nothing = np.column_stack([p, np.full(m, np.nan)])
    assert adjusted(beside_nothing)[:, 0] == pytest.approx(adjusted(p))


def test_a_test_whose_two_hypotheses_are_both_refused_costs_the_others_nothing() -> None:
    assert adjusted([[0.01, 0.9], [0.02, 0.8]]) == pytest.approx(np.array([[0.02, 1.0], [0.04, 1.0]]))
    assert adjusted([[0.01, 0.015], [0.02, 0.8]]) == pytest.approx(np.array([[0.02, 0.03], [0.03, 0.8]]))


def test_what_is_not_tested_stays_so() -> None:
    assert np.isnan(adjusted([np.nan, 0.02])[0])
    assert adjusted([np.nan, 0.02])[1] == 0.02


def test_a_family_is_wrong_in_one_of_twenty_worlds_at_most() -> None:
    """Six tests, three without a difference and three at their margin: the worst case of both kinds of error at once.

    Each test's two p are exact normal ones; in 4,000 worlds 3 standard errors of 0.05 are 0.0103.
    """
    from scipy.stats import norm

    rng, margin, n_worlds = np.random.default_rng(1), 3.0, 4000
    truth = np.array([0.0, 0.0, 0.0, margin, margin, margin])
    z = truth + rng.normal(size=(n_worlds, 6))
    different, negligible = 2 * norm.sf(np.abs(z)), np.maximum(norm.sf(z + margin), norm.cdf(z - margin))
    wrong = 0
    for p in np.stack([different, negligible], axis=2):
        decided = adjusted(p) < 0.05
        wrong += decided[:3, 0].any() or decided[3:, 1].any()
    assert wrong / n_worlds < 0.05 + 0.0103
