"""The run wing: from a spec to a trained, timed and evaluated run.

`backend` chooses and synchronises, `initial` draws weights, `feed` orders batches (`augmentation` and `pixels` change
their images), `optimizers` take the steps, `schedulers` move learning rate and dropout along `schedules`, `profiler` is
the clock (`clock` its arithmetic, `meters` its instruments), `checkpoint` saves, `run` puts them together. Importing
this package imports no backend: the public names are looked up when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kbnd.profiling.profiler import EpochProfiler
    from kbnd.training.schedulers import DropoutSchedule

PUBLIC = {"DropoutSchedule": "kbnd.training.schedulers", "EpochProfiler": "kbnd.profiling.profiler"}

__all__ = ["DropoutSchedule", "EpochProfiler"]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC])
