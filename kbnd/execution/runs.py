"""Runs that are wanted: what is trained, under which id, and where it stands in a plan."""

from __future__ import annotations

from dataclasses import dataclass

from kbnd.errors import UsageError
from kbnd.spec import RunSpec

MOST_RUNS = 100_000
"""Runs of one plan, which are all made before the first is trained: 130 MB of them, and years of training."""


def check_count(n_runs: int, *, of: str, remedy: str) -> None:
    """Refuse a plan of more runs than are meant.

    Args:
        n_runs: of the plan.
        of: what they are, in words.
        remedy: what there should be fewer of.

    Raises:
        UsageError: it says how many, and of how many a plan can be.
    """
    if n_runs > MOST_RUNS:
        raise UsageError(f"{of} are {n_runs:,} runs, a plan has at most {MOST_RUNS:,}: ask for fewer {remedy}")


@dataclass(frozen=True)
class PlannedRun:
    """One run that is wanted, with its place in a plan (None for a run on its own)."""

    arm: str
    spec: RunSpec
    run_id: str
    block: int | None = None
    position: int | None = None
