"""The tables runs.csv and epochs.csv as pandas frames: one row per run, or per run and epoch, of each study.

The first columns are those that every output folder promises, in its order; what follows helps a reader who looks
closer. A run that repeats another for its time, as the A/A control does, has an arm of its own, `baseline (A/A)`:
grouped by arm, no seed counts twice. Counts that may be missing are nullable integers, so that bytes never turn into
floats.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from kbnd.analysis.selection import with_repeat_names
from kbnd.circumstances import n_threads_of
from kbnd.errors import UsageError
from kbnd.ledger.schema import EPOCH_FIELDS, RUN_FIELDS, Field, bounds_of, decoded_json
from kbnd.ledger.values import is_name
from kbnd.printable import printable

RUN_COLUMNS = (
    *("study", "arm", "seed", "replicate", "status", "backend", "epochs"),
    *("test_accuracy", "test_loss", "val_accuracy", "val_loss"),
    *("fit_s", "steady_train_s", "epoch_s", "compile_s", "peak_rss_bytes", "peak_device_bytes", "energy_j"),
    *("run_id", "recipe_id"),
)
"""What runs.csv promises, in its order."""

EPOCH_COLUMNS = (
    *("run_id", "arm", "seed", "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"),
    *("test_loss", "test_accuracy", "train_s", "val_s", "is_warmup"),
)
"""What epochs.csv promises, in its order."""

_ALL_RUN_COLUMNS = (
    *RUN_COLUMNS,
    *("session", "block", "position", "machine", "is_concurrent", "model", "dataset", "device"),
    *("backend_version", "keras_version", "n_parameters", "n_steps", "n_test", "wall_s", "started_at", "error"),
    *("fingerprint", "continued_from", "n_threads"),
)

FORMULA = ("=", "+", "-", "@", "\t")
"""How a text begins that a spreadsheet takes for a formula."""

RARE_COLUMNS = ("continued_from",)
"""Columns that a file has only where a run has a value."""

_ALL_EPOCH_COLUMNS = (
    *EPOCH_COLUMNS,
    *("train_eval_loss", "train_eval_accuracy", "images_per_s", "hook_s"),
    *("peak_rss_bytes", "peak_device_bytes", "energy_j", "power_w", "study", "replicate"),
)

_SQL_NAMES = {
    "study": "l.study",
    "arm": "l.arm",
    "epochs": "r.n_epochs",
    **dict.fromkeys(("machine", "n_threads"), "r.environment"),
}

# A study is seen as its current definition unless another one is asked for; runs of no study have no label.
_LABELS = """(SELECT l.study, l.arm, l.run_id, l.ordinal FROM labels l
    JOIN studies s ON s.study = l.study AND l.digest = coalesce(:digest, s.digest)
    WHERE :study IS NULL OR l.study = :study) l"""
_ORDER = "ORDER BY l.study IS NULL, l.study, l.ordinal, r.started_at, r.run_id"


def read_run_frame(db: sqlite3.Connection, study: str | None, digest: str | None) -> pd.DataFrame:
    """Return the stored runs of a study (or of all, and those of none) in the order of its labels."""
    columns = ", ".join(_SQL_NAMES.get(name, f"r.{name}") for name in _ALL_RUN_COLUMNS)
    rows = db.execute(
        f"SELECT {columns} FROM runs r {_join(study)} {_LABELS} ON l.run_id = r.run_id {_ORDER}",
        {"study": study, "digest": digest},
    ).fetchall()
    frame = pd.DataFrame(rows, columns=list(_ALL_RUN_COLUMNS), dtype=object)
    environments = [decoded_json(text) for text in frame["machine"]]
    frame["machine"] = list(map(_machine, environments, frame["run_id"]))
    frame["n_threads"] = list(map(n_threads_of, environments, frame["backend"]))
    own = {"epochs": Field("count", False, True), "n_threads": Field("count", True, False)}
    return with_repeat_names(_typed(frame, {**RUN_FIELDS, **own}))


def read_epoch_frame(db: sqlite3.Connection, study: str | None, digest: str | None) -> pd.DataFrame:
    """Return the epochs of the same runs, in the same order."""
    own = {"study": "l.study", "arm": "l.arm", "seed": "r.seed", "replicate": "r.replicate"}
    columns = ", ".join(own.get(name, f"e.{name}") for name in _ALL_EPOCH_COLUMNS)
    rows = db.execute(
        f"SELECT {columns} FROM runs r {_join(study)} {_LABELS} ON l.run_id = r.run_id "
        f"JOIN epochs e ON e.run_id = r.run_id {_ORDER}, e.epoch",
        {"study": study, "digest": digest},
    ).fetchall()
    frame = pd.DataFrame(rows, columns=list(_ALL_EPOCH_COLUMNS), dtype=object)
    fields = {**EPOCH_FIELDS, "seed": RUN_FIELDS["seed"], "replicate": RUN_FIELDS["replicate"]}
    return with_repeat_names(_typed(frame, fields))


def read_correctness(db: sqlite3.Connection, run_ids: Iterable[str]) -> dict[str, NDArray[np.bool_]]:
    """Return run id -> whether the run was right on each test image, of those runs that have it stored."""
    wanted = set(run_ids)
    query = "SELECT run_id, test_correct, n_test FROM runs WHERE test_correct IS NOT NULL AND n_test > 0"
    with closing(db.execute(query)) as rows:
        return {run_id: _unpacked(run_id, packed, n) for run_id, packed, n in rows if run_id in wanted}


def _unpacked(run_id: str, packed: bytes, n_test: int) -> NDArray[np.bool_]:
    """One bit for each test image as a truth value."""
    if len(packed) != -(-n_test // 8):
        raise UsageError(
            f"run {run_id} is damaged: test_correct holds {len(packed)} bytes for {n_test} test images; "
            "`kbnd ledger verify` lists all"
        )
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=n_test).astype(bool)


def as_filed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table as its file holds it: without `RARE_COLUMNS` that say nothing."""
    return frame.drop(columns=[name for name in RARE_COLUMNS if name in frame and frame[name].isna().all()])


def to_csv(frame: pd.DataFrame) -> bytes:
    """Return a table as a CSV file that is safe to print and to open in a spreadsheet.

    What would drive a terminal is spelled (`kbnd.printable`), and a text that a spreadsheet would calculate gets an
    apostrophe before it. Names and numbers, and all other texts of a sound ledger, stay as they are.

    Reference: OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection
    """
    texts = {str(name): frame[name].map(_cell) for name in frame if not is_numeric_dtype(frame[name])}
    frame = frame.assign(**texts).rename(columns=_cell)
    return frame.to_csv(index=False, lineterminator="\n").encode()


def _cell(value: Any) -> Any:
    if not isinstance(value, str) or is_name(value):
        return value
    return "'" * value.startswith(FORMULA) + printable(value, keep="\n\t")


def _join(study: str | None) -> str:
    return "LEFT JOIN" if study is None else "JOIN"


def _typed(frame: pd.DataFrame, fields: dict[str, Field]) -> pd.DataFrame:
    for name in frame.columns:
        field = fields.get(name, Field("text", True, False))
        try:
            if field.kind == "number":
                frame[name] = pd.to_numeric(frame[name]).astype("float64")
            elif field.kind == "count":
                frame[name] = frame[name].astype("Int64" if field.is_optional else "int64")  # no float on the way
            elif field.kind == "flag":
                frame[name] = frame[name].astype("bool")
        except (TypeError, ValueError):
            raise UsageError(f"the column {name} of the ledger holds values that are not numbers: see verify") from None
        if (bounds := bounds_of(name, field.kind)) is not None:
            _refuse(frame, name, ~frame[name].between(bounds.low, bounds.high), bounds.in_words)
    return frame


def _refuse(frame: pd.DataFrame, name: str, is_wrong: pd.Series, should: str) -> None:
    """Refuse a table in which a value that is there is wrong, by the first of them."""
    rows = frame[is_wrong.fillna(False) & frame[name].notna()]
    if len(rows):
        run_id, value = rows.iloc[0][["run_id", name]]
        raise UsageError(f"run {run_id!r:.40}: {name} {should}, received {value}: see `kbnd ledger verify`")


def _machine(environment: Any, run_id: Any) -> str | None:
    """The machine of a run; the one part of an environment that tables group by."""
    machine = environment.get("machine") if isinstance(environment, dict) else environment
    if machine is not None and (machine is environment or not isinstance(machine, str)):
        what = "environment should be an object" if machine is environment else "environment.machine should be text"
        raise UsageError(f"run {run_id!r:.40}: {what}, received {machine!r:.80}: see `kbnd ledger verify`")
    return machine
