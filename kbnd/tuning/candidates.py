"""What is searched, and the candidates that a search has had: plain values, without the oracle that proposes them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from kbnd.execution.planned import Planned
from kbnd.spec import Identity
from kbnd.training import machine
from kbnd.tuning.objectives import Objective
from kbnd.tuning.space import Space

Ending = Literal["done", "diverged", "failed", "pruned"]

ENDINGS: dict[str, Ending] = {
    "done": "done",
    "diverged": "diverged",
    "failed": "failed",
    "oom": "failed",
    "pruned": "pruned",
}
"""Status of a run that has ended -> what its candidate ends with, if all of its other runs are done."""


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """What is searched, how, and for how long.

    Attributes:
        name: of the search in the ledger.
        space: what varies, and what does not.
        oracle: `random`, `grid`, `bayesian` or `hyperband`.
        objective: what is looked for.
        seeds: runs of each candidate, with the seeds 1...N.
        search_seed: of the oracle.
        is_pruned: whether runs that lag behind are given up.
        max_trials: candidates in all, those of earlier calls too; None is until the oracle has no more.
        max_hours: of training in all; no candidate is begun after them.
    """

    name: str
    space: Space
    oracle: str
    objective: Objective
    seeds: int = 2
    search_seed: int = 1
    is_pruned: bool = False
    max_trials: int | None = None
    max_hours: float | None = None

    @property
    def sweeps(self) -> int | None:
        """How often Hyperband goes through its brackets: once, or until trials or hours end the search."""
        return 1 if self.max_trials is None and self.max_hours is None else None

    @property
    def has_end(self) -> bool:
        """Whether the oracle has no more to propose when every point of the space was a candidate."""
        return self.oracle == "grid" or (self.space.is_finite and self.oracle != "hyperband")

    @property
    def is_endless(self) -> bool:
        """Whether only hours end the search."""
        return self.max_hours is not None and self.max_trials is None and not self.has_end

    def definition(self, identity: Identity) -> dict[str, Any]:
        """Return everything that must not change between two calls that go on with one search.

        A search by the clock is of one machine, too.
        """
        clock = {} if self.objective.is_reproducible else {"machine": machine.in_words()}
        return {
            "space": self.space.definition(),
            "oracle": self.oracle,
            "objective": self.objective.name,
            "seeds": self.seeds,
            "search_seed": self.search_seed,
            "prune": self.is_pruned,
            "setting": asdict(identity),
            **clock,
        }


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
    runs: list[Planned]
    disturbed: list[Planned] = field(default_factory=list)
    status: Literal["open"] | Ending = "open"
    score: float | None = None
    told: float | None = None
    wall_s: float = 0.0

    def n_measured(self, seed: int) -> int:
        """Return how often a seed was trained, or is being."""
        return 1 + sum(run.spec.seed == seed for run in self.disturbed)
