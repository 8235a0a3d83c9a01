"""Digests of single rows: which run an arm is, what a study is called, what a search looks for, with how many threads.

    row_digest = digest of [table, value, value, ...], in the order of `COLUMNS`

Runs and entries of logs have a digest of what they mean, which travels with them (`kbnd.ledger.plain`). These rows are
written anew by whoever takes them in, so theirs is of the values as this file holds them. NULL is from before digests.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from kbnd.spec import digest

COLUMNS: dict[str, tuple[str, ...]] = {
    "studies": ("study", "digest", "title", "difference", "baselines", "is_by_validation", "assigned_at"),
    "labels": ("study", "digest", "arm", "seed", "replicate", "run_id", "ordinal"),
    "searches": ("search", "generation", "definition", "created_at"),
    "thread_counts": ("name", "n_threads"),
}
"""Table -> what the digest of a row is made from: everything else that it holds."""

ADDED = tuple(f"ALTER TABLE {table} ADD COLUMN row_digest TEXT" for table in COLUMNS)
"""Statements that bring the column into a ledger."""


def insertion(table: str, *, on_conflict: str) -> str:
    """Return the statement that stores a row of `signed` values.

    Args:
        table: one of `COLUMNS`.
        on_conflict: what happens where there is such a row: `ABORT`, `REPLACE` or `IGNORE`.
    """
    columns = (*COLUMNS[table], "row_digest")
    places = ", ".join("?" for _ in columns)
    return f"INSERT OR {on_conflict} INTO {table} ({', '.join(columns)}) VALUES ({places})"


def signed(table: str, values: Sequence[Any]) -> tuple[Any, ...]:
    """Return the SQLite values of a row, in the order of `COLUMNS`, with their digest."""
    return (*values, digest([table, *values]))


def changed_rows(db: sqlite3.Connection) -> Iterator[str]:
    """Yield one sentence for each row that is not what it was stored as."""
    for table, columns in COLUMNS.items():
        for *values, stored in db.execute(f"SELECT {', '.join(columns)}, row_digest FROM {table}"):
            if stored is not None and stored != _digest(table, values):
                yield f"a row of {table} ({values[0]!r:.80}, {values[1]!r:.40}, ...) was changed since it was stored"


def _digest(table: str, values: Sequence[Any]) -> str | None:
    """The digest of stored values; None of what JSON has not, which kbnd never stored."""
    try:
        return digest([table, *values])
    except (TypeError, ValueError):
        return None
