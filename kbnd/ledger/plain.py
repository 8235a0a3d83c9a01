"""Records as plain JSON values and back: what an export says of a run, and what its digest is made from.

    record -> its fields and its epochs, without what is None -> one canonical text -> SHA-256, 16 digits

A digest is of values, not of how SQLite or a line holds them, so it travels with an export and outlives a new format;
a field that a later kbnd adds is None in an older run and changes no digest. It tells a run that was changed since it
was finished, by a faulty disk or by hand, from one that was not. It proves nothing about who finished it.
"""

from __future__ import annotations

import base64
import dataclasses
import operator
from collections.abc import Callable
from math import isinf
from typing import Any

from kbnd.ledger.schema import EPOCH_FIELDS, RUN_FIELDS, Field, Kind
from kbnd.records import EpochRecord, RunRecord, SearchEvent
from kbnd.spec import digest

INFINITE = {"inf": float("inf"), "-inf": float("-inf")}
"""What stands for a number that JSON has not."""


def plain_run(record: RunRecord) -> dict[str, Any]:
    """Return a run as JSON values; NaN and None are left out, bytes are base64, an infinite number is "inf"."""
    return {**_plain(RUN_FIELDS, record), "epochs": [_plain(EPOCH_FIELDS, epoch) for epoch in record.epochs]}


def plain_event(search: str, generation: int, event: SearchEvent) -> dict[str, Any]:
    """Return an entry in the log of a search as JSON values."""
    return {"search": search, "generation": generation, **dataclasses.asdict(event)}


def digest_of_run(record: RunRecord) -> str:
    """Return the digest of everything that is stored of a finished run."""
    return digest(plain_run(record))


def digest_of_event(search: str, generation: int, event: SearchEvent) -> str:
    """Return the digest of an entry and of the log that it stands in."""
    return digest(plain_event(search, generation, event))


def _plain(fields: dict[str, Field], record: RunRecord | EpochRecord) -> dict[str, Any]:
    values = ((name, field.kind, getattr(record, name)) for name, field in fields.items())
    return {name: _JSON[kind](value) for name, kind, value in values if value is not None and value == value}


def _number(value: Any) -> float | str:
    number = float(value) + 0.0  # SQLite gives -0.0 back as 0.0
    return str(number) if isinf(number) else number


_JSON: dict[Kind, Callable[[Any], Any]] = {
    "text": str,
    "count": operator.index,
    "number": _number,
    "flag": bool,
    "json": dict,
    "bits": lambda value: base64.b64encode(value).decode("ascii"),
}
