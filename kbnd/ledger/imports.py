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
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from kbnd.errors import UsageError
from kbnd.ledger.checks import (
    before_digests,
    changed_event,
    problems_of,
    problems_of_logged,
)
from kbnd.ledger.claims import all_claims, this_process
from kbnd.ledger.jsonl import Thing, Unsealed
from kbnd.ledger.rows import (
    StoredRun,
    StudyLabels,
    read_run,
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
    read_search,
    write_search,
)
from kbnd.ledger.study_checks import mislabelled, problems_of_labels
from kbnd.ledger.trainings import accuracies_apart, has_other_results
from kbnd.ledger.values import is_count, is_name
from kbnd.records import HITS, RunRecord, SearchEvent, SearchInfo
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
        notes: one sentence for each thing that could not be told of the source.
    """

    n_added: int
    n_replaced: int
    n_kept: int
    n_events: int = 0
    n_elsewhere: int = 0
    largest_difference: float | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)


def merge(db: sqlite3.Connection, things: Iterable[Thing], *, here: Path, source: str) -> Merged:
    """Store runs, labels and searches, inside a transaction of the caller.

    Raises:
        UsageError: something that cannot be true, one run with two results, or one search with two logs.
    """
    merge = _Merge(db, here, source)
    for thing in things:
        _TAKE[type(thing)](merge, thing)
    return merge.end()


class _Merge:
    """An import under way."""

    def __init__(self, db: sqlite3.Connection, here: Path, source: str) -> None:
        process = this_process()
        self.db, self.here, self.source = db, here, source
        self.statuses = dict(db.execute("SELECT run_id, status FROM runs"))
        self.training = {claim.run_id for claim in all_claims(db) if not claim.is_stale(process)}
        self.studies: set[str] = set()
        self.searches: list[SearchInfo] = []
        self.counts: Counter[str] = Counter()
        self.apart: list[float | None] = []
        self.notes: list[str] = []

    def refuse(self, problem: str) -> NoReturn:
        raise UsageError(f"{problem}; nothing was imported")

    def take_labels(self, thing: StudyLabels) -> None:
        for problem in problems_of_labels(thing.study, thing.about, thing.labels):
            self.refuse(f"{self.source}: {problem}")
        write_labels(self.db, thing.study, thing.about.digest, thing.labels, is_replaced=False)
        if thing.is_current:
            write_study(self.db, thing.study, thing.about, is_replaced=False)
        self.studies.add(thing.study)

    def take_unsealed(self, thing: Unsealed) -> None:
        self.notes.append(f"an export of format {thing.format} cannot tell whether it is whole: export it again")

    def take_run(self, run: StoredRun) -> None:
        record = run.record
        for problem in problems_of(run):
            self.refuse(f"run {record.run_id!r:.40} in {self.source}: {problem}")
        self.counts["undigested runs"] += run.digest is None
        status, is_result = self.statuses.get(record.run_id), record.status in HITS
        if status in HITS and is_result:
            self.compare(record)
        if status is not None and (status in HITS or not is_result or record.run_id in self.training):
            self.counts["kept"] += 1
            return
        replace_run(self.db, run)
        self.statuses[record.run_id] = record.status
        self.counts["added" if status is None else "replaced"] += 1

    def compare(self, theirs: RunRecord) -> None:
        """Refuse another result of a run that has one here, but for what other circumstances may change."""
        ours = read_run(self.db, theirs.run_id)
        assert ours is not None
        if has_other_results(ours, theirs, here=self.here, source=self.source):
            self.apart.append(accuracies_apart(ours, theirs))

    def take_search(self, theirs: SearchInfo) -> None:
        for problem in problems_of_search(theirs):
            self.refuse(f"search {theirs.name!r:.40} in {self.source}: {problem}")
        ours = read_search(self.db, theirs.name, theirs.generation)
        words = (f"in {self.here}", f"in {self.source}")
        if ours is None:
            write_search(self.db, theirs)
        elif clauses := list(differences(ours.definition, theirs.definition, words=words)):
            self.refuse(f"search {theirs.name} is two searches ({'; '.join(clauses)})")
        self.searches.append(theirs)

    def take_event(self, logged: LoggedEvent) -> None:
        """Store an entry, or see that it is the one stored here."""
        theirs = logged.event
        place = f"search {logged.search!r:.40}, event {theirs.event!r:.40}"
        for problem in problems_of_event(theirs):
            self.refuse(f"{place} in {self.source}: {problem}")
        is_address = is_name(logged.search) and is_count(logged.generation)
        info = read_search(self.db, logged.search, logged.generation) if is_address else None
        if info is None:
            self.refuse(f"{place} in {self.source} belongs to no search")
        self.counts["undigested events"] += logged.digest is None
        if append(self.db, info, theirs, digest=logged.digest):
            self.counts["events"] += 1
            return
        ours = read_event(self.db, info, theirs.event)
        if ours is None:
            self.refuse(f"{place} in {self.source}: the entries before it are missing")
        if _happening(ours) != _happening(theirs):
            self.refuse(
                f"search {info.name} has two logs: event {theirs.event} is {_echo(ours)} in {self.here} and "
                f"{_echo(theirs)} in {self.source}"
            )
        if (change := changed_event(logged)) is not None:
            self.refuse(f"search {info.name} in {self.source}: {change}")

    def end(self) -> Merged:
        """Check what only the whole can tell."""
        for info in self.searches:
            for problem in problems_of_logged(self.db, info, read_events(self.db, info)):
                self.refuse(f"search {info.name} in {self.source}: {problem}")
        for study in sorted(self.studies):
            for problem in mislabelled(self.db, study):
                self.refuse(f"{self.source}: {problem}")
        n = self.counts
        notes = (*self.notes, *before_digests(n["undigested runs"], n["undigested events"]))
        largest = max((apart for apart in self.apart if apart is not None), default=None)
        return Merged(n["added"], n["replaced"], n["kept"], n["events"], len(self.apart), largest, notes)


_TAKE: dict[type, Callable[[_Merge, Any], None]] = {
    StudyLabels: _Merge.take_labels,
    StoredRun: _Merge.take_run,
    SearchInfo: _Merge.take_search,
    LoggedEvent: _Merge.take_event,
    Unsealed: _Merge.take_unsealed,
}


def _happening(event: SearchEvent) -> tuple[str, int, dict[str, Any]]:
    """What an entry says besides times and sessions: the same search, repeated elsewhere, has other ones."""
    body = {name: value for name, value in event.body.items() if name not in _OF_ONE_TRAINING}
    return event.kind, event.ordinal, body


def _echo(event: SearchEvent) -> str:
    return f"{event.kind} {event.ordinal} {canonical_json(event.body):.120}"
