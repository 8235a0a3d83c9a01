"""Claims with their verdicts: one line each, and everything behind one of them.

    Claim    Says                                     Verdict      Measured                          n   To decide
    S0-C6    Batch Normalization alone improves ...   UNDECIDED    bn - baseline: +0.82 pp [...]     5   9 seeds
    S0-C8    Dropout at a rate of 0.8 lowers ...      SUPPORTED    baseline - dropout0.8: +0.44 pp   5

A claim of several tests shows the one that its word hangs on: the one that speaks against it, or is undecided.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kbnd.analysis.stats import Interval
from kbnd.report.numbers import interval, quantity_of, signed
from kbnd.report.table import DASH, MINUS, Table
from kbnd.words import counted

TITLE = "What the claims came to"

FEW = 4
"""Seeds below which the values themselves say more than an interval of tens of points."""


@dataclass(frozen=True)
class JudgedTest:
    """One test of a claim, ready to be printed.

    Attributes:
        compared: what was compared, such as `bn - baseline`.
        metric: by its name.
        rule: by its name.
        word: adjusted over the family.
        alone: the word that it would have as the only test.
        interval: estimate and 95 % limits, of times those of ratios.
        on_these_images: of accuracies, the interval over seeds alone; None elsewhere.
        published: the source's own number, in the unit of the metric; nan where there is none.
        margin: smallest effect that matters; 0 for none.
        value: what a bound is compared with; None for other rules.
        p: of the difference, not adjusted; nan where none can be said.
        d: the number of each seed, in their order; empty for an order.
        seeds: which seeds, or blocks, these are.
        notes: what is not in the numbers, and why nothing can be said.
    """

    compared: str
    metric: str
    rule: str
    word: str
    alone: str
    interval: Interval
    on_these_images: Interval | None = None
    published: float = math.nan
    margin: float = 0.0
    value: float | None = None
    p: float = math.nan
    d: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its word, ready to be printed.

    Attributes:
        id: of the claim.
        statement: what is claimed.
        word: of the claim.
        tests: all of them.
        telling: place of the one that the word hangs on.
        to_decide: what would decide it; empty where it is decided.
    """

    id: str
    statement: str
    word: str
    tests: tuple[JudgedTest, ...]
    telling: int = 0
    to_decide: str = ""


def claims_table(claims: Sequence[JudgedClaim], *, n_tests: int) -> Table:
    """Return one row for each claim.

    Args:
        claims: of one source.
        n_tests: of the family that the words are adjusted over.
    """
    rows = tuple(_row(claim) for claim in claims)
    columns = ("Claim", "Says", "Verdict", "Measured", "n", "To decide")
    return Table(TITLE, columns, rows, tuple(_notes(claims, n_tests)), align="llllrl")


def _row(claim: JudgedClaim) -> tuple[str, ...]:
    test = claim.tests[claim.telling]
    others = f" (1 of {len(claim.tests)} tests)" if len(claim.tests) > 1 else ""
    measured = f"{test.compared}: {estimate_in_words(test)}{others}"
    return (claim.id, claim.statement, claim.word, measured, str(test.interval.n), claim.to_decide or DASH)


def estimate_in_words(test: JudgedTest) -> str:
    """Return an estimate with its interval and unit: `+0.82 pp [+0.45, +1.18]`, `1.66 times [1.61, 1.72]`.

    Of fewer than `FEW` seeds the values themselves.
    """
    mean, quantity = test.interval, quantity_of(test.metric)
    if not math.isfinite(mean.estimate):
        return "not measured"
    if is_ratio(test):
        number, unit, limits = (lambda x: f"{x:.3f}"), "times", f"[{mean.low:.3f}, {mean.high:.3f}]"
        values = [math.exp(log) for log in test.d]
    else:
        number, unit = (lambda x: signed(quantity, x)), quantity.difference_unit
        limits, values = interval(quantity, mean.low, mean.high), list(test.d)
    if 0 < len(values) < FEW:
        return f"{', '.join(map(number, values))} {unit}".rstrip()
    return " ".join(filter(None, (number(mean.estimate), unit, limits if math.isfinite(mean.low) else "")))


def is_ratio(test: JudgedTest) -> bool:
    """Whether a test compares times by their ratio."""
    return test.metric.endswith("_s") and test.value is None


def _notes(claims: Sequence[JudgedClaim], n_tests: int) -> list[str]:
    family = counted(n_tests, "test")
    notes = [
        f"Verdicts are adjusted over the {family} of these claims (Holm, Shaffer): the chance that any is wrong is 5 % "
        "at most. Intervals are not adjusted."
    ]
    if any(test.on_these_images is not None for claim in claims for test in claim.tests):
        notes.append("Intervals of accuracies are for new test images too; those for these images alone are shorter.")
    if any(claim.word.endswith("below practical size") for claim in claims):
        notes.append("Below practical size: shown to be there, and by its estimate smaller than what matters.")
    return notes


def compared_in_words(weights: Mapping[str, float]) -> str:
    """Return a weighted sum of arms as a person writes it: `bn - baseline`, `0.5 a + 0.5 b - c`."""
    terms = []
    for arm, weight in sorted(weights.items(), key=lambda term: -term[1]):
        sign = MINUS if weight < 0 else "+"
        size = "" if abs(weight) == 1 else f"{abs(weight):g} "
        terms.append(f"{sign} {size}{arm}")
    return " ".join(terms).removeprefix("+ ")
