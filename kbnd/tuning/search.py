"""A search: asks an oracle for candidates, has each trained with its seeds, tells the oracle what came of it.

    oracle --ask--> candidate --> one run for each seed --> score (mean over seeds) --tell--> oracle

The ledger's log of asks and ends is the only memory: the state of a search is a function of it. Whoever drives the
search catches up with the log before it appends to it, so a search that was killed goes on where its log ends, and
several processes may drive one search together. With one run at a time the log is the same however often it stopped.

A candidate is over with its first run that diverged, failed or was pruned: it has no score, its other seeds are not
trained, and the oracle is told the worst number so far. No such candidate is ever the best.

Where a time or an energy is looked for, a candidate's runs are replicates of this search alone, and of the processes
that drive it on a machine one trains while the others stand by. A run that something else was trained beside is
measured again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kbnd.errors import ResumeMismatchError
from kbnd.execution.runs import PlannedRun
from kbnd.execution.source import IsForeign
from kbnd.ledger import Ledger
from kbnd.records import ENDINGS, FAILURES, Ending, EpochRecord, EventKind, RunRecord, SearchEvent, SearchInfo, arm_of
from kbnd.spec import Identity
from kbnd.tuning.candidates import Candidate
from kbnd.tuning.objectives import is_measured_alone
from kbnd.tuning.oracles import Asker
from kbnd.tuning.plan import SearchPlan
from kbnd.tuning.pruning import MedianRule
from kbnd.tuning.replicates import MOST_MEASUREMENTS, own_replicate

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
        retries_failed: whether failed runs of candidates that have not ended are trained again.
        candidates: by ordinal.
    """

    plan: SearchPlan
    info: SearchInfo
    ledger: Ledger
    identity: Identity
    places: int
    n_classes: int
    retries_failed: bool = False
    candidates: dict[int, Candidate] = field(default_factory=dict)
    _last: int = 0
    _is_exhausted: bool = False
    _offered: set[str] = field(default_factory=set)
    _curves: dict[str, list[EpochRecord]] = field(default_factory=dict)
    _given_up: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin before the first event."""
        self._asker = self._new_asker()
        self._rule = MedianRule(self.plan.objective)

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
        known = self._curves.get(planned.run_id) or self._stored_epochs(planned.run_id)
        curve = [*(each for each in known if each.epoch < epoch.epoch), epoch]  # a run may have begun once more
        self._curves[planned.run_id] = curve
        if self.plan.is_pruned and self._rule.is_hopeless(planned.spec.seed, curve):
            self._given_up.add(planned.run_id)
            return True
        return all(planned.run_id != run.run_id for each in self._open() for run in each.runs)

    def is_wanted(self, planned: PlannedRun) -> bool:
        """Return whether a run that another process was seen training has not ended by now, nor its candidate."""
        self.catch_up()
        self._end_candidates()
        open_ids = {run.run_id for each in self._open() for run in each.runs}
        return planned.run_id in open_ids and self._status(planned) not in ENDINGS

    def catch_up(self) -> None:
        """Bring the state to the end of the log.

        Raises:
            ResumeMismatchError: the oracle would have proposed something else.
        """
        for event in self.ledger.search_events(self.info, after=self._last):
            self._asker.replay(event)
            self._apply(event)

    def best(self) -> Candidate | None:
        """Return the first with the best score among those trained for the most epochs; None where none has one."""
        scored = [(each.score, each) for each in self.candidates.values() if each.score is not None]
        longest = max((each.epochs for _, each in scored), default=0)
        sign = -1 if self.plan.objective.direction == "max" else 1
        ranked = [(sign * score, each.ordinal) for score, each in scored if each.epochs == longest]
        return self.candidates[min(ranked)[1]] if ranked else None

    def planned(self, values: dict[str, Any], *, seed: int, epochs: int | None, arm: str, what: str) -> PlannedRun:
        """Return one run of a candidate; by the clock it is the search's own replicate for `what`."""
        replicate = 0 if self.plan.objective.is_reproducible else own_replicate(self.info, what)
        spec = self.plan.space.run_spec(values, seed=seed, epochs=epochs, replicate=replicate)
        return PlannedRun(arm, spec, spec.run_id(self.identity))

    def _runs(self, ordinal: int, values: dict[str, Any], *, epochs: int) -> list[PlannedRun]:
        told: dict[str, Any] = {"epochs": epochs, "arm": arm_of(ordinal), "what": str(ordinal)}
        return [self.planned(values, seed=seed, **told) for seed in range(1, self.plan.seeds + 1)]

    def _again(self, candidate: Candidate, seed: int) -> PlannedRun:
        """The run that takes the place of a disturbed one."""
        what = f"{candidate.ordinal} again {candidate.n_measured(seed)}"
        told: dict[str, Any] = {"epochs": candidate.epochs, "arm": arm_of(candidate.ordinal), "what": what}
        return self.planned(candidate.values, seed=seed, **told)

    def _measured_again(self, candidate: Candidate) -> list[PlannedRun]:
        """The runs that are to take the place of those whose time or energy compares with nothing."""
        if self.plan.objective.is_reproducible:
            return []
        records = [self.ledger.get(run.run_id) for run in candidate.runs]
        seeds = [each.seed for each in records if each and each.status == "done" and not is_measured_alone(each)]
        return [self._again(candidate, seed) for seed in seeds if candidate.n_measured(seed) < MOST_MEASUREMENTS]

    def _new_asker(self) -> Asker:
        return Asker(
            self.plan.space,
            oracle=self.plan.oracle,
            direction=self.plan.objective.direction,
            seed=self.plan.search_seed,
            max_epochs=self.plan.space.epochs,
            sweeps=self.plan.sweeps,
        )

    def _apply(self, event: SearchEvent) -> None:
        """Let the state take one step of the log."""
        self._last, body = event.event, event.body
        if event.kind == "ask":
            runs = self._runs(event.ordinal, body["values"], epochs=body["epochs"])
            self._check_same(event, runs)
            self.candidates[event.ordinal] = Candidate(event.ordinal, body["values"], body["epochs"], runs)
            return
        candidate = self.candidates[event.ordinal]
        if event.kind == "again":
            again = {int(seed): self._again(candidate, int(seed)) for seed in body["run_ids"]}
            self._check_same(event, again.values())
            candidate.disturbed += [run for run in candidate.runs if run.spec.seed in again]
            candidate.runs = [again.get(run.spec.seed, run) for run in candidate.runs]
            return
        candidate.status, candidate.score, candidate.told = body["status"], body["score"], body["told"]
        candidate.wall_s = body["wall_s"]
        if self.plan.is_pruned and candidate.status == "done":
            for run in candidate.runs:
                self._rule.learn(run.spec.seed, self._stored_epochs(run.run_id))

    def _check_same(self, event: SearchEvent, runs: Iterable[PlannedRun]) -> None:
        """Refuse to go on where the runs that an entry speaks of would now be other ones."""
        for run in runs:
            stored = event.body["run_ids"].get(str(run.spec.seed))
            if stored != run.run_id:
                raise ResumeMismatchError(
                    f"candidate {event.ordinal} of search {self.info.name} would now be run {run.run_id[:12]} with "
                    f"seed {run.spec.seed}, stored {str(stored)[:12]}: --fresh (fresh=True) begins anew"
                )

    def _ask(self) -> bool:
        """Ask for a candidate and log it; False where the oracle waits for open ones, or has no more."""
        proposal = self._asker.ask()
        if isinstance(proposal, str):
            self._is_exhausted = proposal == "stopped" or not self._open()
            return self._is_exhausted  # the next look at it ends the search
        epochs = proposal.epochs or self.plan.space.epochs
        runs = self._runs(proposal.ordinal, proposal.values, epochs=epochs)
        ids = {str(run.spec.seed): run.run_id for run in runs}
        self._log("ask", proposal.ordinal, {"values": proposal.values, "epochs": epochs, "run_ids": ids})
        return True

    def _end_candidates(self) -> None:
        """Log the end of every candidate whose runs say what became of it."""
        for candidate in self._open():
            statuses = [self._status(run) for run in candidate.runs]
            bad = [ENDINGS[status] for status in statuses if status in ENDINGS and status != "done"]
            if not bad and (again := self._measured_again(candidate)):
                ids = {str(run.spec.seed): run.run_id for run in again}
                if not self._log("again", candidate.ordinal, {"run_ids": ids}):
                    return
            elif bad or all(status == "done" for status in statuses):
                # A run that was stopped because another seed had ended its candidate is pruned, too, but no reason.
                ended = self._ending(candidate, min(bad, key=lambda status: status == "pruned") if bad else "done")
                if not self._log("end", candidate.ordinal, ended):
                    return  # the state was built anew: these candidates are of the old one
                self._asker.tell(candidate.ordinal, ended["told"])
                for run in candidate.runs:
                    self._curves.pop(run.run_id, None)

    def _status(self, run: PlannedRun) -> str | None:
        """Status of a run; one that an earlier call gave up counts as such only where the rule says so again."""
        status = self.ledger.status(run.run_id)
        if status in FAILURES and self.retries_failed and run.run_id not in self._offered:
            return None
        if status != "pruned" or run.run_id in self._given_up:
            return status
        epochs = self._stored_epochs(run.run_id)
        return status if self.plan.is_pruned and self._rule.is_hopeless(run.spec.seed, epochs) else None

    def _ending(self, candidate: Candidate, status: Ending) -> dict[str, Any]:
        found = [self.ledger.get(run.run_id) for run in candidate.runs]
        runs = [run for run in found if run is not None and run.status in ENDINGS]
        score = self.plan.objective.score(runs) if status == "done" else None
        told = self._partial(runs) if status == "pruned" else score
        if told is None:
            scores = [each.told for each in self.candidates.values() if each.told is not None]
            told = self.plan.objective.worst(runs, scores, n_classes=self.n_classes)
        return {"status": status, "score": score, "told": told, "wall_s": self._new_wall_s(candidate, runs)}

    def _new_wall_s(self, candidate: Candidate, runs: list[RunRecord]) -> float:
        """Seconds of the runs that no earlier candidate had: an oracle may come back to a point."""
        earlier = [each for each in self.candidates.values() if each.ordinal < candidate.ordinal]
        known = {run.run_id for each in earlier for run in each.runs}
        disturbed = [run for each in candidate.disturbed if (run := self.ledger.get(each.run_id)) is not None]
        return sum(run.wall_s or 0.0 for run in (*runs, *disturbed) if run.run_id not in known)

    def _partial(self, runs: list[RunRecord]) -> float | None:
        """What a run that was given up had reached, where that is in the unit of the score."""
        reached = [run.epochs[-1] for run in runs if run.status == "pruned" and run.epochs]
        return self.plan.objective.of_epoch(reached[0]) if reached and self.plan.objective.is_reproducible else None

    def _next_run(self) -> PlannedRun | None:
        runs = (run for candidate in self._open() for run in candidate.runs)
        return next((run for run in runs if run.run_id not in self._offered), None)

    def _open(self) -> list[Candidate]:
        return [each for each in self.candidates.values() if each.status == "open"]

    def _n_open_runs(self, is_foreign: IsForeign) -> int:
        """Runs that need a place: those of other processes have one there, unless each must be timed alone."""
        runs = (run for each in self._open() for run in each.runs if self._status(run) not in ENDINGS)
        return sum(not (self.plan.objective.is_reproducible and is_foreign(run.run_id)) for run in runs)

    @property
    def is_out_of_hours(self) -> bool:
        """Whether nothing but `max_hours` keeps the search from going on."""
        hours = sum(each.wall_s for each in self.candidates.values()) / HOUR_S
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
        self._asker, self._rule = self._new_asker(), MedianRule(self.plan.objective)
        self.catch_up()
        return False

    def _stored_epochs(self, run_id: str) -> list[EpochRecord]:
        record = self.ledger.get(run_id)
        return list(record.epochs) if record else []
