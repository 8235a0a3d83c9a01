"""What would decide an undecided claim: how many seeds, and how many hours of this machine.

A test that is decided by a mean is decided where its estimate, taken for the truth, would be seen with a chance of
0.8 at the first step of the family's adjustment, 0.05 / m: as a difference, or, where the estimate lies within the
margin, as none. The SD is taken at its upper 80 % limit, and what test images alone leave unsure is no matter of seeds:

    V(n) = sd^2 / n + images        None where `images` alone are too much: the test set is too small

A claim needs what its slowest test needs. Of ranks and orders nothing is known but the least number of seeds that could
reach their p. Before there is a pilot of five seeds, that is what is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from kbnd.study.rules import RULES
from kbnd.study.verdicts import TestVerdict, Verdict
from kbnd.verdicts import families, paired, power
from kbnd.verdicts.means import Mean
from kbnd.verdicts.words import UNDECIDED

LEAST_PILOT, PILOT = 4, 5
"""Seeds below which an SD plans nothing, and how many a pilot has."""


@dataclass(frozen=True)
class Needed:
    """Seeds in all that would decide a claim.

    Attributes:
        seeds: None where no number of seeds is known to.
        is_least: whether fewer could not decide, and nobody knows whether these will.
        hours: of training its arms with those of them that are missing; None where no run was timed.
    """

    seeds: int | None
    is_least: bool = False
    hours: float | None = None


def needed(verdict: Verdict, runs: pd.DataFrame, *, n_tests: int) -> Needed | None:
    """Return what would decide a claim; None where it is decided.

    Args:
        verdict: of the claim.
        runs: columns of runs.csv with `wall_s`: what a run took.
        n_tests: of the whole family.
    """
    if verdict.decision.word != UNDECIDED:
        return None
    alpha = families.LEVEL / max(1, n_tests)
    if verdict.n < LEAST_PILOT:
        return Needed(PILOT, True, _hours(runs, verdict.claim.arms, n_missing=PILOT - verdict.n))
    undecided = [test for test in verdict.tests if test.decision.word == UNDECIDED]
    each = [_seeds(test, alpha) or _least_seeds(test, alpha) for test in undecided]
    seeds = max((seed for seed in each if seed is not None), default=None)
    if seeds is None or None in each:
        return Needed(None)
    is_least = any(_is_of_ranks(test) for test in undecided)
    return Needed(seeds, is_least, _hours(runs, verdict.claim.arms, n_missing=max(0, seeds - verdict.n)))


def _seeds(test: TestVerdict, alpha: float) -> int | None:
    """Seeds that would decide a test of a mean; None where nobody can say."""
    numbers = test.contrasted.numbers
    if test.why_not or _is_of_ranks(test) or len(numbers.d) < 2:
        return None
    over_seeds = Mean.over_seeds(numbers.d)
    sd = power.upper_sd(over_seeds.error * math.sqrt(over_seeds.n), over_seeds.n)
    if not sd > 0:
        return None
    images = _images(test)
    distance, room = abs(test.evidence.interval.estimate - numbers.value), numbers.margin
    ways = [power.seeds_to_see(distance, sd, alpha=alpha, fixed=images)] if distance else []
    if room > distance:
        ways.append(power.seeds_to_show_within(room - distance, sd, alpha=alpha, fixed=images))
    return min((seeds for seeds in ways if seeds is not None), default=None)


def _least_seeds(test: TestVerdict, alpha: float) -> int | None:
    """Seeds of which ranks or an order could reach the p at all; None where there are that many, or of other tests."""
    if test.why_not or not _is_of_ranks(test):
        return None
    n_places = len(test.test.ordered)
    smallest = partial(paired.smallest_page_p, k=n_places) if n_places else paired.smallest_p
    least = next(n for n in range(1, 100) if smallest(n) <= alpha)
    return least if least > test.evidence.n else None


def _is_of_ranks(test: TestVerdict) -> bool:
    return RULES[test.test.rule].is_by_ranks


def _images(test: TestVerdict) -> float:
    """The variance that the test images leave whatever the seeds; 0 where nothing is known of them."""
    gains = test.contrasted.numbers.gains
    if gains is None or len(gains) < 2:
        return 0.0
    both, seeds = Mean.over_seeds_and_images(gains), Mean.over_seeds(gains.mean(axis=1))
    return max(0.0, both.error**2 - seeds.error**2)


def _hours(runs: pd.DataFrame, arms: Sequence[str], *, n_missing: int) -> float | None:
    """Hours that the missing seeds of these arms take, one run after the other."""
    own = runs[runs["arm"].isin(arms) & (runs["status"] == "done")]
    mean = pd.to_numeric(own["wall_s"], errors="coerce").groupby(own["arm"]).mean().reindex(list(arms))
    return float(mean.sum() * n_missing / 3600) if np.isfinite(mean).all() else None
