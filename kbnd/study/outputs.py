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
from kbnd.analysis.compare import METRICS, compare, is_time
from kbnd.analysis.metrics import with_metrics
from kbnd.analysis.timing import time_ratios
from kbnd.files import write_whole
from kbnd.ledger import Ledger
from kbnd.records import RunRecord
from kbnd.report.datasets import data_note_of
from kbnd.report.figures import draw
from kbnd.report.notes import data_notes
from kbnd.report.outputs import write_outputs
from kbnd.report.overview import as_rows
from kbnd.report.render import Table
from kbnd.report.tables import report_tables
from kbnd.study.choices import Experiment
from kbnd.study.definition import Study
from kbnd.study.runner import Outcome


@dataclass(frozen=True)
class Report:
    """Everything that is known of an experiment's runs.

    Attributes:
        name: of the experiment, with the backend.
        difference: in words, what makes it another experiment than the report's.
        data_note: what must be said beside results on its images; usually nothing.
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
    data_note: str
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
    against: dict[str, Any] = {
        "baseline": experiment.baseline,
        "baselines": experiment.baselines,
        "arms": list(experiment.arms),
    }
    wanted = _metrics(study)
    derived = with_metrics(runs, epochs, wanted)
    done = derived[derived["status"] == "done"]
    metrics = [name for name in wanted if name in METRICS or done.empty or done[name].notna().any()]
    comparison = compare(derived, metrics=metrics, published=_published(study), **against)
    ratios = time_ratios(runs, **against)
    note = data_note_of(runs)
    tables = [_about(study, outcome.label, runs, next(iter(records.values()), None), note)]
    tables += report_tables(
        comparison,
        ratios,
        published=study.tables,
        further=_claimed(study),
        difference=experiment.difference,
        data_note=note,
    )
    return Report(
        name=outcome.label,
        difference=experiment.difference,
        data_note=note,
        runs=runs,
        epochs=epochs,
        comparison=comparison,
        ratios=ratios,
        tables=tables,
        environments={session: record.environment for session, record in records.items()},
        n_bad=int(runs["status"].isin(["failed", "oom", "diverged"]).sum()),
    )


def write(report: Report, folder: Path) -> list[Path]:
    """Write every file of the output folder; raises as `kbnd.report.outputs.write_outputs` does."""
    said = {"difference": report.difference, "data_note": report.data_note}
    drawn = draw(report.runs, report.epochs, report.comparison, report.ratios, **said)
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
        "data_note": report.data_note,
        "runs": as_rows(report.runs),
        "comparison": as_rows(report.comparison),
        "times": as_rows(report.ratios),
    }


def _first_of_each_session(ledger: Ledger, runs: pd.DataFrame) -> dict[str, RunRecord]:
    """The first run of each session, by session."""
    first = runs.sort_values("started_at").drop_duplicates("session")
    found = {str(run.session): ledger.get(str(run.run_id)) for run in first.itertuples()}
    return {session: record for session, record in found.items() if record is not None}


def _metrics(study: Study) -> list[str]:
    """What is compared: the usual metrics, then those that the report's tables and the study's claims look at."""
    tables = [table.metric for table in study.tables]
    claims = [test.metric for claim in study.claims for test in claim.tests]
    return list(dict.fromkeys([*METRICS, *tables, *claims]))


def _claimed(study: Study) -> dict[str, set[str]]:
    """Metric -> the arms that claims compare by it, but for what has a table of its own: test accuracy and times."""
    found: dict[str, set[str]] = {}
    for test in (test for claim in study.claims for test in claim.tests):
        if test.metric != "test_accuracy" and not is_time(test.metric):
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


def _about(study: Study, label: str, runs: pd.DataFrame, record: RunRecord | None, note: str) -> Table:
    """What was run, on what: the heading of everything printed."""
    counts = ", ".join(f"{n} {status}" for status, n in runs["status"].value_counts().items())
    rows = [("Report", study.report)] if study.report else []
    rows += [("Experiment", label), ("Runs", counts)]
    if record is not None:
        about = record.environment
        versions = f"{record.backend} {record.backend_version}, Keras {record.keras_version}"
        cores = f"{about.get('n_cores_usable')} cores of {about.get('cpu')}"
        place = cores if record.device == "cpu" else about.get("gpu")
        rows += [
            ("Data", data.label_for(record.dataset, record.fingerprint)),
            ("Backend", f"{versions} on {record.device} ({place})"),
        ]
    return Table(study.title, ("", ""), tuple(rows), tuple(data_notes(note)), align="ll")
