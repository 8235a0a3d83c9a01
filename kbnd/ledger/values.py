"""What a stored value may be: names, digests, counts, printable texts, moments, plain JSON."""

from __future__ import annotations

import re
from datetime import datetime
from math import isfinite
from typing import Any

from kbnd.printable import is_printable
from kbnd.spec import NAME_PATTERN

_LONGEST_TEXT = 100_000
_DEEPEST = 20
_HEX = re.compile(r"[0-9a-f]{16}")


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
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT and is_printable(value, keep="\n\t")


def is_number(value: Any) -> bool:
    """Whether the value is a finite number."""
    return (type(value) is int or isinstance(value, float)) and isfinite(value)


def is_time(value: Any) -> bool:
    """Whether the value is a date and time in ISO 8601."""
    try:
        return isinstance(value, str) and datetime.fromisoformat(value) is not None
    except ValueError:
        return False


def is_plain(value: Any, depth: int = 0) -> bool:
    """Whether a JSON value holds printable text and finite numbers only."""
    if isinstance(value, dict):
        return depth < _DEEPEST and all(is_text(key) and is_plain(part, depth + 1) for key, part in value.items())
    if isinstance(value, list | tuple):
        return depth < _DEEPEST and all(is_plain(part, depth + 1) for part in value)
    return value is None or isinstance(value, bool) or (is_text(value) if isinstance(value, str) else is_number(value))
