"""Ledgers in which one value is what no kbnd would store: every column of every table, one after the other."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ledger_records import SETTING, label, record

from kbnd.ledger import Ledger
from kbnd.records import SearchEvent

AT = "2026-01-02T03:04:05+00:00"

VALUES: dict[str, Any] = {
    "nothing": None,
    "text": "no number",
    "number": 0.5,
    "infinity": float("inf"),
    "bytes": b"\x00\xff",
    "invalid text": sqlite3.Binary(b"caf\xe9"),  # made text by a cast
    "huge": 2**63 - 1,
    "negative": -5,
    "long text": "long" * 30_000,
    "brackets": "[" * 5_000,
    "nested": '{"machine": [1], "train": [2], "values": 3, "run_ids": [4], "a": {"b": [{}]}}',
}


RUNS = [record(seed=seed, dropout=rate, val_accuracy=0.7) for rate in (0.0, 0.5) for seed in (1, 2)]
STUDY = "a.study"
FIRST = min(run.run_id for run in RUNS)
"""The first rows of their tables, which are those that are damaged."""


def new_ledger(path: Path) -> Path:
    """A ledger with rows in every table: a study of two arms, a search of two candidates, a claim."""
    runs = RUNS
    with Ledger.open(path) as ledger:
        ledger.merge(runs)
        names = ("baseline", "baseline", "dropout", "dropout")
        ledger.assign(STUDY, "ab" * 8, map(label, names, runs), title="A study")
        info = ledger.begin_search("search", {"objective": "val_accuracy", "setting": asdict(SETTING)})
        for ordinal, run in ((1, runs[0]), (2, runs[2])):
            ask = {"values": {"model.dropout": 0.5}, "epochs": 2, "run_ids": {"1": run.run_id}}
            end = {"status": "done", "score": 0.7, "told": 0.7, "wall_s": 1.0, "sessions": {"1": "s1"}}
            for kind, body in (("ask", ask), ("end", end)):
                n = len(ledger.search_events(info))
                ledger.append_event(info, SearchEvent(n + 1, kind, ordinal, body, AT))  # type: ignore[arg-type]
        labels = [label("trial001", runs[0]), label("trial002", runs[2])]
        ledger.assign("search", "cd" * 8, labels, title="A search")
        ledger.claim(record(seed=9).run_id)
        ledger._held.clear()  # it stays, as that of a process that was killed
    with closing(sqlite3.connect(path)) as db:  # what keeps honest programs from storing nothing keeps no damage out
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table'")
        db.commit()
    return path


def columns(path: Path) -> Iterator[tuple[str, str]]:
    """Yield every column of every table."""
    with closing(sqlite3.connect(path)) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall():
            yield from ((table, column[1]) for column in db.execute(f"PRAGMA table_info({table})"))


def put(path: Path, table: str, column: str, value: Any) -> bool:
    """Store a value in the first row of a table; False where a key cannot hold it."""
    with closing(sqlite3.connect(path)) as db:
        key = ", ".join(name for _, name, _, _, _, place in db.execute(f"PRAGMA table_info({table})") if place)
        new = "CAST(? AS TEXT)" if isinstance(value, memoryview) else "?"
        first = f"({key}) = (SELECT {key} FROM {table} ORDER BY {key} LIMIT 1)"
        try:
            db.execute(f"UPDATE {table} SET {column} = {new} WHERE {first}", (value,))
        except sqlite3.IntegrityError:
            return False
        db.commit()
        return True
