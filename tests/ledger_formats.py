"""Ledgers of older formats, as a kbnd of their time wrote them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kbnd.ledger import Ledger, database, schema

_LATER = (
    *((1, 4, "runs", "continued_from"), (1, 5, "runs", "digest"), (3, 5, "search_events", "digest")),
    *((4, 5, table, "row_digest") for table in ("studies", "labels")),
    (3, 5, "searches", "row_digest"),
)
"""First format of a table, format that brought a column of those that this kbnd writes, table, column."""


@contextmanager
def older_ledger(file: Path, format: int) -> Iterator[Ledger]:
    """A ledger of an older format, open for writing as a kbnd of that time would have written it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", schema.MIGRATIONS[:format])
        patch.setattr(database, "READ_BY_DRIVERS", ())  # tables of today, which are looked at by what they hold now
        with Ledger.open(file) as old:
            later = [(table, column) for first, since, table, column in _LATER if first <= format < since]
            for table, column in later:
                old._db.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT")
            yield old
            for table, column in later:
                old._db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")


def unsealed(export: Path, format: int = 3) -> list[dict]:
    """The lines of an export as an older kbnd would have written them, which cannot tell whether they are whole."""
    first, *lines, end = [json.loads(line) for line in export.read_text().splitlines()]
    assert (first["ledger"]["format"], list(end)) == (4, ["end"])
    for line in lines:
        for kind in ("run", "search_event"):
            line.get(kind, {}).pop("digest", None)
    return [{"ledger": {"format": format}}, *lines]
