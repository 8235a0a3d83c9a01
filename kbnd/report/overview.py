"""What `kbnd compare` and `kbnd train` print: the arms of one experiment in a ledger, or a single run."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from kbnd.analysis.compare import METRICS, TEST_COLUMNS, VALIDATION_METRICS, compare, without_test
from kbnd.analysis.selection import measured
from kbnd.analysis.stats import mean_interval
from kbnd.analysis.timing import time_ratios
from kbnd.errors import UsageError, unknown
from kbnd.ledger import Reader
from kbnd.ledger.frames import RARE_COLUMNS, as_filed
from kbnd.records import FRESH, RunRecord, is_own
from kbnd.report.datasets import data_note, data_note_of
from kbnd.report.numbers import plus_minus, quantity
from kbnd.report.table import PLUS_MINUS, Table
from kbnd.report.tables.notes import data_notes
from kbnd.report.tables.study import report_tables
from kbnd.words import counted


@dataclass(frozen=True)
class Overview:
    """The comparison of one experiment.

    Attributes:
        study: its name in the ledger.
        difference: in words, what makes it another experiment than the report's.
        comparison: rows of comparison.csv.
        ratios: times as ratios to the baseline.
        tables: both, ready to print.
    """

    study: str
    difference: str
    comparison: pd.DataFrame
    ratios: pd.DataFrame
    tables: list[Table]


def compare_ledger(path: Path, *, study: str | None = None, baseline: str | None = None) -> Overview:
    """Compare the arms of an experiment that a ledger holds; a search's candidates by validation images alone.

    Args:
        path: the ledger.
        study: the experiment; may be None where the ledger holds one only.
        baseline: the reference arm of all; None is the study's own, and its arms' own.

    Raises:
        UsageError: no such experiment or arm, several to choose from, or no finished run.
    """
    with Reader.open(path) as ledger:
        study = _chosen(study, ledger.studies(), path)
        runs, about, arms = ledger.runs(study=study), ledger.about(study), ledger.arms(study)
        is_search = study in ledger.searches()
    if runs.empty:
        raise UsageError(f"the experiment {study!r} in {path} has no runs yet")
    if baseline is not None and baseline not in arms:
        raise unknown("arm", baseline, arms)
    against: dict[str, Any] = {"baseline": baseline or arms[0], "arms": arms}
    if baseline is None:
        against["baselines"] = {arm: other for arm, other in about.baselines.items() if other in arms}
    metrics: Sequence[str] = METRICS
    if is_search or about.is_by_validation:
        metrics, runs = VALIDATION_METRICS, without_test(runs, kept=(FRESH,) if is_search else ())
    comparison, ratios = compare(runs, metrics=metrics, **against), time_ratios(runs, **against)
    rows = (("Experiment", study), ("Runs", f"{len(runs)} in {path}"))
    notes = _search_notes(runs) if is_search else ()
    tables = [Table(about.title or study, ("", ""), rows, notes, align="ll")]
    said: dict[str, Any] = {"difference": about.difference, "data_note": data_note_of(runs)}
    tables += report_tables(comparison, ratios, metrics=metrics[:1], **said)
    return Overview(study, about.difference, comparison, ratios, tables)


def _search_notes(runs: pd.DataFrame) -> tuple[str, ...]:
    """What is not shown of candidates, and what the best of them reaches on test images with fresh seeds."""
    notes = [
        "Candidates are compared by validation images alone; what they reach on test images is not shown.",
        f"The best trial was chosen for its score: differences to it flatter it. {PLUS_MINUS} is half a 95 % interval "
        "here, and the SD over seeds in the search's own tables.",
    ]
    reached = mean_interval(measured(runs, "test_accuracy")["test_accuracy"])
    if reached.n:
        shown = quantity("test_accuracy")
        mean = plus_minus(shown, reached.estimate, reached.low, reached.high)
        notes.append(f"Test accuracy of {FRESH}: {mean} {shown.unit}, n = {reached.n}.")
    return tuple(notes)


def as_json(overview: Overview) -> dict[str, Any]:
    """Return a comparison as JSON values."""
    found = {"comparison": as_rows(overview.comparison), "times": as_rows(overview.ratios)}
    return {"study": overview.study, "difference": overview.difference, **found}


def stored_runs(path: Path, *, study: str | None = None) -> pd.DataFrame:
    """Return the runs of a ledger, or of one experiment in it, as in runs.csv; of candidates no test result."""
    with Reader.open(path) as ledger:
        runs, searches, candidates = ledger.runs(study=study), ledger.searches(), ledger.candidates()
    of_search = runs["study"].isin(searches) & (runs["arm"] != FRESH)
    runs.loc[of_search | runs["run_id"].isin(candidates), list(TEST_COLUMNS)] = float("nan")
    return runs


def stored_run(path: Path, run_id: str) -> RunRecord:
    """Return one run by its id or the first characters of it; of a candidate no test result.

    Raises:
        UsageError: there is none, or there are several.
    """
    with Reader.open(path) as ledger:
        record = ledger.get(run_id)
        if record is None:
            ids = [found for found in dict.fromkeys(ledger.runs()["run_id"]) if found.startswith(run_id)]
            if len(ids) != 1:
                raise UsageError(f"{path} holds {len(ids) or 'no'} runs whose id starts with {run_id!r}")
            record = ledger.get(ids[0])
        is_candidate = record is not None and record.run_id in ledger.candidates()
    assert record is not None
    return _by_validation(record) if is_candidate else record


def _by_validation(record: RunRecord) -> RunRecord:
    epochs = tuple(replace(epoch, test_accuracy=None, test_loss=None) for epoch in record.epochs)
    return replace(record, epochs=epochs, test_accuracy=None, test_loss=None, test_correct=None)


def run_tables(runs: pd.DataFrame, path: Path) -> list[Table]:
    """Return runs as tables, one for each experiment, one row a run."""
    columns = ("Run", "Arm", "Seed", "Replicate", "Status", "Backend", "Epochs", "Test acc., %", "Training, s")
    tables = []
    for study, group in runs.groupby(runs["study"].fillna("runs of no experiment"), sort=False):
        rows = [
            (
                run["run_id"][:10],
                run["arm"] if isinstance(run["arm"], str) else run["model"],
                str(run["seed"]),
                "-" if is_own(run["replicate"]) else str(run["replicate"]),
                *(str(run[name]) for name in ("status", "backend", "epochs")),
                _number(run["test_accuracy"], 2, scale=100),
                _number(run["fit_s"], 1),
            )
            for run in group.to_dict("records")
        ]
        notes = tuple(data_notes(data_note_of(group)))
        count = counted(len(rows), "run")
        tables.append(Table(f"{study}: {count} in {path}", columns, tuple(rows), notes, align="llrrllrrr"))
    return tables or [Table(f"no runs in {path}", columns, (), align="llrrllrrr")]


def as_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows as JSON values; what is not a number is null."""
    return json.loads(as_filed(frame).to_json(orient="records", double_precision=15))


def run_as_json(record: RunRecord) -> dict[str, Any]:
    """Return a run's record as JSON values; the per-image bits are hexadecimal."""
    bits, fields = record.test_correct, asdict(record)
    rare = [name for name in RARE_COLUMNS if fields[name] is None]
    fields = {name: value for name, value in fields.items() if name not in rare}
    return _finite({**fields, "test_correct": None if bits is None else bits.hex()})


def run_table(record: RunRecord) -> Table:
    """Return one run as a table: a row for each epoch, the result in the notes."""
    columns = ("Epoch", "Train loss", "Train acc., %", "Val. loss", "Val. acc., %", "Training, s")
    rows = []
    for epoch in record.epochs:
        warmup = " (with compilation)" if epoch.is_warmup else ""
        losses = [_number(epoch.train_loss, 4), _number(epoch.train_accuracy, 2, scale=100)]
        held_out = [_number(epoch.val_loss, 4), _number(epoch.val_accuracy, 2, scale=100)]
        rows.append((str(epoch.epoch), *losses, *held_out, _number(epoch.train_s, 2) + warmup))
    tested = (
        f"Test accuracy after the last epoch: {_number(record.test_accuracy, 2, scale=100)} % (n = 1 seed, "
        f"{record.n_test} images), test loss {_number(record.test_loss, 4)} nats."
    )
    is_hidden = record.status == "done" and record.test_accuracy is None
    notes = [
        f"Status {record.status}" + (f": {record.error}" if record.error else "."),
        "A candidate of a search: what it reaches on test images is not shown." if is_hidden else tested,
        "Train columns are means over the epoch with dropout on; validation is in eval mode.",
        f"Run {record.run_id}, {record.backend} {record.backend_version} on {record.device}.",
        *data_notes(data_note(record.dataset, record.fingerprint)),
    ]
    return Table(f"{record.model} on {record.dataset}, seed {record.seed}", columns, tuple(rows), tuple(notes))


def _finite(value: Any) -> Any:
    """The value with null in place of what JSON has no number for: the loss of a diverged run."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: float | None, digits: int, *, scale: float = 1.0) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{scale * value:.{digits}f}"


def _chosen(study: str | None, found: list[str], path: Path) -> str:
    if study is not None:
        if study not in found:
            raise unknown("experiment", study, found or ["(none: the ledger holds no experiment)"])
        return study
    if not found:
        raise UsageError(f"the ledger {path} holds no experiment: run a study first")
    if len(found) > 1:
        raise UsageError(f"the ledger {path} holds several experiments: choose one with --study: {', '.join(found)}")
    return found[0]
