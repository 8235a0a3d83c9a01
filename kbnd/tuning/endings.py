"""What the log holds of the end of a candidate, and which of its runs are measured again.

`kbnd.analysis.endings` makes status and scores; besides the log has the seconds it took and, of each run that had
ended, the session that trained it: who checks the log later sees whether it is still that training which is stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kbnd.analysis.endings import scores_of
from kbnd.analysis.objectives import Objective, is_measured_alone
from kbnd.execution.runs import PlannedRun
from kbnd.ledger import Ledger
from kbnd.records import Ending, RunRecord
from kbnd.tuning.candidates import MOST_MEASUREMENTS, Candidate


def end_body(
    candidate: Candidate,
    status: Ending,
    *,
    ended: Iterable[PlannedRun],
    objective: Objective,
    ledger: Ledger,
    candidates: Iterable[Candidate],
    n_classes: int,
) -> dict[str, Any]:
    """Return what the log holds of the end of a candidate.

    Args:
        candidate: that ends.
        status: how.
        ended: those of its runs that say so.
        objective: of the search.
        ledger: holds its runs.
        candidates: of the search, this one among them.
        n_classes: of the dataset.
    """
    candidates = list(candidates)
    runs = _records(ledger, ended)
    earlier = [other.oracle_score for other in candidates if other.oracle_score is not None]
    score, oracle_score = scores_of(runs, status, objective=objective, earlier=earlier, n_classes=n_classes)
    wall_s = _new_wall_s(candidate, [*runs, *_records(ledger, candidate.disturbed)], candidates)
    sessions = {str(run.seed): run.session for run in runs}
    return {"status": status, "score": score, "told": oracle_score, "wall_s": wall_s, "sessions": sessions}


def seeds_to_repeat(candidate: Candidate, ledger: Ledger, objective: Objective) -> list[int]:
    """Return the seeds whose time or energy compares with nothing, as far as they may be measured again."""
    if objective.is_reproducible:
        return []
    done = [run for run in _records(ledger, candidate.runs) if run.status == "done"]
    seeds = [run.seed for run in done if not is_measured_alone(run)]
    return [seed for seed in seeds if candidate.n_measured(seed) < MOST_MEASUREMENTS]


def _records(ledger: Ledger, runs: Iterable[PlannedRun]) -> list[RunRecord]:
    return [record for run in runs if (record := ledger.get(run.run_id)) is not None]


def _new_wall_s(candidate: Candidate, runs: list[RunRecord], candidates: list[Candidate]) -> float:
    """Seconds of the runs that no earlier candidate had: an oracle may come back to a point."""
    earlier = {run.run_id for other in candidates if other.ordinal < candidate.ordinal for run in other.runs}
    return sum(run.wall_s or 0.0 for run in runs if run.run_id not in earlier)
