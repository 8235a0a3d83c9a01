"""What came of a search: its trials, its best recipe, and what that reaches with seeds that it was not chosen by.

| file             | one row per                                                                          |
|------------------|--------------------------------------------------------------------------------------|
| `trials.csv`     | candidate                                                                            |
| `best.toml`      | the best recipe, for `kbnd train --recipe`                                           |
| `comparison.csv` | candidate and validation metric, against the best one, which was chosen for being it |

and `runs.csv` (with the hyperparameters of each run), `epochs.csv`, `claims.csv` (a search makes none), `tables.md`,
`tables.tex`, `report.html`, `environment.json` and `figures/marginals.*` as of a study.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from kbnd import recipe
from kbnd.analysis.importance import Importances, importances
from kbnd.ledger.frames import to_csv
from kbnd.records import FRESH
from kbnd.report.datasets import data_note_of
from kbnd.report.folder import Outputs, write_outputs
from kbnd.report.frames import SearchFrames, ranked_trials
from kbnd.report.json_values import as_rows
from kbnd.report.scores import score_of
from kbnd.report.table import Table, to_html
from kbnd.report.tables.notes import thread_notes
from kbnd.report.tables.trials import MOST_ROWS, status_counts, trial_tables
from kbnd.spec import RunSpec
from kbnd.tuning.plan import SearchPlan
from kbnd.tuning.plan_tables import about_table, logarithmic_names
from kbnd.tuning.trials import comparison_of
from kbnd.words import counted


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
        if self.plan.oracle.has_rungs and self.trials["epochs"].nunique() > 1:
            notes.append("A candidate that goes on is trained anew for more epochs, as a trial of its own.")
        if n_beside:
            runs = f"{n_beside} of {len(self.runs)} runs"
            notes.append(f"Trained while others did, so that their seconds are only shown: {runs}.")
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
        return self._importances

    @cached_property
    def _importances(self) -> Importances:
        return importances(self.trials, self.names, direction=self.plan.objective.direction)

    @property
    def frames(self) -> SearchFrames:
        """What the tables and the picture of the search are made from."""
        is_disturbed = self.runs["is_concurrent"].eq(True) | self.runs["continued_from"].notna()
        return SearchFrames(
            trials=self.trials,
            names=self.names,
            score=score_of(self.plan.objective),
            importances=self.importances(),
            fresh=self.fresh,
            fresh_scores=self.fresh_scores,
            best=self.best_trial,
            n_classes=self.n_classes,
            is_timed_alone=not bool(is_disturbed.any()),
            data_note=self.data_note,
            log_scaled=logarithmic_names(self.plan.space),
        )

    def tables(self, *, most_rows: int | None = MOST_ROWS) -> list[Table]:
        """Return the tables of the search; `most_rows` of trials are shown, None shows all."""
        tables = trial_tables(self.frames, most_rows=most_rows)
        if self.best_trial is not None and self.test_note:
            tables[-1] = replace(tables[-1], notes=(*tables[-1].notes, self.test_note))
        tables[0] = replace(tables[0], notes=(*tables[0].notes, *self.trial_notes, *thread_notes(self.runs)))
        return tables

    def recipe(self) -> str:
        """Return the best recipe as TOML that `kbnd train --recipe` accepts; empty where there is none."""
        if self.best is None:
            return ""
        values = self.trials[self.trials["trial"] == self.best_trial].iloc[0]
        n_seeds = int(values["n_seeds"])
        score = f"{self.plan.objective.name} {values['score']:.6g}, mean over {counted(n_seeds, 'seed')}"
        n = int((self.trials["score"].notna() & (self.trials["epochs"] == values["epochs"])).sum())
        choice = [
            f"Best of {counted(n, 'finished trial')} of the search {self.name}: trial {self.best_trial}, {score}."
        ]
        tested = ", nor in the test that followed it" * (self.n_tested > 0)
        choice.append(f"Seed {self.unused_seed} had no part in the choice{tested}.")
        comments = [*choice, *self.notes, *filter(None, [self.data_note])]
        return recipe.to_toml(self.best, comments=comments, seed=self.unused_seed)

    def write(self, folder: Path | str) -> list[Path]:
        """Write every file that the command `kbnd tune` leaves in its output folder, and return their paths.

        Raises:
            UsageError: the folder cannot be written to.
            NoSpaceError: its disk is full.
        """
        from kbnd.report.figures.marginals import draw_marginals  # brings matplotlib, which no search needs

        outputs = Outputs(
            runs=self.runs,
            epochs=self.epochs,
            comparison=comparison_of(self.runs, self.trials, best_trial=self.best_trial),
            tables=[about_table(self.plan, self.runs, self.environments), *self.tables(most_rows=None)],
            figures=draw_marginals(self.frames),
            title=f"{self.plan.title}: {self.name}",
            environments=self.environments,
            others={
                "trials.csv": to_csv(self.trials).decode(),
                "best.toml": None if self.best is None else self.recipe(),
            },
        )
        return write_outputs(Path(folder), outputs)

    def as_json(self) -> dict[str, Any]:
        """Return the search as JSON values."""
        return {
            "search": self.name,
            "objective": self.plan.objective.name,
            "best_trial": self.best_trial,
            "best": None if self.best is None else self.best.canonical(),
            "trials": as_rows(self.to_frame()),
            "fresh": as_rows(self.fresh),
            "is_complete": self.is_complete,
        }

    def __repr__(self) -> str:
        best = "no best trial"
        if self.best_trial is not None:
            score = float(self.trials.loc[self.trials["trial"] == self.best_trial, "score"].iloc[0])
            best = f"best: trial {self.best_trial}, {self.plan.objective.name} {score:.6g}"
        return f"<TuneResult {self.name}: {status_counts(self.trials)}; {best}>"

    def _repr_html_(self) -> str:
        return "\n".join(map(to_html, self.tables()))
