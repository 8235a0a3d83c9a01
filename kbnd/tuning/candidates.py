"""The candidates that a search has had, and the runs that each is trained by: one for each seed.

    same numbers each time     replicate 0: what the ledger holds is taken from it
    measured by the clock      a number that is made of the search and the candidate, which nobody else would train

A time that a ledger holds was measured beside other programs, in another session or on another machine, and compares
with none of this search; so such a search trains everything itself, under identities of its own. What something else
was trained beside, all the same, is measured again as a further replicate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from kbnd.analysis.objectives import Direction
from kbnd.errors import ResumeMismatchError
from kbnd.execution.runs import PlannedRun
from kbnd.records import FIRST_OWN_REPLICATE, Ending, SearchEvent, SearchInfo, arm_of
from kbnd.spec import Identity, digest
from kbnd.tuning.plan import SearchPlan

MOST_MEASUREMENTS = 3
"""How often a search measures a seed of a candidate, where every time something else was trained beside it."""


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
        oracle_score: what the oracle was given in place of it, or the score itself.
        wall_s: of its runs together.
    """

    ordinal: int
    values: dict[str, Any]
    epochs: int
    runs: list[PlannedRun]
    disturbed: list[PlannedRun] = field(default_factory=list)
    status: Literal["open"] | Ending = "open"
    score: float | None = None
    oracle_score: float | None = None
    wall_s: float = 0.0

    def n_measured(self, seed: int) -> int:
        """Return how often a seed was trained, or is being."""
        return 1 + sum(run.spec.seed == seed for run in self.disturbed)


@dataclass(frozen=True)
class CandidateRuns:
    """Makes the runs of a search's candidates.

    Attributes:
        plan: what is searched.
        info: what the ledger calls it.
        identity: the setting that run ids are made from.
    """

    plan: SearchPlan
    info: SearchInfo
    identity: Identity

    def of_candidate(self, ordinal: int, values: dict[str, Any], *, epochs: int) -> list[PlannedRun]:
        """Return one run for each seed."""
        seeds, arm = range(1, self.plan.seeds + 1), arm_of(ordinal)
        return [self.of_seed(values, seed=seed, epochs=epochs, arm=arm, what=str(ordinal)) for seed in seeds]

    def again(self, candidate: Candidate, seed: int) -> PlannedRun:
        """Return the run that takes the place of a disturbed one."""
        arm, what = arm_of(candidate.ordinal), f"{candidate.ordinal} again {candidate.n_measured(seed)}"
        return self.of_seed(candidate.values, seed=seed, epochs=candidate.epochs, arm=arm, what=what)

    def of_seed(self, values: dict[str, Any], *, seed: int, epochs: int, arm: str, what: str) -> PlannedRun:
        """Return one run; by the clock it is the search's own replicate for `what`.

        Args:
            values: of the candidate.
            seed: from 1.
            epochs: that it is trained for.
            arm: its label.
            what: of the search is measured, such as the ordinal of a candidate.
        """
        replicate = 0 if self.plan.objective.is_reproducible else own_replicate(self.info, what)
        spec = self.plan.space.run_spec(values, seed=seed, epochs=epochs, replicate=replicate)
        return PlannedRun(arm, spec, spec.run_id(self.identity))

    def check_same(self, event: SearchEvent, runs: Iterable[PlannedRun]) -> None:
        """Refuse to go on where the runs that an entry of the log speaks of would now be other ones.

        Raises:
            ResumeMismatchError: it names the first.
        """
        for run in runs:
            stored = event.body["run_ids"].get(str(run.spec.seed))
            if stored != run.run_id:
                raise ResumeMismatchError(
                    f"candidate {event.ordinal} of search {self.info.name} would now be run {run.run_id[:12]} with "
                    f"seed {run.spec.seed}, stored {str(stored)[:12]}: --fresh (fresh=True) begins anew"
                )


def best_of(candidates: Iterable[Candidate], *, direction: Direction) -> Candidate | None:
    """Return the first with the best score among those trained for the most epochs; None where none has one."""
    scored = [(candidate.score, candidate) for candidate in candidates if candidate.score is not None]
    longest = max((candidate.epochs for _, candidate in scored), default=0)
    sign = -1 if direction == "max" else 1
    ranked = [(sign * score, candidate.ordinal) for score, candidate in scored if candidate.epochs == longest]
    return {candidate.ordinal: candidate for _, candidate in scored}[min(ranked)[1]] if ranked else None


def ids_by_seed(runs: Iterable[PlannedRun]) -> dict[str, str]:
    """Return run ids as the log holds them."""
    return {str(run.spec.seed): run.run_id for run in runs}


def own_replicate(info: SearchInfo, what: str) -> int:
    """Return the replicate under which a search by the clock trains something; the same whenever it is asked.

    Args:
        info: the search; begun afresh, or on another ledger, it is another one.
        what: of it, such as the ordinal of a candidate.
    """
    of = digest([info.name, info.generation, info.created_at, what])
    return FIRST_OWN_REPLICATE + int(of[:8], 16)
