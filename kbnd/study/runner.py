"""Runs an experiment: plans blocks, trains what the ledger does not hold, writes the outputs.

A block is one seed with its arms shuffled, so that drift of the machine hits all arms alike:

    block 1: bn  dropout0.5  baseline  ...  baseline (A/A)
    block 2: dropout0.1  baseline (A/A)  bn  ...

The plan is a function of the experiment alone; what is already in the ledger is skipped, what another live
process is training is waited for. So the same command, run again, continues and ends with the same table.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

from kbnd import data
from kbnd.errors import LedgerClaimedError, UsageError, unknown
from kbnd.execution import EXECUTORS
from kbnd.ledger import Ledger
from kbnd.records import HITS, EpochRecord, RunRecord
from kbnd.seeds import generator
from kbnd.spec import DataSpec, Identity, RunSpec, digest
from kbnd.study.definition import Experiment
from kbnd.training.task import Observer, Task

POLL_S = 1.0
"""Seconds between two looks at runs that another process is training."""


@dataclass(frozen=True)
class Planned:
    """One run of the plan, with its place in it."""

    arm: str
    spec: RunSpec
    run_id: str
    block: int | None = None
    position: int | None = None


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

    def checkpoint(self, run_id: str) -> Path:
        """File of a run's checkpoints, in a folder beside the ledger."""
        return self.ledger.with_name(self.ledger.name + ".checkpoints") / f"{run_id}.npz"


class Progress(Protocol):
    """What is told of the runs while they train."""

    def on_plan(self, runs: list[Planned], *, n_hits: int) -> None:
        """Tell the whole plan and how much of it the ledger holds."""

    def on_start(self, run: Planned, record: RunRecord) -> None:
        """Tell that a run starts."""

    def on_epoch(self, run: Planned, epoch: EpochRecord) -> None:
        """Tell that an epoch has ended."""

    def on_end(self, run: Planned, record: RunRecord) -> None:
        """Tell that a run has ended."""

    def on_wait(self, runs: list[Planned]) -> None:
        """Tell which runs another process is training."""


@dataclass(frozen=True)
class Outcome:
    """What became of a plan.

    Attributes:
        label: the experiment's name in the ledger; empty for a single run.
        runs: the plan.
        n_trained: runs that this call trained to their end.
        is_interrupted: whether it was told to stop.
    """

    label: str
    runs: list[Planned]
    n_trained: int = 0
    is_interrupted: bool = False


@dataclass
class _Driver:
    """The state of one call of `run`: the ledger's claims seen so far, and how many runs were trained."""

    plan: list[Planned]
    settings: Settings
    identity: Identity
    ledger: Ledger
    progress: Progress
    should_stop: Callable[[], bool]
    session: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    n_trained: int = 0


def plan(experiment: Experiment, *, identity: Identity, control: bool = True, retime: int = 0) -> list[Planned]:
    """Return every run of an experiment in the order it is trained.

    Args:
        experiment: what is trained; its first arm is the baseline.
        identity: the setting that run ids are made from.
        control: add a second replicate of the baseline to every block.
        retime: further passes over all runs, as new replicates.

    Returns:
        Blocks one after another, the arms of each shuffled by its seed.
    """
    baseline = next(iter(experiment.arms))
    planned = []
    for again in range(retime + 1):
        for seed in range(1, experiment.seeds + 1):
            members = [(arm, 2 * again) for arm in experiment.arms]
            members += [(baseline, 2 * again + 1)] if control else []
            order = generator(seed, "arm order", again).permutation(len(members))
            for position, (arm, replicate) in enumerate(members[i] for i in order):
                model, train = experiment.arms[arm]
                spec = RunSpec(model=model, data=experiment.data, train=train, seed=seed, replicate=replicate)
                block = again * experiment.seeds + seed
                planned.append(Planned(arm, spec, spec.run_id(identity), block, position))
    return planned


def run(
    experiment: Experiment, settings: Settings, *, progress: Progress, should_stop: Callable[[], bool] = lambda: False
) -> Outcome:
    """Train what the ledger does not hold of an experiment; everything asked for is checked before.

    Args:
        experiment: what is trained.
        settings: the engine's.
        progress: told of every step.
        should_stop: asked after every epoch and before every run.

    Returns:
        The plan and what became of it.

    Raises:
        UsageError: a backend, an executor or a ledger that cannot be.
        DataMissingError: the dataset is not there.
        LedgerClaimedError: only runs of other live processes are left, and `wait` is off.
    """

    def make(identity: Identity) -> list[Planned]:
        return plan(experiment, identity=identity, control=settings.control, retime=settings.retime)

    named = (label(experiment, settings), experiment.definition)
    return _run(make, experiment.data, settings, progress, should_stop, named=named)


def run_one(
    spec: RunSpec, settings: Settings, *, progress: Progress, should_stop: Callable[[], bool] = lambda: False
) -> Outcome:
    """Train a single run unless the ledger holds it; raises as `run` does."""

    def make(identity: Identity) -> list[Planned]:
        return [Planned(spec.model.name, spec, spec.run_id(identity))]

    return _run(make, spec.data, settings, progress, should_stop, named=("", ""))


def label(experiment: Experiment, settings: Settings) -> str:
    """Return an experiment's name in the ledger, where each backend has its own: masks and kernels differ.

    Raises:
        UsageError: the backend is unknown or not installed.
    """
    from kbnd.training import backend

    return f"{experiment.name}.{backend.choose(settings.backend)}"


def _run(
    make: Callable[[Identity], list[Planned]],
    data_spec: DataSpec,
    settings: Settings,
    progress: Progress,
    should_stop: Callable[[], bool],
    *,
    named: tuple[str, str],
) -> Outcome:
    """Open the ledger, make the plan in this setting, label its runs, train."""
    if settings.executor not in EXECUTORS:
        raise unknown("executor", settings.executor, EXECUTORS)
    from kbnd.training import backend

    backend.choose(settings.backend)
    with Ledger.open(settings.ledger) as ledger:
        backend.load(settings.backend)
        identity = backend.identity(data.fingerprint(data_spec))
        runs = make(identity)
        if settings.weights and ledger.status(runs[0].run_id) in HITS:
            raise UsageError(
                f"the ledger holds run {runs[0].run_id} without its weights: --replicate {runs[0].spec.replicate + 1} "
                "trains it once more"
            )
        study, definition = named
        if study:
            setting = digest([definition, asdict(identity)])
            ledger.assign(study, setting, [(r.arm, r.spec.seed, r.spec.replicate, r.run_id) for r in runs])
        progress.on_plan(runs, n_hits=sum(ledger.status(r.run_id) in HITS for r in runs))
        driver = _Driver(runs, settings, identity, ledger, progress, should_stop)
        _train_all(driver)
    return Outcome(study, runs, driver.n_trained, is_interrupted=should_stop())


def _train_all(driver: _Driver) -> None:
    """Train in passes: each pass claims what is free; between passes, wait for what others are training."""
    from kbnd.execution.inline import execute

    waiting = driver.plan
    by_id = {planned.run_id: planned for planned in driver.plan}
    while waiting and not driver.should_stop():
        taken: list[Planned] = []
        tasks = _claimed(driver, waiting, taken)
        for record in execute(tasks, observer=lambda task: _observer(driver, by_id[task.run_id])):
            _store(driver, by_id[record.run_id], record)
        if taken and not driver.should_stop():
            if not driver.settings.wait:
                raise LedgerClaimedError(
                    f"{len(taken)} runs are being trained by another live process on {driver.settings.ledger}: "
                    "leave out --no-wait to wait for them"
                )
            driver.progress.on_wait(taken)
            time.sleep(POLL_S)
        waiting = taken


def _claimed(driver: _Driver, runs: list[Planned], taken: list[Planned]) -> Iterator[Task]:
    """Claim runs one by one and yield their tasks; append to `taken` what another process holds."""
    for planned in runs:
        if driver.should_stop():
            return
        answer = driver.ledger.claim(planned.run_id, retry_failed=driver.settings.retry_failed)
        if answer == "taken":
            taken.append(planned)
        elif answer == "claimed":
            yield Task(
                spec=planned.spec,
                identity=driver.identity,
                session=driver.session,
                block=planned.block,
                position=planned.position,
                checkpoint=driver.settings.checkpoint(planned.run_id),
                checkpoint_every=driver.settings.checkpoint_every,
                weights=driver.settings.weights,
            )


def _observer(driver: _Driver, planned: Planned) -> Observer:
    def on_start(record: RunRecord) -> None:
        driver.ledger.begin(record, keep_epochs=len(record.epochs))
        driver.progress.on_start(planned, record)

    def on_epoch(epoch: EpochRecord) -> None:
        driver.ledger.add_epoch(planned.run_id, epoch)
        driver.progress.on_epoch(planned, epoch)

    return Observer(on_start=on_start, on_epoch=on_epoch, should_stop=driver.should_stop)


def _store(driver: _Driver, planned: Planned, record: RunRecord) -> None:
    """Put a finished run into the ledger, then drop its checkpoint."""
    from kbnd.training import checkpoint

    record = replace(record, is_concurrent=driver.ledger.is_shared(record.started_at))
    driver.ledger.finish(record)
    if record.status != "interrupted":
        checkpoint.remove(driver.settings.checkpoint(planned.run_id))
        driver.n_trained += 1
    driver.progress.on_end(planned, record)
