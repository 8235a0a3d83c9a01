"""With how many threads a study, a search or a run was begun: what the first of its runs on a CPU recorded.

Runs that were imported count only where none was trained into this ledger: they change nothing of what is going on.

A study keeps that count, so that its table does not mix the bits of several; a search does, so that it goes on as if
it had never stopped; and a run that goes on from a checkpoint does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from kbnd.circumstances import n_threads_of
from kbnd.ledger.schema import decoded_json
from kbnd.ledger.search_checks import run_ids_in
from kbnd.ledger.searches import read_events, read_search
from kbnd.records import FAILURES


def read_first_count(db: sqlite3.Connection, name: str, planned: Callable[[], Iterable[str]]) -> int | None:
    """Return the threads that the first run of a study or search was computed with.

    Args:
        db: of the ledger.
        name: of the study or search; empty for a run of its own.
        planned: ids of the runs that are wanted, asked for where the ledger has none under the name.

    Returns:
        None where no run is stored, or none says how many.
    """
    return _first_count(db, _runs_under(db, name)) or _first_count(db, set(planned()))


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
