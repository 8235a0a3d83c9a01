"""A process that trains what a driver sends it, one run after another, and ends with that driver.

    python -m kbnd.execution.worker FD

| file descriptor | is                                                                             |
|-----------------|--------------------------------------------------------------------------------|
| FD              | its end of the pipe: an `Orders`, then tasks come in and events go out         |
| 0               | a lifeline: it ends when the driver does, however that ends                    |
| 1, 2            | a file of the driver's, so that what libraries print reaches no terminal       |
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psutil

from kbnd import data
from kbnd.errors import KbndError, UsageError
from kbnd.execution.concurrent import Call, Ended, Refused
from kbnd.records import RunRecord
from kbnd.spec import DataSpec, Identity
from kbnd.streams import standard
from kbnd.training.task import Observer, Task

if TYPE_CHECKING:
    from kbnd.training.compiled import Networks

PR_SET_PDEATHSIG = 1
"""Of Linux' prctl: the signal that a process gets when the thread that started it is gone."""

OOM_SCORE = "500"
"""Where memory runs out, Linux ends a worker rather than its driver."""


@dataclass(frozen=True)
class Orders:
    """What a driver tells a worker before its first task.

    Attributes:
        driver: its process.
        cores: processors that the worker may run on; empty is all.
        is_from_main: whether the driver's main thread started it, which lives as long as the driver.
    """

    driver: int
    cores: tuple[int, ...]
    is_from_main: bool


class TrainFunction(Protocol):
    """Trains one task, as `Trainer` does."""

    def __call__(self, task: Task, *, observer: Observer) -> RunRecord:
        """Train it; raises `KbndError` where the user must mend something."""


class Trainer:
    """Trains one task after another in this process and keeps what the next one can use."""

    def __init__(self) -> None:
        self._loaded: dict[DataSpec, data.Dataset] = {}
        self._networks: Networks | None = None

    def __call__(self, task: Task, *, observer: Observer, dataset: data.Dataset | None = None) -> RunRecord:
        """Train a task and return its record.

        Args:
            task: what to train.
            observer: whom the run tells.
            dataset: its images; None loads them, and keeps them while the next task wants the same.

        Raises:
            KbndError: what the user must mend.
        """
        from kbnd.training import backend

        backend.load(task.identity.backend, n_threads=task.n_threads)
        check_identity(task.identity, backend.identity(task.identity.fingerprint))
        from kbnd.training.compiled import Networks
        from kbnd.training.run import train

        self._networks = self._networks or Networks()
        if dataset is not None:
            self._loaded = {task.spec.data: dataset}
        elif task.spec.data not in self._loaded:
            self._loaded = {task.spec.data: data.load(task.spec.data)}
        return train(task, dataset=self._loaded[task.spec.data], observer=observer, networks=self._networks)


def check_identity(expected: Identity, here: Identity) -> None:
    """Refuse to train under another identity than the one that the run's id was made from.

    Raises:
        UsageError: it names what differs.
    """
    differences = [
        f"{field.name} {getattr(here, field.name)} instead of {getattr(expected, field.name)}"
        for field in fields(Identity)
        if getattr(here, field.name) != getattr(expected, field.name)
    ]
    if differences:
        raise UsageError(f"a worker has {', '.join(differences)}: workers need what their driver has")


def observer_through(call: Callable[..., Any]) -> Observer:
    """Return an observer that passes each call on, as `call(name, *arguments)`."""
    return Observer(**{field.name: partial(call, field.name) for field in fields(Observer)})


def main(pipe_fd: int, train: TrainFunction | None = None) -> None:
    """Train what comes through the pipe until it is closed."""
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # a driver that is told to stop tells its workers when
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_lifeline, daemon=True).start()
    faulthandler.enable()
    pipe = Connection(pipe_fd)
    with standard(), suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the driver has gone, or needs no more
        _settle(pipe.recv())
        train = train or Trainer()
        while True:
            pipe.send(_answered(pipe.recv(), pipe, train))


def _answered(task: Task, pipe: Connection, train: TrainFunction) -> Ended | Refused:
    def call(name: str, *arguments: Any) -> Any:
        message = Call(name, arguments)
        pipe.send(message)
        return pipe.recv() if message.is_answered else None

    return outcome(task, partial(train, observer=observer_through(call)))


def outcome(task: Task, train: Callable[[Task], RunRecord]) -> Ended | Refused:
    """Train a task and return how that ended, as the driver is told it."""
    try:
        return Ended(train(task), psutil.Process().memory_info().rss)
    except KbndError as error:
        return Refused(error)


def _settle(orders: Orders) -> None:
    """Take the cores that the driver gives, and its fate."""
    if orders.cores and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):  # a container may have fewer by now
            os.sched_setaffinity(0, orders.cores)
    if sys.platform != "linux":
        return
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    if orders.is_from_main:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != orders.driver:  # it went before it could be followed
            os._exit(1)


def _end_with_lifeline() -> None:
    """Wait for the driver's end; a signal could be late, for a backend may be computing for minutes."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
