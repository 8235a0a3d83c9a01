"""Executors map tasks to finished run records.

An executor takes an iterator of tasks and pulls the next only when it has a free place, so that a driver claims
a run in the ledger just before it is trained.

| `--executor`     | trains                                                            |
|------------------|-------------------------------------------------------------------|
| `inline`         | in this process, one run after another                            |
| `processes:N`    | in N processes of this machine, each with its share of it         |
| `ray`, `ray:N`   | on a Ray cluster, N runs at once (default: as many as it has room for) |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from kbnd.errors import UsageError, unknown
from kbnd.records import RunRecord

if TYPE_CHECKING:
    from kbnd.training.task import Observer, Task

EXECUTORS = ("inline", "processes:N", "ray", "ray:N")
"""What `--executor` takes; N is a whole number from 1."""


MOST_PLACES = 1_000
"""Runs at once."""


class Executor(Protocol):
    """Trains tasks.

    Attributes:
        places: how many runs at once.
        is_concurrent: whether runs share a machine, so that their times are never compared.
    """

    @property
    def places(self) -> int:
        """How many runs at once."""

    @property
    def is_concurrent(self) -> bool:
        """Whether runs may share a machine."""

    def execute(
        self, tasks: Iterator[Task | None], *, observer: Callable[[Task], Observer]
    ) -> Iterator[RunRecord | None]:
        """Train tasks as they come; yield the record of each when it ends, None where none is free nor in training."""


def executor(
    text: str, *, address: str | None = None, num_cpus: float | None = None, num_gpus: float | None = None
) -> Executor:
    """Return the executor that a text such as `processes:4` names; nothing is started yet.

    To be called before a backend is loaded: where processes share a GPU, none may take all of its memory.

    Args:
        text: one of `EXECUTORS`.
        address: of a Ray cluster, `auto` or HOST:PORT; None starts a Ray of this machine.
        num_cpus: processors that each run on Ray asks for; None is 1.
        num_gpus: GPUs that each run on Ray asks for, may be a fraction; None shares out what the cluster has.

    Raises:
        UsageError: no such executor, a number of places that cannot be, Ray is not installed or not reached.
    """
    name, places = _parsed(text)
    options = {"address": address, "num_cpus": num_cpus, "num_gpus": num_gpus}
    of_ray = [f"{key} {value!r}" for key, value in options.items() if value is not None]
    if of_ray and name != "ray":
        raise UsageError(f"{of_ray[0]} belongs to executor 'ray', received executor {text!r}")
    if name == "ray":
        from kbnd.execution.ray import Ray

        return Ray(places, address=address, num_cpus=num_cpus, num_gpus=num_gpus)
    if name == "processes":
        from kbnd.execution.processes import Processes

        return Processes(places or 1)
    return _Inline()


class _Inline:
    """The inline executor, whose module is imported late: it brings Keras, and so fixes the backend."""

    places = 1
    is_concurrent = False

    def execute(
        self, tasks: Iterator[Task | None], *, observer: Callable[[Task], Observer]
    ) -> Iterator[RunRecord | None]:
        return import_module("kbnd.execution.inline").execute(tasks, observer=observer)


def _parsed(text: str) -> tuple[str, int | None]:
    """Name and number of places of an executor's text, None where it leaves the number out."""
    name, colon, number = text.partition(":")
    forms = [form for form in EXECUTORS if form.partition(":")[0] == name]
    if not forms or (colon and name == "inline"):
        raise unknown("executor", text, EXECUTORS)
    if not colon and name in forms:
        return name, None
    if not re.fullmatch(r"[0-9]{1,9}", number) or not 1 <= int(number) <= MOST_PLACES:
        raise UsageError(
            f"executor {name!r} should name how many runs train at once, a whole number from 1 to {MOST_PLACES:,}, as "
            f"in {name}:2: received {text!r:.100}"
        )
    return name, int(number)
