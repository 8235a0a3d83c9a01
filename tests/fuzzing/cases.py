"""Cases of faults: each a function of a seed and a number, run in a process of its own that is given up after a while.

    kind process: prepare (what all cases share) -> fork -> case 1 -> fork -> case 2 -> ...

| fault       | is                                                                                     |
|-------------|----------------------------------------------------------------------------------------|
| `lost`      | a finished run, or a sound ledger, that is gone                                        |
| `double`    | a finished run that was trained again                                                  |
| `traceback` | an end that is no sentence: an exception, a crash, an exit code that means nothing     |
| `silent`    | a changed value that was accepted as sound                                             |
| `hang`      | a case that did not end                                                                |
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

FAULTS = ("lost", "double", "traceback", "silent", "hang")
KIND_LIMIT_S = 7200.0


class Fault(NamedTuple):
    """What was wrong in a case: one of `FAULTS`, and the input and its consequence in words."""

    kind: str
    about: str


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        about: what is done to what, in words.
        n: cases of the whole script.
        prepare: makes what the cases share, in a folder.
        case: does one thing to a copy of that, in a folder of its own, and yields what was wrong.
        limit_s: after which a case counts as hung.
    """

    about: str
    n: int
    prepare: Callable[[Path], Any]
    case: Callable[[Any, Random, Path], Iterable[Fault]]
    limit_s: float = 120.0


@dataclass
class Counts:
    """How many cases of a kind were tried, and what was wrong in them."""

    n: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class HangError(Exception):
    """A process that did not end in time."""


class CrashError(Exception):
    """A process that ended without a word."""


def tried(
    name: str, kind: Kind, numbers: Iterable[int], *, seed: int, say: Callable[[str], None], folder: Path
) -> Counts:
    """Try cases of a kind, by number, and say what was wrong in which.

    Args:
        name: of the kind.
        kind: its functions.
        numbers: of the cases.
        seed: with the name and a number it makes a case what it is.
        say: told a line for each fault.
        folder: for what several kinds share.
    """

    def all_cases() -> Counts:
        counts, started = Counts(), time.perf_counter()
        shared = kind.prepare(folder)
        for number in numbers:
            faults = _faults(name, kind, number, seed, shared, folder)
            counts.n += 1
            counts.faults.update(fault.kind for fault in faults[:1])  # a case counts once, by its first fault
            for fault in faults:
                say(f"{fault.kind.upper()} --only {name}:{number} --seed {seed}: {fault.about}")
        counts.seconds = time.perf_counter() - started
        return counts

    return isolated(all_cases, limit_s=KIND_LIMIT_S)


def isolated(call: Callable[[], Any], *, limit_s: float) -> Any:
    """Return what a call returns in a fork of this process; whatever it started and left ends with it.

    Raises:
        HangError: it took longer than allowed.
        CrashError: it was killed, or raised.
    """
    sys.stdout.flush()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.close(read)
        _answer(call, write)
    os.close(write)
    try:
        answer = _received(read, limit_s=limit_s)
    finally:
        os.close(read)
        for target in (lambda: os.kill(child, signal.SIGKILL), lambda: os.killpg(child, signal.SIGKILL)):
            with suppress(ProcessLookupError):
                target()
        _, status = os.waitpid(child, 0)
    if not answer:
        raise CrashError(f"ended without a word, by signal {os.WTERMSIG(status)}")
    is_value, value = pickle.loads(answer)
    if not is_value:
        raise CrashError(value)
    return value


def _faults(name: str, kind: Kind, number: int, seed: int, shared: Any, folder: Path) -> list[Fault]:
    chance = Random(f"{seed}/{name}/{number}")
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=folder) as place:

        def case() -> list[Fault]:
            os.chdir(place)
            return list(kind.case(shared, chance, Path(place)))

        try:
            return isolated(case, limit_s=kind.limit_s)
        except HangError:
            return [Fault("hang", f"did not end within {kind.limit_s:.0f} s")]
        except CrashError as error:
            return [Fault("traceback", _in_a_line(str(error)))]


def _in_a_line(text: str) -> str:
    """The last line of a traceback, and the place in kbnd where it came from."""
    lines = text.strip().splitlines()
    return " ".join([lines[-1][:400], *[line.strip() for line in lines if "/kbnd/" in line][-1:]])


def _answer(call: Callable[[], Any], write: int) -> None:
    """Say through a pipe what a call returns or raises, and end this process."""
    try:
        answer = pickle.dumps((True, call()))
    except BaseException:  # noqa: BLE001 (said in the other process)
        answer = pickle.dumps((False, traceback.format_exc()))
    try:
        sys.stdout.flush()
        with open(write, "wb") as pipe:
            pipe.write(answer)
    finally:
        os._exit(0)


def _received(read: int, *, limit_s: float) -> bytes:
    """Everything that comes through a pipe until its other end is closed."""
    parts, deadline = [], time.monotonic() + limit_s
    while True:
        ready, _, _ = select.select([read], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise HangError
        part = os.read(read, 2**16)
        if not part:
            return b"".join(parts)
        parts.append(part)
