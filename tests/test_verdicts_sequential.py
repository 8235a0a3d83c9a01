"""Evidence against known worlds: never too often wrong, however often one looks, and soon enough right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import gammaln
from scipy.stats import norm

from kbnd.verdicts.sequential import EVIDENCE, FIRST_LOOK, confidence_sequence, log_evidence


def log_evidence_by_integration(mean: float, sd: float, n: int) -> float:
    """The likelihood ratio itself: effect size (prior N(0, 1)) and scale (1 / sigma) integrated out."""
    squares = (n - 1) * sd**2

    def marginal(effect: float) -> float:  # of n normal values with mean effect * sigma, over d sigma / sigma
        def log_at(u: float) -> float:  # u = log sigma
            return -n * u - (squares + n * (mean - effect * np.exp(u)) ** 2) / (2 * np.exp(2 * u))

        top = max(log_at(u) for u in np.linspace(-6, 6, 4001))
        return float(np.exp(top - shift) * quad(lambda u: np.exp(log_at(u) - top), -6, 6, limit=200, points=[0])[0])

    shift = gammaln(n / 2)
    mixture = quad(lambda effect: norm.pdf(effect) * marginal(effect), -8, 8, limit=100)[0]
    return float(np.log(mixture / marginal(0.0)))


@pytest.mark.parametrize(("mean", "sd", "n"), [(0.0, 1.0, 6), (0.7, 1.0, 6), (-1.5, 0.8, 10)])
def test_evidence_is_the_likelihood_ratio_that_it_says(mean: float, sd: float, n: int) -> None:
    assert float(log_evidence(mean, sd, n)) == pytest.approx(log_evidence_by_integration(mean, sd, n), abs=1e-4)


@given(st.lists(st.floats(-10, 10).map(lambda x: round(x, 3)), min_size=7, max_size=30), st.floats(1.5, 1e4))
def test_the_limits_are_where_the_evidence_is_reached(d: list[float], evidence: float) -> None:
    interval = confidence_sequence(d, evidence=evidence)
    mean, sd, n = np.mean(d), np.std(d, ddof=1), len(d)
    if sd < 1e-6 or not np.isfinite(interval.low):
        return
    found = brentq(lambda mu: log_evidence(mean, sd, n, against=mu) - np.log(evidence), mean, mean + 1e4 * sd + 1)
    assert interval.high == pytest.approx(found, abs=1e-6 + 1e-6 * abs(found))
    assert mean - interval.low == pytest.approx(interval.high - mean)


def test_too_few_seeds_refuse_nothing() -> None:
    assert confidence_sequence([0.1]).low == -np.inf
    assert confidence_sequence([0.1, 0.2], evidence=20).high == np.inf


def test_equal_differences_are_evidence_but_no_infinite_one() -> None:
    assert float(log_evidence(0.001, 0.0, 6)) == pytest.approx(2.5 * np.log(7))
    assert float(log_evidence(0.0, 0.0, 6)) == pytest.approx(-0.5 * np.log(7))


def test_looking_after_every_seed_is_wrong_in_one_of_twenty_worlds_at_most_and_finds_what_is_there() -> None:
    """The worlds of the plan: SD 0.15 points, looks from the sixth to the thirtieth seed, 4,000 each.

    3 standard errors of 0.05 are 0.0103.
    """
    looks = np.arange(FIRST_LOOK, 31)
    for effect, at_least, at_most in ((0.0, 0.0, 0.05), (0.2, 0.99, 1.0)):
        d = np.random.default_rng(7).normal(effect, 0.15, (4000, 30))
        sums, squares = d.cumsum(axis=1)[:, looks - 1], np.square(d).cumsum(axis=1)[:, looks - 1]
        means = sums / looks
        sds = np.sqrt((squares - looks * means**2) / (looks - 1))
        decided = (log_evidence(means, sds, looks) >= np.log(EVIDENCE)).any(axis=1).mean()
        assert at_least <= decided <= at_most + 0.0103
