"""The tables of a search: its trials, best first, and its best recipe against test.

    Trial   learning_rate   dropout   batch_norm          Val. acc., %   Seeds   Epoch, s   Status
    17              0.052      0.21   before_activation   98.71 ± 0.12       2        8.3   done
    4                0.91      0.05   none                      (dash)       2     (dash)   diverged

Only a finished trial has a score. What the trials cannot tell stands in words in place of numbers: no best recipe where
nothing finished, and no interval on the score of a winner, which was chosen for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from kbnd.records import SHORTEST_METERED_S
from kbnd.report.frames import SearchFrames
from kbnd.report.numbers import Quantity, in_unit, quantity_of
from kbnd.report.scores import number
from kbnd.report.table import PLUS_MINUS, Table
from kbnd.report.tables.best import best_table
from kbnd.report.tables.hyperparameters import divergence_table, importance_table, value_text
from kbnd.report.tables.notes import data_notes
from kbnd.words import counted

MOST_ROWS = 30
"""Trials that a terminal shows; all are in trials.csv."""

MOST_NAMED = 5
"""Trials that a note names."""


def trial_tables(search: SearchFrames, *, most_rows: int | None = MOST_ROWS) -> list[Table]:
    """Return the tables of a search in the order a reader wants them.

    Args:
        search: its trials, and what it takes to print them.
        most_rows: trials that are shown; None shows all.

    Raises:
        UsageError: the best trial did not finish, or a name is no column.
    """
    tables = [trial_table(search, most_rows=most_rows)]
    if search.importances is not None:
        tables.append(importance_table(search.importances, search.trials))
    if search.has_diverged:
        tables.append(divergence_table(search.trials, search.names))
    if len(search.scored):
        tables.append(best_table(search))
    notes = tuple(data_notes(search.data_note))
    return [replace(table, notes=(*notes, *table.notes)) for table in tables]


def trial_table(search: SearchFrames, *, most_rows: int | None = MOST_ROWS) -> Table:
    """Return one row for each trial, best first; `most_rows` of them, None is all."""
    ranked = search.ranked
    quantity, time = search.score.quantity_of(ranked["score"]), quantity_of("epoch_s", ranked["epoch_s"])
    accuracy = None if search.score.kind == "accuracy" else quantity_of("val_accuracy")
    has_rungs = ranked["epochs"].nunique() > 1
    rows = [
        (
            str(trial["trial"]),
            *(value_text(trial[name]) for name in search.names),
            *([value_text(trial["epochs"])] if has_rungs else []),
            _with_spread(trial, "score", quantity),
            *([_with_spread(trial, "val_accuracy", accuracy)] if accuracy else []),
            value_text(trial["n_seeds"]),
            time.number(number(trial["epoch_s"])),
            str(trial["status"]),
        )
        for trial in ranked.head(most_rows or len(ranked)).to_dict("records")
    ]
    score = in_unit(quantity.short or quantity.label, quantity.unit)
    accuracies = [in_unit(accuracy.short or accuracy.label, accuracy.unit)] if accuracy else []
    columns = ("Trial", *search.names, *["Epochs"] * has_rungs, score, *accuracies, "Seeds", "Epoch, s", "Status")
    texts = "".join("l" if _is_text(ranked[name]) else "r" for name in search.names)
    align = "l" + texts + "r" * (has_rungs + len(accuracies)) + "rrrl"
    title = f"Trials by {quantity.in_sentence}, best first"
    title = title if len(search.scored) else "Trials: none has a score, so none is best"
    notes = _trial_notes(ranked, quantity, n_hidden=len(ranked) - len(rows), has_rungs=has_rungs)
    return Table(title, columns, tuple(rows), (*notes, *_lacking_notes(search)), align)


def status_counts(trials: pd.DataFrame) -> str:
    """Return how the trials ended: `40 trials: 36 done, 4 diverged`."""
    counts = ", ".join(f"{n} {status}" for status, n in trials["status"].value_counts().items())
    return f"{counted(len(trials), 'trial')}: {counts}" if counts else "no trials"


def _trial_notes(ranked: pd.DataFrame, quantity: Quantity, *, n_hidden: int, has_rungs: bool) -> list[str]:
    notes = [f"{status_counts(ranked)}.".capitalize()]
    if n_hidden:
        notes.append(f"{n_hidden} more are in trials.csv.")
    if ranked["score"].notna().any():
        has_spread = ranked["score_sd"].notna().any()
        what = f"mean {PLUS_MINUS} SD over seeds" if has_spread else "one seed has no spread"
        score = f"{quantity.short or quantity.label}: {quantity.in_sentence}"
        notes.append(f"{score}, {what}; values rounded to three digits.")
    else:
        notes.append("No trial has a score, so no recipe is best.")
    if has_rungs:
        notes.append("Trials of fewer epochs are other experiments: their scores rank candidates, no more.")
    return notes


def _lacking_notes(search: SearchFrames) -> list[str]:
    """Which finished trials have no score, and why as far as can be told; which have one that flatters."""
    ranked, target = search.ranked, search.score.target
    lacking = ranked[(ranked["status"] == "done") & ranked["score"].isna()]
    if search.score.kind == "time":
        unreached = _unreached_notes(lacking, target, is_timed_alone=search.is_timed_alone)
        return [*_lost_notes(ranked, target), *unreached]
    if search.score.kind == "energy" and len(lacking):
        return [_unmetered_note(lacking)]
    return []


def _unmetered_note(lacking: pd.DataFrame) -> str:
    """How many finished trials have no energy, and whether their epochs are too short for its counter."""
    trials = f"{counted(len(lacking), 'finished trial')} without an energy"
    seconds = pd.to_numeric(lacking["epoch_s"], errors="coerce").median()
    if seconds < SHORTEST_METERED_S:
        return (
            f"{trials}: a GPU's counter tells nothing of epochs under {SHORTEST_METERED_S:g} s, these take "
            f"{seconds:.2g} s (median). More images or a larger network make them longer."
        )
    return f"{trials}: it could not be read, or a run shared the machine or was trained by two sessions."


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
    quantity, goal = quantity_of("val_accuracy"), f"{100 * target:g} %"
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
        trial = max(best, key=best.__getitem__)
        why = "" if is_timed_alone else ", or not timed alone in one session"
        notes.append(
            f"{len(below)} ended below {goal} without a time: not reached with every seed{why}. Of these trial {trial} "
            f"ended highest, at {quantity.number(best[trial])} {quantity.unit} (mean over seeds)."
        )
    return notes


def _with_spread(trial: dict[Any, Any], name: str, quantity: Quantity) -> str:
    mean, sd = number(trial[name]), number(trial[f"{name}_sd"])
    spread = f" {PLUS_MINUS} {quantity.number(sd)}" if np.isfinite(mean) and np.isfinite(sd) else ""
    return quantity.number(mean) + spread


def _is_text(values: pd.Series) -> bool:
    return bool(values.map(lambda value: isinstance(value, str)).any())
