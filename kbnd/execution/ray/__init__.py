"""Runs on a Ray cluster: each is a remote task that asks for processors and, where there are any, a part of a GPU.

    driver --task, images (object store)--> remote task --calls--> mailbox (an actor beside the driver) --> driver

The images are put into the object store once, so that nodes need no data of their own. Ray itself retries nothing: a
run whose node or worker was lost is submitted again from here, so that the driver hears that it begins anew.

Reference: https://docs.ray.io/en/latest/ray-core/fault-tolerance.html
"""

from __future__ import annotations

import itertools
import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from kbnd import data
from kbnd.errors import KbndError, UsageError, how_to_install
from kbnd.execution import resources
from kbnd.execution.clusters import Share, Wanted, check_reachable, share
from kbnd.execution.concurrent import Call, Ended, Event, Flight, Lost, Refused, fly
from kbnd.execution.mailbox import Mailbox
from kbnd.execution.worker import Trainer, observer_through, outcome
from kbnd.quiet import held_stderr
from kbnd.records import RunRecord
from kbnd.spec import DataSpec

if TYPE_CHECKING:
    from kbnd.training.task import Observer, Task

RUNS_PER_WORKER = 100
"""After so many runs Ray starts another process in a worker's place, so that memory stays flat."""

POLL_S = 1.0
"""How long one wait for events lasts at most, so that a signal is heard."""

SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1"}
"""Set where the user has not: Ray reports to nobody."""

QUIET = {"log_to_driver": False, "logging_level": logging.CRITICAL}

trainer = cache(Trainer)
"""The one `Trainer` of a worker process."""


class Ray:
    """The executor `ray` or `ray:N`; it connects when it is first used.

    Args:
        places: how many runs at once; None is as many as the cluster has room for.
        address: `auto` or HOST:PORT of a cluster that runs; None starts a Ray of this machine, and ends it.
        num_cpus: processors of each run; None is 1, or an even share where `places` is given.
        num_gpus: GPUs of each run; None is an even share of what there is, at most 1.

    Raises:
        UsageError: Ray is not installed, or nobody answers at the address.
    """

    def __init__(
        self,
        places: int | None = None,
        *,
        address: str | None = None,
        num_cpus: float | None = None,
        num_gpus: float | None = None,
    ) -> None:
        if find_spec("ray") is None:
            raise UsageError(f"executor 'ray' needs Ray, which is not installed: {how_to_install('ray')}")
        self._wanted = Wanted(places, num_cpus, num_gpus)
        self._address = address
        self._is_ours = False
        if address is not None:
            self._address = _reached(address)

    @property
    def places(self) -> int:
        """How many runs at once."""
        return self._wanted.places or self._share().places

    @property
    def is_concurrent(self) -> bool:
        """Whether runs may share a machine."""
        return self.places > 1

    def execute(
        self, tasks: Iterator[Task | None], *, observer: Callable[[Task], Observer]
    ) -> Iterator[RunRecord | None]:
        """Train tasks as they come; see `kbnd.execution.executors.Executor`."""
        each = self._share()
        try:
            yield from fly(tasks, observer=observer, crew=_Tasks(self._connected(), each), n_places=each.places)
        finally:
            if self._is_ours:
                self._connected().shutdown()
                self._is_ours = False

    def _share(self) -> Share:
        nodes = [node["Resources"] for node in self._connected().nodes() if node["Alive"]]
        return share(nodes, self._wanted)

    def _connected(self) -> ModuleType:
        """Ray, connected; a connection that the caller has made already is used and left open."""
        ray = _imported()
        if ray.is_initialized():
            return ray
        own = {"address": "local", "include_dashboard": False, "num_cpus": len(resources.usable_cores())}
        try:
            with held_stderr(), _same_signals():
                ray.init(**({"address": self._address} if self._address else own), **QUIET)
        except (OSError, RuntimeError, ValueError) as error:
            where = f"the Ray cluster at {self._address} lets nobody in" if self._address else "Ray does not start here"
            raise UsageError(f"{where}: {_first_line(error)}") from None
        self._is_ours = True
        return ray


class _Tasks:
    """The crew of Ray: remote tasks, and the mailbox through which they and the driver talk."""

    lost_retries = 3

    def __init__(self, ray: ModuleType, each: Share) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._ray = ray
        self._mailbox = ray.remote(Mailbox).options(num_cpus=0, max_concurrency=1000, scheduling_strategy=here).remote()
        self._taken = self._mailbox.take.remote()
        self._train = ray.remote(
            num_cpus=each.num_cpus,
            num_gpus=each.num_gpus,
            max_retries=0,
            max_calls=RUNS_PER_WORKER,
            scheduling_strategy="SPREAD",
        )(trained)
        self._n_threads = max(1, int(each.num_cpus))
        self._numbers = itertools.count(1)
        self._flights: dict[int, Flight] = {}  # number of an attempt -> its run
        self._ends: dict[Any, int] = {}  # reference to an attempt's end -> its number
        self._images: dict[DataSpec, Any] = {}

    def start(self, flight: Flight) -> None:
        """Submit a run."""
        number, task = next(self._numbers), flight.task
        self._flights[number] = flight
        if task.spec.data not in self._images:
            self._images = {task.spec.data: self._ray.put(_plain(data.load(task.spec.data)))}
        if task.checkpoint:
            with suppress(OSError):  # nodes that share this disk find it there; others train without
                task.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        images = self._images[task.spec.data]
        self._ends[self._train.remote(task, images, self._mailbox, number, self._n_threads)] = number

    def events(self, flights: Sequence[Flight]) -> list[tuple[Flight, Event]]:  # noqa: ARG002 (the flights are known)
        """Wait a while for messages and ends; what a run said before its end comes before it."""
        ready, _ = self._ray.wait([self._taken, *self._ends], num_returns=1, timeout=POLL_S)
        ended = [reference for reference in ready if reference in self._ends]
        if ended:
            self._ray.get(self._mailbox.wake.remote())
        found: list[tuple[Flight, Event]] = []
        for number, call in self._calls() if ready else ():
            if number in self._flights:
                found.append((self._flights[number], call))
            elif call.is_answered:
                # Given up as lost, but only cut off: it is told to stop, and not to drop what the next attempt stores.
                self._mailbox.answer.remote(number, call.name == "should_stop")
        for reference in ended:
            found.append((self._flights.pop(self._ends.pop(reference)), self._end(reference)))
        return found

    def answer(self, flight: Flight, answer: bool) -> None:
        """Answer the call of a run's present attempt, which may have been lost since it asked."""
        for number in [number for number, other in self._flights.items() if other is flight]:
            self._mailbox.answer.remote(number, answer)

    def close(self) -> None:
        """Cancel what is being trained."""
        with suppress(Exception):  # the connection itself may be what broke
            for reference in self._ends:
                self._ray.cancel(reference, force=True)
            self._ray.kill(self._mailbox)

    def _calls(self) -> list[tuple[int, Call]]:
        try:
            calls = self._ray.get(self._taken)
        except self._ray.exceptions.RayError as error:
            raise KbndError(f"the connection to Ray broke ({_first_line(error)}): start the command again") from None
        self._taken = self._mailbox.take.remote()
        return calls

    def _end(self, reference: Any) -> Event:
        """How an attempt ended: with what it returned, or with its loss."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.OutOfMemoryError:
            return Lost("Ray ended the run because its node ran out of memory", status="oom")
        except errors.RayTaskError as error:
            return Lost(f"the run's worker stopped with {type(error.cause).__name__}: {_first_line(error.cause)}")
        except errors.RayError as error:
            return Lost(f"the run's node or worker was lost ({type(error).__name__})")


def trained(task: Task, dataset: data.Dataset, mailbox: Any, number: int, n_threads: int) -> Ended | Refused:
    """Train one run on a node; it is a remote task of Ray."""
    import ray

    def call(name: str, *arguments: Any) -> Any:
        return ray.get(mailbox.put.remote(number, Call(name, arguments)))

    if n_threads < len(resources.usable_cores()):  # a run with a node of its own has no limits, as in its driver
        os.environ.update(resources.limits(n_threads))  # read when the backend is imported, by this process' first run
    resources.share_gpus()
    if task.checkpoint and not task.checkpoint.parent.is_dir():
        task = replace(task, checkpoint=None)
    return outcome(task, partial(trainer(), observer=observer_through(call), dataset=dataset))


def _plain(dataset: data.Dataset) -> data.Dataset:
    """The dataset with plain arrays, which nodes read in place; memory maps would be copied, as they are pickled."""
    parts = {name: getattr(dataset, name) for name in ("train", "validation", "test")}
    plain: dict[str, Any] = {
        name: data.Split(np.ascontiguousarray(part.images), np.ascontiguousarray(part.labels))
        for name, part in parts.items()
    }
    return replace(dataset, **plain)


def _reached(address: str) -> str:
    """HOST:PORT of a cluster that answers at an address; raises `UsageError` where none does."""
    if address != "auto":
        check_reachable(address)
        return address
    _imported()
    from ray._private import services  # what `ray.init` itself would look up, after which it tries for minutes

    try:
        found = str(services.canonicalize_bootstrap_address(address))
    except (ConnectionError, ValueError):
        raise UsageError(
            "no Ray cluster runs on this machine, received address 'auto': start one with ray start, or leave out the "
            "address for a Ray that ends with the command"
        ) from None
    check_reachable(found)
    return found


def _imported() -> ModuleType:
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Ray's own imports deprecate is nobody's business here
        import ray
        import ray._private.worker
    ray._private.worker._worker_logs_enabled = False  # or it prints the loss of nodes into the user's tables
    return ray


@contextmanager
def _same_signals() -> Iterator[None]:
    """Ray sets handlers of its own when it connects; a command has its own already, which stop at an epoch's end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # it was not set from Python
                signal.signal(number, handler)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
