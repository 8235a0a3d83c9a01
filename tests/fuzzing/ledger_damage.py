"""What is damaged in ledgers and exports.

| kind            | damage                                                                                    |
|-----------------|-------------------------------------------------------------------------------------------|
| `ledger-values` | one value of one row, by SQL: another of its kind, another row's, or what it cannot be    |
| `ledger-bytes`  | bytes of the file                                                                         |
| `lines-values`  | one value within one line of an export                                                    |
| `lines-bytes`   | bytes of an export, lines left out, doubled, swapped                                      |
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.cases import Fault
from fuzzing.computed import LEDGER
from fuzzing.hostile import HOSTILE
from fuzzing.ledgers import Original, imported, judged
from fuzzing.mutations import at, changed, damaged, leaves, with_value
from kbnd.ledger.schema import TABLES

SMALLER = {
    "claims": 0.02,
    "labels": 0.08,
    "studies": 0.1,
    "searches": 0.05,
    "search_events": 0.25,
    "runs": 0.3,
    "epochs": 0.2,
}
"""Table -> how often it is chosen."""


def value_of_ledger(original: Original, chance: Random, folder: Path) -> Iterator[Fault]:
    """Change one value of one row."""
    ledger = folder / LEDGER
    shutil.copyfile(original.ledger, ledger)
    about = _change_value(ledger, chance)
    yield from judged(original, ledger, about, chance)


def bytes_of_ledger(original: Original, chance: Random, folder: Path) -> Iterator[Fault]:
    """Damage the file."""
    about, content = damaged(original.ledger.read_bytes(), chance)
    (folder / LEDGER).write_bytes(content)
    yield from judged(original, folder / LEDGER, about, chance)


def value_of_lines(original: Original, chance: Random, folder: Path) -> Iterator[Fault]:
    """Change one value in one line of an export."""
    lines = list(original.lines)
    number = chance.randrange(len(lines))
    line = json.loads(lines[number])
    path = chance.choice(list(leaves(line)))
    old = at(line, path)
    new = chance.choice(HOSTILE) if chance.random() < 0.3 else changed(old, chance)
    lines[number] = json.dumps(with_value(line, path, new), sort_keys=True, separators=(",", ":")) + "\n"
    (folder / "export.jsonl").write_text("".join(lines))
    about = f"line {number + 1} {'.'.join(map(str, path))}: {old!r:.80} became {new!r:.80}"
    yield from imported(original, folder / "export.jsonl", about)


def bytes_of_lines(original: Original, chance: Random, folder: Path) -> Iterator[Fault]:
    """Damage an export as a disk, a transfer or an editor does."""
    if chance.random() < 0.5:
        about, content = damaged("".join(original.lines).encode(), chance)
    else:
        about, lines = _edited(original.lines, chance)
        content = "".join(lines).encode()
    (folder / "export.jsonl").write_bytes(content)
    yield from imported(original, folder / "export.jsonl", about)


def _change_value(ledger: Path, chance: Random) -> str:
    """Change one value of one row by SQL, and say which."""
    with closing(sqlite3.connect(ledger)) as db, db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        table = chance.choices(list(SMALLER), list(SMALLER.values()))[0]
        assert table in TABLES
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        keys = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[5]]
        column = chance.choice(columns)
        rows = db.execute(f"SELECT {', '.join(keys)}, {column} FROM {table}").fetchall()
        *key, old = chance.choice(rows)
        others = [row[-1] for row in rows if row[-1] != old]
        how = chance.random()
        new = (
            _value(old, chance)
            if how < 0.6
            else chance.choice(others or HOSTILE)
            if how < 0.75
            else chance.choice(HOSTILE)
        )
        where = " AND ".join(f"{name} IS ?" for name in keys)
        try:
            db.execute(f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {where}", (new, *key))
        except (sqlite3.IntegrityError, OverflowError, UnicodeEncodeError):
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (old, *key))
            return "nothing, which SQLite refused"
    return f"{table}.{column} of {key!r:.60}: {old!r:.120} became {new!r:.120}"


def _value(old: Any, chance: Random) -> Any:
    """Another value of a kind; within a JSON text, of one of its values."""
    if isinstance(old, str) and old[:1] == "{" and chance.random() < 0.8:
        inner = json.loads(old)
        if paths := list(leaves(inner)):
            path = chance.choice(paths)
            return json.dumps(
                with_value(inner, path, changed(at(inner, path), chance)), sort_keys=True, separators=(",", ":")
            )
    return changed(old, chance)


def _edited(lines: list[str], chance: Random) -> tuple[str, list[str]]:
    i, j = sorted(chance.sample(range(len(lines)), 2))
    edits = {
        "left out": [*lines[:i], *lines[i + 1 :]],
        "cut": lines[: i + 1] if i + 1 < len(lines) else lines[:i],
        "doubled": [*lines[: i + 1], *lines[i:]],
        "swapped": [*lines[:i], lines[j], *lines[i + 1 : j], lines[i], *lines[j + 1 :]],
        "moved": [*lines[:i], *lines[i + 1 : j + 1], lines[i], *lines[j + 1 :]],
        "empty": [*lines[:i], "\n", *lines[i:]],
        "joined": [*lines[:i], lines[i].rstrip("\n"), *lines[i + 1 :]],
    }
    how = chance.choice(sorted(edits))
    return f"line {i + 1} of {len(lines)} (and {j + 1}) {how}", edits[how]
