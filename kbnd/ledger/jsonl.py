"""A ledger as JSON lines: everything it knows about finished runs and searches, as text that other programs can read.

| line                                    | holds                                                                     |
|-----------------------------------------|---------------------------------------------------------------------------|
| `{"ledger": {"format": 4, ...}}`        | always the first; `holds`: how many lines of each kind follow             |
| `{"study": {...}}`, one per definition  | name, the fields of a `StudyInfo`, is_current, labels (as lists)          |
| `{"run": {...}}`, one per finished run  | the fields of a `RunRecord`, epochs as a list, and its digest             |
| `{"search": {...}}`, one per generation | the fields of a `SearchInfo`                                              |
| `{"search_event": {...}}`, after theirs | search, generation, the fields of a `SearchEvent`, and its digest         |
| `{"end": {"digest": ...}}`              | always the last (`kbnd.ledger.seal`)                                      |

Fields that are None are left out, bytes are base64, an infinite float is "inf" or "-inf". The same ledger always gives
the same bytes. Exports of older formats are read:

| format | holds besides                                                                                            |
|--------|----------------------------------------------------------------------------------------------------------|
| 2      | searches; every study says its baselines                                                                 |
| 3      | `continued_from` of a run (before, `session` was both sessions joined by a plus sign), `is_by_validation` |
|        | of a study (before, the end of its difference)                                                           |
| 4      | counts in the first line, the last line, digests; before, nothing tells whether an export is whole       |
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import sqlite3
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from kbnd.errors import UsageError
from kbnd.ledger.checks import problems_of_types
from kbnd.ledger.plain import INFINITE, plain_event, plain_run
from kbnd.ledger.rows import StoredRun, StudyInfo, StudyLabels, read_labels, read_runs
from kbnd.ledger.schema import BY_VALIDATION_ONCE, EPOCH_FIELDS, RUN_FIELDS, Field
from kbnd.ledger.seal import END, FIRST_SEALED, LONGEST_LINE, NOUNS, check_whole, sealed
from kbnd.ledger.searches import LoggedEvent, read_event_digests, read_logs
from kbnd.records import RUNNING, EpochRecord, RunRecord, SearchEvent, SearchInfo

FORMAT = 4


class Unsealed(NamedTuple):
    """An export that cannot tell whether it is whole."""

    format: int


Thing = StoredRun | StudyLabels | SearchInfo | LoggedEvent | Unsealed
"""What one line describes."""

_STUDY_KEYS = ("name", "title", "difference", "digest", "baselines", "is_by_validation", "is_current", "labels")
_REQUIRED_OF_STUDY = {
    1: ("name", "digest", "labels"),
    2: ("name", "digest", "baselines", "labels"),
    3: ("name", "digest", "baselines", "labels"),
    4: ("name", "digest", "baselines", "labels"),
}
"""What a study must say, by each format that is read."""

_SEARCH_KEYS = tuple(field.name for field in dataclasses.fields(SearchInfo))
_EVENT_KEYS = ("search", "generation", *(field.name for field in dataclasses.fields(SearchEvent)))


def lines_of(db: sqlite3.Connection) -> Generator[str]:
    """Yield the lines that describe every label, every finished run and every search of a ledger."""
    holds = {kind: int(db.execute(query, values).fetchone()[0]) for kind, (query, *values) in _COUNTS.items()}
    yield from sealed(_line("ledger", {"format": FORMAT, "holds": holds}), _contents(db))


_COUNTS = {
    "study": ("SELECT count(*) FROM (SELECT DISTINCT study, digest FROM labels)",),
    "run": ("SELECT count(*) FROM runs WHERE status <> ?", RUNNING),
    "search": ("SELECT count(*) FROM searches",),
    "search_event": ("SELECT count(*) FROM search_events JOIN searches USING (search, generation)",),
}
"""Kind of line -> how many of them a ledger has."""


def _contents(db: sqlite3.Connection) -> Iterator[str]:
    for study, about, is_current, labels in read_labels(db):
        fields = {name: value for name, value in about._asdict().items() if name != "is_by_validation" or value}
        fields["baselines"] = dict(about.baselines) if isinstance(about.baselines, Mapping) else about.baselines
        yield _line("study", {"name": study, **fields, "is_current": is_current, "labels": labels})
    for run in read_runs(db):
        if run.record.status != RUNNING:
            for clause in problems_of_types(run.record):
                raise UsageError(f"run {run.record.run_id} is damaged: {clause}; `kbnd ledger verify` lists all")
            yield _line("run", plain_run(run.record) | _digest(run.digest))
    for info, log in read_logs(db):
        yield _line("search", dataclasses.asdict(info))
        for event, digest in zip(log, read_event_digests(db, info), strict=True):
            yield _line("search_event", plain_event(info.name, info.generation, event) | _digest(digest))


def read_jsonl(path: Path) -> Iterator[Thing]:
    """Yield what a file of JSON lines holds: the right fields, their values still unchecked.

    Raises:
        UsageError: not such a file, or a line that is none, by its number.
    """
    number = format = 0
    try:
        with path.open(encoding="utf-8") as file:
            while text := file.readline(LONGEST_LINE):
                number += 1
                if number == 1:
                    format, holds = _format_in(text)
                    if format < FIRST_SEALED:
                        yield Unsealed(format)
                    else:
                        check_whole(path, holds)
                elif (line := _parsed(text))[0] != END or format < FIRST_SEALED:
                    yield _thing(*line, format=format)
    except UnicodeDecodeError:
        raise UsageError(f"{path} is neither a ledger nor JSON lines exported from one") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except _LineError as error:
        raise UsageError(f"{path}, line {number}: {error}") from None
    if number == 0:
        raise UsageError(f"{path} is empty")


class _LineError(ValueError):
    """What is wrong with one line."""


def _line(kind: str, value: dict[str, Any]) -> str:
    return json.dumps({kind: value}, sort_keys=True, separators=(",", ":"), allow_nan=False) + "\n"


def _digest(digest: str | None) -> dict[str, str]:
    return {} if digest is None else {"digest": digest}


def _parsed(text: str) -> tuple[str, dict[str, Any]]:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except _LineError:
        raise
    except (ValueError, RecursionError):
        raise _LineError("is not one JSON value, or is cut off") from None
    if not (isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), dict)):
        raise _LineError("is not an object with one key, such as 'study' or 'run', that holds an object")
    return next(iter(value.items()))


def _refuse_constant(name: str) -> NoReturn:
    raise _LineError(f"holds {name}, which is no JSON")


def _format_in(text: str) -> tuple[int, dict[str, int]]:
    """Return the format that the first line names, and the lines of each kind; a newer one may hold fields besides."""
    kind, values = _parsed(text)
    number = values.get("format") if kind == "ledger" else None
    format = number if isinstance(number, int) and not isinstance(number, bool) else 0
    if format > FORMAT:
        raise _LineError(f"is of a newer kbnd (export format {format}, this kbnd knows up to {FORMAT}): upgrade kbnd")
    holds = values.pop("holds", None) if format >= FIRST_SEALED else {}
    is_right = isinstance(holds, dict) and all(kind in NOUNS and type(n) is int for kind, n in holds.items())
    if format not in _REQUIRED_OF_STUDY or len(values) > 1 or not is_right:
        raise _LineError(f'should be {{"ledger": {{"format": {FORMAT}, "holds": {{...}}}}}}, received {text!r:.60}')
    return format, holds


def _thing(kind: str, values: dict[str, Any], *, format: int) -> Thing:
    if kind == "run":
        epochs = values.pop("epochs", [])
        if not (isinstance(epochs, list) and all(isinstance(epoch, dict) for epoch in epochs)):
            raise _LineError("epochs is not a list of objects")
        history = tuple(EpochRecord(**_arguments(EPOCH_FIELDS, epoch)) for epoch in epochs)
        digest = values.pop("digest", None)
        record = RunRecord(**_arguments(RUN_FIELDS, values), epochs=history)
        return StoredRun(record if format >= 3 else _with_sessions_apart(record), digest)
    if kind == "study":
        _check_keys(values, allowed=_STUDY_KEYS, required=_REQUIRED_OF_STUDY[format])
        if not (isinstance(values["labels"], list) and all(isinstance(label, list) for label in values["labels"])):
            raise _LineError("labels is not a list of lists")
        labels = [tuple(label) for label in values["labels"]]
        texts = (values.get("title", ""), values.get("difference", ""), values["digest"])
        is_by_validation = values.get("is_by_validation", format < 3 and str(texts[1]).endswith(BY_VALIDATION_ONCE))
        about = StudyInfo(*texts, values.get("baselines", {}), is_by_validation)
        return StudyLabels(values["name"], about, values.get("is_current") is True, labels)
    if kind == "search":
        _check_keys(values, allowed=_SEARCH_KEYS, required=_SEARCH_KEYS)
        return SearchInfo(**values)
    if kind == "search_event":
        _check_keys(values, allowed=(*_EVENT_KEYS, "digest"), required=_EVENT_KEYS)
        search, generation, digest = values.pop("search"), values.pop("generation"), values.pop("digest", None)
        return LoggedEvent(search, generation, SearchEvent(**values), digest)
    raise _LineError(f"describes a {kind!r:.40}, not a study, a run or a search")


def _with_sessions_apart(record: RunRecord) -> RunRecord:
    """A run of an older format, whose session may be two of them."""
    earlier, plus, session = str(record.session).rpartition("+")
    return dataclasses.replace(record, session=session, continued_from=earlier) if plus else record


def _arguments(fields: dict[str, Field], values: dict[str, Any]) -> dict[str, Any]:
    _check_keys(values, allowed=fields, required=[name for name, field in fields.items() if field.is_required])
    return {name: _converted(name, fields[name], value) for name, value in values.items()}


def _check_keys(values: dict[str, Any], *, allowed: Any, required: Any) -> None:
    extra = next((name for name in values if name not in allowed), None)
    missing = next((name for name in required if name not in values), None)
    if extra is not None:
        raise _LineError(f"unknown field {extra!r:.40}")
    if missing is not None:
        raise _LineError(f"the field {missing!r} is missing")


def _converted(name: str, field: Field, value: Any) -> Any:
    if field.kind == "bits" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (ValueError, binascii.Error):
            raise _LineError(f"{name} is not base64") from None
    if field.kind == "number" and isinstance(value, str):
        return INFINITE.get(value, value)
    if field.kind == "number" and type(value) is int and abs(value) < 2**53:
        return float(value)
    return value
