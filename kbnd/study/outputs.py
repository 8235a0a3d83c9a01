"""The outputs of an experiment: what is printed, and the files of its output folder.

Made from the ledger alone, restricted to the runs of the plan, so that the same command always gives the same table.
A narrower command replaces the files of a wider one: what they showed stays in the ledger, and `left_out` says so.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kbnd import data
from kbnd.analysis.blinding import blind_experiment, is_of_test, metrics_shown
from kbnd.analysis.compare import compare, is_time
from kbnd.analysis.metrics import with_metrics
from kbnd.analysis.timing import time_ratios
from kbnd.ledger import Reader
from kbnd.records import FAILURES, RunRecord
from kbnd.report.datasets import data_note_of
from kbnd.report.figures.study import draw
from kbnd.report.folder import Outputs, write_outputs
from kbnd.report.frames import Frames
from kbnd.report.json_values import as_rows
from kbnd.report.machines import place_in_words
from kbnd.report.table import Table
from kbnd.report.tables.notes import data_notes
from kbnd.report.tables.study import report_tables
from kbnd.study.definition import Study
from kbnd.study.experiment import Experiment
from kbnd.study.runner import Outcome
from kbnd.words import counted


@dataclass(frozen=True)
class Report:
    """Everything that is known of an experiment's runs.

    Attributes:
        name: of the experiment, with the backend.
        title: of the study.
        ledger: where its runs are.
        difference: in words, what makes it another experiment than the report's.
        data_note: what must be said beside results on its images; usually nothing.
        runs: rows of runs.csv.
        epochs: rows of epochs.csv.
        comparison: rows of comparison.csv.
        ratios: times as ratios to the baseline.
        metric: the accuracy that arms are compared by: of test images, or of validation where something is chosen.
        tables: ready to print.
        claims: ids of what the study claims.
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
    claims: tuple[str, ...]
    environments: dict[str, dict[str, Any]]
    n_bad: int


def make(study: Study, experiment: Experiment, outcome: Outcome, *, ledger: Path) -> Report:
    """Read the plan's runs from the ledger and compare them."""
    planned = {run.run_id for run in outcome.runs}
    with Reader.open(ledger) as opened:
        runs, epochs = (read(outcome.label, digest=outcome.definition) for read in (opened.runs, opened.epochs))
        runs, epochs = runs[runs["run_id"].isin(planned)], epochs[epochs["run_id"].isin(planned)]
        records = opened.sessions(runs.sort_values("started_at"))
    if experiment.is_by_validation:
        runs, epochs = blind_experiment(runs), blind_experiment(epochs)
    against: dict[str, Any] = {
        "baseline": experiment.baseline,
        "baselines": experiment.baselines,
        "arms": list(experiment.arms),
    }
    usual, wanted = _usual(experiment), _metrics(study, experiment)
    derived = with_metrics(runs, epochs, wanted)
    done = derived[derived["status"] == "done"]
    metrics = [name for name in wanted if name in usual or done.empty or done[name].notna().any()]
    comparison = compare(derived, metrics=metrics, published=_published(study), **against)
    ratios = time_ratios(runs, **against)
    note = data_note_of(runs)
    said = [*([experiment.claims] if experiment.claims else []), *data_notes(note)]
    tables = [_about(study, outcome.label, runs, next(iter(records.values()), None), said)]
    tables += report_tables(
        comparison,
        ratios,
        published=[table for table in study.tables if table.metric in wanted],
        metrics=usual[:1],
        further=_claimed(study, usual[0]),
        difference=experiment.difference,
        data_note=note,
    )
    return Report(
        name=outcome.label,
        title=study.title,
        ledger=ledger,
        difference=experiment.difference,
        data_note=note,
        runs=runs,
        epochs=epochs,
        comparison=comparison,
        ratios=ratios,
        metric=usual[0],
        tables=tables,
        claims=tuple(claim.id for claim in study.claims),
        environments={session: record.environment for session, record in records.items()},
        n_bad=int(runs["status"].isin([*FAILURES, "diverged"]).sum()),
    )


def write(report: Report, folder: Path) -> list[Path]:
    """Write every file of the output folder; raises as `kbnd.report.folder.write_outputs` does.

    Where that replaces what an earlier call showed, a warning says what is left out.
    """
    if words := left_out(report, folder):
        warnings.warn(words, stacklevel=1)
    frames = Frames(report.runs, report.epochs, report.comparison, report.ratios)
    outputs = Outputs(
        runs=report.runs,
        epochs=report.epochs,
        comparison=report.comparison,
        ratios=report.ratios,
        tables=report.tables,
        figures=draw(frames, metric=report.metric, difference=report.difference, data_note=report.data_note),
        claims=report.claims,
        environments=report.environments,
    )
    return write_outputs(folder, outputs)


def left_out(report: Report, folder: Path) -> str:
    """Return in words which runs of this experiment a folder's runs.csv shows and the report does not; usually none.

    A narrower choice of arms, seeds or replicates leaves runs out, and so does a study's file that was edited.
    """
    file = folder / "runs.csv"
    try:
        shown = pd.read_csv(file, usecols=["study", "run_id"], dtype=str)
    except (OSError, ValueError):  # there is none, or it is somebody else's
        return ""
    gone = set(shown.loc[shown["study"] == report.name, "run_id"].dropna()) - set(report.runs["run_id"])
    if not gone:
        return ""
    with Reader.open(report.ledger) as ledger:
        n_kept = sum(ledger.status(run_id) is not None for run_id in gone)
    count = f"{counted(len(gone), 'run')} of {report.name}"
    kept = "keeps" if n_kept == len(gone) else f"keeps {n_kept} of"
    return (
        f"no longer in {file}: {count}; {report.ledger} {kept} them: the study, arms and seeds of before show them "
        f"again, kbnd ledger list {report.ledger} lists them"
    )


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as JSON values."""
    return {
        "experiment": report.name,
        "title": report.title,
        "difference": report.difference,
        "data_note": report.data_note,
        "runs": as_rows(report.runs),
        "comparison": as_rows(report.comparison),
        "times": as_rows(report.ratios),
    }


def _usual(experiment: Experiment) -> tuple[str, ...]:
    """The metrics that every experiment compares, its accuracy first."""
    return metrics_shown(is_blind=experiment.is_by_validation)


def _metrics(study: Study, experiment: Experiment) -> list[str]:
    """What is compared: the usual metrics, then those that the report's tables and the study's claims look at."""
    tables = [table.metric for table in study.tables]
    claims = [test.metric for claim in study.claims for test in claim.tests]
    found = dict.fromkeys([*_usual(experiment), *tables, *claims])
    return [metric for metric in found if not (experiment.is_by_validation and is_of_test(metric))]


def _claimed(study: Study, accuracy: str) -> dict[str, set[str]]:
    """Metric -> the arms that claims compare by it, but for what has a table of its own: `accuracy` and times."""
    found: dict[str, set[str]] = {}
    for test in (test for claim in study.claims for test in claim.tests):
        if test.metric != accuracy and not is_time(test.metric):
            found.setdefault(test.metric, set()).update(test.arms)
    return found


def _published(study: Study) -> dict[tuple[str, str], float]:
    """The report's own numbers by arm and metric."""
    return {
        (arm, table.metric): value
        for table in study.tables
        for row in table.rows
        for arm, value in zip(row.arms, row.published, strict=False)
        if value is not None
    }


def _about(study: Study, label: str, runs: pd.DataFrame, record: RunRecord | None, said: list[str]) -> Table:
    """What was run, on what: the heading of everything printed."""
    counts = ", ".join(f"{n} {status}" for status, n in runs["status"].value_counts().items())
    rows = [("Report", study.report)] if study.report else []
    rows += [("Experiment", label), ("Runs", counts)]
    if record is not None:
        versions = f"{record.backend} {record.backend_version}, Keras {record.keras_version}"
        place = place_in_words(record.environment, record.device)
        rows += [
            ("Data", data.label_for(record.dataset, record.fingerprint)),
            ("Backend", f"{versions} on {record.device} ({place})"),
        ]
    return Table(study.title, ("", ""), tuple(rows), tuple(said), align="ll")
