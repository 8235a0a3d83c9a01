"""The runs of a ledger as they are listed, and one run with its epochs: what `kbnd ledger list` and `show` print."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from kbnd.analysis.blinding import blind_ledger, blind_record
from kbnd.circumstances import n_threads_of
from kbnd.errors import UsageError
from kbnd.ledger import Merged, Reader
from kbnd.ledger.frames import RARE_COLUMNS
from kbnd.records import EpochRecord, RunRecord, is_own
from kbnd.report.datasets import data_note, data_note_of
from kbnd.report.json_values import finite
from kbnd.report.table import Table
from kbnd.report.tables.notes import data_notes, placement_notes
from kbnd.spec import TABLES, RunSpec
from kbnd.words import counted

LIST_COLUMNS = ("Run", "Arm", "Seed", "Replicate", "Status", "Backend", "Epochs", "Test acc., %", "Training, s")
LIST_ALIGN = "llrrllrrr"

UNQUOTED = {"None": "default", "True": "yes", "False": "no"}
"""What Python prints of a value -> what a person reads."""

EPOCH_COLUMNS = ("Epoch", "Train loss", "Train acc., %", "Val. loss", "Val. acc., %", "Training, s")


def stored_runs(path: Path, *, study: str | None = None) -> pd.DataFrame:
    """Return the runs of a ledger, or of one experiment in it, as in runs.csv; of candidates no test result."""
    with Reader.open(path) as ledger:
        return blind_ledger(ledger.runs(study=study), searches=ledger.searches(), candidates=ledger.candidates())


def stored_run(path: Path, run_id: str) -> RunRecord:
    """Return one run by its id or the first characters of it; of a candidate no test result.

    Raises:
        UsageError: there is none, or there are several.
    """
    with Reader.open(path) as ledger:
        record = ledger.get(run_id)
        if record is None:
            ids = [stored for stored in dict.fromkeys(ledger.runs()["run_id"]) if stored.startswith(run_id)]
            if len(ids) != 1:
                raise UsageError(f"{path} holds {len(ids) or 'no'} runs whose id starts with {run_id!r}")
            record = ledger.get(ids[0])
        is_candidate = record is not None and record.run_id in ledger.candidates()
    assert record is not None
    return blind_record(record) if is_candidate else record


def run_tables(runs: pd.DataFrame, path: Path) -> list[Table]:
    """Return runs as tables, one for each experiment, one row a run."""
    tables = []
    for study, group in runs.groupby(runs["study"].fillna("runs of no experiment"), sort=False):
        rows = tuple(_cells(run) for run in group.to_dict("records"))
        notes = tuple(data_notes(data_note_of(group)))
        title = f"{study}: {counted(len(rows), 'run')} in {path}"
        tables.append(Table(title, LIST_COLUMNS, rows, notes, align=LIST_ALIGN))
    return tables or [Table(f"no runs in {path}", LIST_COLUMNS, (), align=LIST_ALIGN)]


def run_as_json(record: RunRecord) -> dict[str, Any]:
    """Return a run's record as JSON values; the per-image bits are hexadecimal."""
    bits, fields = record.test_correct, asdict(record)
    rare = {name for name in RARE_COLUMNS if fields[name] is None}
    fields = {name: value for name, value in fields.items() if name not in rare}
    return finite({**fields, "test_correct": None if bits is None else bits.hex()})


def run_table(record: RunRecord) -> Table:
    """Return one run as a table: a row for each epoch, the result in the notes."""
    mode = ", with dropout on" * _has_dropout(record)
    notes = (
        f"Status {record.status}" + (f": {record.error}" if record.error else "."),
        *_tested(record),
        f"Train columns are means over the epoch{mode}; validation is in eval mode.",
        *placement_notes([str(_spec_fields(record)["model"].get("batch_norm"))]),
        f"Run {record.run_id}, {record.backend} {record.backend_version} on {record.device}{_threads(record)}.",
        *data_notes(data_note(record.dataset, record.fingerprint)),
    )
    title = f"{record.model} on {record.dataset}, seed {record.seed}"
    return Table(title, EPOCH_COLUMNS, tuple(map(_epoch_cells, record.epochs)), notes)


def elsewhere_note(merged: Merged) -> str:
    """Return what an import has to say of runs that were trained here and, under other circumstances, there."""
    apart = merged.largest_difference
    largest = (
        "none has two test accuracies"
        if apart is None
        else f"the largest difference of test accuracy is {100 * apart:.2f} pp"
    )
    were = "run was" if merged.n_elsewhere == 1 else "runs were"
    return (
        f"{merged.n_elsewhere} {were} trained here and there with other thread counts, on other machines, on GPUs or "
        f"with other versions: those here stay, {largest}"
    )


def spec_table(record: RunRecord) -> Table:
    """Return what a run was asked to be, field by field, those at their default too."""
    rows = tuple(
        (part if i == 0 else "", name, _in_words(value))
        for part, fields in _spec_fields(record).items()
        for i, (name, value) in enumerate(fields.items())
    )
    notes = ("Fields at their default too; an option that is not named is the network's own.",)
    return Table("Spec", ("Part", "Field", "Value"), rows, notes, align="lll")


def _spec_fields(record: RunRecord) -> dict[str, dict[str, Any]]:
    """The fields of a run's spec by part, with their defaults where this version knows the spec."""
    try:
        spec = RunSpec(**record.spec).model_dump(mode="json")
    except (UsageError, TypeError):
        spec = {part: record.spec.get(part, {}) for part in TABLES} | record.spec
    parts = {part: fields if isinstance(fields := spec.pop(part), dict) else {"": fields} for part in TABLES}
    return parts | {"run": spec}


def _tested(record: RunRecord) -> list[str]:
    """What the run reached on test images; nothing of one that was not evaluated."""
    if record.test_accuracy is None:
        hidden = "A candidate of a search: what it reaches on test images is not shown."
        return [hidden] if record.status == "done" else []
    accuracy, loss = _number(record.test_accuracy, 2, scale=100), _number(record.test_loss, 4)
    return [
        f"Test accuracy after the last epoch: {accuracy} % (n = 1 seed, {record.n_test} images), test loss {loss} nats."
    ]


def _has_dropout(record: RunRecord) -> bool:
    rates = _spec_fields(record)["model"].get("dropout")
    return any(rates.values()) if isinstance(rates, dict) else bool(rates)


def _in_words(value: Any) -> str:
    """A field's value as a person reads it."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_in_words(one)}" for name, one in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_in_words, value)) or "none"
    return UNQUOTED.get(repr(value), str(value))


def _cells(run: dict[Any, Any]) -> tuple[str, ...]:
    """The row of a run in the list."""
    return (
        run["run_id"][:10],
        run["arm"] if isinstance(run["arm"], str) else run["model"],
        str(run["seed"]),
        "-" if is_own(run["replicate"]) else str(run["replicate"]),
        *(str(run[name]) for name in ("status", "backend", "epochs")),
        _number(run["test_accuracy"], 2, scale=100),
        _number(run["fit_s"], 1),
    )


def _epoch_cells(epoch: EpochRecord) -> tuple[str, ...]:
    """The row of an epoch in the table of its run."""
    return (
        str(epoch.epoch),
        _number(epoch.train_loss, 4),
        _number(epoch.train_accuracy, 2, scale=100),
        _number(epoch.val_loss, 4),
        _number(epoch.val_accuracy, 2, scale=100),
        _number(epoch.train_s, 2) + (" (with compilation)" if epoch.is_warmup else ""),
    )


def _threads(record: RunRecord) -> str:
    """With how many threads a run was computed on a CPU, where it says so."""
    n_threads = n_threads_of(record.environment, record.backend) if record.device == "cpu" else None
    return "" if n_threads is None else f", {counted(n_threads, 'thread')}"


def _number(value: float | None, digits: int, *, scale: float = 1.0) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{scale * value:.{digits}f}"
