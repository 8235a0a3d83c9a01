"""Drives runs through a ledger: claims what is free, has an executor train it, stores what comes back.

    source --wanted run--> claim --> executor --> record --store--> ledger
                             |  hit: the ledger holds it        taken: another live process trains it, asked again later

What is wanted may depend on what has ended (a search asks for its next candidate), so it is pulled one by one: None
says that nothing is wanted before another run has ended.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from kbnd.errors import LedgerClaimedError
from kbnd.execution.executors import Executor
from kbnd.execution.progress import Progress
from kbnd.execution.runs import PlannedRun
from kbnd.execution.settings import Settings
from kbnd.execution.source import Source
from kbnd.ledger import Ledger
from kbnd.records import HITS, NEEDING_NO_CHECKPOINT, EpochRecord, RunRecord
from kbnd.spec import Identity
from kbnd.training import checkpoint
from kbnd.training.task import Observer, Task

POLL_S = 1.0
"""Seconds between two looks at runs that another process is training."""


@dataclass
class Driver:
    """One call's work on a ledger.

    Attributes:
        settings: the engine's.
        identity: the setting that run ids are made from.
        ledger: open, for writing.
        executor: trains what is claimed.
        progress: told of every step.
        should_stop: asked between epochs and before every run.
        n_threads: that runs are computed with on a CPU; None is what the executor gives each.
        is_alone: whether runs are timed against each other, so that none begins while others train on this machine.
        session: marks the runs of this call; times compare only within it.
        n_trained: runs that this call trained to their end.
    """

    settings: Settings
    identity: Identity
    ledger: Ledger
    executor: Executor
    progress: Progress
    should_stop: Callable[[], bool]
    n_threads: int | None = None
    is_alone: bool = False
    session: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    n_trained: int = 0
    _active: dict[str, PlannedRun] = field(default_factory=dict)
    _foreign: list[PlannedRun] = field(default_factory=list)
    _lost: set[str] = field(default_factory=set)

    def drive(self, source: Source) -> None:
        """Train every run that is wanted and that the ledger does not hold; return when all of them have ended.

        Args:
            source: says which runs, and which of them to give up.

        Raises:
            LedgerClaimedError: only runs of other live processes are left, and `wait` is off.
        """
        offers, is_over = source.wanted(self._is_foreign), False
        while not is_over:
            tasks = self._tasks(offers, source)
            for record in self.executor.execute(tasks, observer=lambda task: self._observer(task, source)):
                if record is None:
                    self._wait()
                else:
                    self._store(record)
            is_over = not self._foreign or self.should_stop()  # a claim may have been lost at the very end

    def _is_foreign(self, run_id: str) -> bool:
        """Return whether a run that is wanted was last seen claimed by another live process."""
        return any(run.run_id == run_id for run in self._foreign)

    def _tasks(self, offers: Iterator[PlannedRun | None], source: Source) -> Iterator[Task | None]:
        """Claim runs one by one; None where none is free."""
        is_over = False
        while not self.should_stop():
            offer = None
            if not is_over:
                try:
                    offer = next(offers)
                except StopIteration:
                    is_over = True
            runs, self._foreign = ([offer], self._foreign) if offer else (self._foreign, [])
            for run in runs:
                if self.should_stop():
                    return
                if run is not offer and not source.is_wanted(run):
                    self.progress.on_hit(run)  # another process has trained it, or given it up
                    continue
                task = self._claimed(run)
                if task is not None:
                    yield task
            if is_over and not self._foreign:
                return
            if offer is None and len(self._foreign) >= len(runs):  # none of them has ended
                yield None

    def _claimed(self, run: PlannedRun) -> Task | None:
        """The task of a run that is claimed now; None where the ledger holds it, or another process trains it."""
        answer = self.ledger.claim(run.run_id, retry_failed=self.settings.retry_failed, is_alone=self.is_alone)
        if answer == "taken":
            self._foreign.append(run)
            return None
        if answer == "hit":
            if self.settings.checkpoint(run.run_id).exists() and self.ledger.status(run.run_id) in HITS:
                self._drop_checkpoint(run.run_id)  # whoever stored the run was killed before it did that
            self.progress.on_hit(run)
            return None
        self._lost.discard(run.run_id)
        self._active[run.run_id] = run
        return Task(
            spec=run.spec,
            identity=self.identity,
            session=self.session,
            block=run.block,
            position=run.position,
            checkpoint=self.settings.checkpoint(run.run_id) if self.settings.has_checkpoints else None,
            checkpoint_every=self.settings.checkpoint_every,
            weights=self.settings.weights,
            n_threads=self.n_threads,
        )

    def _wait(self) -> None:
        """Nothing is free and nothing is being trained: others are at work, or what was told to stop has stopped."""
        if self.should_stop():
            return
        if self._foreign and not self.settings.wait:
            clause = "1 run waits" if len(self._foreign) == 1 else f"{len(self._foreign)} runs wait"
            raise LedgerClaimedError(
                f"{clause} for another live process that trains on {self.settings.ledger}: without --no-wait "
                "(wait=True) kbnd waits"
            )
        if self._foreign:
            self.progress.on_wait(self._foreign)
        time.sleep(POLL_S)

    def _observer(self, task: Task, source: Source) -> Observer:
        """Store a run's beginning and epochs; where its claim is lost (the machine slept), the run stops."""
        run = self._active[task.run_id]

        def on_start(record: RunRecord) -> None:
            write(lambda: self.ledger.begin(record, keep_epochs=len(record.epochs)))
            self.progress.on_start(run, record)

        def on_epoch(epoch: EpochRecord) -> None:
            write(lambda: self.ledger.add_epoch(run.run_id, epoch))
            self.progress.on_epoch(run, epoch)

        def write(what: Callable[[], None]) -> None:
            if run.run_id in self._lost:
                return
            try:
                what()
            except LedgerClaimedError:
                self._lost.add(run.run_id)

        def should_prune(epoch: EpochRecord) -> bool:
            return run.run_id not in self._lost and source.should_prune(run, epoch)

        return Observer(
            on_start=on_start,
            on_epoch=on_epoch,
            should_stop=lambda: run.run_id in self._lost or self.should_stop(),
            should_prune=should_prune,
        )

    def _store(self, record: RunRecord) -> None:
        """Put a finished run into the ledger and drop its checkpoint; it is wanted again where the claim was lost."""
        run = self._active.pop(record.run_id)
        if run.run_id in self._lost:  # whoever took it over may have stored its result by now
            self._foreign.append(run)
            return
        is_shared = self.ledger.is_shared(record.started_at)
        record = replace(record, is_concurrent=record.is_concurrent or is_shared)
        try:
            self.ledger.finish(record)
        except LedgerClaimedError:
            self._foreign.append(run)
            return
        if record.status in NEEDING_NO_CHECKPOINT:
            self._drop_checkpoint(run.run_id)
        self.n_trained += record.status != "interrupted"
        self.progress.on_end(run, record)

    def _drop_checkpoint(self, run_id: str) -> None:
        checkpoint.remove(self.settings.checkpoint(run_id))
