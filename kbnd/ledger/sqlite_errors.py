"""SQLite's errors as kbnd's: one sentence each, which says what happened to the ledger and what can be done."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kbnd.errors import KbndError, LedgerLockedError, NoSpaceError, UsageError
from kbnd.locks import file_system, has_record_locks

BUSY_TIMEOUT_S = 30.0
"""How long SQLite waits for a lock before it gives up."""

_UNDELETABLE = (sqlite3.SQLITE_IOERR_DELETE, sqlite3.SQLITE_IOERR_ACCESS)
_UNLOCKABLE = (
    *(sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_RDLOCK, sqlite3.SQLITE_IOERR_UNLOCK),
    sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
)
_UNWRITTEN = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE)

_WITHOUT_ITS_SCHEMA = ("no such table", "no such column", "no such index", "unsupported file format")
"""How SQLite's errors begin of a ledger whose tables are no longer those of one."""


class NotSQLiteError(UsageError):
    """The file is no SQLite file at all; for an import it may be JSON lines."""


class NotUtf8Error(UsageError):
    """A text that was read is not UTF-8."""


class EmptyLedgerError(UsageError):
    """The file is empty, as that of a ledger which another process is just making."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn the errors of SQLite into kbnd's."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explained(path, error) from error
    except UnicodeDecodeError as error:  # what SQLite says of a damaged schema quotes it, and sqlite3 decodes that
        raise NotUtf8Error(f"the ledger {path} is damaged: it holds text that is not UTF-8") from error


def _explained(path: Path, error: sqlite3.Error) -> KbndError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    primary = code & 0xFF
    if str(error).startswith("Could not decode to UTF-8"):  # Python's own, without a code
        return NotUtf8Error(f"the ledger {path} is damaged: it holds text that is not UTF-8")
    journal = path.with_name(path.name + "-journal")
    if primary == sqlite3.SQLITE_NOTADB:
        return NotSQLiteError(f"{path} is not a ledger (not an SQLite file)")
    if primary == sqlite3.SQLITE_CORRUPT or str(error).startswith(_WITHOUT_ITS_SCHEMA):
        return UsageError(f"the ledger {path} is damaged ({error}): restore a copy")
    if primary == sqlite3.SQLITE_FULL:
        return NoSpaceError(f"the disk that holds the ledger {path} is full: what was stored before is safe")
    if code in _UNWRITTEN:
        return NoSpaceError(
            f"the ledger {path} cannot grow ({error}): the disk is full, a quota is reached or it is faulty"
        )
    if code == sqlite3.SQLITE_READONLY_DBMOVED:
        return UsageError(
            f"the ledger {path} was deleted, moved or replaced while it was open: what was stored before is in the "
            "file that had this name, nothing more can be"
        )
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM) or code in _UNDELETABLE:
        if journal.exists():
            return UsageError(
                f"the ledger {path} was left by a crash in the middle of a write and is read-only here: make the file, "
                f"{journal.name} and their folder writable once, so that it can be repaired"
            )
        if path.exists() and not os.access(path, os.R_OK):
            return UsageError(f"the ledger {path} cannot be read: its permissions do not let this user")
        return UsageError(f"the ledger {path} cannot be written: the file or its folder is read-only")
    is_locked = primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    if code in _UNLOCKABLE or (is_locked and not has_record_locks(path.absolute().parent)):
        return UsageError(
            f"the ledger {path} lies on a file system without locks ({file_system(path)}), where writers would damage "
            "it: put it on another (--ledger, KBND_LEDGER)"
        )
    if is_locked:
        return LedgerLockedError(
            f"the ledger {path} was locked by another process for more than {BUSY_TIMEOUT_S:.0f} s"
        )
    return KbndError(f"the ledger {path} could not be used: {error}")
