"""A word for every claim of a study, with the numbers behind it.

    claims --> tests --> their numbers (contrasts) --> evidence --> words over the whole family --> a word each claim

The family is every test of the study that its runs could decide: how many claims a source makes is known before any of
them is examined at, and those whose arms are not trained are none of them.

Times are judged beside a sound A/A control alone: where the interval of the baseline against itself does not hold 1,
the clock of that session measures something else than the network, and every verdict on a time is UNDECIDED. A
difference of times is one beyond the control: larger than the largest ratio that the control cannot tell from 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from kbnd.analysis.metrics import is_time
from kbnd.analysis.timing import control_name, time_pairs
from kbnd.study.claims import Claim
from kbnd.study.contrasts import Contrasted, Correctness, contrasted
from kbnd.study.rules import Test
from kbnd.verdicts.evidence import Evidence, evidence
from kbnd.verdicts.means import Mean
from kbnd.verdicts.words import Decision, Outcome, decide, of_claim


@dataclass(frozen=True)
class TestVerdict:
    """The word of one test.

    Attributes:
        test: as the study's file has it.
        contrasted: the numbers of each seed, and what is not in them.
        evidence: what they say.
        decision: the word, adjusted over all tests of the study.
        alone: the word that the test would have had as the only one.
        why_not: why nothing can be said whatever the numbers are; empty where it can.
    """

    __test__ = False  # pytest takes it for a test class otherwise

    test: Test
    contrasted: Contrasted
    evidence: Evidence
    decision: Decision
    alone: Decision
    why_not: str = ""


@dataclass(frozen=True)
class Verdict:
    """The word of a claim, and of each of its tests."""

    claim: Claim
    tests: tuple[TestVerdict, ...]
    decision: Decision

    @property
    def telling(self) -> TestVerdict:
        """The test that the word hangs on: the first that has it."""
        return next((test for test in self.tests if test.decision.word == self.decision.word), self.tests[0])

    @property
    def n(self) -> int:
        """Seeds (of times: blocks) behind it: those of the test that has fewest."""
        return min((test.evidence.n for test in self.tests), default=0)


@dataclass(frozen=True)
class _Examined:
    """One test, before there are words."""

    test: Test
    contrasted: Contrasted
    evidence: Evidence
    why_not: str


def verdicts(
    claims: Iterable[Claim], runs: pd.DataFrame, *, baseline: str, correctness: Correctness | None = None
) -> list[Verdict]:
    """Return the verdict of each claim that trained arms decide.

    Args:
        claims: those that these arms could decide (`kbnd.study.decidable`); other kinds of evidence are left out.
        runs: columns of runs.csv, with one for every metric that the claims look at.
        baseline: the arm whose second run is the A/A control.
        correctness: of single test images, where it is stored.
    """
    mine = [claim for claim in claims if claim.needs == "arms"]
    examined = [[_examine(test, runs, baseline, correctness) for test in claim.tests] for claim in mine]
    words = iter(decide([_outcome(each) for tests in examined for each in tests]))
    result = []
    for claim, tests in zip(mine, examined, strict=True):
        of_tests = tuple(_verdict(each, next(words)) for each in tests)
        result.append(Verdict(claim, of_tests, of_claim(test.decision for test in of_tests)))
    return result


def _examine(test: Test, runs: pd.DataFrame, baseline: str, correctness: Correctness | None) -> _Examined:
    floor, why_not = _floor(runs, test.metric, baseline) if is_time(test.metric) else (0.0, "")
    numbers = contrasted(test, runs, correctness=correctness, floor=floor)
    what = evidence(test.rule, numbers.numbers)
    if why_not:
        what = replace(what, p_difference=math.nan, p_other=math.nan)
    return _Examined(test, numbers, what, why_not)


def _floor(runs: pd.DataFrame, metric: str, baseline: str) -> tuple[float, str]:
    """The largest log ratio that the A/A control cannot tell from 0, and why no time may be judged by it."""
    pairs = time_pairs(runs, baseline=baseline, metric=metric)
    again = pairs[pairs["arm"] == control_name(baseline)]
    control = Mean.over_seeds(np.log(again["value"] / again["reference"])).interval()
    if control.n < 2:
        return 0.0, "there is no A/A control: the baseline did not run twice in two blocks"
    if control.low > 0 or control.high < 0:
        return 0.0, "the A/A control differs from itself: the clock measured more than the network"
    return max(-control.low, control.high), ""


def _outcome(examined: _Examined) -> Outcome:
    return Outcome(examined.test.rule, examined.contrasted.numbers.margin, examined.evidence)


def _verdict(examined: _Examined, decision: Decision) -> TestVerdict:
    (alone,) = decide([_outcome(examined)])
    return TestVerdict(examined.test, examined.contrasted, examined.evidence, decision, alone, examined.why_not)
