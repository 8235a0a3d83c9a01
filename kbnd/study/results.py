"""The results of an experiment: its runs, compared arm by arm, and the tables of them.

Made from the ledger alone, restricted to the runs of the plan, so that the same command always gives the same table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kbnd import data
from kbnd.analysis.blinding import blind_experiment, is_of_test, metrics_shown
from kbnd.analysis.compare import compare
from kbnd.analysis.metrics import is_time, with_metrics
from kbnd.analysis.timing import time_ratios
from kbnd.ledger import Reader
from kbnd.records import ENDED_BADLY, RunRecord
from kbnd.report.datasets import data_note_of
from kbnd.report.machines import place_in_words
from kbnd.report.table import Table
from kbnd.report.tables.notes import data_notes, thread_notes
from kbnd.report.tables.study import report_tables
from kbnd.study.answers import answer
from kbnd.study.definition import Study
from kbnd.study.experiment import Experiment
from kbnd.study.runner import Outcome


@dataclass(frozen=True)
class Results:
    """Everything that is known of an experiment's runs.

    Attributes:
        name: of the experiment, with the backend.
        title: of the experiment.
        ledger: where its runs are.
        difference: in words, what makes it another experiment than the source's.
        data_note: what must be said beside results on its images; usually nothing.
        runs: rows of runs.csv.
        epochs: rows of epochs.csv.
        comparison: rows of comparison.csv.
        ratios: times as ratios to the baseline.
        metric: the accuracy that arms are compared by: of test images, or of validation where something is chosen.
        tables: ready to print.
        claims: rows of claims.csv.
        environments: machine, versions and threads of each session that trained any of the runs.
        n_bad: runs that failed, ran out of memory or diverged.
    """

    name: str
    title: str
    ledger: Path
    difference: str
    data_note: str
    runs: pd.DataFrame
    epochs: pd.DataFrame
    comparison: pd.DataFrame
    ratios: pd.DataFrame
    metric: str
    tables: list[Table]
    claims: pd.DataFrame
    environments: dict[str, dict[str, Any]]
    n_bad: int


def gather(study: Study, experiment: Experiment, outcome: Outcome, *, ledger: Path) -> Results:
    """Read the plan's runs from the ledger and compare them."""
    runs, epochs, records, correctness = _stored(outcome, ledger)
    if experiment.is_by_validation:
        runs, epochs = blind_experiment(runs), blind_experiment(epochs)
    derived = with_metrics(runs, epochs, _metrics(study, experiment))
    comparison, ratios = _compared(study, experiment, derived)
    answered = answer(study, experiment, derived, correctness, published=_published(study))
    note = data_note_of(runs)
    notes = [*([experiment.claims] if experiment.claims else []), *data_notes(note), *thread_notes(runs)]
    about = _about(experiment, outcome.label, runs, next(iter(records.values()), None), notes)
    return Results(
        name=outcome.label,
        title=experiment.title,
        ledger=ledger,
        difference=experiment.difference,
        data_note=note,
        runs=runs,
        epochs=epochs,
        comparison=comparison,
        ratios=ratios,
        metric=_usual(experiment)[0],
        tables=[about, *_tables(study, experiment, comparison, ratios, answers=answered.tables, data_note=note)],
        claims=answered.claims,
        environments={session: record.environment for session, record in records.items()},
        n_bad=int(runs["status"].isin(ENDED_BADLY).sum()),
    )


def _stored(
    outcome: Outcome, ledger: Path
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, RunRecord], dict[str, NDArray[np.bool_]]]:
    """The rows of runs.csv and epochs.csv that belong to the plan, the first record of each session, correctness."""
    planned = {run.run_id for run in outcome.runs}
    with Reader.open(ledger) as opened:
        runs, epochs = (read(outcome.label, digest=outcome.definition) for read in (opened.runs, opened.epochs))
        runs, epochs = runs[runs["run_id"].isin(planned)], epochs[epochs["run_id"].isin(planned)]
        return runs, epochs, opened.sessions(runs.sort_values("started_at")), opened.correctness(planned)


def _compared(study: Study, experiment: Experiment, derived: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of comparison.csv and of times.csv; of a metric that no run has, there are none."""
    arms: dict[str, Any] = {
        "baseline": experiment.baseline,
        "baselines": experiment.baselines,
        "arms": list(experiment.arms),
    }
    usual, metrics = _usual(experiment), _metrics(study, experiment)
    done = derived[derived["status"] == "done"]
    measured = [metric for metric in metrics if metric in usual or done.empty or done[metric].notna().any()]
    comparison = compare(derived, metrics=measured, published=_published(study), **arms)
    return comparison, time_ratios(derived, **arms)


def _tables(
    study: Study,
    experiment: Experiment,
    comparison: pd.DataFrame,
    ratios: pd.DataFrame,
    *,
    answers: Sequence[Table],
    data_note: str,
) -> list[Table]:
    """Every table but the heading."""
    accuracy, metrics = _usual(experiment)[0], _metrics(study, experiment)
    return report_tables(
        comparison,
        ratios,
        published=[table for table in study.tables if table.metric in metrics],
        metrics=(accuracy,),
        further=_claimed(study, accuracy),
        answers=answers,
        difference=experiment.difference,
        data_note=data_note,
    )


def _usual(experiment: Experiment) -> tuple[str, ...]:
    """The metrics that every experiment compares, its accuracy first."""
    return metrics_shown(is_blind=experiment.is_by_validation)


def _metrics(study: Study, experiment: Experiment) -> list[str]:
    """What is compared: the usual metrics, then those that the source's tables and the study's claims look at."""
    tables = [table.metric for table in study.tables]
    claims = [test.metric for claim in study.claims for test in claim.tests]
    metrics = dict.fromkeys([*_usual(experiment), *tables, *claims])
    return [metric for metric in metrics if not (experiment.is_by_validation and is_of_test(metric))]


def _claimed(study: Study, accuracy: str) -> dict[str, set[str]]:
    """Metric -> the arms that claims compare by it, but for what has a table of its own: `accuracy` and times."""
    arms: dict[str, set[str]] = {}
    for test in (test for claim in study.claims for test in claim.tests):
        if test.metric != accuracy and not is_time(test.metric):
            arms.setdefault(test.metric, set()).update(test.arms)
    return arms


def _published(study: Study) -> dict[tuple[str, str], float]:
    """The source's own numbers by arm and metric."""
    return {
        (arm, table.metric): value
        for table in study.tables
        for row in table.rows
        for arm, value in zip(row.arms, row.published, strict=False)
        if value is not None
    }


def _about(experiment: Experiment, label: str, runs: pd.DataFrame, record: RunRecord | None, notes: list[str]) -> Table:
    """What was run, on what: the heading of everything printed."""
    counts = ", ".join(f"{n} {status}" for status, n in runs["status"].value_counts().items())
    rows = [("Report", experiment.source)] if experiment.source else []
    rows += [("Experiment", label), ("Runs", counts)]
    if record is not None:
        versions = f"{record.backend} {record.backend_version}, Keras {record.keras_version}"
        place = place_in_words(record.environment, record.device)
        rows += [
            ("Data", data.label_for(record.dataset, record.fingerprint)),
            ("Backend", f"{versions} on {record.device} ({place})"),
        ]
    return Table(experiment.title, ("", ""), tuple(rows), tuple(notes), align="ll")
