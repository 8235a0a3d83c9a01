"""Taking the runs, labels and searches of another ledger in: strictly checked, as a whole or not at all.

| a run is here as     | and comes as         | then                                                        |
|----------------------|----------------------|-------------------------------------------------------------|
| nothing              | anything             | it is added                                                 |
| done, diverged       | done, diverged       | the one here stays; results that cannot differ refuse it     |
| done, diverged       | anything else        | the one here stays                                          |
| failed, interrupted, ... | done, diverged   | it is replaced                                              |
| failed, interrupted, ... | anything else    | the one here stays                                          |
| being trained        | anything             | the one here stays                                          |

The log of a search that is here is continued by what comes; where both have an entry, it must be the same one, or the
import is refused. So it is where a log says what the runs deny that are here afterwards (`kbnd.analysis.derivation`).

What two results of one run may differ in, `kbnd.ledger.trainings` says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kbnd.errors import UsageError
from kbnd.files import check_file
from kbnd.ledger.checks import problems_of, problems_of_labels, problems_of_logged
from kbnd.ledger.claims import all_claims, this_process
from kbnd.ledger.database import open_database, snapshot
from kbnd.ledger.jsonl import Thing, read_jsonl
from kbnd.ledger.rows import (
    StudyLabels,
    read_labels,
    read_run,
    read_runs,
    replace_run,
    write_labels,
    write_study,
)
from kbnd.ledger.search_checks import problems_of_event, problems_of_search
from kbnd.ledger.searches import (
    LoggedEvent,
    append,
    differences,
    read_event,
    read_events,
    read_logs,
    read_search,
    write_search,
)
from kbnd.ledger.sqlite_errors import NotSQLiteError
from kbnd.ledger.trainings import accuracies_apart, has_other_results
from kbnd.ledger.values import is_count, is_name
from kbnd.records import HITS, RUNNING, SearchEvent, SearchInfo
from kbnd.spec import canonical_json

_OF_ONE_TRAINING = ("wall_s", "sessions")


@dataclass(frozen=True)
class Merged:
    """What an import did.

    Attributes:
        n_added: runs that were new here.
        n_replaced: runs that had failed or been interrupted here and came finished.
        n_kept: runs that stayed as they were here.
        n_events: entries that the logs of searches grew by.
        n_elsewhere: of `n_kept`, those whose results differ because they were trained under other circumstances.
        largest_difference: of test accuracy between two such trainings; None where there is none, or none has one.
    """

    n_added: int
    n_replaced: int
    n_kept: int
    n_events: int = 0
    n_elsewhere: int = 0
    largest_difference: float | None = None


@contextmanager
def things_of(source: Path) -> Iterator[Iterator[Thing]]:
    """Open what is to be imported, a ledger or JSON lines, told apart by its content.

    Raises:
        UsageError: it is missing or neither.
    """
    check_file(source, what="file to import")
    try:
        db = open_database(source, "ro")
    except NotSQLiteError:
        yield read_jsonl(source)
        return
    with closing(db), snapshot(db, source):
        yield _things_in(db)


def _things_in(db: sqlite3.Connection) -> Iterator[Thing]:
    yield from read_labels(db)
    yield from (record for record in read_runs(db) if record.status != RUNNING)
    for info, log in read_logs(db):
        yield info
        yield from (LoggedEvent(info.name, info.generation, event) for event in log)


def merge(db: sqlite3.Connection, things: Iterable[Thing], *, here: Path, source: str) -> Merged:
    """Store runs, labels and searches, inside a transaction of the caller.

    Raises:
        UsageError: something that cannot be true, one run with two results, or one search with two logs.
    """
    statuses = dict(db.execute("SELECT run_id, status FROM runs"))
    process = this_process()
    training = {claim.run_id for claim in all_claims(db) if not claim.is_stale(process)}
    n_added = n_replaced = n_kept = n_events = 0
    searches: list[SearchInfo] = []
    differences_elsewhere: list[float | None] = []
    for thing in things:
        if isinstance(thing, StudyLabels):
            _merge_labels(db, thing, source)
            continue
        if isinstance(thing, SearchInfo):
            _merge_search(db, thing, here=here, source=source)
            searches.append(thing)
            continue
        if isinstance(thing, LoggedEvent):
            n_events += _merge_event(db, thing, here=here, source=source)
            continue
        for problem in problems_of(thing):
            raise UsageError(f"run {thing.run_id!r:.40} in {source}: {problem}; nothing was imported")
        status = statuses.get(thing.run_id)
        is_result = thing.status in HITS
        if status in HITS and is_result:
            ours = read_run(db, thing.run_id)
            assert ours is not None
            if has_other_results(ours, thing, here=here, source=source):
                differences_elsewhere.append(accuracies_apart(ours, thing))
        if status is not None and (status in HITS or not is_result or thing.run_id in training):
            n_kept += 1
            continue
        replace_run(db, thing)
        statuses[thing.run_id] = thing.status
        n_added += status is None
        n_replaced += status is not None
    _refuse_broken_logs(db, searches, source)
    largest = max((apart for apart in differences_elsewhere if apart is not None), default=None)
    return Merged(n_added, n_replaced, n_kept, n_events, len(differences_elsewhere), largest)


def _merge_labels(db: sqlite3.Connection, thing: StudyLabels, source: str) -> None:
    for problem in problems_of_labels(thing.study, thing.about, thing.labels):
        raise UsageError(f"{source}: {problem}; nothing was imported")
    write_labels(db, thing.study, thing.about.digest, thing.labels, is_replaced=False)
    if thing.is_current:
        write_study(db, thing.study, thing.about, is_replaced=False)


def _merge_search(db: sqlite3.Connection, theirs: SearchInfo, *, here: Path, source: str) -> None:
    for problem in problems_of_search(theirs):
        raise UsageError(f"search {theirs.name!r:.40} in {source}: {problem}; nothing was imported")
    ours = read_search(db, theirs.name, theirs.generation)
    if ours is None:
        write_search(db, theirs)
    elif clauses := list(differences(ours.definition, theirs.definition, words=(f"in {here}", f"in {source}"))):
        raise UsageError(f"search {theirs.name} is two searches ({'; '.join(clauses)}); nothing was imported")


def _merge_event(db: sqlite3.Connection, logged: LoggedEvent, *, here: Path, source: str) -> bool:
    """Store an entry, or see that it is the one stored here, and return whether it is new."""
    theirs = logged.event
    place = f"search {logged.search!r:.40}, event {theirs.event!r:.40}"
    for problem in problems_of_event(theirs):
        raise UsageError(f"{place} in {source}: {problem}; nothing was imported")
    is_address = is_name(logged.search) and is_count(logged.generation)
    info = read_search(db, logged.search, logged.generation) if is_address else None
    if info is None:
        raise UsageError(f"{place} in {source} belongs to no search; nothing was imported")
    if append(db, info, theirs):
        return True
    ours = read_event(db, info, theirs.event)
    if ours is None:
        raise UsageError(f"{place} in {source}: the entries before it are missing; nothing was imported")
    if _happening(ours) != _happening(theirs):
        raise UsageError(
            f"search {info.name} has two logs: event {theirs.event} is {_echo(ours)} in {here} and {_echo(theirs)} in "
            f"{source}; nothing was imported"
        )
    return False


def _refuse_broken_logs(db: sqlite3.Connection, searches: Iterable[SearchInfo], source: str) -> None:
    for info in searches:
        for problem in problems_of_logged(db, info, read_events(db, info)):
            raise UsageError(f"search {info.name} in {source}: {problem}; nothing was imported")


def _happening(event: SearchEvent) -> tuple[str, int, dict[str, Any]]:
    """What an entry says besides times and sessions: the same search, repeated elsewhere, has other ones."""
    body = {name: value for name, value in event.body.items() if name not in _OF_ONE_TRAINING}
    return event.kind, event.ordinal, body


def _echo(event: SearchEvent) -> str:
    return f"{event.kind} {event.ordinal} {canonical_json(event.body):.120}"
