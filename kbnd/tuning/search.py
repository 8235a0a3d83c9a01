"""A search: asks an oracle for candidates, has each trained with its seeds, tells the oracle what came of it.

    oracle --ask--> candidate --> one run for each seed --> score (mean over seeds) --tell--> oracle

The ledger's log of asks and ends is the only memory: the state of a search is a function of it. Whoever drives the
search catches up with the log before it appends to it, so a search that was killed goes on where its log ends, and
several processes may drive one search together. With one run at a time the log is the same however often it stopped.

What a candidate's end is, `kbnd.tuning.endings` says: no candidate with a run that diverged, failed or was pruned is
ever the best, and its other seeds are not trained.

Where a time or an energy is looked for, a candidate's runs are replicates of this search alone, and of the processes
that drive it on a machine one trains while the others stand by. A run that something else was trained beside is
measured again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kbnd.analysis.derivation import Derivation
from kbnd.analysis.endings import ending_of
from kbnd.errors import ResumeMismatchError
from kbnd.execution.runs import PlannedRun
from kbnd.execution.source import IsForeign
from kbnd.ledger import Ledger
from kbnd.records import ENDINGS, FAILURES, EpochRecord, EventKind, SearchEvent, SearchInfo
from kbnd.spec import Identity
from kbnd.tuning.asker import Asker
from kbnd.tuning.candidates import Candidate, CandidateRuns, best_of, ids_by_seed
from kbnd.tuning.endings import end_body, seeds_to_repeat
from kbnd.tuning.plan import SearchPlan

HOUR_S = 3600.0


@dataclass
class Search:
    """The state of a search, and the runs that it wants next.

    Attributes:
        plan: what is searched.
        info: what the ledger calls it.
        ledger: its memory.
        identity: the setting that run ids are made from.
        places: runs that are trained at once; a candidate is asked for only where one of them would be free.
        n_classes: of the dataset.
        can_retry_failed: whether failed runs of candidates that have not ended are trained again.
        candidates: by ordinal.

    Besides, `runs` makes the runs of its candidates.
    """

    plan: SearchPlan
    info: SearchInfo
    ledger: Ledger
    identity: Identity
    places: int
    n_classes: int
    can_retry_failed: bool = False
    candidates: dict[int, Candidate] = field(default_factory=dict)
    _last: int = 0
    _is_exhausted: bool = False
    _offered: set[str] = field(default_factory=set)
    _curves: dict[str, list[EpochRecord]] = field(default_factory=dict)
    _given_up: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin before the first event."""
        self.runs = CandidateRuns(self.plan, self.info, self.identity)
        self._asker, self._derivation = self._new_asker(), self._new_derivation()

    def wanted(self, is_foreign: IsForeign) -> Iterator[PlannedRun | None]:
        """Yield the runs of candidates as they are wanted; None where one must end before the next can be asked for.

        Args:
            is_foreign: whether another live process trains a run, which then needs no place here.
        """
        while True:
            self.catch_up()
            self._end_candidates()
            planned = self._next_run()
            if planned is not None:
                self._offered.add(planned.run_id)
                yield planned
            elif self._is_over():
                if not self._open():
                    return
                yield None
            elif self._n_open_runs(is_foreign) >= self.places or not self._ask():
                yield None

    def should_prune(self, planned: PlannedRun, epoch: EpochRecord) -> bool:
        """Return whether a run in flight is given up: its candidate is over already, or it lags behind."""
        earlier = self._curves.get(planned.run_id) or self._stored_epochs(planned.run_id)
        curve = [*(past for past in earlier if past.epoch < epoch.epoch), epoch]  # a run may have begun once more
        self._curves[planned.run_id] = curve
        if self.plan.is_pruned and self._derivation.rule.is_hopeless(planned.spec.seed, curve):
            self._given_up.add(planned.run_id)
            return True
        return planned.run_id not in self._open_run_ids()

    def is_wanted(self, planned: PlannedRun) -> bool:
        """Return whether a run that another process was seen training has not ended by now, nor its candidate."""
        self.catch_up()
        self._end_candidates()
        return planned.run_id in self._open_run_ids() and self._status(planned) not in ENDINGS

    def catch_up(self) -> None:
        """Bring the state to the end of the log.

        Raises:
            ResumeMismatchError: the oracle would have proposed something else, or its runs deny what the log says.
        """
        for event in self.ledger.search_events(self.info, after=self._last):
            for clause in self._derivation.problems_of(event):
                remedy = "`kbnd ledger verify` lists all, --fresh (fresh=True) begins anew"
                raise ResumeMismatchError(f"search {self.info.name}, {clause}: {remedy}")
            self._asker.replay(event)
            self._apply(event)

    def best(self) -> Candidate | None:
        """Return the first with the best score among those trained for the most epochs; None where none has one."""
        return best_of(self.candidates.values(), direction=self.plan.objective.direction)

    def _new_asker(self) -> Asker:
        return Asker(
            self.plan.space,
            oracle=self.plan.oracle.name,
            direction=self.plan.objective.direction,
            seed=self.plan.search_seed,
            max_epochs=self.plan.space.epochs,
            sweeps=self.plan.sweeps,
        )

    def _new_derivation(self) -> Derivation:
        return Derivation(self.plan.objective, self.info.definition, self.ledger.get, n_classes=self.n_classes)

    def _apply(self, event: SearchEvent) -> None:
        """Let the state take one step of the log."""
        self._last, body = event.event, event.body
        self._derivation.take(event)
        if event.kind == "ask":
            epochs = body["epochs"] or self.plan.space.epochs
            runs = self.runs.of_candidate(event.ordinal, body["values"], epochs=epochs)
            self.runs.check_same(event, runs)
            self.candidates[event.ordinal] = Candidate(event.ordinal, body["values"], epochs, runs)
            return
        candidate = self.candidates[event.ordinal]
        if event.kind == "again":
            again = {int(seed): self.runs.again(candidate, int(seed)) for seed in body["run_ids"]}
            self.runs.check_same(event, again.values())
            candidate.disturbed += [run for run in candidate.runs if run.spec.seed in again]
            candidate.runs = [again.get(run.spec.seed, run) for run in candidate.runs]
            return
        candidate.status, candidate.score, candidate.oracle_score = body["status"], body["score"], body["told"]
        candidate.wall_s = body["wall_s"]

    def _ask(self) -> bool:
        """Ask for a candidate and log it; False where the oracle waits for open ones, or has no more."""
        proposal = self._asker.ask()
        if isinstance(proposal, str):
            self._is_exhausted = proposal == "stopped" or not self._open()
            return self._is_exhausted  # the next look at it ends the search
        epochs = proposal.epochs or self.plan.space.epochs
        runs = self.runs.of_candidate(proposal.ordinal, proposal.values, epochs=epochs)
        self._log("ask", proposal.ordinal, {"values": proposal.values, "epochs": epochs, "run_ids": ids_by_seed(runs)})
        return True

    def _end_candidates(self) -> None:
        """Log the end of every candidate whose runs say what became of it."""
        for candidate in self._open():
            ending = ending_of(self._status(run) for run in candidate.runs)
            seeds = seeds_to_repeat(candidate, self.ledger, self.plan.objective) if ending in (None, "done") else []
            if seeds:
                again = [self.runs.again(candidate, seed) for seed in seeds]
                if not self._log("again", candidate.ordinal, {"run_ids": ids_by_seed(again)}):
                    return
            elif ending is not None:
                body = end_body(
                    candidate,
                    ending,
                    ended=[run for run in candidate.runs if self._status(run) in ENDINGS],
                    objective=self.plan.objective,
                    ledger=self.ledger,
                    candidates=self.candidates.values(),
                    n_classes=self.n_classes,
                )
                if not self._log("end", candidate.ordinal, body):
                    return  # the state was built anew: these candidates are of the old one
                self._asker.tell(candidate.ordinal, body["told"])
                for run in candidate.runs:
                    self._curves.pop(run.run_id, None)

    def _status(self, run: PlannedRun) -> str | None:
        """Status of a run; one that an earlier call gave up counts as such only where the rule says so again."""
        status = self.ledger.status(run.run_id)
        if status in FAILURES and self.can_retry_failed and run.run_id not in self._offered:
            return None
        if status != "pruned" or run.run_id in self._given_up:
            return status
        epochs = self._stored_epochs(run.run_id)
        return status if self.plan.is_pruned and self._derivation.rule.is_hopeless(run.spec.seed, epochs) else None

    def _next_run(self) -> PlannedRun | None:
        runs = (run for candidate in self._open() for run in candidate.runs)
        return next((run for run in runs if run.run_id not in self._offered), None)

    def _open(self) -> list[Candidate]:
        return [candidate for candidate in self.candidates.values() if candidate.status == "open"]

    def _open_run_ids(self) -> set[str]:
        return {run.run_id for candidate in self._open() for run in candidate.runs}

    def _n_open_runs(self, is_foreign: IsForeign) -> int:
        """Runs that need a place: those of other processes have one there, unless each must be timed alone."""
        runs = (run for candidate in self._open() for run in candidate.runs if self._status(run) not in ENDINGS)
        return sum(not (self.plan.objective.is_reproducible and is_foreign(run.run_id)) for run in runs)

    @property
    def is_out_of_hours(self) -> bool:
        """Whether nothing but `max_hours` keeps the search from going on."""
        hours = sum(candidate.wall_s for candidate in self.candidates.values()) / HOUR_S
        return self.plan.max_hours is not None and hours >= self.plan.max_hours and not self._has_all()

    def _has_all(self) -> bool:
        n, plan = len(self.candidates), self.plan
        is_enough = plan.max_trials is not None and n >= plan.max_trials
        return self._is_exhausted or is_enough or (plan.has_end and n >= plan.space.size)

    def _is_over(self) -> bool:
        return self._has_all() or self.is_out_of_hours

    def _log(self, kind: EventKind, ordinal: int, body: dict[str, Any]) -> bool:
        """Append to the log; False, with the state built anew, where another process was first."""
        event = SearchEvent(self._last + 1, kind, ordinal, body, datetime.now(UTC).isoformat(timespec="microseconds"))
        if self.ledger.append_event(self.info, event):
            self._apply(event)
            return True
        self.candidates, self._last, self._is_exhausted = {}, 0, False
        self._asker, self._derivation = self._new_asker(), self._new_derivation()
        self.catch_up()
        return False

    def _stored_epochs(self, run_id: str) -> list[EpochRecord]:
        record = self.ledger.get(run_id)
        return list(record.epochs) if record else []
