"""What tells a whole export from one that was cut, and from one with lines that are doubled, swapped, changed or lost.

    {"ledger": {"format": 4, "holds": {"run": 50, "study": 2}}}     first: how many lines of each kind follow
    ...
    {"end": {"digest": "7c1f..."}}                                  last: SHA-256 of all bytes before this line

The counts stand first, because a file that was cut has lost its end: so it can be said what is missing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from kbnd.errors import UsageError
from kbnd.words import counted

LONGEST_LINE = 2**26
"""Bytes that are read as one line."""

NOUNS = {"study": "study definition", "run": "run", "search": "begun search", "search_event": "search event"}
"""Kind of line -> what a person calls it."""

FIRST_SEALED = 4
"""Format from which on exports are whole or refused."""

END = "end"
"""Kind of the last line."""

_KIND = re.compile(rb'\{"(\w{1,20})":')


def sealed(first: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of an export and the one that its end is known by."""
    seen = hashlib.sha256(first.encode())
    yield first
    for line in lines:
        seen.update(line.encode())
        yield line
    yield json.dumps({END: {"digest": seen.hexdigest()}}, separators=(",", ":")) + "\n"


def check_whole(path: Path, holds: Mapping[str, int]) -> None:
    """Refuse an export that is not as it was written.

    Args:
        path: its file.
        holds: the lines of each kind that its first line speaks of.

    Raises:
        UsageError: what is missing, or that something was changed.
    """
    counts, seen, digest = _scanned(path)
    counts.pop("ledger", None)
    wrong = [_of(counts[kind], n, NOUNS.get(kind, kind)) for kind, n in holds.items() if counts[kind] != n]
    if wrong:
        raise UsageError(f"{path} is not whole: it holds {' and '.join(wrong)}; export it again")
    if digest is None:
        raise UsageError(f"{path} is not whole: its last line is missing; export it again")
    if digest != seen:
        raise UsageError(f"{path} was changed since it was exported: its last line is of other lines; export it again")


def _scanned(path: Path) -> tuple[Counter[str], str, str | None]:
    """Count the whole lines of each kind; the digest of what stands before the last line, and the one it names."""
    counts: Counter[str] = Counter()
    seen, digest = hashlib.sha256(), None
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            kind = _KIND.match(line)
            name = "" if kind is None else kind[1].decode()
            if name == END and digest is None:
                digest = _named(line)
                continue
            counts[name] += line.endswith(b"\n")
            seen.update(line)
    return counts, seen.hexdigest(), digest


def _named(line: bytes) -> str:
    try:
        return str(json.loads(line)[END]["digest"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _of(n_there: int, n_written: int, noun: str) -> str:
    if n_there < n_written:
        return f"{n_there:,} of {counted(n_written, noun)}"
    return f"{counted(n_there, noun)} instead of {n_written:,}"
