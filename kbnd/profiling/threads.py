"""How many threads a backend computes with on a CPU: what it takes by itself, what it has, and fixing it.

A sum that is cut into as many parts as there are threads is added in another order, so the count decides the last bits
of every loss. The cores that a process may run on only set the count where nothing else does: 2 threads that take turns
on one core compute what 2 threads on two cores do.

| backend      | takes by itself                                                  | can be fixed                 |
|--------------|------------------------------------------------------------------|------------------------------|
| `tensorflow` | `TF_NUM_INTRAOP_THREADS`, or the usable cores                    | before its first operation   |
| `jax`        | `PJRT_NPROC`, `NPROC`, or the usable cores; at least its devices | before it sees its devices   |
| `torch`      | `OMP_NUM_THREADS`, at most the physical ones of the usable cores | always                       |

Between operations (`TF_NUM_INTEROP_THREADS`) threads change nothing, nor does `--xla_cpu_multi_thread_eigen`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from kbnd.cores import usable_cores

PJRT_VARIABLE = "PJRT_NPROC"
"""Read by JAX when it first looks at its devices; no public setting of JAX does the same (jax-ml/jax#1539)."""


def _usable() -> int:
    return len(usable_cores())


def _physical() -> int:
    return min(_usable(), psutil.cpu_count(logical=False) or _usable())


@dataclass(frozen=True)
class Rule:
    """How many threads a backend takes by itself.

    Attributes:
        variables: of the environment, the first that holds a count decides.
        most: the count where none does.
        is_limited: whether `most` is never exceeded.
    """

    variables: tuple[str, ...]
    most: Callable[[], int]
    is_limited: bool = False


RULES: Mapping[str, Rule] = {
    "tensorflow": Rule(("TF_NUM_INTRAOP_THREADS",), _usable),
    "jax": Rule((PJRT_VARIABLE, "NPROC"), _usable),
    "torch": Rule(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), _physical, is_limited=True),
}

SWITCHABLE = ("torch",)
"""Backends whose count can be changed at any time, and so given back to a notebook."""

_of_jax: int | None = None
"""The count that JAX was given here, which no function of JAX tells."""


def usual(backend: str) -> int:
    """Return how many threads a backend takes by itself in this process."""
    rule = RULES[backend]
    asked = next((count for name in rule.variables if (count := set_by_user(name))), None)
    if asked is None:
        return rule.most()
    return min(asked, rule.most()) if rule.is_limited else asked


def current(backend: str) -> int:
    """Return how many threads a backend computes with; before it is imported, how many it would take by itself."""
    return (_CURRENT[backend]() if backend in sys.modules else None) or usual(backend)


def of_process() -> int | None:
    """Return how many threads the backend of this process computes with; None before Keras is imported."""
    keras = sys.modules.get("keras")
    backend = keras.config.backend() if keras is not None and hasattr(keras, "config") else None
    return current(backend) if backend is not None and backend in RULES else None


def fix(backend: str, n_threads: int) -> bool:
    """Have a backend that is imported compute with so many threads, for the rest of the process where it must be so.

    A backend of `SWITCHABLE` is left as it is: `held` gives it the count for as long as it is needed.

    Returns:
        Whether it can; False where it has computed with another count already, which stays, or is not imported.
    """
    if backend not in sys.modules:
        return False
    if backend in SWITCHABLE or current(backend) == n_threads:
        return True
    _FIX[backend](n_threads)
    return current(backend) == n_threads


@contextmanager
def held(backend: str, n_threads: int | None) -> Iterator[None]:
    """Have a backend compute with so many threads within the block, as far as it can; None leaves it its own."""
    before = current(backend)
    if n_threads is None or n_threads == before:
        yield
        return
    _FIX[backend](n_threads)
    try:
        yield
    finally:
        if backend in SWITCHABLE:
            _FIX[backend](before)


def set_by_user(variable: str) -> int | None:
    """Return a thread variable's number; None for 0 and what is no number, which leave the choice to the library."""
    value = os.environ.get(variable, "")
    return int(value) or None if value.isascii() and value.isdecimal() else None


def _tensorflow() -> Any:
    return sys.modules["tensorflow"].config.threading


def _fix_tensorflow(n_threads: int) -> None:
    try:
        _tensorflow().set_intra_op_parallelism_threads(n_threads)
    except RuntimeError:  # it has computed: the count stays
        return


def _current_of_jax() -> int | None:
    """The count that JAX was given, at least one for each device that it was told to see in the processor."""
    import jax

    if not _has_jax_started():
        return None
    return max(_of_jax or usual("jax"), len(jax.local_devices(backend="cpu")))


def _has_jax_started() -> bool:
    from jax._src import xla_bridge  # nothing public tells

    return xla_bridge.backends_are_initialized()


def _fix_jax(n_threads: int) -> None:
    global _of_jax
    import jax

    if _has_jax_started():
        return
    before = os.environ.get(PJRT_VARIABLE)
    os.environ[PJRT_VARIABLE] = str(n_threads)
    try:
        jax.devices()
        _of_jax = n_threads
    finally:
        if before is None:
            del os.environ[PJRT_VARIABLE]
        else:
            os.environ[PJRT_VARIABLE] = before


_CURRENT: Mapping[str, Callable[[], int | None]] = {
    "tensorflow": lambda: _tensorflow().get_intra_op_parallelism_threads(),
    "jax": _current_of_jax,
    "torch": lambda: sys.modules["torch"].get_num_threads(),
}

_FIX: Mapping[str, Callable[[int], None]] = {
    "tensorflow": _fix_tensorflow,
    "jax": _fix_jax,
    "torch": lambda n_threads: sys.modules["torch"].set_num_threads(n_threads),
}
