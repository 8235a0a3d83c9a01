"""What the log of a search must satisfy: entries of known kinds, numbered without gaps, each candidate ended once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, get_args

from kbnd.errors import UsageError
from kbnd.ledger.values import is_count, is_id, is_name, is_number, is_plain, is_time
from kbnd.records import Ending, EventKind, SearchEvent, SearchInfo
from kbnd.spec import NAME_PATTERN

ENDS = get_args(Ending)

_NOTHING = object()


def problems_of_search(info: SearchInfo) -> Iterator[str]:
    """Yield one clause for each thing that cannot be true of a search."""
    if not is_name(info.name):
        yield f"the search name {info.name!r:.80} does not match {NAME_PATTERN}"
    if not is_count(info.generation):
        yield f"the generation should be at least 1, received {info.generation!r:.80}"
    if not (isinstance(info.definition, dict) and is_plain(info.definition)):
        yield f"the definition should be a JSON object of printable text, received {info.definition!r:.80}"
    if not is_time(info.created_at):
        yield f"created_at should be a date and time in ISO 8601, received {info.created_at!r:.80}"


def problems_of_event(event: SearchEvent) -> Iterator[str]:
    """Yield one clause for each thing that cannot be true of an entry in the log of a search, seen alone."""
    for name in ("event", "ordinal"):
        if not is_count(getattr(event, name)):
            yield f"{name} should be a whole number from 1, received {getattr(event, name)!r:.80}"
    if not is_time(event.at):
        yield f"at should be a date and time in ISO 8601, received {event.at!r:.80}"
    if event.kind not in get_args(EventKind):
        yield f"kind should be one of {', '.join(get_args(EventKind))}, received {event.kind!r:.80}"
    elif not (isinstance(event.body, dict) and is_plain(event.body)):
        yield f"body should be a JSON object of printable text, received {event.body!r:.80}"
    else:
        for name, (is_right, allowed) in _BODIES[event.kind].items():
            if not is_right(event.body.get(name, _NOTHING)):
                yield f"{name} should be {allowed}, received {event.body.get(name)!r:.80}"


def problems_of_log(log: Iterable[SearchEvent]) -> Iterator[str]:
    """Yield one clause for each thing that cannot be true of the log of a search, from its first entry on."""
    n_asked = 0
    ended: set[int] = set()
    for place, event in enumerate(log, start=1):
        if wrong := list(problems_of_event(event)):
            yield from (f"event {event.event!r}: {clause}" for clause in wrong)
            return  # what follows an entry that cannot be read says nothing
        if event.event != place:
            yield f"events should be numbered from 1 without gaps, received {event.event} in place {place}"
            return
        if event.kind == "ask":
            n_asked += 1
            if event.ordinal != n_asked:
                yield f"event {place}: candidate {event.ordinal} was asked for in place of candidate {n_asked}"
                return
        elif event.ordinal > n_asked or event.ordinal in ended:
            what, late = ("ends", "twice") if event.kind == "end" else ("is measured again", "after its end")
            yield f"event {place}: candidate {event.ordinal} {what} {late if event.ordinal in ended else 'unasked'}"
        elif event.kind == "end":
            ended.add(event.ordinal)


def run_ids_in(info: SearchInfo, log: Iterable[SearchEvent]) -> set[str]:
    """Return every run that a search asked for.

    Raises:
        UsageError: its log cannot be true.
    """
    entries = list(log)
    for clause in problems_of_log(entries):
        raise UsageError(f"search {info.name} is damaged: {clause}; `kbnd ledger verify` lists all")
    return {run_id for event in entries for run_id in event.body.get("run_ids", {}).values()}


def _is_session_map(value: Any) -> bool:
    return value is _NOTHING or (
        isinstance(value, dict) and all(str(seed).isdecimal() and isinstance(name, str) for seed, name in value.items())
    )


def _is_run_map(value: Any) -> bool:
    return isinstance(value, dict) and all(str(seed).isdecimal() and is_id(run) for seed, run in value.items())


_BODIES: dict[str, dict[str, tuple[Callable[[Any], bool], str]]] = {
    "ask": {
        "values": (lambda value: isinstance(value, dict), "an object of hyperparameters"),
        "epochs": (lambda value: value is None or is_count(value), "a whole number from 1 or null"),
        "run_ids": (_is_run_map, "an object of run ids by seed"),
    },
    "again": {"run_ids": (_is_run_map, "an object of run ids by seed")},
    "end": {
        "status": (lambda value: value in ENDS, f"one of {', '.join(ENDS)}"),
        "score": (lambda value: value is None or is_number(value), "a number or null"),
        "told": (is_number, "a number"),
        "wall_s": (lambda value: is_number(value) and value >= 0, "a number of seconds"),
        "sessions": (_is_session_map, "an object of sessions by seed, or absent"),
    },
}
"""What the body of an event must hold besides whatever else it says: field -> (predicate, in words)."""
