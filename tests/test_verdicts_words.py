"""Words: every line of the table, whole claims, and how often a whole study of nothing says something."""

from __future__ import annotations

import numpy as np
import pytest

from kbnd.verdicts.evidence import Numbers, evidence
from kbnd.verdicts.words import NOTHING, Decision, Outcome, decide, of_claim

SPREAD = np.array([-1.2, -0.6, -0.3, 0.0, 0.0, 0.3, 0.6, 1.2])
"""Eight differences around 0, of SD 0.75."""

CASES = [  # rule, mean and scale of the differences, margin, value -> word, whether below practical size
    ("superiority", 2.0, 0.1, 1.0, 0.0, "SUPPORTED", False),
    ("superiority", 0.5, 0.1, 1.0, 0.0, "EQUIVALENT", False),
    ("superiority", 0.98, 0.1, 1.0, 0.0, "SUPPORTED", True),
    ("superiority", -2.0, 0.1, 1.0, 0.0, "CONTRADICTED", False),
    ("superiority", -0.5, 0.1, 1.0, 0.0, "CONTRADICTED", True),
    ("superiority", 0.01, 0.1, 1.0, 0.0, "EQUIVALENT", False),
    ("superiority", 0.1, 1.0, 0.5, 0.0, "UNDECIDED", False),
    ("superiority", 0.01, 0.1, 0.0, 0.0, "UNDECIDED", False),
    ("time", 0.5, 0.1, 0.05, 0.0, "SUPPORTED", False),
    ("equivalence", 0.01, 0.1, 0.5, 0.0, "SUPPORTED", False),
    ("equivalence", 2.0, 0.1, 0.5, 0.0, "CONTRADICTED", False),
    ("equivalence", -2.0, 0.1, 0.5, 0.0, "CONTRADICTED", False),
    ("equivalence", 0.4, 0.3, 0.45, 0.0, "UNDECIDED", False),
    ("at_most", 1.0, 0.1, 0.0, 2.0, "SUPPORTED", False),
    ("at_most", 3.0, 0.1, 0.0, 2.0, "CONTRADICTED", False),
    ("at_most", 2.0, 0.1, 0.0, 2.0, "UNDECIDED", False),
    ("at_least", 3.0, 0.1, 0.0, 2.0, "SUPPORTED", False),
    ("at_least", 1.0, 0.1, 0.0, 2.0, "CONTRADICTED", False),
    ("ranks", 2.0, 0.1, 1.0, 0.0, "SUPPORTED", False),
    ("ranks", 0.5, 0.1, 1.0, 0.0, "SUPPORTED", True),
    ("ranks", -2.0, 0.1, 1.0, 0.0, "CONTRADICTED", False),
    ("ranks", 0.0, 1.0, 0.5, 0.0, "UNDECIDED", False),
]


def outcome(rule: str, d: np.ndarray, *, margin: float = 0.0, value: float = 0.0) -> Outcome:
    return Outcome(rule, margin, evidence(rule, Numbers(d, margin=margin, value=value)))


@pytest.mark.parametrize(("rule", "mean", "scale", "margin", "value", "word", "is_below"), CASES)
def test_every_line_of_the_table(
    rule: str, mean: float, scale: float, margin: float, value: float, word: str, is_below: bool
) -> None:
    (decision,) = decide([outcome(rule, mean + scale * SPREAD, margin=margin, value=value)])
    assert (decision.word, decision.is_below_practical) == (word, is_below)


def test_an_order_is_decided_by_page_and_its_size_by_its_ends() -> None:
    rising = np.arange(3) + 0.1 * SPREAD[:, None] + np.array([0.0, 0.02, 0.01])
    flat = np.zeros((8, 3)) + 0.01 * np.random.default_rng(0).normal(size=(8, 3))
    words = [
        decide([outcome("trend", table, margin=1.0)])[0].word
        for table in (rising, rising[:, ::-1], flat, 10 * flat[:4])
    ]
    assert words == ["SUPPORTED", "CONTRADICTED", "EQUIVALENT", "EQUIVALENT"]


def test_the_margin_is_shown_where_the_whole_interval_reaches_it() -> None:
    far, near = decide([outcome("superiority", mean + 0.1 * SPREAD, margin=1.0) for mean in (2.0, 1.01)])
    assert (far.is_margin_shown, near.is_margin_shown) == (True, False)


@pytest.mark.parametrize("n", [0, 1])
def test_no_seed_and_one_seed_decide_nothing(n: int) -> None:
    for rule in ("superiority", "equivalence", "time", "ranks", "at_most"):
        assert decide([outcome(rule, np.full(n, 0.3), margin=0.1, value=0.1)]) == [NOTHING]
    assert decide([outcome("trend", np.ones((n, 3)), margin=0.1)]) == [NOTHING]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["SUPPORTED", "SUPPORTED"], "SUPPORTED"),
        (["SUPPORTED", "UNDECIDED"], "UNDECIDED"),
        (["SUPPORTED", "EQUIVALENT"], "EQUIVALENT"),
        (["EQUIVALENT", "UNDECIDED"], "UNDECIDED"),
        (["UNDECIDED", "CONTRADICTED"], "CONTRADICTED"),
        ([], "UNDECIDED"),
    ],
)
def test_a_claim_needs_all_its_tests_and_one_speaks_against_it(words: list[str], expected: str) -> None:
    assert of_claim(Decision(word) for word in words).word == expected  # type: ignore[arg-type]


def test_a_claim_is_below_practical_size_where_one_of_its_tests_is() -> None:
    small, large = Decision("SUPPORTED", is_below_practical=True), Decision("SUPPORTED", is_margin_shown=True)
    assert of_claim([small, large]) == small
    assert of_claim([large, large]) == large


@pytest.mark.parametrize("n", [3, 10])
def test_a_study_of_nothing_says_something_in_one_of_twenty_at_most(n: int) -> None:
    """Nine arms that are all the baseline, compared with it: 1,000 studies; 3 standard errors of 0.05 are 0.021."""
    rng, n_wrong = np.random.default_rng(n), 0
    for _ in range(1000):
        accuracy = rng.normal(0.98, 0.0015, (10, n))
        decisions = decide([outcome("superiority", arm - accuracy[0]) for arm in accuracy[1:]])
        n_wrong += any(decision.word != "UNDECIDED" for decision in decisions)
    assert n_wrong / 1000 <= 0.05 + 0.021
