"""The tables of a search: its trials, best first, and its best recipe against test.

    Trial   learning_rate   dropout   batch_norm          Val. acc., %   Seeds   Epoch, s   Status
    17              0.052      0.21   before_activation   98.71 ± 0.12       2        8.3   done
    4                0.91      0.05   none                      (dash)       2     (dash)   diverged

Only a finished trial has a score. What the trials cannot tell is said in place of numbers: no best recipe where
nothing finished, and no interval on the score of a winner, which was chosen for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from kbnd.analysis.importance import Direction, Importances
from kbnd.analysis.stats import Interval, mean_interval, standard_deviation
from kbnd.errors import unknown
from kbnd.report.hyperparameters import divergence_table, importance_table, limits, value_text
from kbnd.report.notes import data_notes
from kbnd.report.numbers import Quantity, in_unit, quantity
from kbnd.report.render import PLUS_MINUS, Table, counted

MOST_ROWS = 30
"""Trials that a terminal shows; all are in trials.csv."""

OBJECTIVES: dict[str, Callable[[str], Quantity]] = {
    "time_to_accuracy": lambda target: Quantity(
        f"Time to {100 * float(target):g} % validation accuracy", "s", "s", short=f"To {100 * float(target):g} %"
    ),
    "accuracy_per_joule": lambda _: Quantity(
        "Validation accuracy per energy", "% per kJ", "% per kJ", 100_000.0, short="Acc. per kJ"
    ),
}
"""Objectives that are no metric of a run, by what stands before a colon."""

PAIRS = {"accuracy": ("val_accuracy", "test_accuracy"), "loss": ("val_loss", "test_loss")}
"""What the best recipe is shown by: its value on validation and on test."""


def trial_tables(
    trials: pd.DataFrame,
    names: Sequence[str],
    *,
    objective: str,
    direction: Direction,
    found: Importances | None = None,
    fresh: pd.DataFrame | None = None,
    fresh_scores: Sequence[float] = (),
    best: int | None = None,
    most_rows: int | None = MOST_ROWS,
    data_note: str = "",
) -> list[Table]:
    """Return the tables of a search in the order a reader wants them.

    Args:
        trials: columns of trials.csv.
        names: its hyperparameters, in the order of the columns.
        objective: what the score is, such as `val_accuracy` or `time_to_accuracy:0.98`.
        direction: whether a high or a low score is good.
        found: what `kbnd.analysis.importance.importances` returns; None leaves its table out.
        fresh: columns of runs.csv: the best recipe trained with seeds that the search did not use; None or no row
            where there are none.
        fresh_scores: what the objective is of these runs, where it is no metric of theirs.
        best: number of the best trial; None is the one with the best score.
        most_rows: trials that are shown; None shows all.
        data_note: what must be said beside results on these images (`kbnd.report.datasets`); usually nothing.

    Raises:
        UsageError: the best trial did not finish, or a name is no column.
    """
    ranked = ranked_trials(trials, direction)
    fresh = None if fresh is None or fresh.empty else fresh
    tables = [trial_table(ranked, names, objective=objective, most_rows=most_rows)]
    if found is not None:
        tables.append(importance_table(found, trials))
    if (trials["status"] == "diverged").any():
        tables.append(divergence_table(trials, names))
    finished = ranked[ranked["score"].notna()]
    if len(finished):
        chosen = finished if best is None else finished[finished["trial"] == best]
        if chosen.empty:
            raise unknown("finished trial", best, map(str, finished["trial"]))
        winner = chosen.iloc[0]
        rivals = finished.loc[finished["epochs"] == winner["epochs"], "score"]
        options: dict[str, Any] = {"objective": objective, "direction": direction, "scores": rivals}
        tables.append(best_table(winner, names, fresh, fresh_scores=fresh_scores, **options))
    said = tuple(data_notes(data_note))
    return [replace(table, notes=(*said, *table.notes)) for table in tables]


def ranked_trials(trials: pd.DataFrame, direction: Direction) -> pd.DataFrame:
    """Return the trials, best first and those without a score last; only a done trial keeps its score."""
    trials = trials.reset_index(drop=True)
    score = pd.to_numeric(trials["score"], errors="coerce").astype(float)
    score = score.where((trials["status"] == "done") & np.isfinite(score))
    last = {status: place for place, status in enumerate(("done", "unfinished", "pruned", "diverged", "failed"))}
    order = pd.DataFrame(
        {
            "score": -score if direction == "max" else score,
            "status": trials["status"].map(last),
            "trial": trials["trial"],
        }
    )
    scored = order.dropna(subset="score").sort_values(["score", "trial"]).index
    others = order[order["score"].isna()].sort_values(["status", "trial"]).index
    return trials.assign(score=score).loc[[*scored, *others]]


def trial_table(
    ranked: pd.DataFrame, names: Sequence[str], *, objective: str, most_rows: int | None = MOST_ROWS
) -> Table:
    """Return one row for each trial, in the order of `ranked_trials`."""
    shown, time = score_quantity(objective, ranked["score"]), quantity("epoch_s", ranked["epoch_s"])
    has_rungs = ranked["epochs"].nunique() > 1
    rows = [
        (
            str(trial["trial"]),
            *(value_text(trial[name]) for name in names),
            *([value_text(trial["epochs"])] if has_rungs else []),
            _score(trial, shown),
            value_text(trial["n_seeds"]),
            time.number(_number(trial["epoch_s"])),
            str(trial["status"]),
        )
        for trial in ranked.head(most_rows or len(ranked)).to_dict("records")
    ]
    score = in_unit(shown.short or shown.label, shown.unit)
    columns = ("Trial", *names, *(["Epochs"] if has_rungs else []), score, "Seeds", "Epoch, s", "Status")
    texts = "".join("l" if _is_text(ranked[name]) else "r" for name in names)
    align = "l" + texts + "r" * has_rungs + "rrrl"
    n_finished = int(ranked["score"].notna().sum())
    title = (
        f"Trials by {_lower(shown.label)}, best first" if n_finished else "Trials: none has a score, so none is best"
    )
    notes = _trial_notes(ranked, shown, n_hidden=len(ranked) - len(rows), has_rungs=has_rungs)
    return Table(title, columns, tuple(rows), (*notes, *_unreached_notes(ranked, objective)), align)


def best_table(
    winner: pd.Series,
    names: Sequence[str],
    fresh: pd.DataFrame | None,
    *,
    objective: str,
    direction: Direction,
    scores: pd.Series,
    fresh_scores: Sequence[float] = (),
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
    """
    rows = _score_rows(winner, fresh_scores, objective) if objective.partition(":")[0] in OBJECTIVES else []
    for kind in ("accuracy", "loss") if objective == "val_loss" else ("accuracy",):
        of_val, of_test = PAIRS[kind]
        sd = winner["score_sd"] if objective == of_val else winner.get(f"{of_val}_sd")
        chosen = Interval(_number(winner[of_val]), np.nan, np.nan, int(winner["n_seeds"]))
        rows.append(_result(f"Validation {kind}, search", of_val, chosen, _number(sd)))
        if fresh is not None:
            rows.append(_fresh_result(f"Validation {kind}, fresh seeds", of_val, fresh))
            rows.append(_fresh_result(f"Test {kind}, fresh seeds", of_test, fresh))
    values = ", ".join(f"{name} {value_text(winner[name])}" for name in names)
    columns = ("Best recipe", "Mean", "SD", "95 % interval", "Seeds")
    is_most = winner["score"] == (scores.max() if direction == "max" else scores.min())
    notes = [_choice_note(objective, direction, n=len(scores), is_most=is_most), *_fresh_notes(fresh)]
    return Table(f"Best recipe: trial {winner['trial']} ({values})", columns, tuple(rows), tuple(notes))


def score_quantity(objective: str, values: pd.Series) -> Quantity:
    """Return how to print an objective; `values` decide the decimals of times and energies."""
    stem, _, target = objective.partition(":")
    if stem not in OBJECTIVES:
        return quantity(objective, values)
    shown = OBJECTIVES[stem](target)
    return replace(shown, decimals=quantity("score_s", values * shown.scale).decimals)


def status_counts(trials: pd.DataFrame) -> str:
    """Return how the trials ended: `40 trials: 36 done, 4 diverged`."""
    counts = ", ".join(f"{n} {status}" for status, n in trials["status"].value_counts().items())
    return f"{counted(len(trials), 'trial')}: {counts}" if counts else "no trials"


def _trial_notes(ranked: pd.DataFrame, shown: Quantity, *, n_hidden: int, has_rungs: bool) -> list[str]:
    notes = [f"{status_counts(ranked)}.".capitalize()]
    if n_hidden:
        notes.append(f"{n_hidden} more are in trials.csv.")
    if ranked["score"].notna().any():
        has_spread = ranked["score_sd"].notna().any()
        what = f"mean {PLUS_MINUS} SD over seeds" if has_spread else "one seed has no spread"
        notes.append(f"{shown.short or shown.label}: {_lower(shown.label)}, {what}; values rounded to three digits.")
    else:
        notes.append("No trial has a score, so no recipe is best.")
    if has_rungs:
        notes.append("Trials of fewer epochs are other experiments: their scores rank candidates, no more.")
    return notes


def _unreached_notes(ranked: pd.DataFrame, objective: str) -> list[str]:
    """Which finished trials have no time to an accuracy, and how far the best of them came."""
    stem, _, target = objective.partition(":")
    lacking = ranked[(ranked["status"] == "done") & ranked["score"].isna()]
    if stem != "time_to_accuracy" or lacking.empty:
        return []
    shown = quantity("val_accuracy")
    finished = pd.to_numeric(lacking["val_accuracy"], errors="coerce").dropna()
    said = f"{len(lacking)} finished without reaching {100 * float(target):g} % with every seed: no time"
    if finished.empty:
        return [f"{said}."]
    best = dict(zip(lacking["trial"][finished.index], finished, strict=True))
    trial = max(best, key=lambda each: best[each])
    return [
        f"{said}. Of these trial {trial} ended highest, at {shown.number(best[trial])} {shown.unit} (mean over seeds)."
    ]


def _choice_note(objective: str, direction: Direction, *, n: int, is_most: bool) -> str:
    """How the recipe was chosen, and what that does to its score."""
    if n == 1:
        return "The only trial that finished: nothing was chosen."
    if is_most and objective in ("val_accuracy", "val_loss"):
        most, way = ("highest", "upwards") if direction == "max" else ("lowest", "downwards")
        return f"The search's number is the {most} of {n} and was chosen for that, so it is biased {way}."
    label = _lower(score_quantity(objective, pd.Series(dtype=float)).label)
    return f"Chosen among {n} trials by {label}, so that its score flatters."


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
    chosen = Interval(_number(winner["score"]), np.nan, np.nan, int(winner["n_seeds"]))
    rows = [_printed(f"{shown.label}, search", shown, chosen, _number(winner["score_sd"]))]
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


def _score(trial: dict[Any, Any], shown: Quantity) -> str:
    score, sd = _number(trial["score"]), _number(trial["score_sd"])
    spread = f" {PLUS_MINUS} {shown.number(sd)}" if np.isfinite(score) and np.isfinite(sd) else ""
    return shown.number(score) + spread


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)


def _is_text(values: pd.Series) -> bool:
    return bool(values.map(lambda value: isinstance(value, str)).any())


def _lower(label: str) -> str:
    return label[:1].lower() + label[1:]
