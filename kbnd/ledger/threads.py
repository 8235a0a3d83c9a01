"""With how many threads a study, a search or a run was begun: what the first of its runs on a CPU recorded.

Before there is one, whoever opens the ledger first settles the count of a study or search, under the write lock: two
drivers that begin at once, with executors of their own, train with one count.

Runs that were imported count only where none was trained into this ledger: they change nothing of what is going on.

A study keeps that count, so that its table does not mix the bits of several; a search does, so that it goes on as if
it had never stopped; and a run that goes on from a checkpoint does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from kbnd.circumstances import n_threads_of
from kbnd.ledger.row_digests import insertion, signed
from kbnd.ledger.schema import decoded_json
from kbnd.ledger.search_checks import run_ids_in
from kbnd.ledger.searches import read_events, read_search
from kbnd.records import FAILURES


def read_first_count(db: sqlite3.Connection, name: str, planned: Callable[[], Iterable[str]]) -> int | None:
    """Return the threads that a study or search was begun with: as settled, else as its first run had.

    Args:
        db: of the ledger.
        name: of the study or search; empty for a run of its own.
        planned: ids of the runs that are wanted, asked for where the ledger has none under the name.

    Returns:
        None where it is not settled, and no run is stored or none says how many.
    """
    return _settled(db, name) or _first_count(db, _runs_under(db, name)) or _first_count(db, set(planned()))


def settle_count(
    db: sqlite3.Connection, name: str, planned: Callable[[], Iterable[str]], *, usual: int | None
) -> int | None:
    """Return what `read_first_count` does; where that is None, settle for what the caller's runs would take.

    Args:
        db: of the ledger, in a transaction that writes.
        name: of the study or search; nothing is settled for an empty one.
        planned: ids of the runs that are wanted.
        usual: how many threads the caller's executor gives each run; None settles nothing.
    """
    count = read_first_count(db, name, planned)
    if count is not None or usual is None or not name:
        return count
    db.execute(insertion("thread_counts", on_conflict="REPLACE"), signed("thread_counts", (name, usual)))
    return usual


def _settled(db: sqlite3.Connection, name: str) -> int | None:
    row = db.execute("SELECT n_threads FROM thread_counts WHERE name = ?", (name,)).fetchone()
    return None if row is None else n_threads_of({"n_threads": row[0]}, "")


def _runs_under(db: sqlite3.Connection, name: str) -> set[str]:
    """Every run that was ever labelled as one of this name, or that its search asked for."""
    run_ids = {run_id for (run_id,) in db.execute("SELECT DISTINCT run_id FROM labels WHERE study = ?", (name,))}
    info = read_search(db, name)
    return run_ids if info is None else run_ids | run_ids_in(info, read_events(db, info))


def _first_count(db: sqlite3.Connection, run_ids: set[str]) -> int | None:
    query = """SELECT run_id, environment, backend FROM runs WHERE device = 'cpu' AND status NOT IN (?, ?)
        ORDER BY token IS NULL, started_at"""
    rows = db.execute(query, FAILURES) if run_ids else ()
    counts = (n_threads_of(decoded_json(text), backend) for run_id, text, backend in rows if run_id in run_ids)
    return next((count for count in counts if count is not None), None)
