"""The memory of searches: what was asked, and the log of all that happened since.

The state of a search is a function of its log, so nothing else is stored: a driver that was killed reads the log and
goes on. The log only grows at its end, one entry at a time, and whoever appends says which number the entry has: of two
drivers that both took the next number, one is first and the other learns that it has something to read.

| generation | is                                                                      |
|------------|-------------------------------------------------------------------------|
| 1          | the search as it was first begun                                        |
| i + 1      | begun afresh under the same name; what came before stays as it was      |

Every function here works inside a transaction or snapshot of its caller.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kbnd.errors import ResumeMismatchError, UsageError
from kbnd.ledger.row_digests import insertion, signed
from kbnd.ledger.schema import decoded_json
from kbnd.records import SearchEvent, SearchInfo
from kbnd.spec import canonical_json

_SELECT_INFO = "SELECT search, generation, definition, created_at FROM searches"
_SELECT_EVENT = "SELECT event, kind, ordinal, body, at FROM search_events"
_KINDS_OF_CANDIDATE = "SELECT kind FROM search_events WHERE search = ? AND generation = ? AND ordinal = ?"
_LONGEST_ECHO = 60
MOST_DIFFERENCES = 4
"""Fields that are named where two definitions differ."""

_NOTHING = object()


class LoggedEvent(NamedTuple):
    """An entry, the search whose log it stands in, and the digest it was stored with; None from before digests."""

    search: str
    generation: int
    event: SearchEvent
    digest: str | None = None


def now() -> str:
    """Return the time, UTC, as records hold it."""
    return datetime.now(UTC).isoformat()


def read_names(db: sqlite3.Connection) -> list[str]:
    """Return the names of all searches, the one begun last at the end."""
    query = "SELECT search FROM searches GROUP BY search ORDER BY max(created_at), search"
    return [name for (name,) in db.execute(query)]


def read_search(db: sqlite3.Connection, name: str, generation: int | None = None) -> SearchInfo | None:
    """Return one generation of a search, None is the latest; None where there is no such search."""
    query = f"{_SELECT_INFO} WHERE search = ? AND generation = coalesce(?, generation) ORDER BY generation DESC LIMIT 1"
    row = db.execute(query, (name, generation)).fetchone()
    return None if row is None else _info(*row)


def read_events(db: sqlite3.Connection, info: SearchInfo, *, after: int = 0) -> list[SearchEvent]:
    """Return the log of a search from the entry that follows number `after`."""
    query = f"{_SELECT_EVENT} WHERE search = ? AND generation = ? AND event > ? ORDER BY event"
    return [_event(*row) for row in db.execute(query, (info.name, info.generation, after))]


def read_event_digests(db: sqlite3.Connection, info: SearchInfo) -> list[str | None]:
    """Return the digests that the entries of a log were stored with, in its order."""
    query = "SELECT digest FROM search_events WHERE search = ? AND generation = ? AND event > 0 ORDER BY event"
    return [digest for (digest,) in db.execute(query, (info.name, info.generation))]


def read_event(db: sqlite3.Connection, info: SearchInfo, number: int) -> SearchEvent | None:
    """Return one entry in the log of a search, or None where there is none of this number."""
    query = f"{_SELECT_EVENT} WHERE search = ? AND generation = ? AND event = ?"
    row = db.execute(query, (info.name, info.generation, number)).fetchone()
    return None if row is None else _event(*row)


def read_logs(db: sqlite3.Connection) -> Iterator[tuple[SearchInfo, list[SearchEvent]]]:
    """Yield every generation of every search with its log."""
    for row in db.execute(f"{_SELECT_INFO} ORDER BY search, generation").fetchall():
        info = _info(*row)
        yield info, read_events(db, info)


def last_event(db: sqlite3.Connection, info: SearchInfo) -> int:
    """Return the number of the last entry in the log of a search; 0 where it is empty."""
    query = "SELECT coalesce(max(event), 0) FROM search_events WHERE search = ? AND generation = ?"
    return int(db.execute(query, (info.name, info.generation)).fetchone()[0])


def begin(db: sqlite3.Connection, name: str, definition: dict[str, Any], *, is_fresh: bool) -> SearchInfo:
    """Store a search, or return the one that was begun with the same definition.

    Raises:
        ResumeMismatchError: it was begun with another definition, and `is_fresh` is not asked for.
    """
    latest = read_search(db, name)
    if latest is not None and not is_fresh:
        check_same(latest, definition)
        return latest
    generation = 1 if latest is None else latest.generation + 1
    info = SearchInfo(name, generation, decoded_json(canonical_json(definition)), now())
    write_search(db, info)
    return info


def check_same(stored: SearchInfo, definition: dict[str, Any]) -> None:
    """Refuse to go on with a search under another definition.

    Raises:
        ResumeMismatchError: it names the fields that differ.
    """
    if clauses := list(differences(stored.definition, decoded_json(canonical_json(definition)))):
        settings = "; ".join(clauses[:MOST_DIFFERENCES])
        more = f"; and {len(clauses) - MOST_DIFFERENCES} more" if len(clauses) > MOST_DIFFERENCES else ""
        raise ResumeMismatchError(
            f"search {stored.name!r} was begun with other settings ({settings}{more}): ask for the stored ones, begin "
            "it anew with --fresh (fresh=True), or give this one another name"
        )


def write_search(db: sqlite3.Connection, info: SearchInfo) -> None:
    """Store a generation of a search that is not stored yet."""
    row = (info.name, info.generation, canonical_json(info.definition), info.created_at)
    db.execute(insertion("searches", on_conflict="ABORT"), signed("searches", row))


def append(db: sqlite3.Connection, info: SearchInfo, event: SearchEvent, *, digest: str | None) -> bool:
    """Store an entry with its digest if its number is the next one, and return whether it was."""
    if event.event != last_event(db, info) + 1:
        return False
    values = (info.name, info.generation, event.event, event.kind, event.ordinal, canonical_json(event.body), event.at)
    db.execute(
        "INSERT INTO search_events (search, generation, event, kind, ordinal, body, at, digest) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*values, digest),
    )
    return True


def check_candidate(db: sqlite3.Connection, info: SearchInfo, event: SearchEvent) -> None:
    """Refuse an entry that would leave a log which no search can have written.

    Raises:
        UsageError: a candidate that is asked for twice, or ends twice or before it was asked for.
    """
    kinds = {kind for (kind,) in db.execute(_KINDS_OF_CANDIDATE, (info.name, info.generation, event.ordinal))}
    if kinds - {"again"} != (set() if event.kind == "ask" else {"ask"}):
        raise UsageError(
            f"candidate {event.ordinal} of search {info.name} is asked for once and ends once, received a second or "
            f"early {event.kind!r}"
        )


def differences(
    first: Any, second: Any, *, words: tuple[str, str] = ("stored", "asked"), field: str = ""
) -> Iterator[str]:
    """Yield "FIELD: stored X, asked Y" for each place where two definitions differ; `words` are said for the two."""
    if isinstance(first, dict) and isinstance(second, dict):
        for name in sorted(first.keys() | second.keys()):
            path = f"{field}.{name}" if field else name
            yield from differences(first.get(name, _NOTHING), second.get(name, _NOTHING), words=words, field=path)
    elif first != second:
        yield f"{field or 'definition'}: {words[0]} {_echo(first)}, {words[1]} {_echo(second)}"


def _echo(value: Any) -> str:
    text = "nothing" if value is _NOTHING else canonical_json(value)
    return text if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]}..."


def _info(name: str, generation: int, definition: str, created_at: str) -> SearchInfo:
    return SearchInfo(name, generation, decoded_json(definition), created_at)


def _event(event: int, kind: Any, ordinal: int, body: str, at: str) -> SearchEvent:
    return SearchEvent(event, kind, ordinal, decoded_json(body), at)
