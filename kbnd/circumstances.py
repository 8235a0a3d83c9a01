"""Under which circumstances a run was trained: what may change its numbers though it is part of no identity.

A run id names a training of its spec on a backend. Its losses and accuracies are sums of millions of products, and the
order in which those are added follows from the circumstances: the last bits differ, and after some epochs the accuracy.

| circumstance                                      | on CPUs                         | on GPUs                |
|---------------------------------------------------|---------------------------------|------------------------|
| threads that the backend computed with            | changes the last bits           | none                   |
| machine, versions of backend, Keras and NumPy     | may change the last bits        | likewise               |
| nothing, the very same training once more         | gives the same bits             | may change the last bits |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kbnd.records import RunRecord

MOST_THREADS = 1024
"""A larger count than this is no count: no backend is told to start so many."""

OWN_PACKAGE = "kbnd"
"""The package whose version changes no number within one `kbnd.spec.PROTOCOL`."""


def n_threads_of(environment: Any) -> int | None:
    """Return the threads that a run was computed with; None where its environment does not tell.

    Args:
        environment: of a run's record, which may come from anywhere.
    """
    n_threads = environment.get("n_threads") if isinstance(environment, Mapping) else None
    is_count = isinstance(n_threads, int) and not isinstance(n_threads, bool) and 1 <= n_threads <= MOST_THREADS
    return n_threads if is_count else None


def are_equal(ours: RunRecord, theirs: RunRecord) -> bool:
    """Return whether two trainings of one run must give the same numbers, bit for bit."""
    return ours.device == theirs.device == "cpu" and _of(ours.environment) == _of(theirs.environment)


def _of(environment: Any) -> tuple[Any, ...]:
    """What decides on a CPU; of a run from before threads were counted, the settings of threads in their place."""
    if not isinstance(environment, Mapping):
        return ()
    packages = environment.get("packages")
    versions = {name: value for name, value in packages.items() if name != OWN_PACKAGE} if packages else packages
    threads = n_threads_of(environment) or environment.get("threads")
    return environment.get("machine"), versions, threads
