"""The machines that trained what is printed: the first run of each session, and its machine in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from kbnd.ledger import Ledger
from kbnd.records import RunRecord
from kbnd.words import counted


def first_of_sessions(ledger: Ledger, runs: pd.DataFrame) -> dict[str, RunRecord]:
    """Return session -> its first run, whose environment stands for the session.

    Args:
        ledger: where the runs are.
        runs: columns of runs.csv; their order decides which run of a session is its first, and is that of the result.
    """
    firsts = runs.drop_duplicates("session")
    pairs = zip(firsts["session"].map(str), firsts["run_id"].map(str), strict=True)
    return {session: record for session, run_id in pairs if (record := ledger.get(run_id)) is not None}


def place_in_words(environment: Mapping[str, Any], device: str) -> str:
    """Return what trained a run: the cores of its processor, or its GPU.

    Args:
        environment: of the run's record (`kbnd.profiling.machine.environment`).
        device: `cpu` or `gpu`.
    """
    if device != "cpu":
        return str((environment.get("gpu") or {}).get("name") or "a GPU whose name only kbnd[gpu] can tell")
    return f"{counted(environment.get('n_cores_usable') or 0, 'core')} of {environment.get('cpu')}"
