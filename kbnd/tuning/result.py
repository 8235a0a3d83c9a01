"""What came of a search: its trials, its best recipe, and what that reaches with seeds that it was not chosen by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kbnd import recipe
from kbnd.analysis.blinding import blind_experiment
from kbnd.analysis.importance import Importances, importances
from kbnd.execution.runs import PlannedRun
from kbnd.ledger import Ledger
from kbnd.records import FRESH, RunRecord, arm_of
from kbnd.report.datasets import data_note_of
from kbnd.report.frames import SearchFrames, ranked_trials
from kbnd.report.table import Table, to_html
from kbnd.report.tables.trials import MOST_ROWS, status_counts, trial_tables
from kbnd.spec import RunSpec
from kbnd.tuning.plan import SearchPlan
from kbnd.tuning.search import Search
from kbnd.tuning.space import Space
from kbnd.words import counted

TRIAL_COLUMNS = (
    *("epochs", "status", "n_seeds", "score", "score_sd", "val_accuracy", "val_accuracy_sd", "val_loss"),
    *("epoch_s", "wall_s", "recipe_id"),
)
"""Columns of trials.csv behind the number of the trial and the hyperparameters."""


@dataclass(frozen=True, repr=False)
class TuneResult:
    """A search and its best recipe.

    Attributes:
        name: of the search in the ledger; also the name of its runs' experiment.
        plan: what was searched.
        trials: columns of trials.csv, in the order of the trials.
        best: the best recipe (with seed 1); None where no trial has a score.
        best_trial: its number.
        runs: columns of runs.csv: the runs of every trial, and those of the best recipe with fresh seeds; the last
            columns are trial and hyperparameters.
        epochs: columns of epochs.csv of the same runs.
        n_trained: runs that this call trained.
        is_complete: whether nothing was left to do, neither in the search nor for the best recipe.
        is_out_of_hours: whether only `max_hours` kept the search from going on.
        fresh_scores: what the search looked for, of the fresh runs that have it.
        environments: machine, versions and threads of each session that trained any of the runs.
        n_tested: recipes that were tried on test under this name, each the best at its time.
        n_classes: of the dataset; 0 where nobody says.
        unused_seed: the first seed that neither the search nor a test of a best recipe of it uses.
    """

    name: str
    plan: SearchPlan
    trials: pd.DataFrame
    best: RunSpec | None
    best_trial: int | None
    runs: pd.DataFrame
    epochs: pd.DataFrame
    n_trained: int = 0
    is_complete: bool = True
    is_out_of_hours: bool = False
    fresh_scores: tuple[float, ...] = ()
    environments: dict[str, Any] = field(default_factory=dict)
    n_tested: int = 0
    n_classes: int = 0
    unused_seed: int = 1

    def to_frame(self) -> pd.DataFrame:
        """Return the trials, best first and those without a score last."""
        return ranked_trials(self.trials, self.plan.objective.direction).reset_index(drop=True)

    @property
    def names(self) -> list[str]:
        """The hyperparameters as they are printed, which are columns of `trials`."""
        return list(self.plan.space.names.values())

    @property
    def fresh(self) -> pd.DataFrame:
        """Runs of the best recipe with seeds that the search did not use."""
        return self.runs[self.runs["arm"] == FRESH]

    @property
    def n_failed(self) -> int:
        """Candidates that failed, and fresh runs of the best recipe that are not done; to diverge is a result."""
        n_bad = int((self.fresh["status"] != "done").sum()) if self.is_complete else 0
        return int((self.trials["status"] == "failed").sum()) + n_bad

    @property
    def notes(self) -> list[str]:
        """What must be said beside all scores of this search; usually nothing."""
        stopped = "" if self.is_complete else "Stopped before its end: the same search, called again, goes on."
        return [note for note in (stopped, self.clock_note) if note]

    @property
    def trial_notes(self) -> list[str]:
        """What must be said beside the table of trials besides."""
        n, most = len(self.trials), self.plan.max_trials
        n_beside = int(self.runs["is_concurrent"].eq(True).sum())
        notes = []
        if most is not None and n > most:
            notes.append(f"All {n} trials of before are kept, though only {most} are asked for.")
        if self.plan.is_pruned and not (self.trials["status"] == "pruned").any():
            notes.append("No run lagged behind so far that it was given up.")
        if self.plan.oracle == "hyperband" and self.trials["epochs"].nunique() > 1:
            notes.append("A candidate that goes on is trained anew for more epochs, as a trial of its own.")
        if n_beside:
            said = f"{n_beside} of {len(self.runs)} runs"
            notes.append(f"Trained while others did, so that their seconds are only shown: {said}.")
        return [*notes, *self.notes]

    @property
    def test_note(self) -> str:
        """What must be said beside the test result where it is not the first of this search; usually nothing."""
        if self.n_tested < 2:
            return ""
        return (
            f"{self.n_tested} recipes of {self.name} were tried on test so far, each the best of its time: to choose "
            "among them by these results would be to select on test."
        )

    @property
    def clock_note(self) -> str:
        """What must be said beside scores that are measured by the clock; nothing for others."""
        if self.plan.objective.is_reproducible:
            return ""
        done = self.runs[self.runs["status"] == "done"]
        n_sessions, n_machines = done["session"].nunique(), done["machine"].nunique()
        places = f"{n_sessions} sessions" + f" on {n_machines} machines" * (n_machines > 1)
        once = "Each run was timed once, with no A/A control: a small difference may be the machine's."
        several = f" The clock ran in {places}: scores compare only as far as these were alike."
        return once + several * (n_sessions > 1)

    @property
    def data_note(self) -> str:
        """What must be said beside results on these images; usually nothing."""
        return data_note_of(self.runs)

    def importances(self) -> Importances:
        """Return which hyperparameter mattered, or why that cannot be told."""
        return importances(self.trials, self.names, direction=self.plan.objective.direction)

    def frames(self, found: Importances | None = None, *, log_scaled: Sequence[str] | None = None) -> SearchFrames:
        """Return what the tables and the picture of the search are made from.

        Args:
            found: which hyperparameter mattered; None is computed here.
            log_scaled: hyperparameters with a logarithmic axis; None takes learning rates and weight decays.
        """
        return SearchFrames(
            trials=self.trials,
            names=self.names,
            objective=self.plan.objective.name,
            direction=self.plan.objective.direction,
            importances=found or self.importances(),
            fresh=self.fresh,
            fresh_scores=self.fresh_scores,
            best=self.best_trial,
            n_classes=self.n_classes,
            is_timed_alone=not bool((self.runs["is_concurrent"].eq(True) | self.runs["continued_from"].notna()).any()),
            data_note=self.data_note,
            log_scaled=log_scaled,
        )

    def tables(self, *, found: Importances | None = None, most_rows: int | None = MOST_ROWS) -> list[Table]:
        """Return the tables of the search; `most_rows` of trials are shown, None shows all."""
        tables = trial_tables(self.frames(found), most_rows=most_rows)
        if self.best_trial is not None and self.test_note:
            tables[-1] = replace(tables[-1], notes=(*tables[-1].notes, self.test_note))
        tables[0] = replace(tables[0], notes=(*tables[0].notes, *self.trial_notes))
        return tables

    def recipe(self) -> str:
        """Return the best recipe as TOML that `kbnd train --recipe` accepts; empty where there is none."""
        if self.best is None:
            return ""
        values = self.trials[self.trials["trial"] == self.best_trial].iloc[0]
        n_seeds = int(values["n_seeds"])
        score = f"{self.plan.objective.name} {values['score']:.6g}, mean over {counted(n_seeds, 'seed')}"
        n = int((self.trials["score"].notna() & (self.trials["epochs"] == values["epochs"])).sum())
        said = [f"Best of {counted(n, 'finished trial')} of the search {self.name}: trial {self.best_trial}, {score}."]
        tested = ", nor in the test that followed it" * (self.n_tested > 0)
        said.append(f"Seed {self.unused_seed} had no part in the choice{tested}.")
        comments = [*said, *self.notes, *filter(None, [self.data_note])]
        return recipe.to_toml(self.best, comments=comments, seed=self.unused_seed)

    def write(self, folder: Path | str) -> list[Path]:
        """Write every file that the command `kbnd tune` leaves in its output folder, and return their paths.

        Raises:
            UsageError: the folder cannot be written to.
            NoSpaceError: its disk is full.
        """
        from kbnd.tuning.report import write  # it reads results, so that it cannot be imported above

        return write(self, Path(folder))

    def __repr__(self) -> str:
        best = "no best trial"
        if self.best_trial is not None:
            score = float(self.trials.loc[self.trials["trial"] == self.best_trial, "score"].iloc[0])
            best = f"best: trial {self.best_trial}, {self.plan.objective.name} {score:.6g}"
        return f"<TuneResult {self.name}: {status_counts(self.trials)}; {best}>"

    def _repr_html_(self) -> str:
        return "\n".join(map(to_html, self.tables()))


def trials_frame(search: Search) -> pd.DataFrame:
    """Return columns of trials.csv: one row for each candidate, in their order."""
    space = search.plan.space
    names = space.names
    rows = []
    for each in search.candidates.values():
        records = [record for run in each.runs if (record := search.ledger.get(run.run_id)) is not None]
        done = [record for record in records if record.status == "done" and each.status in ("done", "open")]
        scores = [number for record in done if (number := search.plan.objective.of(record)) is not None]
        rows.append(
            {
                "trial": each.ordinal,
                **{name: _value(space, path, each.values) for path, name in names.items()},
                "epochs": each.epochs,
                "status": "unfinished" if each.status == "open" else each.status,
                "n_seeds": len(done),
                "score": np.nan if each.score is None else each.score,
                "score_sd": _sd(scores) if each.score is not None else np.nan,
                "val_accuracy": _mean(done, "val_accuracy"),
                "val_accuracy_sd": _sd([record.val_accuracy for record in done if record.val_accuracy is not None]),
                "val_loss": _mean(done, "val_loss"),
                "epoch_s": _mean(done, "epoch_s"),
                "wall_s": each.wall_s,
                "recipe_id": each.runs[0].spec.recipe_id,
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


def _value(space: Space, path: str, values: Mapping[str, Any]) -> Any:
    return values[path] if space.applies(path, values) else None


def _mean(records: Sequence[RunRecord], name: str) -> float:
    found = [getattr(record, name) for record in records if getattr(record, name) is not None]
    return float(np.mean(found)) if found else np.nan


def _sd(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
