"""The outputs of an experiment: what is printed, and the files of its output folder.

Made from the ledger alone, restricted to the runs of the plan, so that the same command always gives the same table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kbnd import data
from kbnd.analysis.compare import METRICS, compare
from kbnd.analysis.timing import time_ratios
from kbnd.files import write_whole
from kbnd.ledger import Ledger
from kbnd.records import RunRecord
from kbnd.report.figures import draw
from kbnd.report.outputs import write_outputs
from kbnd.report.overview import as_rows
from kbnd.report.render import Table
from kbnd.report.tables import report_tables
from kbnd.study.definition import Experiment, PublishedTable, Study
from kbnd.study.runner import Outcome


@dataclass(frozen=True)
class Report:
    """Everything that is known of an experiment's runs.

    Attributes:
        name: of the experiment, with the backend.
        difference: in words, what makes it another experiment than the report's.
        runs: rows of runs.csv.
        epochs: rows of epochs.csv.
        comparison: rows of comparison.csv.
        ratios: times as ratios to the baseline.
        tables: ready to print.
        environments: machine, versions and threads of each session that trained any of the runs.
        n_bad: runs that failed, ran out of memory or diverged.
    """

    name: str
    difference: str
    runs: pd.DataFrame
    epochs: pd.DataFrame
    comparison: pd.DataFrame
    ratios: pd.DataFrame
    tables: list[Table]
    environments: dict[str, dict[str, Any]]
    n_bad: int


def make(study: Study, experiment: Experiment, outcome: Outcome, *, ledger: Path) -> Report:
    """Read the plan's runs from the ledger and compare them."""
    planned = {run.run_id for run in outcome.runs}
    with Ledger.open(ledger, create=False, read_only=True) as opened:
        runs, epochs = (read(outcome.label, digest=outcome.definition) for read in (opened.runs, opened.epochs))
        runs, epochs = runs[runs["run_id"].isin(planned)], epochs[epochs["run_id"].isin(planned)]
        records = _first_of_each_session(opened, runs)
    arms = list(experiment.arms)
    published: dict[tuple[str, str], float] = {
        (arm, table.metric): value
        for table in study.tables
        for row in table.rows
        for arm, value in zip(row.arms, row.published, strict=False)
        if value is not None
    }
    metrics = list(dict.fromkeys([*METRICS, *(table.metric for table in study.tables)]))
    comparison = compare(runs, baseline=study.baseline, metrics=metrics, published=published, arms=arms)
    ratios = time_ratios(runs, baseline=study.baseline, arms=arms)
    tables = [_about(study, outcome.label, runs, next(iter(records.values()), None))]
    tables += report_tables(comparison, ratios, published=_asked(study, arms), difference=experiment.difference)
    environments = {session: record.environment for session, record in records.items()}
    n_bad = int(runs["status"].isin(["failed", "oom", "diverged"]).sum())
    return Report(outcome.label, experiment.difference, runs, epochs, comparison, ratios, tables, environments, n_bad)


def write(report: Report, folder: Path) -> list[Path]:
    """Write every file of the output folder; raises as `kbnd.report.outputs.write_outputs` does."""
    drawn = draw(report.runs, report.epochs, report.comparison, report.ratios, difference=report.difference)
    written = write_outputs(
        folder,
        runs=report.runs,
        epochs=report.epochs,
        comparison=report.comparison,
        ratios=report.ratios,
        tables=report.tables,
        figures=drawn,
    )
    environments = json.dumps(report.environments, indent=2, sort_keys=True) + "\n"
    return [*written, write_whole(folder / "environment.json", environments.encode())]


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as JSON values."""
    return {
        "experiment": report.name,
        "difference": report.difference,
        "runs": as_rows(report.runs),
        "comparison": as_rows(report.comparison),
        "times": as_rows(report.ratios),
    }


def _first_of_each_session(ledger: Ledger, runs: pd.DataFrame) -> dict[str, RunRecord]:
    """The first run of each session, by session."""
    first = runs.sort_values("started_at").drop_duplicates("session")
    found = {str(run.session): ledger.get(str(run.run_id)) for run in first.itertuples()}
    return {session: record for session, record in found.items() if record is not None}


def _asked(study: Study, arms: list[str]) -> list[PublishedTable]:
    """The report's tables without the rows of which no arm was chosen."""
    kept = [t.model_copy(update={"rows": tuple(r for r in t.rows if set(r.arms) & set(arms))}) for t in study.tables]
    return [table for table in kept if table.rows]


def _about(study: Study, label: str, runs: pd.DataFrame, record: RunRecord | None) -> Table:
    """What was run, on what: the heading of everything printed."""
    counts = ", ".join(f"{n} {status}" for status, n in runs["status"].value_counts().items())
    rows = [("Report", study.report)] if study.report else []
    rows += [("Experiment", label), ("Runs", counts)]
    notes = []
    if record is not None:
        about = record.environment
        versions = f"{record.backend} {record.backend_version}, Keras {record.keras_version}"
        cores = f"{about.get('n_cores_usable')} cores of {about.get('cpu')}"
        place = cores if record.device == "cpu" else about.get("gpu")
        rows += [
            ("Data", data.label_for(record.dataset, record.fingerprint)),
            ("Backend", f"{versions} on {record.device} ({place})"),
        ]
        notes = [note for note in [data.note_for(record.dataset, record.fingerprint)] if note]
    return Table(study.title, ("", ""), tuple(rows), tuple(notes), align="ll")
