"""What a stored or imported run must satisfy: types, ranges, and ids that are the digests of its own spec.

One list of rules serves both readers: `verify` lists what is wrong with a ledger, an import refuses the first thing
that is wrong with a stranger's. A run id that is not the digest of its spec would make a later request for that spec
take somebody else's result for its own.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from math import isfinite
from typing import Any, get_args

from kbnd.errors import UsageError
from kbnd.ledger.rows import StudyInfo, read_labels, read_runs
from kbnd.ledger.schema import EPOCH_FIELDS, RUN_FIELDS, Field, Kind
from kbnd.ledger.searches import read_logs
from kbnd.records import RUNNING, STATUSES, Ending, EpochRecord, EventKind, RunRecord, SearchEvent, SearchInfo
from kbnd.spec import NAME_PATTERN, PROTOCOL, Identity, RunSpec

ENDS = get_args(Ending)

_LONGEST_TEXT = 100_000
_PYTHON: dict[Kind, type] = {"text": str, "count": int, "number": float, "flag": bool, "json": dict, "bits": bytes}
_AT_LEAST_ONE = ("seed", "epoch")
_HEX = re.compile(r"[0-9a-f]{16}")
_DEEPEST = 20


def problems_of(record: RunRecord) -> Iterator[str]:
    """Yield one clause for each thing that cannot be true of a run."""
    wrong = list(problems_of_fields(record))
    yield from wrong
    if not wrong:
        yield from _consistency(record)
        yield from _identity(record)


def problems_of_fields(record: RunRecord) -> Iterator[str]:
    """Yield one clause for each field of a run or of its epochs that holds what it cannot hold."""
    yield from _values(RUN_FIELDS, record)
    for epoch in record.epochs:
        yield from (f"epoch {epoch.epoch!r}: {clause}" for clause in _values(EPOCH_FIELDS, epoch))
    if not _is_time(record.started_at):
        yield f"started_at should be a date and time in ISO 8601, received {record.started_at!r:.80}"


def problems_in(db: sqlite3.Connection) -> Iterator[str]:
    """Yield one sentence for each thing that is wrong in a ledger."""
    broken = [message for (message,) in db.execute("PRAGMA integrity_check") if message != "ok"]
    yield from (f"SQLite: {message}" for message in broken)
    if broken:
        return  # rows of a broken file cannot be read reliably
    for table, _, parent, _ in db.execute("PRAGMA foreign_key_check").fetchall():
        yield f"a row of {table} belongs to no row of {parent}"
    for record in read_runs(db):
        if record.status != RUNNING:
            yield from (f"run {record.run_id}: {clause}" for clause in problems_of(record))
    for study, about, _, labels in read_labels(db):
        yield from (f"study {study}: {clause}" for clause in problems_of_labels(study, about, labels))
    for info, log in read_logs(db):
        search = f"search {info.name}, generation {info.generation}"
        yield from (f"{search}: {clause}" for clause in chain(problems_of_search(info), problems_of_log(log)))


def problems_of_labels(study: Any, about: StudyInfo, labels: Any) -> Iterator[str]:
    """Yield one clause for each thing that cannot be true of a study."""
    if not is_name(study):
        yield f"the study name {study!r} does not match {NAME_PATTERN}"
    if not is_id(about.digest):
        yield f"the digest {about.digest!r} is not 16 hexadecimal digits"
    for name in ("title", "difference"):
        if not is_text(getattr(about, name)):
            yield f"the {name} should be printable text, received {getattr(about, name)!r:.80}"
    if not (isinstance(about.baselines, Mapping) and all(map(is_name, chain.from_iterable(about.baselines.items())))):
        yield f"the baselines should map arms to arms, received {about.baselines!r:.80}"
    for label in labels:
        match label:
            case [arm, int(seed), int(replicate), run_id] if is_name(arm) and is_id(run_id):
                if type(seed) is int and type(replicate) is int and 1 <= seed < 2**63 and 0 <= replicate < 2**63:
                    continue
        yield f"{label!r} is not an (arm, seed, replicate, run_id)"


def problems_of_search(info: SearchInfo) -> Iterator[str]:
    """Yield one clause for each thing that cannot be true of a search."""
    if not is_name(info.name):
        yield f"the search name {info.name!r:.80} does not match {NAME_PATTERN}"
    if not is_count(info.generation):
        yield f"the generation should be at least 1, received {info.generation!r:.80}"
    if not (isinstance(info.definition, dict) and _is_plain(info.definition)):
        yield f"the definition should be a JSON object of printable text, received {info.definition!r:.80}"
    if not _is_time(info.created_at):
        yield f"created_at should be a date and time in ISO 8601, received {info.created_at!r:.80}"


def problems_of_event(event: SearchEvent) -> Iterator[str]:
    """Yield one clause for each thing that cannot be true of an entry in the log of a search, seen alone."""
    for name in ("event", "ordinal"):
        if not is_count(getattr(event, name)):
            yield f"{name} should be a whole number from 1, received {getattr(event, name)!r:.80}"
    if not _is_time(event.at):
        yield f"at should be a date and time in ISO 8601, received {event.at!r:.80}"
    if event.kind not in get_args(EventKind):
        yield f"kind should be one of {', '.join(get_args(EventKind))}, received {event.kind!r:.80}"
    elif not (isinstance(event.body, dict) and _is_plain(event.body)):
        yield f"body should be a JSON object of printable text, received {event.body!r:.80}"
    else:
        for name, (is_right, allowed) in _BODIES[event.kind].items():
            if name not in event.body or not is_right(event.body[name]):
                yield f"{name} should be {allowed}, received {event.body.get(name)!r:.80}"


def problems_of_log(log: Iterable[SearchEvent]) -> Iterator[str]:
    """Yield one clause for each thing that cannot be true of the log of a search, from its first entry on."""
    asked = 0
    ended: set[int] = set()
    for place, event in enumerate(log, start=1):
        if wrong := list(problems_of_event(event)):
            yield from (f"event {event.event!r}: {clause}" for clause in wrong)
            return  # what follows an entry that cannot be read says nothing
        if event.event != place:
            yield f"events should be numbered from 1 without gaps, received {event.event} in place {place}"
            return
        if event.kind == "ask":
            asked += 1
            if event.ordinal != asked:
                yield f"event {place}: candidate {event.ordinal} was asked for in place of candidate {asked}"
                return
        elif event.ordinal > asked or event.ordinal in ended:
            what, late = ("ends", "twice") if event.kind == "end" else ("is measured again", "after its end")
            yield f"event {place}: candidate {event.ordinal} {what} {late if event.ordinal in ended else 'unasked'}"
        elif event.kind == "end":
            ended.add(event.ordinal)


def is_name(value: Any) -> bool:
    """Whether the value is a name that kbnd accepts for studies and arms."""
    return isinstance(value, str) and re.fullmatch(NAME_PATTERN.strip("^$"), value) is not None


def is_id(value: Any) -> bool:
    """Whether the value looks like a digest."""
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def is_count(value: Any) -> bool:
    """Whether the value is a whole number from 1 that SQLite can hold."""
    return type(value) is int and 1 <= value < 2**63


def is_text(value: Any) -> bool:
    """Whether the value is text that no terminal takes for a command."""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        return False
    return all(c.isprintable() or c in "\n\t" for c in value)


def _is_number(value: Any) -> bool:
    return (type(value) is int or isinstance(value, float)) and isfinite(value)


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value) is not None
    except ValueError:
        return False


def _is_plain(value: Any, depth: int = 0) -> bool:
    """Whether a JSON value holds printable text and finite numbers only."""
    if isinstance(value, dict):
        return depth < _DEEPEST and all(is_text(key) and _is_plain(held, depth + 1) for key, held in value.items())
    if isinstance(value, list | tuple):
        return depth < _DEEPEST and all(_is_plain(held, depth + 1) for held in value)
    return value is None or isinstance(value, bool) or (is_text(value) if isinstance(value, str) else _is_number(value))


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
        "score": (lambda value: value is None or _is_number(value), "a number or null"),
        "told": (_is_number, "a number"),
        "wall_s": (lambda value: _is_number(value) and value >= 0, "a number of seconds"),
    },
}
"""What the body of an event must hold besides whatever else it says: field -> (predicate, in words)."""


def _values(fields: dict[str, Field], record: RunRecord | EpochRecord) -> Iterator[str]:
    for name, field in fields.items():
        value = getattr(record, name)
        if value is None:
            if not field.is_optional:
                yield f"{name} is missing"
        elif type(value) is not _PYTHON[field.kind]:
            yield f"{name} should be {_PYTHON[field.kind].__name__}, received {value!r:.80}"
        elif (clause := _range(name, field.kind, value)) is not None:
            yield f"{name} {clause}, received {value!r:.80}"


def _range(name: str, kind: Kind, value: Any) -> str | None:
    """Return what the value should be, or None where it is that."""
    if kind == "count" and not (name in _AT_LEAST_ONE) <= value < 2**63:
        return f"should be at least {int(name in _AT_LEAST_ONE)}"
    if kind == "number" and name.endswith("_accuracy") and not 0.0 <= value <= 1.0:
        return "should lie in [0, 1]"
    if kind == "number" and value < 0.0 and not name.endswith("_loss"):
        return "should not be negative"
    if kind == "text" and name in ("run_id", "recipe_id") and not is_id(value):
        return "should be 16 hexadecimal digits"
    if kind == "text" and not is_text(value):
        return "should be printable text"
    return None


def _consistency(record: RunRecord) -> Iterator[str]:
    if record.status not in STATUSES:
        yield f"status should be one of {', '.join(STATUSES)}, received {record.status!r}"
    numbers = [epoch.epoch for epoch in record.epochs]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"epochs should be numbered from 1 without gaps, received {numbers!r:.80}"
    if record.n_epochs != len(numbers):
        yield f"n_epochs is {record.n_epochs} but {len(numbers)} epochs are stored"
    if record.test_correct is not None and len(record.test_correct) != -(-(record.n_test or 0) // 8):
        yield f"test_correct holds {len(record.test_correct)} bytes for {record.n_test} test images"


def _identity(record: RunRecord) -> Iterator[str]:
    try:
        spec = RunSpec(**record.spec)
    except (UsageError, TypeError) as error:
        yield f"its spec is none of this kbnd: {error}"
        return
    described = {"seed": spec.seed, "replicate": spec.replicate, "model": spec.model.name, "dataset": spec.data.name}
    for name, value in described.items():
        if getattr(record, name) != value:
            yield f"{name} is {getattr(record, name)!r} but its spec says {value!r}"
    if record.recipe_id != spec.recipe_id:
        yield f"its recipe_id is not the digest of its spec, {spec.recipe_id}"
    setting = Identity(record.backend, record.backend_version, record.keras_version, record.device, record.fingerprint)
    if record.protocol == PROTOCOL and record.run_id != spec.run_id(setting):
        yield f"its run_id is not the digest of its spec and setting, {spec.run_id(setting)}"
