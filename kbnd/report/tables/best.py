"""The best recipe of a search: its score there, which was chosen for being the best, beside what fresh seeds reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from kbnd.analysis.importance import Direction
from kbnd.analysis.stats import Interval, mean_interval, standard_deviation
from kbnd.report.numbers import Quantity, in_unit, quantity
from kbnd.report.scores import OBJECTIVES, lower, number, score_quantity
from kbnd.report.table import Table
from kbnd.report.tables.hyperparameters import limits, value_text

HARDLY = 0.05
"""Accuracy above that of guessing up to which a recipe is said to have learned next to nothing."""

PAIRS = {"accuracy": ("val_accuracy", "test_accuracy"), "loss": ("val_loss", "test_loss")}
"""What the best recipe is shown by: its value on validation and on test."""


def best_table(
    winner: pd.Series,
    names: Sequence[str],
    fresh: pd.DataFrame | None,
    *,
    objective: str,
    direction: Direction,
    scores: pd.Series,
    fresh_scores: Sequence[float] = (),
    n_classes: int = 0,
) -> Table:
    """Return the best recipe's score in the search beside what fresh seeds reach on validation and test.

    Args:
        winner: row of the best trial.
        names: the hyperparameters.
        fresh: columns of runs.csv, of this recipe and other seeds; None where there are none.
        objective: what the score is.
        direction: whether a high or a low score is good.
        scores: of all finished trials of as many epochs, that it was chosen from.
        fresh_scores: what the objective is of the fresh runs, where it is no metric of theirs.
        n_classes: of the dataset, to tell what guessing would reach; 0 where nobody knows.
    """
    rows = _score_rows(winner, fresh_scores, objective) if objective.partition(":")[0] in OBJECTIVES else []
    for kind in ("accuracy", "loss") if objective == "val_loss" else ("accuracy",):
        of_val, of_test = PAIRS[kind]
        sd = winner["score_sd"] if objective == of_val else winner.get(f"{of_val}_sd")
        chosen = Interval(number(winner[of_val]), np.nan, np.nan, int(winner["n_seeds"]))
        rows.append(_result(f"Validation {kind}, search", of_val, chosen, number(sd)))
        if fresh is not None:
            rows.append(_fresh_result(f"Validation {kind}, fresh seeds", of_val, fresh))
            rows.append(_fresh_result(f"Test {kind}, fresh seeds", of_test, fresh))
    values = ", ".join(f"{name} {value_text(winner[name])}" for name in names)
    columns = ("Best recipe", "Mean", "SD", "95 % interval", "Seeds")
    is_most = winner["score"] == (scores.max() if direction == "max" else scores.min())
    n_equal = int((scores == winner["score"]).sum())
    notes = [f"{n_equal} trials have this score: the first of them was taken."] if n_equal > 1 else []
    notes += [_choice_note(objective, direction, n=len(scores), is_most=is_most), *_fresh_notes(fresh)]
    notes += [
        *_missed_notes(objective, fresh, fresh_scores),
        *_guessing_notes(number(winner["val_accuracy"]), n_classes),
    ]
    return Table(f"Best recipe: trial {winner['trial']} ({values})", columns, tuple(rows), tuple(notes))


def _choice_note(objective: str, direction: Direction, *, n: int, is_most: bool) -> str:
    """How the recipe was chosen, and what that does to its score."""
    if n == 1:
        return "The only trial with a score: nothing was chosen."
    if is_most and objective in ("val_accuracy", "val_loss"):
        most, way = ("highest", "upwards") if direction == "max" else ("lowest", "downwards")
        return f"The search's number is the {most} of {n} and was chosen for that, so it is biased {way}."
    label = lower(score_quantity(objective, pd.Series(dtype=float)).label)
    return f"Chosen among {n} trials by {label}, so that its score flatters."


def _missed_notes(objective: str, fresh: pd.DataFrame | None, fresh_scores: Sequence[float]) -> list[str]:
    """How many fresh seeds reached the accuracy whose time was looked for, where not all did."""
    stem, _, target = objective.partition(":")
    n_done = 0 if fresh is None else int((fresh["status"] == "done").sum())
    if stem != "time_to_accuracy" or len(fresh_scores) >= n_done:
        return []
    return [f"Reached {100 * float(target):g} %, timed alone: {len(fresh_scores)} of {n_done} fresh seeds."]


def _guessing_notes(accuracy: float, n_classes: int) -> list[str]:
    """Whether the best recipe learned next to nothing, so that nobody should train it."""
    if not n_classes or not accuracy < 1 / n_classes + HARDLY:
        return []
    said = f"guessing reaches {100 / n_classes:.3g} % with {n_classes} classes"
    return [f"Hardly better than guessing: {said}. This is no good recipe."]


def _fresh_notes(fresh: pd.DataFrame | None) -> list[str]:
    if fresh is None:
        return ["Not trained with fresh seeds: the search's number stands alone."]
    notes = ["The fresh seeds had no part in the choice, and the test images none in choice or training."]
    lost = fresh.loc[fresh["status"] != "done", "status"].value_counts()
    if len(lost):
        counts = ", ".join(f"{k} {status}" for status, k in lost.items())
        notes.append(f"Of {len(fresh)} fresh seeds, counted and not averaged: {counts}.")
    return notes


def _score_rows(winner: pd.Series, fresh_scores: Sequence[float], objective: str) -> list[tuple[str, ...]]:
    """The score in the search beside that of fresh seeds, in the unit of an objective that is no metric."""
    scores = pd.Series([winner["score"], *fresh_scores], dtype=float)
    shown = score_quantity(objective, scores)
    chosen = Interval(number(winner["score"]), np.nan, np.nan, int(winner["n_seeds"]))
    rows = [_printed(f"{shown.label}, search", shown, chosen, number(winner["score_sd"]))]
    if len(fresh_scores):
        fresh, sd = mean_interval(scores[1:]), standard_deviation(scores[1:])
        low = max(fresh.low, 0.0)  # neither a time nor an energy is negative
        rows.append(_printed(f"{shown.label}, fresh seeds", shown, replace(fresh, low=low), sd))
    return rows


def _result(words: str, metric: str, mean: Interval, sd: float) -> tuple[str, ...]:
    shown = quantity(metric)
    if metric.endswith("_accuracy"):
        mean = replace(mean, low=max(mean.low, 0.0), high=min(mean.high, 1.0))
    return _printed(words, shown, mean, sd)


def _printed(words: str, shown: Quantity, mean: Interval, sd: float) -> tuple[str, ...]:
    numbers = shown.number(mean.estimate), shown.number(sd), limits(shown, mean.low, mean.high)
    return in_unit(words, shown.unit), *numbers, str(mean.n)


def _fresh_result(words: str, metric: str, fresh: pd.DataFrame) -> tuple[str, ...]:
    values = pd.to_numeric(fresh.loc[fresh["status"] == "done", metric], errors="coerce").astype(float)
    values = values[np.isfinite(values)]
    return _result(words, metric, mean_interval(values), standard_deviation(values))
