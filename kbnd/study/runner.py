"""Runs a plan: trains what the ledger does not hold, shares the work with other processes, waits for theirs.

What is already in the ledger is skipped, what another live process is training is waited for. So the same command,
run again, continues and ends with the same table.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

from kbnd import data
from kbnd.errors import LedgerClaimedError, UsageError, unknown
from kbnd.execution import EXECUTORS, executor
from kbnd.ledger import Ledger
from kbnd.records import EpochRecord, RunRecord
from kbnd.spec import DataSpec, Identity, RunSpec, digest
from kbnd.study.choices import Experiment
from kbnd.study.plan import Planned, plan
from kbnd.training import backend
from kbnd.training.task import Observer, Task

POLL_S = 1.0
"""Seconds between two looks at runs that another process is training."""

UNFINISHED = (None, "running", "interrupted", "pruned")
"""Statuses of runs that are trained (again) without being asked to."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Engine settings: none changes a number of any run.

    Attributes:
        ledger: file of the ledger.
        backend: backend to train on; None is the one that is set.
        executor: name in `kbnd.execution.EXECUTORS`.
        control: whether the baseline is trained twice in every block.
        checkpoint_every: epochs between checkpoints.
        retry_failed: train runs again that ended `failed` or `oom`.
        retime: how many times more every run is trained, for its time alone.
        wait: wait for runs that another live process is training.
        weights: file that the final weights are written to; for a single run.
    """

    ledger: Path
    backend: str | None = None
    executor: str = "inline"
    control: bool = True
    checkpoint_every: int = 1
    retry_failed: bool = False
    retime: int = 0
    wait: bool = True
    weights: Path | None = None

    def check(self) -> None:
        """Refuse an executor or backend that cannot be, before anything is made.

        Raises:
            UsageError: it names the allowed ones.
        """
        if self.executor not in EXECUTORS:
            raise unknown("executor", self.executor, EXECUTORS)
        backend.choose(self.backend)

    def checkpoint(self, run_id: str) -> Path:
        """File of a run's checkpoints, in a folder beside the ledger."""
        return self.ledger.with_name(self.ledger.name + ".checkpoints") / f"{run_id}.npz"


class Progress(Protocol):
    """What is told of the runs while they train."""

    def on_plan(self, runs: list[Planned], *, held: set[str]) -> None:
        """Tell the whole plan and the ids of the runs that the ledger holds."""

    def on_start(self, run: Planned, record: RunRecord) -> None:
        """Tell that a run starts."""

    def on_epoch(self, run: Planned, epoch: EpochRecord) -> None:
        """Tell that an epoch has ended."""

    def on_end(self, run: Planned, record: RunRecord) -> None:
        """Tell that a run has ended."""

    def on_hit(self, run: Planned) -> None:
        """Tell that the ledger holds a run (another process may have trained it meanwhile)."""

    def on_wait(self, runs: list[Planned]) -> None:
        """Tell which runs another process is training."""


@dataclass(frozen=True)
class Outcome:
    """What became of a plan.

    Attributes:
        label: the experiment's name in the ledger; empty for a single run.
        definition: digest of the experiment and its setting, under which the ledger holds its labels.
        runs: the plan.
        n_trained: runs that this call trained to their end.
    """

    label: str
    definition: str
    runs: list[Planned]
    n_trained: int


@dataclass
class _Driver:
    """The state of one call: what it works on, and what it has done so far."""

    settings: Settings
    identity: Identity
    ledger: Ledger
    progress: Progress
    should_stop: Callable[[], bool]
    session: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    lost: set[str] = field(default_factory=set)
    n_trained: int = 0


def run(
    experiment: Experiment, settings: Settings, *, progress: Progress, should_stop: Callable[[], bool] = lambda: False
) -> Outcome:
    """Train what the ledger does not hold of an experiment; everything asked for is checked before.

    Args:
        experiment: what is trained.
        settings: the engine's.
        progress: told of every step.
        should_stop: asked between epochs and before every run.

    Returns:
        The plan and what became of it.

    Raises:
        UsageError: a backend, an executor or a ledger that cannot be.
        DataMissingError: the dataset is not there.
        LedgerClaimedError: only runs of other live processes are left, and `wait` is off.
    """
    with _opened(settings, experiment.data) as (ledger, identity):
        runs = plan(experiment, identity=identity, control=settings.control, retime=settings.retime)
        name, definition = label(experiment, settings), digest([experiment.definition, asdict(identity)])
        in_table_order = sorted(runs, key=lambda r: (list(experiment.arms).index(r.arm), r.spec.seed, r.spec.replicate))
        labels = [(r.arm, r.spec.seed, r.spec.replicate, r.run_id) for r in in_table_order]
        about = {"title": experiment.title, "difference": experiment.difference}
        ledger.assign(name, definition, labels, **about, baselines=experiment.all_baselines)
        driver = _Driver(settings, identity, ledger, progress, should_stop)
        _train_all(driver, runs)
    return Outcome(name, definition, runs, driver.n_trained)


def run_one(
    spec: RunSpec, settings: Settings, *, progress: Progress, should_stop: Callable[[], bool] = lambda: False
) -> Outcome:
    """Train a single run unless the ledger holds it; raises as `run` does, and where its weights were not kept."""
    with _opened(settings, spec.data) as (ledger, identity):
        planned = Planned(spec.model.name, spec, spec.run_id(identity))
        if settings.weights and ledger.status(planned.run_id) not in UNFINISHED:
            raise UsageError(
                f"the ledger holds run {planned.run_id} without its weights: --replicate {spec.replicate + 1} trains "
                "it once more"
            )
        driver = _Driver(settings, identity, ledger, progress, should_stop)
        _train_all(driver, [planned])
    return Outcome("", "", [planned], driver.n_trained)


def label(experiment: Experiment, settings: Settings) -> str:
    """Return an experiment's name in the ledger, where each backend has its own: masks and kernels differ.

    Raises:
        UsageError: the backend is unknown or not installed.
    """
    return f"{experiment.name}.{backend.choose(settings.backend)}"


@contextmanager
def _opened(settings: Settings, data_spec: DataSpec) -> Iterator[tuple[Ledger, Identity]]:
    """Open the ledger and load the backend; a ledger that does not exist is made only when the data are there."""
    settings.check()
    fingerprint = None if settings.ledger.exists() else data.fingerprint(data_spec)
    with Ledger.open(settings.ledger) as ledger:
        fingerprint = fingerprint or data.fingerprint(data_spec)
        backend.load(settings.backend)
        yield ledger, backend.identity(fingerprint)


def _train_all(driver: _Driver, runs: list[Planned]) -> None:
    """Train in passes: each pass claims what is free; between passes, wait for what others are training."""
    settings, ledger = driver.settings, driver.ledger
    driver.progress.on_plan(runs, held={r.run_id for r in runs if ledger.status(r.run_id) not in UNFINISHED})
    by_id = {planned.run_id: planned for planned in runs}
    execute = executor(settings.executor)
    waiting = runs
    while waiting and not driver.should_stop():
        taken: list[Planned] = []
        tasks = _claimed(driver, waiting, taken)
        for record in execute(tasks, observer=lambda task: _observer(driver, by_id[task.run_id])):
            if not _store(driver, by_id[record.run_id], record):
                taken.append(by_id[record.run_id])
        if taken and not driver.should_stop():
            if not settings.wait:
                raise LedgerClaimedError(
                    f"{len(taken)} runs are being trained by another live process on {settings.ledger}: "
                    "leave out --no-wait to wait for them"
                )
            driver.progress.on_wait(taken)
            time.sleep(POLL_S)
        waiting = taken


def _claimed(driver: _Driver, runs: list[Planned], taken: list[Planned]) -> Iterator[Task]:
    """Claim runs one by one and yield their tasks; append to `taken` what another process holds."""
    settings = driver.settings
    for planned in runs:
        if driver.should_stop():
            return
        answer = driver.ledger.claim(planned.run_id, retry_failed=settings.retry_failed)
        if answer == "taken":
            taken.append(planned)
        elif answer == "hit":
            driver.progress.on_hit(planned)
        else:
            driver.lost.discard(planned.run_id)
            yield Task(
                spec=planned.spec,
                identity=driver.identity,
                session=driver.session,
                block=planned.block,
                position=planned.position,
                checkpoint=settings.checkpoint(planned.run_id),
                checkpoint_every=settings.checkpoint_every,
                weights=settings.weights,
            )


def _observer(driver: _Driver, planned: Planned) -> Observer:
    """Store a run's beginning and epochs; where its claim is lost (the machine slept), the run stops."""

    def on_start(record: RunRecord) -> None:
        write(lambda: driver.ledger.begin(record, keep_epochs=len(record.epochs)))
        driver.progress.on_start(planned, record)

    def on_epoch(epoch: EpochRecord) -> None:
        write(lambda: driver.ledger.add_epoch(planned.run_id, epoch))
        driver.progress.on_epoch(planned, epoch)

    def write(what: Callable[[], None]) -> None:
        if planned.run_id in driver.lost:
            return
        try:
            what()
        except LedgerClaimedError:
            driver.lost.add(planned.run_id)

    def should_stop() -> bool:
        return planned.run_id in driver.lost or driver.should_stop()

    return Observer(on_start=on_start, on_epoch=on_epoch, should_stop=should_stop)


def _store(driver: _Driver, planned: Planned, record: RunRecord) -> bool:
    """Put a finished run into the ledger and drop its checkpoint; False where the claim on it was lost."""
    if planned.run_id in driver.lost:  # whoever took it over may have stored its result by now
        return False
    record = replace(record, is_concurrent=driver.ledger.is_shared(record.started_at))
    try:
        driver.ledger.finish(record)
    except LedgerClaimedError:
        return False
    if record.status in ("done", "diverged"):
        from kbnd.training import checkpoint  # brings Keras

        checkpoint.remove(driver.settings.checkpoint(planned.run_id))
    driver.n_trained += record.status != "interrupted"
    driver.progress.on_end(planned, record)
    return True
