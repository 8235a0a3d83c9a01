"""How a candidate ends: its score, what its oracle is given, the seconds it took, and which runs are measured again.

    runs of a candidate --objective--> score (mean over seeds) --> oracle, which ranks finite numbers only

A candidate is over with its first run that diverged, failed or was pruned: it has no score, and the oracle is given
the worst number so far; of a pruned one what it had reached, where that is in the unit of the score.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kbnd.execution.runs import PlannedRun
from kbnd.ledger import Ledger
from kbnd.records import ENDINGS, Ending, RunRecord
from kbnd.tuning.candidates import MOST_MEASUREMENTS, Candidate
from kbnd.tuning.objectives import Objective, is_measured_alone


def ending_of(statuses: Iterable[str | None]) -> Ending | None:
    """Return how a candidate ends with runs of these statuses; None where it has not ended."""
    statuses = list(statuses)
    bad = [ENDINGS[status] for status in statuses if status in ENDINGS and status != "done"]
    if bad:
        # A run that was stopped because another seed had ended its candidate is pruned, too, but no reason.
        return min(bad, key=lambda status: status == "pruned")
    return "done" if all(status == "done" for status in statuses) else None


def end_body(
    candidate: Candidate,
    status: Ending,
    *,
    objective: Objective,
    ledger: Ledger,
    candidates: Iterable[Candidate],
    n_classes: int,
) -> dict[str, Any]:
    """Return what the log holds of the end of a candidate.

    Args:
        candidate: that ends.
        status: how.
        objective: of the search.
        ledger: holds its runs.
        candidates: of the search, this one among them.
        n_classes: of the dataset.
    """
    candidates = list(candidates)
    runs = [run for run in _records(ledger, candidate.runs) if run.status in ENDINGS]
    score = objective.score(runs) if status == "done" else None
    oracle_score = _reached(runs, objective) if status == "pruned" else score
    if oracle_score is None:
        scores = [other.oracle_score for other in candidates if other.oracle_score is not None]
        oracle_score = objective.worst(runs, scores, n_classes=n_classes)
    wall_s = _new_wall_s(candidate, [*runs, *_records(ledger, candidate.disturbed)], candidates)
    return {"status": status, "score": score, "told": oracle_score, "wall_s": wall_s}


def seeds_to_repeat(candidate: Candidate, ledger: Ledger, objective: Objective) -> list[int]:
    """Return the seeds whose time or energy compares with nothing, as far as they may be measured again."""
    if objective.is_reproducible:
        return []
    done = [run for run in _records(ledger, candidate.runs) if run.status == "done"]
    seeds = [run.seed for run in done if not is_measured_alone(run)]
    return [seed for seed in seeds if candidate.n_measured(seed) < MOST_MEASUREMENTS]


def _records(ledger: Ledger, runs: Iterable[PlannedRun]) -> list[RunRecord]:
    return [record for run in runs if (record := ledger.get(run.run_id)) is not None]


def _reached(runs: list[RunRecord], objective: Objective) -> float | None:
    """What a run that was given up had reached, where that is in the unit of the score."""
    last = [run.epochs[-1] for run in runs if run.status == "pruned" and run.epochs]
    return objective.of_epoch(last[0]) if last and objective.is_reproducible else None


def _new_wall_s(candidate: Candidate, runs: list[RunRecord], candidates: list[Candidate]) -> float:
    """Seconds of the runs that no earlier candidate had: an oracle may come back to a point."""
    earlier = {run.run_id for other in candidates if other.ordinal < candidate.ordinal for run in other.runs}
    return sum(run.wall_s or 0.0 for run in runs if run.run_id not in earlier)
