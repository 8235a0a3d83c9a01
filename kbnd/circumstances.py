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


SETTINGS_BEFORE: Mapping[str, tuple[str, ...]] = {
    "tensorflow": ("tensorflow_intra_op", "TF_NUM_INTRAOP_THREADS"),
    "jax": (),
    "torch": ("torch",),
}
"""Backend -> the settings of `threads` that tell its count in runs from before `n_threads` was recorded."""


def n_threads_of(environment: Any, backend: str) -> int | None:
    """Return the threads that a run was computed with; None where its environment does not tell.

    Args:
        environment: of a run's record, which may come from anywhere.
        backend: of the run.
    """
    if not isinstance(environment, Mapping):
        return None
    if "n_threads" in environment:
        return _count(environment["n_threads"])
    settings = environment.get("threads")
    if not isinstance(settings, Mapping):
        return None
    counts = (_count(settings.get(name)) for name in SETTINGS_BEFORE.get(backend, ()))
    return next((count for count in counts if count), None) or _count(environment.get("n_cores_usable"))


def are_equal(ours: RunRecord, theirs: RunRecord) -> bool:
    """Return whether two trainings of one run must give the same numbers, bit for bit."""
    return ours.device == theirs.device == "cpu" and _of(ours) == _of(theirs)


def _of(run: RunRecord) -> tuple[Any, ...]:
    """What decides on a CPU."""
    environment = run.environment
    if not isinstance(environment, Mapping):
        return ()
    packages = environment.get("packages")
    if isinstance(packages, Mapping):
        packages = {name: version for name, version in packages.items() if name != OWN_PACKAGE}
    return environment.get("machine"), packages, n_threads_of(environment, run.backend)


def _count(value: Any) -> int | None:
    """A count of threads, which variables of the environment hold as text; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(MOST_THREADS)):
        value = int(value)
    is_count = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_THREADS
    return value if is_count else None
