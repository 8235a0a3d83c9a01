"""The verdicts of a study as its tables and its claims.csv print them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from kbnd.analysis.metrics import is_time
from kbnd.analysis.stats import Interval
from kbnd.report.folder import CLAIM_COLUMNS
from kbnd.report.tables.verdicts import JudgedClaim, JudgedTest, compared_in_words
from kbnd.study.needed import Needed, needed
from kbnd.study.rules import RULES, Test
from kbnd.study.verdicts import TestVerdict, Verdict
from kbnd.words import counted

Published = Mapping[tuple[str, str], float]
"""(arm, metric) -> the source's own number."""


def judged(verdicts: Sequence[Verdict], runs: pd.DataFrame, *, published: Published) -> list[JudgedClaim]:
    """Return verdicts ready to be printed.

    Args:
        verdicts: of one study: the family that their words were adjusted over.
        runs: columns of runs.csv, which say how long a further seed takes.
        published: numbers of the source.
    """
    n_tests = count_tests(verdicts)
    return [
        JudgedClaim(
            id=verdict.claim.id,
            statement=verdict.claim.statement,
            word=verdict.decision.in_words(),
            tests=tuple(_judged_test(test, published) for test in verdict.tests),
            telling=verdict.tests.index(verdict.telling),
            to_decide=_to_decide(verdict, needed(verdict, runs, n_tests=n_tests)),
        )
        for verdict in verdicts
    ]


def count_tests(verdicts: Sequence[Verdict]) -> int:
    """Return how many tests the family has."""
    return sum(len(verdict.tests) for verdict in verdicts)


def claims_frame(verdicts: Sequence[Verdict], runs: pd.DataFrame, ids: Sequence[str]) -> pd.DataFrame:
    """Return the rows of claims.csv: every claim of the study, those that no trained arm decides without a word.

    Estimate and limits are those of the test that the word hangs on, in its own unit: a fraction of an accuracy, a
    ratio of times.
    """
    n_tests = count_tests(verdicts)
    rows = {verdict.claim.id: _row(verdict, needed(verdict, runs, n_tests=n_tests)) for verdict in verdicts}
    frame = pd.DataFrame([{"claim": id} | rows.get(id, {}) for id in ids], columns=list(CLAIM_COLUMNS))
    return frame.astype({"n": "Int64", "seeds_needed": "Int64"})


def _row(verdict: Verdict, more: Needed | None) -> dict[str, object]:
    test = verdict.telling
    interval = _in_own_unit(test.test, test.evidence.interval)
    return {
        "verdict": verdict.decision.in_words(),
        "estimate": interval.estimate,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "n": interval.n,
        "seeds_needed": more.seeds if more else None,
        "rule": test.test.rule,
    }


def _judged_test(test: TestVerdict, published: Published) -> JudgedTest:
    evidence, rule = test.evidence, test.test
    numbers = test.contrasted.numbers
    has_images = numbers.gains is not None
    return JudgedTest(
        compared=compared(rule),
        metric=rule.metric,
        rule=rule.rule,
        word=test.decision.in_words(),
        alone=test.alone.in_words(),
        interval=_in_own_unit(rule, evidence.interval),
        on_these_images=_in_own_unit(rule, evidence.on_these_images) if has_images else None,
        published=_published(rule, published),
        margin=rule.margin,
        value=rule.value,
        p=evidence.p_difference,
        d=tuple(map(float, numbers.d)) if numbers.d.ndim == 1 else (),
        seeds=test.contrasted.seeds,
        notes=tuple(_notes(test)),
    )


def compared(test: Test) -> str:
    """Return in words what a test compares."""
    if test.ordered:
        return " < ".join(entry if isinstance(entry, str) else compared_in_words(entry) for entry in test.ordered)
    if test.statistic:
        more, less = (f"{test.statistic}({', '.join(arms)})" for arms in (test.more, test.less))
        return compared_in_words({more: 1.0, less: -1.0})
    return compared_in_words(test.contrast)


def _in_own_unit(test: Test, interval: Interval) -> Interval:
    """Log ratios as ratios; everything else is what it is."""
    if not is_time(test.metric) or RULES[test.rule].has_value:
        return interval
    return Interval(math.exp(interval.estimate), math.exp(interval.low), math.exp(interval.high), interval.n)


def _published(test: Test, published: Published) -> float:
    """The same sum of the source's own numbers, of times their ratio; nan where one is missing."""
    values = {arm: published.get((arm, test.metric), math.nan) for arm in test.contrast}
    if not values:
        return math.nan
    if is_time(test.metric) and not RULES[test.rule].has_value:
        return math.exp(sum(weight * math.log(values[arm]) for arm, weight in test.contrast.items()))
    return sum(weight * values[arm] for arm, weight in test.contrast.items())


def _notes(test: TestVerdict) -> list[str]:
    """What is not in the numbers, and why nothing can be said."""
    lost = test.contrasted
    notes = [test.why_not] if test.why_not else []
    if lost.n_left_out:
        notes.append(f"{counted(lost.n_left_out, 'seed')} left out: not every arm has a number")
    notes += [f"diverged: {_arms(lost.n_diverged)}"] if lost.n_diverged else []
    notes += [f"not reached within the budget: {_arms(lost.n_censored)}"] if lost.n_censored else []
    return notes


def _arms(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{arm} {n}" for arm, n in counts.items())


def _to_decide(verdict: Verdict, more: Needed | None) -> str:
    if more is None:
        return ""
    if reasons := [test.why_not for test in verdict.tests if test.why_not]:
        return reasons[0].partition(":")[0]
    if more.seeds is None:
        return "more seeds"
    hours = f", {_duration(more.hours)}" if more.hours is not None else ""
    return f"{'at least ' if more.is_least else ''}{more.seeds} seeds{hours}"


def _duration(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{max(1, round(60 * hours))} min"
