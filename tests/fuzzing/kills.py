"""Drivers that are killed with SIGKILL, at a random call or a random moment, and started again until they end.

What must hold: the ledger is sound after each kill; what was stored stays and is not trained again; the tables at the
end are those of a driver that nobody killed.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.cases import Fault, HangError, isolated
from fuzzing.computed import LEDGER, counting, journal, note
from fuzzing.drivers import (
    SEARCHES,
    experiment,
    new,
    quicken_bayesian,
    search_driven,
    study_driven,
    with_light_keras,
    without_backend,
)
from kbnd.errors import UsageError
from kbnd.ledger import Reader
from kbnd.records import HITS

DRIVER_S = 60.0
"""In which a driver of computed runs ends by far."""

NO_LEDGER = re.compile("no ledger yet|there is no ledger")
"""What a ledger is said to be whose maker was killed before it was made."""

Drive = Callable[[Path], None]


@dataclass(frozen=True)
class Whole:
    """A driver, and what it leaves where nobody kills it.

    Attributes:
        drive: drives runs on the ledger of a folder to their end.
        tables: what that leaves.
        n_calls: so many calls it makes meanwhile.
        seconds: it takes.
    """

    drive: Drive
    tables: Any
    n_calls: int
    seconds: float


def study(folder: Path) -> Whole:
    """A study of three arms, driven as `kbnd study` does."""
    without_backend()
    place = new(folder / "study")
    return whole(partial(study_driven, of=experiment(place)), place / "whole")


def searches(folder: Path) -> dict[str, Whole]:
    """Searches with each oracle, driven as `kbnd tune` does."""
    with_light_keras()
    quicken_bayesian()
    return {
        name: whole(partial(search_driven, chosen=chosen), new(folder / f"search-{name}"))
        for name, chosen in SEARCHES.items()
    }


def kill_study(whole: Whole, chance: Random, folder: Path) -> Iterator[Fault]:
    """Kill a study one to three times, on one ledger."""
    yield from killed(whole, chance, folder)


def kill_search(wholes: dict[str, Whole], chance: Random, folder: Path) -> Iterator[Fault]:
    """Kill a search one to three times, on one ledger."""
    name = chance.choice(sorted(wholes))
    for fault in killed(wholes[name], chance, folder):
        yield Fault(fault.kind, f"{name}: {fault.about}")


def killed(whole: Whole, chance: Random, folder: Path) -> Iterator[Fault]:
    for _ in range(chance.choice((1, 1, 2, 3))):
        how = by_call if chance.random() < 0.5 else by_clock
        try:
            at = how(whole, chance, folder)
        except HangError:
            yield Fault("hang", "a driver to be killed did not end")
            return
        yield from (Fault(kind, f"killed {at}: {about}") for kind, about in looked(folder))
    yield from completed(whole, folder)


def completed(whole: Whole, folder: Path) -> Iterator[Fault]:
    """Drive what is left to its end, and compare with what nobody disturbed."""
    try:
        isolated(lambda: whole.drive(folder), limit_s=DRIVER_S)
    except HangError:
        yield Fault("hang", "the driver that was to go on did not end")
        return
    yield from looked(folder)
    if (tables := tables_in(folder)) != whole.tables:
        yield Fault("silent", f"the tables differ: {_difference(whole.tables, tables)}")
    yield from trained_again(folder)


def by_call(whole: Whole, chance: Random, folder: Path) -> str:
    """Kill a driver at one of the calls that it makes; return where."""
    at = chance.randrange(1, whole.n_calls)

    def drive() -> None:
        counting(lambda: os.kill(os.getpid(), signal.SIGKILL), at=at)
        whole.drive(folder)

    ended(drive)
    return f"at call {at}"


def by_clock(whole: Whole, chance: Random, folder: Path) -> str:
    """Kill a driver after a while; return when."""
    after = chance.uniform(0, whole.seconds)
    child = os.fork()
    if child == 0:
        try:
            whole.drive(folder)
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return f"after {after:.4f} s"


def ended(drive: Callable[[], None]) -> None:
    """Let a driver in another process end, or be killed."""
    child = os.fork()
    if child == 0:
        try:
            drive()
        finally:
            os._exit(0)
    deadline = time.monotonic() + DRIVER_S
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            raise HangError
        time.sleep(0.002)


def looked(folder: Path) -> Iterator[Fault]:
    """Look at a ledger whose driver was killed, and write down what is stored there."""
    stored = set[str]()
    try:
        with Reader.open(folder / LEDGER) as ledger:
            yield from (Fault("lost", f"not sound: {problem}") for problem in ledger.verify())
            stored = {record.run_id for record in ledger.records() if record.status in HITS}
            yield from (Fault("lost", f"a dead process holds {claim.run_id}") for claim in ledger.live_claims())
    except UsageError as error:
        if not NO_LEDGER.search(str(error)):
            yield Fault("lost", str(error))
    gone = {run_id for what, run_id in journal(folder) if what == "stored"} - stored
    yield from (Fault("lost", f"run {run_id} was stored and is gone") for run_id in sorted(gone))
    for run_id in sorted(stored):
        note(folder, "stored", run_id)


def trained_again(folder: Path) -> Iterator[Fault]:
    """Find runs that were begun after they had been stored."""
    stored = set[str]()
    for what, run_id in journal(folder):
        if what == "begun" and run_id in stored:
            yield Fault("double", f"run {run_id} was stored and trained again")
        elif what == "stored":
            stored.add(run_id)


def tables_in(folder: Path) -> Any:
    """Everything in a ledger that is to be the same however often its drivers were killed."""
    with Reader.open(folder / LEDGER) as ledger:
        runs = ledger.runs().drop(columns=["session", "started_at"]).to_csv(index=False)
        epochs = ledger.epochs().to_csv(index=False)
        infos = [ledger.search(name) for name in ledger.searches()]
        logs = [[(event.kind, event.ordinal, event.body) for event in ledger.search_events(info)] for info in infos]
    for log in logs:
        for _, _, body in log:
            for of_this_search_alone in ("wall_s", "sessions"):
                body.pop(of_this_search_alone, None)
    return runs, epochs, logs


def whole(drive: Drive, place: Path) -> Whole:
    """Drive to the end undisturbed: here, so that forks find everything imported, for its calls, and for its time."""
    drive(new(place / "imported"))

    def counted() -> int:
        count = counting(lambda: None, at=float("inf"))
        drive(new(place / "counted"))
        return count()

    n_calls = isolated(counted, limit_s=DRIVER_S)
    started = time.perf_counter()
    isolated(lambda: drive(new(place / "timed")), limit_s=DRIVER_S)
    return Whole(drive, tables_in(place / "timed"), n_calls, time.perf_counter() - started)


def _difference(mine: Any, other: Any) -> str:
    for name, a, b in zip(("runs", "epochs", "logs"), mine, other, strict=True):
        if a != b:
            lines = (a.splitlines(), b.splitlines()) if isinstance(a, str) else (a, b)
            first = next(((x, y) for x, y in zip(*lines, strict=False) if x != y), (len(lines[0]), len(lines[1])))
            return f"{name}: {first[0]!r:.300} became {first[1]!r:.300}"
    return "nothing"
