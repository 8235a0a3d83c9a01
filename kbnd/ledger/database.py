"""The SQLite file of a ledger: opened, where it is one, and locked for one transaction after another.

A ledger that another process keeps locked is waited for as long as its user has patience. Those who work for hours
have it until they are told to stop, and lose nothing to a lock. With several drivers this holds for up to a minute:
nobody is heard of while the ledger is locked, so what a process claimed may then be trained by another one, and is
stored once.

Rollback journal, `synchronous=FULL`, every write in one `BEGIN IMMEDIATE` transaction: a process killed at any
instant leaves either the state before the transaction or the one after it. A crash in the middle leaves a *hot
journal* beside the file, which the next process that may write rolls back.

Nothing here reads the file by other means than SQLite: closing a second file handle would drop the locks that this
process holds on it (SQLite, "How To Corrupt An SQLite Database File", 2.2).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from kbnd.errors import LedgerLockedError, UsageError
from kbnd.files import check_file
from kbnd.ledger import sqlite_errors
from kbnd.ledger.columns import check_columns, damaged, misplaced, undecodable
from kbnd.ledger.schema import APPLICATION_ID, MIGRATIONS, TABLES
from kbnd.ledger.sqlite_errors import EmptyLedgerError, NotUtf8Error, translated

Patience = Callable[[], bool]
"""Whether to go on waiting for a locked ledger; asked whenever `BUSY_TIMEOUT_S` have passed."""

Mode = Literal["rwc", "rw", "ro"]
"""Write and make the file where it does not exist, write, or only read: a file without write permission will do."""

READ_BY_DRIVERS = ("runs", "labels", "studies", "claims", "searches", "thread_counts")
"""Tables that are asked for single rows as long as a driver works, and are looked at as a whole before."""

JOURNAL = "-journal"
"""What SQLite puts behind a ledger's name for the file of a write that is under way."""

LONGEST_NAME = 255 - len(JOURNAL)
LONGEST_PATH = 512 - len(JOURNAL)
"""Bytes that leave room for the journal's name in a folder, and in SQLite."""

_HOT = (sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY)


def open_database(path: Path, mode: Mode) -> sqlite3.Connection:
    """Open a ledger's file and bring it to the current format.

    Args:
        path: the file.
        mode: what is to be done with it.

    Returns:
        A connection in autocommit mode, proven writable unless it is only read.

    Raises:
        UsageError: not a ledger or no file at all, from a newer kbnd, damaged, missing or not writable.
        NoSpaceError: the disk is full.
    """
    check_file(path, what="ledger", may_be_new=mode == "rwc")
    for name, longest in ((path.name, LONGEST_NAME), (str(path.absolute()), LONGEST_PATH)):
        if (n := len(os.fsencode(name))) > longest:
            raise UsageError(f"the name of the ledger, {name!r:.80}, has {n} bytes, SQLite works with up to {longest}")
    with translated(path):
        return _open_reading(path) if mode == "ro" else _open_writing(path, mode)


def connect(path: Path, mode: Mode) -> sqlite3.Connection:
    """Connect with the settings every connection of kbnd shares; only mode `rwc` creates the file."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    db = sqlite3.connect(uri, uri=True, timeout=sqlite_errors.BUSY_TIMEOUT_S, isolation_level=None)
    try:
        for setting in ("foreign_keys = ON", "synchronous = FULL", "trusted_schema = OFF"):
            db.execute(f"PRAGMA {setting}")
    except BaseException:
        db.close()
        raise
    return db


def impatient() -> bool:
    """Wait no longer."""
    return False


@contextmanager
def transaction(db: sqlite3.Connection, path: Path, *, is_patient: Patience = impatient) -> Iterator[None]:
    """Hold the write lock from the first statement on; everything is stored at the end, or nothing."""
    with translated(path):
        _lock(db, path, "BEGIN IMMEDIATE", is_patient)
        try:
            yield
            _lock(db, path, "COMMIT", is_patient)  # readers are let out first
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


@contextmanager
def snapshot(db: sqlite3.Connection, path: Path, *, is_patient: Patience = impatient) -> Iterator[None]:
    """See one state of the ledger throughout several reads; inside a transaction, its own."""
    with translated(path):
        if db.in_transaction:
            yield
            return
        db.execute("BEGIN")
        try:
            _lock(db, path, "SELECT 1 FROM sqlite_schema LIMIT 1", is_patient)  # no later read can be locked out
            yield
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")


@contextmanager
def sound_snapshot(
    db: sqlite3.Connection, path: Path, tables: Iterable[str], *, is_patient: Patience = impatient
) -> Iterator[None]:
    """See one state of the ledger in which every value of some tables has its type, and every index its rows.

    Raises:
        UsageError: there is none; it names table, row and column.
    """
    try:
        with snapshot(db, path, is_patient=is_patient):
            check_columns(db, path, tables)
            yield
    except NotUtf8Error as error:  # of whatever table: found again, to be named
        with translated(path):
            clauses = [*misplaced(db), *undecodable(db)]
        raise damaged(path, clauses[0]) if clauses else error from error


def _lock(db: sqlite3.Connection, path: Path, statement: str, is_patient: Patience) -> None:
    """Execute a statement that takes a lock, again and again while another process has it and there is patience."""
    while True:
        try:
            with translated(path):
                db.execute(statement).fetchall()
            return
        except LedgerLockedError:
            if not is_patient():
                raise


def _open_writing(path: Path, mode: Literal["rwc", "rw"]) -> sqlite3.Connection:
    db = connect(path, mode)
    try:
        _refuse_strange(db, path)
        _migrate(db)
        check_columns(db, path, READ_BY_DRIVERS)
        # SQLite opens a file it may not write as read-only and says so at the first write: provoke it here.
        db.execute("BEGIN IMMEDIATE")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("ROLLBACK")
    except BaseException:
        db.close()
        raise
    return db


def _open_reading(path: Path) -> sqlite3.Connection:
    try:
        return _checked_for_reading(path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode not in _HOT:
            raise
    # A crash left a hot journal: where this process may write, opening for writing rolls it back.
    with closing(connect(path, "rw")) as db:
        db.execute("PRAGMA user_version").fetchone()
    return _checked_for_reading(path)


def _checked_for_reading(path: Path) -> sqlite3.Connection:
    db = connect(path, "ro")
    try:
        _refuse_strange(db, path)
        version = _version(db)
        if version == 0:
            raise EmptyLedgerError(f"{path} is empty: nothing was stored in it yet")
        return db if version == len(MIGRATIONS) else _migrated_copy(db)
    except BaseException:
        db.close()
        raise


def _migrated_copy(db: sqlite3.Connection) -> sqlite3.Connection:
    """Return a ledger of an older format in memory, in the present one: who reads a file leaves it as it is."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    try:
        copy.execute("PRAGMA trusted_schema = OFF")
        db.backup(copy)
        _migrate(copy)
    except BaseException:
        copy.close()
        raise
    db.close()
    return copy


def _refuse_strange(db: sqlite3.Connection, path: Path) -> None:
    version = _version(db)
    if version > len(MIGRATIONS):
        raise UsageError(
            f"the ledger {path} was written by a newer kbnd (ledger format {version}, this kbnd knows up to "
            f"{len(MIGRATIONS)}): upgrade kbnd"
        )
    things = db.execute("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").fetchall()
    if things and db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise UsageError(f"{path} is an SQLite file but not a ledger of kbnd")
    # A trigger or view is SQL that would run when the ledger is used: kbnd writes none and runs none.
    strange = [f"{kind} {name!r}" for kind, name in things if kind == "trigger" or (kind == "view" and name in TABLES)]
    if strange:
        raise UsageError(f"the ledger {path} holds the {strange[0]}, which kbnd did not write")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _migrate(db: sqlite3.Connection) -> None:
    if _version(db) == len(MIGRATIONS):
        return
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("BEGIN IMMEDIATE")
    try:
        # Read again under the lock: another process may have migrated meanwhile.
        for statements in MIGRATIONS[_version(db) :]:
            for statement in statements:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
