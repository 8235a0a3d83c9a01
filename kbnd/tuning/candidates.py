"""The candidates that a search has had: plain values, without the oracle that proposes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from kbnd.execution.runs import PlannedRun
from kbnd.records import Ending


@dataclass
class Candidate:
    """One proposal of the oracle, and what came of it.

    Attributes:
        ordinal: from 1.
        values: by hyperparameter.
        epochs: that each of its runs is trained for.
        runs: one for each seed.
        disturbed: runs of before that something else was trained beside, so that others took their place.
        status: `open` until it has ended.
        score: mean over its runs; None where it has none.
        told: what the oracle was told.
        wall_s: of its runs together.
    """

    ordinal: int
    values: dict[str, Any]
    epochs: int
    runs: list[PlannedRun]
    disturbed: list[PlannedRun] = field(default_factory=list)
    status: Literal["open"] | Ending = "open"
    score: float | None = None
    told: float | None = None
    wall_s: float = 0.0

    def n_measured(self, seed: int) -> int:
        """Return how often a seed was trained, or is being."""
        return 1 + sum(run.spec.seed == seed for run in self.disturbed)
