"""The frames of a search: its trials, the runs of their candidates, and how these compare with the best one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from kbnd.analysis.blinding import VALIDATION_METRICS, blind_experiment
from kbnd.analysis.compare import COMPARISON_COLUMNS, compare
from kbnd.execution.runs import PlannedRun
from kbnd.ledger import Ledger
from kbnd.records import FRESH, RunRecord, arm_of
from kbnd.tuning.search import Search
from kbnd.tuning.space import Space

TRIAL_COLUMNS = (
    *("epochs", "status", "n_seeds", "score", "score_sd", "val_accuracy", "val_accuracy_sd", "val_loss"),
    *("epoch_s", "wall_s", "recipe_id"),
)
"""Columns of trials.csv behind the number of the trial and the hyperparameters."""


def trials_frame(search: Search) -> pd.DataFrame:
    """Return columns of trials.csv: one row for each candidate, in their order."""
    space = search.plan.space
    names = space.names
    rows = []
    for candidate in search.candidates.values():
        records = [record for run in candidate.runs if (record := search.ledger.get(run.run_id)) is not None]
        done = [record for record in records if record.status == "done" and candidate.status in ("done", "open")]
        scores = [number for record in done if (number := search.plan.objective.of(record)) is not None]
        rows.append(
            {
                "trial": candidate.ordinal,
                **{name: _value(space, path, candidate.values) for path, name in names.items()},
                "epochs": candidate.epochs,
                "status": "unfinished" if candidate.status == "open" else candidate.status,
                "n_seeds": len(done),
                "score": np.nan if candidate.score is None else candidate.score,
                "score_sd": _sd(scores) if candidate.score is not None else np.nan,
                "val_accuracy": _mean(done, "val_accuracy"),
                "val_accuracy_sd": _sd([record.val_accuracy for record in done if record.val_accuracy is not None]),
                "val_loss": _mean(done, "val_loss"),
                "epoch_s": _mean(done, "epoch_s"),
                "wall_s": candidate.wall_s,
                "recipe_id": candidate.runs[0].spec.recipe_id,
            }
        )
    return pd.DataFrame(rows, columns=["trial", *names.values(), *TRIAL_COLUMNS])


def runs_of(
    ledger: Ledger, name: str, digest: str, *, planned: Sequence[PlannedRun]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return columns of runs.csv and epochs.csv of a search, without what candidates reached on test images."""
    ids = {run.run_id for run in planned}
    if not ids:
        return ledger.runs().iloc[:0], ledger.epochs().iloc[:0]
    runs, epochs = (read(name, digest=digest) for read in (ledger.runs, ledger.epochs))
    runs, epochs = (blind_experiment(frame[frame["run_id"].isin(ids)], is_search=True) for frame in (runs, epochs))
    return runs, epochs


def with_values(
    runs: pd.DataFrame, trials: pd.DataFrame, names: Sequence[str], *, best_trial: int | None
) -> pd.DataFrame:
    """Return runs with the number of their trial and its hyperparameters; fresh runs are of the best trial."""
    values = trials[["trial", *names]].set_index(trials["trial"].map(arm_of))
    arms = runs["arm"] if best_trial is None else runs["arm"].replace(FRESH, arm_of(best_trial))
    return pd.concat([runs, values.reindex(arms).set_index(runs.index)], axis="columns")


def comparison_of(runs: pd.DataFrame, trials: pd.DataFrame, *, best_trial: int | None) -> pd.DataFrame:
    """Return every candidate that finished against the best one, by seed; nothing where none is best."""
    if best_trial is None:
        return pd.DataFrame(columns=list(COMPARISON_COLUMNS))
    best, finished = arm_of(best_trial), trials.loc[trials["status"] == "done", "trial"]
    arms = [best, *(arm for arm in finished.map(arm_of) if arm != best)]
    return compare(runs[runs["arm"].isin(arms)], baseline=best, arms=arms, metrics=VALIDATION_METRICS)


def _value(space: Space, path: str, values: Mapping[str, Any]) -> Any:
    return values[path] if space.applies(path, values) else None


def _mean(records: Sequence[RunRecord], name: str) -> float:
    values = [getattr(record, name) for record in records if getattr(record, name) is not None]
    return float(np.mean(values)) if values else np.nan


def _sd(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
