"""Small damages: of bytes, and of one value, so that it stays of its kind or becomes what it cannot be."""

from __future__ import annotations

import math
import string
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple


class Damage(NamedTuple):
    """What was changed, in words."""

    about: str
    content: bytes


def damaged(content: bytes, chance: Random) -> Damage:
    """Damage bytes as a disk or a transfer does: a bit, some bytes, a piece that is cut, zeroed, doubled or moved."""
    name = chance.choice(sorted(_DAMAGES))
    while True:
        start = chance.randrange(len(content))
        size = min(len(content) - start, chance.choice((1, 2, 4, 16, 512, 4096)))
        changed = _DAMAGES[name](content, start, size, chance)
        if changed != content:
            return Damage(f"{name} at {start}, {size} bytes", changed)


def _bit(content: bytes, start: int, size: int, chance: Random) -> bytes:
    return content[:start] + bytes([content[start] ^ 1 << chance.randrange(8)]) + content[start + 1 :]


_DAMAGES = {
    "bit": _bit,
    "bits": lambda content, start, size, chance: _bit(
        _bit(content, start, 1, chance), len(content) - 1 - start, 1, chance
    ),
    "noise": lambda content, start, size, chance: content[:start] + chance.randbytes(size) + content[start + size :],
    "zeros": lambda content, start, size, chance: content[:start] + bytes(size) + content[start + size :],
    "cut": lambda content, start, size, chance: content[:start],
    "gap": lambda content, start, size, chance: content[:start] + content[start + size :],
    "doubled": lambda content, start, size, chance: content[: start + size] + content[start:],
    "swapped": lambda content, start, size, chance: _swapped(content, start, size, chance.randrange(len(content))),
}


def _swapped(content: bytes, start: int, size: int, other: int) -> bytes:
    piece = content[other : other + size]
    return content[:start] + piece + content[start + len(piece) :]


def changed(value: Any, chance: Random) -> Any:
    """Return another value of the same kind, as a slip or a forger would write it."""
    while True:
        other = _changed(value, chance)
        if not (type(other) is type(value) and other == value):
            return other


def _changed(value: Any, chance: Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return chance.choice((value + 1, max(value - 1, 0), value * 2 + 1, value + 10))
    if isinstance(value, float):
        near = min(value * chance.choice((0.9, 0.99, 0.999999, 1.01, 1.5)), 1.0) if 0 <= value <= 1 else value * 1.01
        return chance.choice((near, math.nextafter(value, 2.0), 1 - value if 0 <= value <= 1 else value + 1))
    if isinstance(value, str) and value:
        place = chance.randrange(len(value))
        kinds = (string.digits, "abcdef", string.ascii_lowercase, string.ascii_uppercase)
        letters = next((kind for kind in kinds if value[place] in kind), string.ascii_letters)
        return value[:place] + chance.choice(letters) + value[place + 1 :]
    if isinstance(value, bytes) and value:
        return _bit(value, chance.randrange(len(value)), 1, chance)
    if isinstance(value, list) and value:
        place = chance.randrange(len(value))
        return chance.choice(([*value[:place], *value[place + 1 :]], [*value, value[place]], value[::-1]))
    return chance.choice((0, 1, 0.5, "x"))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value within tables and lists, theirs too but the outermost."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from leaves(inner, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """Return the value at a path."""
    for key in path:
        value = value[key]
    return value


def with_value(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy with another value at a path."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = with_value(value[path[0]], path[1:], new)
    return copy


def write(folder: Path, name: str, content: bytes) -> Path:
    """Write a damaged file and return it."""
    file = folder / name
    file.write_bytes(content)
    return file


def first_difference(mine: Any, other: Any, path: str = "") -> str:
    """Say where two values differ first, and how."""
    if isinstance(mine, list) and isinstance(other, list) and len(mine) == len(other):
        mine, other = dict(enumerate(mine)), dict(enumerate(other))
    if isinstance(mine, dict) and isinstance(other, dict):
        for key in mine | other:
            if mine.get(key) != other.get(key):
                return first_difference(mine.get(key), other.get(key), f"{path}.{key}" if path else str(key))
    return f"{path}: {mine!r:.60} became {other!r:.60}"
