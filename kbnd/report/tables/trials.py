"""The tables of a search: its trials, best first, and its best recipe against test.

    Trial   learning_rate   dropout   batch_norm          Val. acc., %   Seeds   Epoch, s   Status
    17              0.052      0.21   before_activation   98.71 ± 0.12       2        8.3   done
    4                0.91      0.05   none                      (dash)       2     (dash)   diverged

Only a finished trial has a score. What the trials cannot tell is said in place of numbers: no best recipe where
nothing finished, and no interval on the score of a winner, which was chosen for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from kbnd.analysis.importance import Direction, Importances
from kbnd.errors import unknown
from kbnd.records import SHORTEST_METERED_S
from kbnd.report.numbers import Quantity, in_unit, quantity
from kbnd.report.scores import lower, number, score_quantity
from kbnd.report.table import PLUS_MINUS, Table
from kbnd.report.tables.best import best_table
from kbnd.report.tables.hyperparameters import divergence_table, importance_table, value_text
from kbnd.report.tables.notes import data_notes
from kbnd.words import counted

MOST_ROWS = 30
"""Trials that a terminal shows; all are in trials.csv."""

MOST_NAMED = 5
"""Trials that a note names."""


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
    n_classes: int = 0,
    is_timed_alone: bool = False,
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
        n_classes: of the dataset, to tell what guessing would reach; 0 where nobody knows.
        is_timed_alone: whether every run had the machine for itself in one session: no time is missing for that.
        data_note: what must be said beside results on these images (`kbnd.report.datasets`); usually nothing.

    Raises:
        UsageError: the best trial did not finish, or a name is no column.
    """
    ranked = ranked_trials(trials, direction)
    fresh = None if fresh is None or fresh.empty else fresh
    tables = [
        trial_table(ranked, names, objective=objective, most_rows=most_rows, is_timed_alone=is_timed_alone),
    ]
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
        options["n_classes"] = n_classes
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
    ranked: pd.DataFrame,
    names: Sequence[str],
    *,
    objective: str,
    most_rows: int | None = MOST_ROWS,
    is_timed_alone: bool = False,
) -> Table:
    """Return one row for each trial, in the order of `ranked_trials`."""
    shown, time = score_quantity(objective, ranked["score"]), quantity("epoch_s", ranked["epoch_s"])
    accuracy = None if objective == "val_accuracy" else quantity("val_accuracy")
    has_rungs = ranked["epochs"].nunique() > 1
    rows = [
        (
            str(trial["trial"]),
            *(value_text(trial[name]) for name in names),
            *([value_text(trial["epochs"])] if has_rungs else []),
            _with_spread(trial, "score", shown),
            *([_with_spread(trial, "val_accuracy", accuracy)] if accuracy else []),
            value_text(trial["n_seeds"]),
            time.number(number(trial["epoch_s"])),
            str(trial["status"]),
        )
        for trial in ranked.head(most_rows or len(ranked)).to_dict("records")
    ]
    score = in_unit(shown.short or shown.label, shown.unit)
    accuracies = [in_unit(accuracy.short or accuracy.label, accuracy.unit)] if accuracy else []
    columns = ("Trial", *names, *["Epochs"] * has_rungs, score, *accuracies, "Seeds", "Epoch, s", "Status")
    texts = "".join("l" if _is_text(ranked[name]) else "r" for name in names)
    align = "l" + texts + "r" * (has_rungs + len(accuracies)) + "rrrl"
    n_finished = int(ranked["score"].notna().sum())
    title = f"Trials by {lower(shown.label)}, best first" if n_finished else "Trials: none has a score, so none is best"
    notes = _trial_notes(ranked, shown, n_hidden=len(ranked) - len(rows), has_rungs=has_rungs)
    return Table(
        title, columns, tuple(rows), (*notes, *_lacking_notes(ranked, objective, is_timed_alone=is_timed_alone)), align
    )


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
        notes.append(f"{shown.short or shown.label}: {lower(shown.label)}, {what}; values rounded to three digits.")
    else:
        notes.append("No trial has a score, so no recipe is best.")
    if has_rungs:
        notes.append("Trials of fewer epochs are other experiments: their scores rank candidates, no more.")
    return notes


def _lacking_notes(ranked: pd.DataFrame, objective: str, *, is_timed_alone: bool) -> list[str]:
    """Which finished trials have no score, and why as far as can be told; which have one that flatters."""
    stem, _, target = objective.partition(":")
    lacking = ranked[(ranked["status"] == "done") & ranked["score"].isna()]
    if stem == "time_to_accuracy":
        unreached = _unreached_notes(lacking, float(target), is_timed_alone=is_timed_alone)
        return [*_lost_notes(ranked, float(target)), *unreached]
    if stem == "accuracy_per_joule" and len(lacking):
        return [_unmetered_note(lacking)]
    return []


def _unmetered_note(lacking: pd.DataFrame) -> str:
    """How many finished trials have no energy, and whether their epochs are too short for its counter."""
    said = f"{counted(len(lacking), 'finished trial')} without an energy"
    seconds = pd.to_numeric(lacking["epoch_s"], errors="coerce").median()
    if seconds < SHORTEST_METERED_S:
        return (
            f"{said}: a GPU's counter tells nothing of epochs under {SHORTEST_METERED_S:g} s, these take "
            f"{seconds:.2g} s (median). More images or a larger network make them longer."
        )
    return f"{said}: it could not be read, or a run shared the machine or was trained by two sessions."


def _lost_notes(ranked: pd.DataFrame, target: float) -> list[str]:
    """Which trials reached an accuracy in time and did not keep it."""
    accuracy = pd.to_numeric(ranked["val_accuracy"], errors="coerce")
    lost = ranked.loc[ranked["score"].notna() & (accuracy < target), "trial"]
    if lost.empty:
        return []
    trials = f"trial{'s' * (len(lost) > 1)} {', '.join(map(str, lost.head(MOST_NAMED)))}"
    more = f" and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
    return [f"Reached {100 * target:g} % and ended below it (the first touch counts): {trials}{more}."]


def _unreached_notes(lacking: pd.DataFrame, target: float, *, is_timed_alone: bool) -> list[str]:
    """Which finished trials have no time to an accuracy, and how far the best of them came."""
    if lacking.empty:
        return []
    shown, goal = quantity("val_accuracy"), f"{100 * target:g} %"
    accuracy = pd.to_numeric(lacking["val_accuracy"], errors="coerce")
    below = accuracy[accuracy < target]
    notes = []
    if n_above := int((accuracy >= target).sum()):
        why = (
            "not reached with every seed" if is_timed_alone else "a run shared the machine, or two sessions trained it"
        )
        notes.append(f"{n_above} ended above {goal} without a time: {why}.")
    if len(below):
        best = dict(zip(lacking["trial"][below.index], below, strict=True))
        trial = max(best, key=lambda each: best[each])
        why = "" if is_timed_alone else ", or not timed alone in one session"
        notes.append(
            f"{len(below)} ended below {goal} without a time: not reached with every seed{why}. Of these trial {trial} "
            f"ended highest, at {shown.number(best[trial])} {shown.unit} (mean over seeds)."
        )
    return notes


def _with_spread(trial: dict[Any, Any], name: str, shown: Quantity) -> str:
    mean, sd = number(trial[name]), number(trial[f"{name}_sd"])
    spread = f" {PLUS_MINUS} {shown.number(sd)}" if np.isfinite(mean) and np.isfinite(sd) else ""
    return shown.number(mean) + spread


def _is_text(values: pd.Series) -> bool:
    return bool(values.map(lambda value: isinstance(value, str)).any())
