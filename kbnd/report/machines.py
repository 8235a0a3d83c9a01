"""What a machine is called where results are printed, from the environment of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kbnd.words import counted


def place_in_words(environment: Mapping[str, Any], device: str) -> str:
    """Return what trained a run: the cores of its processor, or its GPU.

    Args:
        environment: of the run's record (`kbnd.profiling.machine.environment`).
        device: `cpu` or `gpu`.
    """
    if device != "cpu":
        return str((environment.get("gpu") or {}).get("name") or "a GPU whose name only kbnd[gpu] can tell")
    return f"{counted(environment.get('n_cores_usable') or 0, 'core')} of {environment.get('cpu')}"
