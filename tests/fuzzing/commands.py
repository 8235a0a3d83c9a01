"""Commands of kbnd in this process, and what of their ends is a fault."""

from __future__ import annotations

import functools
import io
import json
import traceback
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import typer

from fuzzing.cases import Fault
from kbnd.cli import main

typer.main.get_command = functools.cache(typer.main.get_command)  # which every call would build anew, for 40 ms

SENTENCE_CODES = (2, 4, 5, 6, 7)
"""Exit codes that come with one sentence on stderr."""

RESULT_CODES = (0, 3)
LONGEST_SENTENCE = 2000


class Ended(NamedTuple):
    """How a command ended and what it printed."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The last thing that it said on stderr."""
        return self.err.strip().rpartition("\n")[2]


def kbnd(*words: object) -> Ended:
    """Run a command of kbnd to its end; what it raises is its exit code 1 and a traceback."""
    texts, out, err = tuple(map(str, words)), io.StringIO(), io.StringIO()
    code: Any = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(list(texts))
        except SystemExit as end:
            code = end.code or 0
        except BaseException:  # noqa: BLE001 (this is what is looked for)
            code = 1
            err.write(traceback.format_exc())
    return Ended(texts, code if isinstance(code, int) else 1, out.getvalue(), err.getvalue())


def bad_ends(ended: Ended, *, allowed: tuple[int, ...] = ()) -> Iterator[Fault]:
    """Find an end that is neither a result nor one sentence with its exit code.

    Args:
        ended: the command.
        allowed: further exit codes that say something of this command.
    """
    command = f"kbnd {' '.join(ended.words)}"[:300]
    if "Traceback (most recent call last)" in ended.err:
        place = [line.strip() for line in ended.err.splitlines() if "/kbnd/" in line][-1:]
        yield Fault("traceback", f"{command}: {ended.sentence[:300]} {' '.join(place)}")
    elif ended.code in SENTENCE_CODES:
        if not ended.sentence or len(ended.sentence) > LONGEST_SENTENCE or not _is_printable(ended.err):
            yield Fault("traceback", f"{command}: exit code {ended.code} with no plain sentence: {ended.err[-300:]!r}")
    elif ended.code not in (*RESULT_CODES, *allowed):
        yield Fault("traceback", f"{command}: exit code {ended.code}: {ended.err[-300:]!r}")
    elif not _is_printable(ended.out):
        yield Fault("traceback", f"{command}: printed {ended.out[:300]!r}, which no terminal should be sent")


def tables_of(ledger: Path) -> dict[str, Any] | Ended:
    """Everything that is printed of what has ended; or the first command that refused, and how.

    What `kbnd compare` prints is computed from these, which takes a second: who wants it asks for it.
    """
    listed = kbnd("ledger", "list", ledger, "--json")
    if listed.code not in RESULT_CODES:
        return listed
    lines = ledger.with_name("printed.jsonl")
    exported = kbnd("ledger", "export", lines, "--ledger", ledger)
    if exported.code not in RESULT_CODES:
        return exported
    with lines.open() as file:
        rows = [_known(row) for row in json.loads(listed.out) if row["status"] != "running"]
        return {"ledger list": rows, "ledger export": [json.loads(line) for line in file]}


def _known(row: dict[str, Any]) -> dict[str, Any]:
    """What a row holds: a column that one run has makes a place for nothing in all others."""
    return {name: value for name, value in row.items() if value is not None}


def _is_printable(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)
