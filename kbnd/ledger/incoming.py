"""What is to be imported: another ledger or JSON lines exported from one, told apart by their content."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

from kbnd.errors import UsageError
from kbnd.files import check_file
from kbnd.ledger.checks import strays
from kbnd.ledger.database import open_database, sound_snapshot
from kbnd.ledger.jsonl import Thing, read_jsonl
from kbnd.ledger.row_digests import changed_rows
from kbnd.ledger.rows import read_labels, read_runs
from kbnd.ledger.schema import TABLES
from kbnd.ledger.searches import LoggedEvent, read_event_digests, read_logs
from kbnd.ledger.sqlite_errors import NotSQLiteError
from kbnd.records import RUNNING


@contextmanager
def things_of(source: Path) -> Iterator[Iterator[Thing]]:
    """Open what is to be imported; what its runs, labels and searches say is still unchecked.

    Raises:
        UsageError: it is missing, neither a ledger nor JSON lines, or a ledger of which not every row can be seen.
    """
    check_file(source, what="file to import")
    try:
        db = open_database(source, "ro")
    except NotSQLiteError:
        yield read_jsonl(source)
        return
    with closing(db), sound_snapshot(db, source, TABLES), closing(_things_in(db)) as things:
        for problem in chain(strays(db), changed_rows(db)):
            raise UsageError(f"{source}: {problem}; nothing was imported")
        yield things


def _things_in(db: sqlite3.Connection) -> Generator[Thing]:
    yield from read_labels(db)
    yield from (run for run in read_runs(db) if run.record.status != RUNNING)
    for info, log in read_logs(db):
        yield info
        for event, digest in zip(log, read_event_digests(db, info), strict=True):
            yield LoggedEvent(info.name, info.generation, event, digest)
