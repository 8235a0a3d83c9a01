"""Numbers in sentences: counts with their nouns, times and sizes as far as a person wants to know them."""

from __future__ import annotations

from collections.abc import Iterable

DAY_S = 86_400
UNITS_S = ((2 * DAY_S, DAY_S, "days"), (2 * 3600, 3600, "hours"), (120, 60, "minutes"), (0, 1, "seconds"))
"""Shortest time in seconds, its unit in seconds, and the name of the unit."""
SIZES = ((1e9, 1e9, "GB"), (1e6, 1e6, "MB"), (0.0, 1e3, "kB"))


def counted(n: int, noun: str) -> str:
    """Return a number with its noun: `1 run`, `2 runs`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def listed(names: Iterable[str], *, most: int = 5) -> str:
    """Return names with commas between them; of many the first, and how many more: `a, b and 7 more`."""
    names = list(names)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def rough_time(seconds: float) -> str:
    """Return a time as far as an estimate can tell it: `40 seconds`, `3 hours`, `12 days`."""
    unit, name = next((unit, name) for least, unit, name in UNITS_S if seconds >= least)
    return f"{_two_digits(seconds / unit)} {name}"


def rough_size(n_bytes: float) -> str:
    """Return a size as far as an estimate can tell it: `1.2 GB`."""
    unit, name = next((unit, name) for least, unit, name in SIZES if n_bytes >= least)
    return f"{_two_digits(n_bytes / unit)} {name}"


def duration(seconds: float) -> str:
    """Return a time for people: `48 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _two_digits(number: float) -> str:
    """Two digits of a number below 100, whole ones above."""
    if number >= 10:
        return f"{number:.0f}"
    return f"{number:.1f}".removesuffix(".0")
