"""How many threads the runs of a call are computed with, and what a user is told of it.

| the runs of a study, search or run are | computed with                                                       |
|----------------------------------------|---------------------------------------------------------------------|
| begun on a CPU, as the ledger knows    | the threads of the first of them, whatever executor goes on         |
| of a study or search that just begins  | what its first driver settled in the ledger, whoever else begins it |
| not begun                              | what the executor gives each: a share of the cores, `OMP_NUM_THREADS` |

A cluster settles nothing: there each machine decides until one run has begun. A notebook whose backend has computed
already keeps that count where the backend cannot change it: it is told so once.
"""

from __future__ import annotations

import warnings

from kbnd import cores
from kbnd.execution import resources
from kbnd.execution.settings import Settings
from kbnd.profiling import threads
from kbnd.training import backend
from kbnd.words import counted


def expected(settings: Settings) -> int | None:
    """Return how many threads an executor gives each run of its own accord; None where a cluster decides."""
    name, executor = backend.choose(settings.backend), settings.executor.partition(":")[0]
    if executor == "ray":
        return None
    places = settings.make_executor().places
    share = resources.share(places)
    limit = resources.limits(share)[threads.RULES[name].variables[0]] if places > 1 else None
    return threads.usual(name) if limit is None else int(limit)


def own(settings: Settings) -> int | None:
    """Return how many threads the runs of a call would have by themselves; None where a cluster decides."""
    return (threads.of_process() if is_here(settings) else None) or expected(settings)


def in_words(begun_with: int | None, settings: Settings) -> str:
    """Return the threads of each run as a plan says them.

    Args:
        begun_with: what the first run was computed with; None where none is stored or none says.
        settings: the engine's.
    """
    usual = expected(settings)
    if begun_with is None:
        return "for each run what the cluster gives it" if usual is None else f"{usual} for each run"
    instead = f" (by itself {settings.executor} would take {usual})" if usual not in (None, begun_with) else ""
    return f"{begun_with} for each run, as the first one had{instead}{_crowded(begun_with, settings)}"


def warn(begun_with: int | None, settings: Settings) -> None:
    """Warn where the runs that follow cannot have the threads of the first, or have to share cores for it."""
    if begun_with is None:
        return
    name = backend.choose(settings.backend)
    n_threads = threads.current(name)
    if is_here(settings) and name not in threads.SWITCHABLE and n_threads != begun_with:
        warnings.warn(
            f"the first run was computed with {counted(begun_with, 'thread')} and {name} computes with {n_threads} in "
            "this process, which cannot be changed any more: on a CPU runs will differ from it in their last bits, "
            "and after some epochs in accuracy; executor 'processes:1', or a new process, keeps the count",
            stacklevel=2,
        )
    elif crowded := _crowded(begun_with, settings):
        warnings.warn(f"runs are computed with {begun_with} threads, as the first one{crowded}", stacklevel=2)


def is_here(settings: Settings) -> bool:
    """Return whether runs are computed in this process."""
    return settings.executor == "inline"


def _crowded(n_threads: int, settings: Settings) -> str:
    """What to say where this machine has fewer cores than a run has threads; empty where it does not."""
    if settings.executor.startswith("ray") or n_threads <= cores.n_cores():
        return ""
    return f"; they take turns on the {counted(cores.n_cores(), 'core')} here, so it takes longer than with fewer"
