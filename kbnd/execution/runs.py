"""Runs that are wanted: what is trained, under which id, and where it stands in a plan."""

from __future__ import annotations

from dataclasses import dataclass

from kbnd.spec import RunSpec


@dataclass(frozen=True)
class PlannedRun:
    """One run that is wanted, with its place in a plan (None for a run on its own)."""

    arm: str
    spec: RunSpec
    run_id: str
    block: int | None = None
    position: int | None = None
