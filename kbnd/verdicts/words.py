"""Words of tests and of claims, from evidence whose p-values are adjusted over the family.

A test, the first line that holds:

| word                            | superiority, time, ranks, trend | equivalences             | bounds              |
|---------------------------------|---------------------------------|--------------------------|---------------------|
| SUPPORTED                       | as claimed, estimate >= margin  | within the margin        | on the claimed side |
| CONTRADICTED                    | the other way                   | a difference >= a margin | on the other side   |
| EQUIVALENT                      | within the margin               |                          |                     |
| SUPPORTED, below practical size | as claimed                      |                          |                     |
| UNDECIDED                       | otherwise                       | otherwise                | otherwise           |

A contradiction of less than the margin is one "below practical size" too. A claim is SUPPORTED where all its tests
are (intersection-union), CONTRADICTED where any is, EQUIVALENT where each is that or supported, and else UNDECIDED.

Reference: Berger (1982), Multiparameter hypothesis testing and acceptance sampling, Technometrics 24 (intersection-
    union).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kbnd.verdicts.evidence import Evidence
from kbnd.verdicts.families import LEVEL, adjusted

Word = Literal["SUPPORTED", "CONTRADICTED", "EQUIVALENT", "UNDECIDED"]

SUPPORTED: Word = "SUPPORTED"
CONTRADICTED: Word = "CONTRADICTED"
EQUIVALENT: Word = "EQUIVALENT"
UNDECIDED: Word = "UNDECIDED"

EQUIVALENCES = ("equivalence", "time_equivalence")
BOUNDS = ("at_most", "at_least")


@dataclass(frozen=True)
class Decision:
    """The word of a test or of a claim.

    Attributes:
        word: one of the four.
        is_below_practical: whether the effect is shown, and its estimate smaller than the margin.
        is_margin_shown: whether the whole interval reaches the margin; "estimate >= margin" alone is less.
    """

    word: Word
    is_below_practical: bool = False
    is_margin_shown: bool = False

    def in_words(self) -> str:
        """Return the word as it is printed."""
        return f"{self.word}, below practical size" if self.is_below_practical else self.word


NOTHING = Decision(UNDECIDED)


@dataclass(frozen=True)
class Outcome:
    """A test of a claim with what its seeds say."""

    rule: str
    margin: float
    evidence: Evidence


def decide(tests: Sequence[Outcome]) -> list[Decision]:
    """Return the word of each test of a family, decided at 0.05 over all of them together."""
    p = [(test.evidence.p_difference, test.evidence.p_other) for test in tests]
    is_shown = adjusted(np.reshape(p, (-1, 2))) < LEVEL  # nan is never below
    return [_decision(test, *map(bool, pair)) for test, pair in zip(tests, is_shown, strict=True)]


def of_claim(decisions: Iterable[Decision]) -> Decision:
    """Return the word of a claim from those of its tests; of none UNDECIDED."""
    tests = list(decisions)
    words = {decision.word for decision in tests}
    if CONTRADICTED in words:
        against = [decision for decision in tests if decision.word == CONTRADICTED]
        return Decision(CONTRADICTED, all(decision.is_below_practical for decision in against))
    if words == {SUPPORTED}:
        is_below = any(decision.is_below_practical for decision in tests)
        return Decision(SUPPORTED, is_below, all(decision.is_margin_shown for decision in tests))
    return Decision(EQUIVALENT) if words in ({EQUIVALENT}, {EQUIVALENT, SUPPORTED}) else NOTHING


def _decision(test: Outcome, is_different: bool, is_other: bool) -> Decision:
    if test.rule in BOUNDS:
        return Decision(SUPPORTED) if is_other else Decision(CONTRADICTED) if is_different else NOTHING
    estimate = test.evidence.interval.estimate
    is_large = abs(estimate) >= test.margin
    if test.rule in EQUIVALENCES:
        return Decision(SUPPORTED) if is_other else Decision(CONTRADICTED) if is_different and is_large else NOTHING
    if is_different and test.evidence.sign < 0:
        return Decision(CONTRADICTED, not is_large)
    if is_different and is_large:
        return Decision(SUPPORTED, is_margin_shown=bool(test.evidence.interval.low >= test.margin))
    if is_other:
        return Decision(EQUIVALENT)
    return Decision(SUPPORTED, is_below_practical=True) if is_different else NOTHING
