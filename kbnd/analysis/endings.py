"""How a candidate of a search ends: a pure function of its runs, for who drives a search and for who checks its log.

    runs of a candidate --objective--> score (mean over seeds) --> oracle, which ranks finite numbers only

A candidate is over with its first run that diverged, failed or was pruned: it has no score, and the oracle is given
the worst number so far; of a pruned one what it had reached, where that is in the unit of the score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kbnd.analysis.objectives import Objective
from kbnd.records import ENDINGS, HITS, Ending, RunRecord


@dataclass(frozen=True)
class LoggedEnd:
    """The end of a candidate in the log of a search, beside the runs that are stored of it.

    Attributes:
        status: how it ended.
        score: mean over its runs; None where it has none.
        told: what the oracle was given.
        sessions: by seed, the session that trained each run which had ended by then; None in logs of before.
        runs: those of its runs that have ended by now, by seed.
        n_runs: that it has.
    """

    status: Ending
    score: float | None
    told: float
    sessions: Mapping[str, str] | None
    runs: Mapping[str, RunRecord]
    n_runs: int

    @classmethod
    def of(cls, body: Mapping[str, Any], *, runs: Mapping[str, RunRecord], n_runs: int) -> LoggedEnd:
        """Return what an entry of kind `end` says."""
        return cls(body["status"], body["score"], body["told"], body.get("sessions"), runs, n_runs)

    @property
    def as_then(self) -> dict[str, RunRecord] | None:
        """The runs that it was made from, by seed; None where one is not stored as it was, or the log does not say."""
        sessions, runs = self.sessions, self.runs
        if sessions is None or not all(seed in runs and runs[seed].session == sessions[seed] for seed in sessions):
            return None
        return {seed: run for seed, run in runs.items() if seed in sessions}

    @property
    def status_by_runs(self) -> Ending | None:
        """How its runs say that it ended, None if it did not; `status` where they do not say."""
        sessions, runs = self.sessions, self.runs
        if (as_then := self.as_then) is not None:
            return ending_of([*(run.status for run in as_then.values()), *[None] * (self.n_runs - len(as_then))])
        # What is done or has diverged stays so, but in another training (with other threads, elsewhere); what a log of
        # before calls done was never anything else after it.
        lasting = [
            run.status
            for seed, run in runs.items()
            if sessions is None or (run.status in HITS and run.session == sessions.get(seed))
        ]
        if self.status == "done" and (bad := [status for status in lasting if status != "done"]):
            return ending_of(bad)
        return "done" if self.status == "diverged" and lasting == ["done"] * self.n_runs else self.status


def ending_of(statuses: Iterable[str | None]) -> Ending | None:
    """Return how a candidate ends with runs of these statuses; None where it has not ended."""
    statuses = list(statuses)
    bad = [ENDINGS[status] for status in statuses if status in ENDINGS and status != "done"]
    if bad:
        # A run that was stopped because another seed had ended its candidate is pruned, too, but no reason.
        return min(bad, key=lambda status: status == "pruned")
    return "done" if all(status == "done" for status in statuses) else None


def scores_of(
    runs: Sequence[RunRecord], status: Ending, *, objective: Objective, earlier: Sequence[float], n_classes: int
) -> tuple[float | None, float]:
    """Return the score of a candidate, None where it has none, and what its oracle is given.

    Args:
        runs: its runs that have ended, in the order of their seeds.
        status: how it ends.
        objective: of the search.
        earlier: what the oracle was given so far.
        n_classes: of the dataset.
    """
    score = objective.score(runs) if status == "done" else None
    oracle_score = _reached(runs, objective) if status == "pruned" else score
    if oracle_score is None:
        oracle_score = objective.worst(runs, earlier, n_classes=n_classes)
    return score, oracle_score


def _reached(runs: Sequence[RunRecord], objective: Objective) -> float | None:
    """What a run that was given up had reached, where that is in the unit of the score."""
    last = [run.epochs[-1] for run in runs if run.status == "pruned" and run.epochs]
    return objective.of_epoch(last[0]) if last and objective.is_reproducible else None
