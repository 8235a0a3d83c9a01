"""What each column of a ledger can hold: SQLite lets every column hold anything, so this is asked where one is read.

A table that is read as a whole is asked in SQL, in one pass: whether integers, real numbers, texts and bytes stand
where `kbnd.ledger.schema` declares them, and NULL where it may. What one must be besides is for `checks`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from kbnd.errors import UsageError
from kbnd.ledger.schema import MIGRATIONS, TABLES

_STORED = {"TEXT": "text", "INTEGER": "integer", "REAL": "real", "BLOB": "blob"}
"""Declared type -> SQLite's name of the values that belong there."""

_OF_VALUES = ("NULL value in", "TEXT value in", "NUMERIC value in", "non-", "CHECK")
"""How SQLite begins what `misplaced` says with the row."""

_IN_WORDS = {"text": "text", "integer": "a whole number", "real": "a number", "blob": "bytes", "null": "nothing"}


class _Column(NamedTuple):
    name: str
    allowed: list[str]
    is_key: bool


def check_columns(db: sqlite3.Connection, path: Path, tables: Iterable[str]) -> None:
    """Refuse to read tables with a value that is not of its column's type, or an index that does not find every row.

    Raises:
        UsageError: it names the table, and row and column of the first value.
    """
    for clause in (*unfound(db, tables), *misplaced(db, tables)):
        raise damaged(path, clause)


def damaged(path: Path, clause: str) -> UsageError:
    """Return the error for a ledger of which one thing is wrong."""
    return UsageError(f"the ledger {path} is damaged: {clause}; `kbnd ledger verify` lists all")


def unfound(db: sqlite3.Connection, tables: Iterable[str]) -> Iterator[str]:
    """Yield one clause for each thing that SQLite finds wrong with tables and their indexes: a query would miss it."""
    for table in tables:
        lines = complaints(db, table)
        yield from (f"table {table}: {line}" for line in lines if not line.startswith(_OF_VALUES))


def complaints(db: sqlite3.Connection, table: str = "") -> Iterator[str]:
    """Yield each thing that SQLite finds wrong with a table, or with the whole file; of one page it can be dozens."""
    for (message,) in db.execute(f"PRAGMA integrity_check({table})" if table else "PRAGMA integrity_check").fetchall():
        yield from (line for line in message.splitlines() if line != "ok" and not line.startswith("*** in database"))


def misplaced(db: sqlite3.Connection, tables: Iterable[str] = TABLES) -> Iterator[str]:
    """Yield one clause for each value that is not of its column's type: table, row, column, and what is there."""
    for table in tables:
        columns = _columns()[table]
        types = ", ".join(f"typeof({column.name})" for column in columns)
        strange = " OR ".join(f"typeof({column.name}) NOT IN ({str(column.allowed)[1:-1]})" for column in columns)
        with _leniently(db):
            rows = db.execute(f"SELECT {_key(table)}, {types} FROM {table} WHERE {strange}").fetchall()
        for key, *row in rows:
            for column, holds in zip(columns, row, strict=True):
                if holds not in column.allowed:
                    should = " or ".join(_IN_WORDS[name] for name in column.allowed)
                    place = f"table {table}, row {key:.80}"
                    yield f"{place}: {column.name} should be {should}, it holds {_IN_WORDS[holds]}"


def undecodable(db: sqlite3.Connection) -> Iterator[str]:
    """Yield one clause for each text of any table that is not UTF-8."""
    for table, columns in _columns().items():
        texts = [column.name for column in columns if "text" in column.allowed]
        with _leniently(db):
            rows = db.execute(f"SELECT {_key(table)}, {', '.join(texts)} FROM {table}").fetchall()
        for key, *values in rows:
            for name, value in zip(texts, values, strict=True):
                if isinstance(value, str) and not _is_utf8(value):
                    yield f"table {table}, row {key:.80}: {name} is no text in UTF-8"


def _key(table: str) -> str:
    """SQL for the key of a row in words."""
    return " || ' ' || ".join(f"quote({column.name})" for column in _columns()[table] if column.is_key)


@lru_cache(maxsize=1)
def _columns() -> dict[str, tuple[_Column, ...]]:
    """The columns of every table, as the migrations declare them: those of a file may have been declared anew."""
    with closing(sqlite3.connect(":memory:")) as db:
        for statements in MIGRATIONS:
            for statement in statements:
                db.execute(statement)
        return {table: tuple(_declared(*row) for row in db.execute(f"PRAGMA table_info({table})")) for table in TABLES}


def _declared(_place: int, name: str, kind: str, is_required: int, _default: Any, key: int) -> _Column:
    return _Column(name, [_STORED[kind], *["null"] * (not (is_required or key))], is_key=bool(key))


@contextmanager
def _leniently(db: sqlite3.Connection) -> Iterator[None]:
    """Read text that is not UTF-8, with surrogates where it is not."""
    usual = db.text_factory
    db.text_factory = lambda content: content.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        db.text_factory = usual


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
