"""Runs an experiment, or a single run: trains what the ledger does not hold and labels it.

What is already in the ledger is skipped, what another live process is training is waited for. So the same command,
run again, continues and ends with the same table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from kbnd.errors import UsageError
from kbnd.execution.driver import Driver
from kbnd.execution.entry import opened
from kbnd.execution.executors import Executor
from kbnd.execution.progress import Progress
from kbnd.execution.runs import PlannedRun
from kbnd.execution.settings import Settings
from kbnd.execution.source import FixedRuns
from kbnd.records import TO_TRAIN
from kbnd.spec import Identity, RunSpec, digest
from kbnd.study.experiment import Experiment
from kbnd.study.plan import plan
from kbnd.training import backend


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
    runs: list[PlannedRun]
    n_trained: int


def run(
    experiment: Experiment,
    settings: Settings,
    *,
    progress: Progress,
    should_stop: Callable[[], bool] = lambda: False,
    executor: Executor | None = None,
) -> Outcome:
    """Train what the ledger does not hold of an experiment; everything asked for is checked before.

    Args:
        experiment: what is trained.
        settings: the engine's.
        progress: told of every step.
        should_stop: asked between epochs and before every run.
        executor: trains; None is the one that the settings name.

    Returns:
        The plan and what became of it.

    Raises:
        UsageError: a backend, an executor or a ledger that cannot be.
        DataMissingError: the dataset is not there.
        LedgerClaimedError: only runs of other live processes are left, and `wait` is off.
    """
    name = label(experiment, settings)

    def planned(identity: Identity) -> list[PlannedRun]:
        return plan(experiment, identity=identity, control=settings.control, retime=settings.retime)

    with opened(
        settings,
        experiment.data,
        name=name,
        planned=lambda identity: (run.run_id for run in planned(identity)),
        should_stop=should_stop,
    ) as (ledger, identity, n_threads):
        runs, definition = planned(identity), digest([experiment.definition, asdict(identity)])
        in_table_order = sorted(runs, key=lambda r: (list(experiment.arms).index(r.arm), r.spec.seed, r.spec.replicate))
        labels = [(r.arm, r.spec.seed, r.spec.replicate, r.run_id) for r in in_table_order]
        ledger.assign(
            name,
            definition,
            labels,
            title=experiment.title,
            difference=experiment.difference,
            baselines=experiment.all_baselines,
            is_by_validation=experiment.is_by_validation,
        )
        driver = Driver(
            settings, identity, ledger, executor or settings.make_executor(), progress, should_stop, n_threads
        )
        drive_all(driver, runs)
    return Outcome(name, definition, runs, driver.n_trained)


def run_one(
    spec: RunSpec,
    settings: Settings,
    *,
    progress: Progress,
    should_stop: Callable[[], bool] = lambda: False,
    executor: Executor | None = None,
) -> Outcome:
    """Train a single run unless the ledger holds it; raises as `run` does, and where its weights were not kept."""
    with opened(settings, spec.data, planned=lambda identity: [spec.run_id(identity)], should_stop=should_stop) as (
        ledger,
        identity,
        n_threads,
    ):
        planned = PlannedRun(spec.model.name, spec, spec.run_id(identity))
        if settings.weights and ledger.status(planned.run_id) not in TO_TRAIN:
            raise UsageError(
                f"the ledger holds run {planned.run_id} without its weights: --replicate {spec.replicate + 1} trains "
                "it once more"
            )
        driver = Driver(
            settings, identity, ledger, executor or settings.make_executor(), progress, should_stop, n_threads
        )
        drive_all(driver, [planned])
    return Outcome("", "", [planned], driver.n_trained)


def drive_all(driver: Driver, runs: list[PlannedRun]) -> None:
    """Tell the whole plan, then train it."""
    held = {r.run_id for r in runs if driver.ledger.status(r.run_id) not in TO_TRAIN}
    driver.progress.on_plan(runs, held=held)
    driver.drive(FixedRuns(runs))


def label(experiment: Experiment, settings: Settings) -> str:
    """Return an experiment's name in the ledger, where each backend has its own: masks and kernels differ.

    Raises:
        UsageError: the backend is unknown or not installed.
    """
    return f"{experiment.name}.{backend.choose(settings.backend)}"
