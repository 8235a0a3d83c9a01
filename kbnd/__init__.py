"""kbnd: a laboratory for Batch Normalization and Dropout in CNNs.

Importing kbnd imports no backend; the names below are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kbnd.ledger import Ledger
    from kbnd.profiling.profiler import EpochProfiler
    from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec
    from kbnd.training.schedulers import DropoutSchedule
    from kbnd.tuning.hypermodel import SpecHyperModel
    from kbnd.tuning.tune import tune

__version__ = "0.1.0"

_HOMES = {
    "DataSpec": "kbnd.spec",
    "DropoutSchedule": "kbnd.training.schedulers",
    "EpochProfiler": "kbnd.profiling.profiler",
    "Ledger": "kbnd.ledger",
    "ModelSpec": "kbnd.spec",
    "Reader": "kbnd.ledger",
    "RunSpec": "kbnd.spec",
    "SpecHyperModel": "kbnd.tuning.hypermodel",
    "TrainSpec": "kbnd.spec",
    "tune": "kbnd.tuning.tune",
}

__all__ = [
    "DataSpec",
    "DropoutSchedule",
    "EpochProfiler",
    "Ledger",
    "ModelSpec",
    "Reader",
    "RunSpec",
    "SpecHyperModel",
    "TrainSpec",
    "tune",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module 'kbnd' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
