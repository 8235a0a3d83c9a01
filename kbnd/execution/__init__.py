"""Executors map tasks to finished run records; which one is used changes no number.

An executor takes an iterator of tasks and pulls the next only when it has a free place, so that a driver claims
a run in the ledger just before it is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from kbnd.records import RunRecord

if TYPE_CHECKING:
    from kbnd.training.task import Observer, Task

EXECUTORS = {"inline": "kbnd.execution.inline"}
"""Name that `--executor` takes -> module whose `execute` it is."""


class Execute(Protocol):
    """Trains tasks and yields the record of each; `observer` makes the observer of a task."""

    def __call__(self, tasks: Iterable[Task], *, observer: Callable[[Task], Observer]) -> Iterator[RunRecord]:
        """Train tasks."""


def executor(name: str) -> Execute:
    """Return the function of an executor by its name in `EXECUTORS`."""
    return import_module(EXECUTORS[name]).execute
