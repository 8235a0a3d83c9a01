"""Several drivers at once on one ledger: side by side, and suspended while others take over what they had claimed."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

from fuzzing.cases import Fault
from fuzzing.computed import doze, journal
from fuzzing.drivers import (
    SEARCHES,
    experiment,
    hearing_every,
    new,
    quicken_bayesian,
    search_driven,
    study_driven,
    with_light_keras,
    without_backend,
)
from fuzzing.kills import DRIVER_S, Whole, looked, tables_in, whole

N_DRIVERS = 6
STALE_S = 0.3
"""A claim of a driver that was suspended so long is taken over; each beats ten times as often."""


def drivers(folder: Path) -> Whole:
    """A study whose drivers dawdle."""
    without_backend()
    place = new(folder / "together")
    return whole(partial(study_driven, of=experiment(place)), place / "whole")


def searchers(folder: Path) -> None:
    """Searches whose drivers dawdle; what they find depends on who asks when."""
    with_light_keras()
    quicken_bayesian()
    search_driven(new(folder / "imported"), SEARCHES["random"])


def six_on_a_study(whole: Whole, chance: Random, folder: Path) -> Iterator[Fault]:
    """Let six processes drive one study from the same moment on."""
    pauses = [doze(Random(chance.random()), 0.01) for _ in range(N_DRIVERS)]
    of = experiment(folder)
    yield from _side_by_side([partial(study_driven, folder, of, pause=pause) for pause in pauses])
    yield from _once(folder)
    if tables_in(folder)[1] != whole.tables[1]:
        yield Fault("silent", "the epochs differ from those of one driver")


def six_on_a_search(_: None, chance: Random, folder: Path) -> Iterator[Fault]:
    """Let six processes drive one search from the same moment on."""
    name = chance.choice(sorted(SEARCHES))
    pauses = [doze(Random(chance.random()), 0.01) for _ in range(N_DRIVERS)]
    drives = [partial(search_driven, folder, SEARCHES[name], pause=pause) for pause in pauses]
    # A run that was given up is no result: it may be begun again before its candidate's end is in the log.
    for fault in (*_side_by_side(drives), *_once(folder, is_begun_once=name != "pruned")):
        yield Fault(fault.kind, f"{name}: {fault.about}")


def suspended(whole: Whole, chance: Random, folder: Path) -> Iterator[Fault]:
    """Suspend two drivers at random moments until a third has taken over what they claimed, then let them go on."""
    hearing_every(STALE_S / 10, stale_s=STALE_S)
    of = experiment(folder)
    drive = partial(study_driven, folder, of, pause=doze(chance, 0.02))
    sleepers = [_started(drive) for _ in range(2)]
    for sleeper in sleepers:
        time.sleep(chance.uniform(0, 2 * whole.seconds))
        _send(sleeper, signal.SIGSTOP)
    third = _started(drive)
    time.sleep(chance.uniform(0.5, 4) * STALE_S)
    for sleeper in sleepers:
        _send(sleeper, signal.SIGCONT)
        time.sleep(chance.uniform(0, STALE_S))
    yield from _ended([*sleepers, third])
    yield from _once(folder, is_begun_once=False)
    if tables_in(folder)[1] != whole.tables[1]:
        yield Fault("silent", "the epochs differ from those of one driver")


def _side_by_side(drives: list[Callable[[], None]]) -> Iterator[Fault]:
    yield from _ended([_started(drive) for drive in drives])


def _started(drive: Callable[[], None]) -> int:
    """Start a driver and return the number of its process; it says on stderr what it raises."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            drive()
            code = 0
        except BaseException as error:  # noqa: BLE001 (noted for the one who waits)
            with Path("raised.txt").open("a") as file:
                file.write(f"{type(error).__name__}: {error}\n")
        finally:
            os._exit(code)
    return child


def _ended(children: list[int]) -> Iterator[Fault]:
    """Wait for drivers; what they raise, and that they do not end, is a fault."""
    deadline, left = time.monotonic() + DRIVER_S, set(children)
    while left and time.monotonic() < deadline:
        left -= {child for child in left if os.waitpid(child, os.WNOHANG) != (0, 0)}
        time.sleep(0.005)
    for child in left:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        yield Fault("hang", "a driver did not end")
    if Path("raised.txt").exists():
        yield Fault("traceback", f"a driver raised {Path('raised.txt').read_text().strip()}")


def _send(child: int, number: signal.Signals) -> None:
    """Send a signal to a child that may have ended, but for which nobody has waited."""
    os.kill(child, number)


def _once(folder: Path, *, is_begun_once: bool = True) -> Iterator[Fault]:
    """Every run was stored once and begun once; suspended drivers may have begun what another then trained."""
    for what in ("stored", "begun") if is_begun_once else ("stored",):
        times = Counter(run_id for kind, run_id in journal(folder) if kind == what)
        yield from (Fault("double", f"run {run_id} was {what} {n} times") for run_id, n in times.items() if n > 1)
    yield from looked(folder)
