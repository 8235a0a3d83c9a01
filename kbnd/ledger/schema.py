"""The tables of a ledger, and how the fields of a record become SQLite values.

| table           | one row per                                    | written by                   |
|-----------------|------------------------------------------------|------------------------------|
| `runs`          | run                                            | `begin`, `finish`, `import_` |
| `epochs`        | run and epoch                                  | `add_epoch`, `finish`        |
| `studies`       | study: its current definition                  | `assign`                     |
| `labels`        | study, definition, arm, seed, replicate -> run | `assign`                     |
| `claims`        | run that some process is training              | `claim`, the heartbeat       |
| `searches`      | search and generation                          | `begin_search`, `import_`    |
| `search_events` | entry in the log of a search                   | `append_event`, `import_`    |
| `thread_counts` | study or search that was begun without a run   | `settle_n_threads`           |

A label may name a run that is not stored yet: it is planned. The definitions a study had earlier keep their labels,
so that two drivers of one study with different settings do not rob each other: each reads its own by digest.

A float that is not a number becomes NULL, as SQLite itself does; the status `diverged` says what happened.
"""

from __future__ import annotations

import dataclasses
import json
import math
import operator
import types
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from kbnd.ledger import row_digests
from kbnd.records import EpochRecord, RunRecord
from kbnd.spec import LARGEST, canonical_json

APPLICATION_ID = 0x6B626E64
"""The letters "kbnd" in the header of the file: tells a ledger from any other SQLite file."""

_FIRST = (
    """CREATE TABLE runs (
        run_id TEXT PRIMARY KEY, recipe_id TEXT NOT NULL, model TEXT NOT NULL, dataset TEXT NOT NULL,
        seed INTEGER NOT NULL, replicate INTEGER NOT NULL, status TEXT NOT NULL,
        backend TEXT NOT NULL, backend_version TEXT NOT NULL, keras_version TEXT NOT NULL, device TEXT NOT NULL,
        fingerprint TEXT NOT NULL, protocol TEXT NOT NULL,
        session TEXT NOT NULL, block INTEGER, position INTEGER, is_concurrent INTEGER NOT NULL,
        started_at TEXT NOT NULL,
        n_epochs INTEGER NOT NULL, n_parameters INTEGER, n_steps INTEGER, n_test INTEGER,
        test_accuracy REAL, test_loss REAL, val_accuracy REAL, val_loss REAL,
        fit_s REAL, steady_train_s REAL, epoch_s REAL, compile_s REAL, wall_s REAL,
        peak_rss_bytes INTEGER, peak_device_bytes INTEGER, energy_j REAL,
        host TEXT, boot_id TEXT, token TEXT, finished_at REAL,
        error TEXT, spec TEXT NOT NULL, environment TEXT NOT NULL, test_correct BLOB)""",
    """CREATE TABLE epochs (
        run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE, epoch INTEGER NOT NULL,
        train_loss REAL, train_accuracy REAL, train_eval_loss REAL, train_eval_accuracy REAL,
        val_loss REAL, val_accuracy REAL, test_loss REAL, test_accuracy REAL,
        train_s REAL, val_s REAL, is_warmup INTEGER NOT NULL, images_per_s REAL, hook_s REAL,
        peak_rss_bytes INTEGER, peak_device_bytes INTEGER, energy_j REAL, power_w REAL,
        PRIMARY KEY (run_id, epoch)) WITHOUT ROWID""",
    """CREATE TABLE studies (
        study TEXT PRIMARY KEY, digest TEXT NOT NULL, title TEXT NOT NULL, difference TEXT NOT NULL,
        assigned_at REAL NOT NULL)""",
    """CREATE TABLE labels (
        study TEXT NOT NULL, digest TEXT NOT NULL, arm TEXT NOT NULL, seed INTEGER NOT NULL,
        replicate INTEGER NOT NULL, run_id TEXT NOT NULL, ordinal INTEGER NOT NULL,
        PRIMARY KEY (study, digest, arm, seed, replicate)) WITHOUT ROWID""",
    "CREATE INDEX labels_by_run ON labels (run_id)",
    """CREATE TABLE claims (
        run_id TEXT PRIMARY KEY, token TEXT NOT NULL, host TEXT NOT NULL, boot_id TEXT NOT NULL,
        pid_namespace TEXT NOT NULL, pid INTEGER NOT NULL, process_started TEXT NOT NULL,
        claimed_at REAL NOT NULL, heartbeat_at REAL NOT NULL) WITHOUT ROWID""",
)

_OWN_BASELINES = ("ALTER TABLE studies ADD COLUMN baselines TEXT NOT NULL DEFAULT '{}'",)

_SEARCHES = (
    """CREATE TABLE searches (
        search TEXT NOT NULL, generation INTEGER NOT NULL, definition TEXT NOT NULL, created_at TEXT NOT NULL,
        PRIMARY KEY (search, generation)) WITHOUT ROWID""",
    """CREATE TABLE search_events (
        search TEXT NOT NULL, generation INTEGER NOT NULL, event INTEGER NOT NULL, kind TEXT NOT NULL,
        ordinal INTEGER NOT NULL, body TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (search, generation, event),
        FOREIGN KEY (search, generation) REFERENCES searches (search, generation) ON DELETE CASCADE) WITHOUT ROWID""",
)

BY_VALIDATION_ONCE = "nothing was looked at on test images"
"""What the difference of an experiment in which validation images choose ended with, up to format 3."""

# Up to format 3 a run that two sessions trained had both of their names, joined by a plus sign.
_COLUMNS_FOR_PROSE = (
    "ALTER TABLE runs ADD COLUMN continued_from TEXT",
    """UPDATE runs SET continued_from = rtrim(rtrim(session, replace(session, '+', '')), '+'),
        session = substr(session, length(rtrim(session, replace(session, '+', ''))) + 1)
        WHERE instr(session, '+') > 0""",
    "ALTER TABLE studies ADD COLUMN is_by_validation INTEGER NOT NULL DEFAULT 0",
    f"UPDATE studies SET is_by_validation = 1 WHERE difference LIKE '%{BY_VALIDATION_ONCE}'",
)

# Rows from before keep NULL: a digest made now would certify what nobody has checked.
_DIGESTS_AND_THREADS = (
    "ALTER TABLE runs ADD COLUMN digest TEXT",
    "ALTER TABLE search_events ADD COLUMN digest TEXT",
    "CREATE TABLE thread_counts (name TEXT PRIMARY KEY NOT NULL, n_threads INTEGER NOT NULL) WITHOUT ROWID",
    *row_digests.ADDED,
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _OWN_BASELINES, _SEARCHES, _COLUMNS_FOR_PROSE, _DIGESTS_AND_THREADS)
"""Statements that take a ledger of format i to i + 1; the format is SQLite's `user_version`. Only ever appended to."""

TABLES = ("runs", "epochs", "studies", "labels", "claims", "searches", "search_events", "thread_counts")

Kind = Literal["text", "count", "number", "flag", "json", "bits"]

_KINDS: dict[Any, Kind] = {str: "text", int: "count", float: "number", bool: "flag", dict: "json", bytes: "bits"}


class Field(NamedTuple):
    """What a record's field holds and whether it may be None."""

    kind: Kind
    is_optional: bool
    is_required: bool


class Bounds(NamedTuple):
    """What a number of a record may be."""

    low: float
    high: float
    in_words: str


_AT_LEAST_ONE = ("seed", "epoch")
_FROM_ONE = Bounds(1, LARGEST, "should be at least 1")
_FROM_ZERO = Bounds(0, LARGEST, "should be at least 0")
_SHARE = Bounds(0.0, 1.0, "should lie in [0, 1]")
_AMOUNT = Bounds(0.0, math.inf, "should not be negative")


def bounds_of(name: str, kind: Kind) -> Bounds | None:
    """Return what a field may be, by its name and kind; None for texts, and for a loss, which may be anything."""
    if kind == "count":
        return _FROM_ONE if name in _AT_LEAST_ONE else _FROM_ZERO
    if kind != "number" or name.endswith("_loss"):
        return None
    return _SHARE if name.endswith("_accuracy") else _AMOUNT


def _number(value: Any) -> float | None:
    number = float(value)
    return None if number != number else number


# Converted explicitly, because sqlite3 would store a NumPy float32 as the bytes of its buffer.
_ENCODE: dict[Kind, Callable[[Any], Any]] = {
    "text": str,
    "count": operator.index,
    "number": _number,
    "flag": lambda value: int(bool(value)),
    "json": canonical_json,
    "bits": bytes,
}


def _fields(record: type[RunRecord] | type[EpochRecord]) -> dict[str, Field]:
    hints = get_type_hints(record)
    table = {}
    for field in dataclasses.fields(record):
        hint = hints[field.name]
        options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
        value_type = next(option for option in options if option is not type(None))
        kind = "text" if get_origin(value_type) is Literal else _KINDS.get(get_origin(value_type) or value_type)
        no_default = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if kind is not None:
            table[field.name] = Field(kind, type(None) in options, no_default)
    return table


RUN_FIELDS = _fields(RunRecord)
"""Every field of a `RunRecord` but its epochs."""

EPOCH_FIELDS = _fields(EpochRecord)


def encode(fields: dict[str, Field], record: RunRecord | EpochRecord) -> tuple[Any, ...]:
    """Return a record's fields as SQLite values, in the order of `fields`."""
    values = ((field.kind, getattr(record, name)) for name, field in fields.items())
    return tuple(None if value is None else _ENCODE[kind](value) for kind, value in values)


def decode(fields: dict[str, Field], row: Sequence[Any]) -> dict[str, Any]:
    """Return SQLite values as keyword arguments of a record; what cannot be decoded is left for `checks`."""
    return {name: _decoded(field.kind, value) for (name, field), value in zip(fields.items(), row, strict=True)}


def decoded_json(text: Any) -> Any:
    """Return what a JSON text says; anything else is left for `checks`."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return text


def _decoded(kind: Kind, value: Any) -> Any:
    if kind == "flag" and value in (0, 1):
        return bool(value)
    return decoded_json(value) if kind == "json" else value
