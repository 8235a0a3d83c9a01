"""Who trains on a cluster: remote tasks, and the mailbox through which they and the driver talk.

The images are put into the object store once, so that nodes need no data of their own. Ray itself retries nothing: a
run whose node or worker was lost is submitted again from here, so that the driver hears that it begins anew.

Reference: https://docs.ray.io/en/latest/ray-core/fault-tolerance.html
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from kbnd import data
from kbnd.cores import usable_cores
from kbnd.errors import KbndError
from kbnd.execution import resources
from kbnd.execution.concurrent import ActiveRun, Call, Ended, Event, Lost, Refused
from kbnd.execution.ray.clusters import Share
from kbnd.execution.ray.connection import first_line
from kbnd.execution.ray.mailbox import Mailbox
from kbnd.execution.worker import Trainer, observer_through, outcome
from kbnd.spec import DataSpec

if TYPE_CHECKING:
    from kbnd.training.task import Task

RUNS_PER_WORKER = 100
"""After so many runs Ray starts another process in a worker's place, so that memory stays flat."""

POLL_S = 1.0
"""How long one wait for events lasts at most, so that a signal is heard."""

trainer = cache(Trainer)
"""The one `Trainer` of a worker process."""


class RemoteTasks:
    """The crew of Ray.

    Args:
        ray: connected.
        share: what each run asks the cluster for.
    """

    lost_retries = 3

    def __init__(self, ray: ModuleType, share: Share) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._ray = ray
        self._mailbox = ray.remote(Mailbox).options(num_cpus=0, max_concurrency=1000, scheduling_strategy=here).remote()
        self._mail = self._mailbox.take.remote()
        self._train = ray.remote(
            num_cpus=share.num_cpus,
            num_gpus=share.num_gpus,
            max_retries=0,
            max_calls=RUNS_PER_WORKER,
            scheduling_strategy="SPREAD",
        )(trained)
        self._n_threads = max(1, int(share.num_cpus))
        self._numbers = itertools.count(1)
        self._attempts: dict[int, ActiveRun] = {}  # number of an attempt -> its run
        self._ends: dict[Any, int] = {}  # reference to an attempt's end -> its number
        self._images: dict[DataSpec, Any] = {}

    def start(self, run: ActiveRun) -> None:
        """Submit a run."""
        number, task = next(self._numbers), run.task
        self._attempts[number] = run
        if task.spec.data not in self._images:
            self._images = {task.spec.data: self._ray.put(_plain(data.load(task.spec.data)))}
        if task.checkpoint:
            with suppress(OSError):  # nodes that share this disk find it there; others train without
                task.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        images = self._images[task.spec.data]
        self._ends[self._train.remote(task, images, self._mailbox, number, self._n_threads)] = number

    def events(self, active: Sequence[ActiveRun]) -> list[tuple[ActiveRun, Event]]:  # noqa: ARG002 (known by attempt)
        """Wait a while for messages and ends; what a run said before its end comes before it."""
        ready, _ = self._ray.wait([self._mail, *self._ends], num_returns=1, timeout=POLL_S)
        ended = [reference for reference in ready if reference in self._ends]
        if ended:
            self._ray.get(self._mailbox.wake.remote())
        events: list[tuple[ActiveRun, Event]] = []
        for number, call in self._calls() if ready else ():
            if number in self._attempts:
                events.append((self._attempts[number], call))
            elif call.is_answered:
                # Given up as lost, but only cut off: it is told to stop, and not to drop what the next attempt stores.
                self._mailbox.answer.remote(number, call.name == "should_stop")
        for reference in ended:
            events.append((self._attempts.pop(self._ends.pop(reference)), self._end(reference)))
        return events

    def answer(self, run: ActiveRun, answer: bool) -> None:
        """Answer the call of a run's present attempt, which may have been lost since it asked."""
        for number in [number for number, other in self._attempts.items() if other is run]:
            self._mailbox.answer.remote(number, answer)

    def close(self) -> None:
        """Cancel what is being trained."""
        with suppress(Exception):  # the connection itself may be what broke
            for reference in self._ends:
                self._ray.cancel(reference, force=True)
            self._ray.kill(self._mailbox)

    def _calls(self) -> list[tuple[int, Call]]:
        try:
            calls = self._ray.get(self._mail)
        except self._ray.exceptions.RayError as error:
            raise KbndError(f"the connection to Ray broke ({first_line(error)}): start the command again") from None
        self._mail = self._mailbox.take.remote()
        return calls

    def _end(self, reference: Any) -> Event:
        """How an attempt ended: with what it returned, or with its loss."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.OutOfMemoryError:
            return Lost("Ray ended the run because its node ran out of memory", status="oom")
        except errors.RayTaskError as error:
            return Lost(f"the run's worker stopped with {type(error.cause).__name__}: {first_line(error.cause)}")
        except errors.RayError as error:
            return Lost(f"the run's node or worker was lost ({type(error).__name__})")


def trained(task: Task, dataset: data.Dataset, mailbox: Any, number: int, n_threads: int) -> Ended | Refused:
    """Train one run on a node; it is a remote task of Ray."""
    import ray

    def call(name: str, *arguments: Any) -> Any:
        return ray.get(mailbox.put.remote(number, Call(name, arguments)))

    # Read when the backend is imported, by this process' first run.
    if task.n_threads is not None:
        os.environ.update(resources.exactly(task.n_threads))
    elif n_threads < len(usable_cores()):  # a run with a node of its own has no limits, as in its driver
        os.environ.update(resources.limits(n_threads))
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
