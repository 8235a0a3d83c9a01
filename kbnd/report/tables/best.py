"""The best recipe of a search: its score there, which was chosen for being the best, beside what fresh seeds reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from kbnd.analysis.stats import Interval, mean_interval, standard_deviation
from kbnd.report.frames import SearchFrames
from kbnd.report.numbers import Quantity, in_unit, quantity_of
from kbnd.report.scores import number
from kbnd.report.table import Table
from kbnd.report.tables.hyperparameters import limits, value_text

HARDLY = 0.05
"""Accuracy above that of guessing up to which a recipe has learned next to nothing."""

PAIRS = {"accuracy": ("val_accuracy", "test_accuracy"), "loss": ("val_loss", "test_loss")}
"""What the best recipe is judged by: its value on validation and on test."""


def best_table(search: SearchFrames) -> Table:
    """Return the best recipe's score in the search beside what fresh seeds reach on validation and test.

    Args:
        search: with a score for some trial; its winner was chosen from those of as many epochs.

    Raises:
        UsageError: the best trial did not finish.
    """
    winner, fresh = search.winner, search.fresh if search.has_fresh else None
    rows = _score_rows(winner, search) if not search.score.is_metric else []
    for kind in ("accuracy", "loss") if search.score.kind == "loss" else ("accuracy",):
        of_val, of_test = PAIRS[kind]
        sd = winner["score_sd"] if search.score.kind == kind else winner.get(f"{of_val}_sd")
        in_search = Interval(number(winner[of_val]), np.nan, np.nan, int(winner["n_seeds"]))
        rows.append(_result(f"Validation {kind}, search", of_val, in_search, number(sd)))
        if fresh is not None:
            rows.append(_fresh_result(f"Validation {kind}, fresh seeds", of_val, fresh))
            rows.append(_fresh_result(f"Test {kind}, fresh seeds", of_test, fresh))
    values = ", ".join(f"{name} {value_text(winner[name])}" for name in search.names)
    columns = ("Best recipe", "Mean", "SD", "95 % interval", "Seeds")
    notes = [
        *_choice_notes(winner, search),
        *_fresh_notes(fresh),
        *_missed_notes(search),
        *_guessing_notes(number(winner["val_accuracy"]), search.n_classes),
    ]
    return Table(f"Best recipe: trial {winner['trial']} ({values})", columns, tuple(rows), tuple(notes))


def _choice_notes(winner: pd.Series, search: SearchFrames) -> list[str]:
    """How the recipe was chosen, among how many equals, and what that does to its score."""
    scores = search.scored.loc[search.scored["epochs"] == winner["epochs"], "score"]
    n, n_equal = len(scores), int((scores == winner["score"]).sum())
    notes = [f"{n_equal} trials have this score: the first of them was taken."] if n_equal > 1 else []
    is_most = winner["score"] == (scores.max() if search.score.direction == "max" else scores.min())
    if n == 1:
        return [*notes, "The only trial with a score: nothing was chosen."]
    if is_most and search.score.is_metric:
        most, way = ("highest", "upwards") if search.score.direction == "max" else ("lowest", "downwards")
        return [*notes, f"The search's number is the {most} of {n} and was chosen for that, so it is biased {way}."]
    score = search.score.quantity.in_sentence
    return [*notes, f"Chosen among {n} trials by {score}, so that its score flatters."]


def _missed_notes(search: SearchFrames) -> list[str]:
    """How many fresh seeds reached the accuracy whose time was looked for, where not all did."""
    n_done = 0 if search.fresh is None else int((search.fresh["status"] == "done").sum())
    if search.score.kind != "time" or len(search.fresh_scores) >= n_done:
        return []
    return [
        f"Reached {100 * search.score.target:g} %, timed alone: {len(search.fresh_scores)} of {n_done} fresh seeds."
    ]


def _guessing_notes(accuracy: float, n_classes: int) -> list[str]:
    """Whether the best recipe learned next to nothing, so that nobody should train it."""
    if not n_classes or not accuracy < 1 / n_classes + HARDLY:
        return []
    guessing = f"guessing reaches {100 / n_classes:.3g} % with {n_classes} classes"
    return [f"Hardly better than guessing: {guessing}. This is no good recipe."]


def _fresh_notes(fresh: pd.DataFrame | None) -> list[str]:
    if fresh is None:
        return ["Not trained with fresh seeds: the search's number stands alone."]
    notes = ["The fresh seeds had no part in the choice, and the test images none in choice or training."]
    lost = fresh.loc[fresh["status"] != "done", "status"].value_counts()
    if len(lost):
        counts = ", ".join(f"{k} {status}" for status, k in lost.items())
        notes.append(f"Of {len(fresh)} fresh seeds, counted and not averaged: {counts}.")
    return notes


def _score_rows(winner: pd.Series, search: SearchFrames) -> list[tuple[str, ...]]:
    """The score in the search beside that of fresh seeds, in the unit of an objective that is no metric."""
    scores = pd.Series([winner["score"], *search.fresh_scores], dtype=float)
    quantity = search.score.quantity_of(scores)
    in_search = Interval(number(winner["score"]), np.nan, np.nan, int(winner["n_seeds"]))
    rows = [_cells(f"{quantity.label}, search", quantity, in_search, number(winner["score_sd"]))]
    if len(search.fresh_scores):
        fresh, sd = mean_interval(scores[1:]), standard_deviation(scores[1:])
        low = max(fresh.low, 0.0)  # neither a time nor an energy is negative
        rows.append(_cells(f"{quantity.label}, fresh seeds", quantity, replace(fresh, low=low), sd))
    return rows


def _result(words: str, metric: str, mean: Interval, sd: float) -> tuple[str, ...]:
    quantity = quantity_of(metric)
    if metric.endswith("_accuracy"):
        mean = replace(mean, low=max(mean.low, 0.0), high=min(mean.high, 1.0))
    return _cells(words, quantity, mean, sd)


def _cells(words: str, quantity: Quantity, mean: Interval, sd: float) -> tuple[str, ...]:
    numbers = quantity.number(mean.estimate), quantity.number(sd), limits(quantity, mean.low, mean.high)
    return in_unit(words, quantity.unit), *numbers, str(mean.n)


def _fresh_result(words: str, metric: str, fresh: pd.DataFrame) -> tuple[str, ...]:
    values = pd.to_numeric(fresh.loc[fresh["status"] == "done", metric], errors="coerce").astype(float)
    values = values[np.isfinite(values)]
    return _result(words, metric, mean_interval(values), standard_deviation(values))
