"""Runs in processes of this machine: each place is a worker with a share of the cores, or a GPU, and a pipe.

A worker loads the backend once and trains one run after another. A crash takes down one run only, which is tried once
more in a fresh worker. A worker is an interpreter of its own (no fork, and nothing of the caller's `__main__` is
imported), in a process group of its own, so that Ctrl-C reaches the driver alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import IO, TYPE_CHECKING

from kbnd import interpreters
from kbnd.execution import resources
from kbnd.execution.concurrent import ActiveRun, Ended, Event, Lost, train_concurrently
from kbnd.execution.worker import Orders
from kbnd.files import disk_errors
from kbnd.records import FAILURES, RunRecord

if TYPE_CHECKING:
    from kbnd.training.task import Observer, Task

WORKER = ("-m", "kbnd.execution.worker")
"""Arguments of the interpreter that is a worker; the number of its pipe follows."""

RUNS_PER_WORKER = 100
GROWTH_BYTES = 2**31
"""A worker that holds so much more than after its first run is replaced."""

ENDING_S = 10.0
"""How long a worker may take to end after it has closed its pipe."""


@dataclass(frozen=True)
class Processes:
    """The executor `processes:N`.

    Attributes:
        places: how many runs at once.
    """

    places: int

    def __post_init__(self) -> None:
        resources.share_gpus()

    @property
    def is_concurrent(self) -> bool:
        """Whether runs share this machine."""
        return self.places > 1

    def execute(
        self, tasks: Iterator[Task | None], *, observer: Callable[[Task], Observer]
    ) -> Iterator[RunRecord | None]:
        """Train tasks as they come; see `kbnd.execution.executors.Executor`."""
        return train_concurrently(tasks, observer=observer, crew=_Workers(self.places), n_places=self.places)


@dataclass
class _Worker:
    """The driver's end of a worker."""

    process: subprocess.Popen
    pipe: Connection
    output: IO[bytes]
    n_runs: int = 0
    first_rss_bytes: int = 0

    def is_worn(self, rss_bytes: int) -> bool:
        """Count a run that ended; whether the worker should be replaced, so that memory stays flat."""
        self.n_runs += 1
        if self.n_runs == 1:
            self.first_rss_bytes = rss_bytes
        return self.n_runs >= RUNS_PER_WORKER or rss_bytes - self.first_rss_bytes > GROWTH_BYTES

    def end(self) -> None:
        """End it at once, whatever it does; a file that it was writing has a temporary name."""
        self.process.kill()
        self.process.wait()
        self.pipe.close()
        self.output.close()
        if self.process.stdin:
            self.process.stdin.close()


class _Workers:
    """The crew of `processes:N`; a worker is started when its place is first needed."""

    lost_retries = 1

    def __init__(self, n_places: int) -> None:
        self._n_places = n_places
        self._at: dict[int, _Worker] = {}

    def start(self, run: ActiveRun) -> None:
        """Send a task to the worker of its place."""
        with suppress(OSError):  # it ended between two runs, which costs no run an attempt
            if run.place in self._at:
                self._at[run.place].pipe.send(run.task)
                return
        self._retire(run.place)
        share = resources.of_place(run.place, n_places=self._n_places, n_threads=run.task.n_threads)
        worker = self._at[run.place] = _started(share)
        with suppress(OSError):  # it ended already, which its pipe says next
            worker.pipe.send(run.task)

    def events(self, active: Sequence[ActiveRun]) -> list[tuple[ActiveRun, Event]]:
        """Wait until a worker says something or ends."""
        ready = wait([self._at[run.place].pipe for run in active])
        speakers = [run for run in active if self._at[run.place].pipe in ready]
        return [(run, self._event(run.place)) for run in speakers]

    def answer(self, run: ActiveRun, answer: bool) -> None:
        """Answer a worker; where it is gone, its pipe says so next."""
        with suppress(OSError):
            self._at[run.place].pipe.send(answer)

    def close(self) -> None:
        """End all workers."""
        for place in list(self._at):
            self._retire(place)

    def _event(self, place: int) -> Event:
        worker = self._at[place]
        try:
            event = worker.pipe.recv()
        except (EOFError, OSError):
            event = _loss(worker)
            self._retire(place)
            return event
        if isinstance(event, Ended):
            is_worn = worker.is_worn(event.rss_bytes)
            if is_worn or event.record.status in FAILURES:
                self._retire(place)
        return event

    def _retire(self, place: int) -> None:
        if place in self._at:
            self._at.pop(place).end()


def _started(share: resources.Resources) -> _Worker:
    """Start a worker with its share of the machine."""
    with disk_errors("what a worker prints", remedy="set TMPDIR to a folder of yours"):
        output = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the worker)
    pipe, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            interpreters.command(*WORKER, str(theirs.fileno())),
            env={**os.environ, **share.variables, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[theirs.fileno()],
            process_group=0,
        )
    is_from_main = threading.current_thread() is threading.main_thread()
    worker = _Worker(process, pipe, output)
    with suppress(OSError):
        pipe.send(Orders(os.getpid(), share.cores, is_from_main))
    return worker


def _loss(worker: _Worker) -> Lost:
    """Say in words how a worker ended that has closed its pipe."""
    try:
        code = worker.process.wait(ENDING_S)
    except subprocess.TimeoutExpired:
        return Lost("the worker closed its pipe and did not end")
    if code == -signal.SIGKILL:
        return Lost("the worker was killed by SIGKILL, as Linux does where memory runs out", status="oom")
    if code < 0:
        return Lost(f"the worker was ended by signal {-code} ({signal.strsignal(-code)})")
    worker.output.seek(0)
    lines = worker.output.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return Lost(f"the worker ended with exit code {code}" + (f": {last[:500]}" if last else ""))
