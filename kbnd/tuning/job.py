"""One call that goes on with a search: what it would do and cost, what a ledger holds of it, and its run to the end.

    plan --> search --> best recipe --> fresh seeds --> test --> TuneResult

A job goes on where the last one of the same search ended; with more trials or hours it goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from kbnd import data
from kbnd.cost.images import check_images
from kbnd.errors import UsageError
from kbnd.execution import threads
from kbnd.execution.driver import Driver
from kbnd.execution.entry import opened
from kbnd.execution.executors import Executor
from kbnd.execution.progress import SearchProgress
from kbnd.execution.runs import PlannedRun
from kbnd.execution.settings import Settings
from kbnd.execution.source import FixedRuns
from kbnd.ledger import Ledger
from kbnd.records import FRESH, arm_of
from kbnd.report.folder import check_writable
from kbnd.report.table import Table
from kbnd.spec import digest
from kbnd.tuning import budget
from kbnd.tuning.budget import Budget, expected
from kbnd.tuning.held import LogSummary, log_summary
from kbnd.tuning.plan import SearchPlan
from kbnd.tuning.plan_tables import fresh_note, log_rows, plan_table
from kbnd.tuning.result import TuneResult
from kbnd.tuning.search import Search
from kbnd.tuning.trials import runs_of, trials_frame, with_values


@dataclass(frozen=True, kw_only=True)
class SearchJob:
    """One call that goes on with a search.

    Attributes:
        plan: what is searched.
        settings: the engine's.
        test_seeds: further seeds of the best recipe.
        is_fresh: whether the search is begun anew.
    """

    plan: SearchPlan
    settings: Settings
    test_seeds: int
    is_fresh: bool = False

    @cached_property
    def cost(self) -> Budget:
        """What the search would cost from nothing."""
        return budget.budget(self.plan, self.settings, test_seeds=self.test_seeds)

    @cached_property
    def log(self) -> LogSummary | None:
        """What the ledger holds of the search; raises as `kbnd.tuning.held.log_summary` does."""
        return log_summary(self.plan, self.settings, is_fresh=self.is_fresh)

    @property
    def fresh_note(self) -> str:
        """What beginning the search anew leaves behind; empty where nothing is left."""
        return "" if self.log is None or not self.is_fresh else f"{self.plan.name} is {fresh_note(self.log)}"

    def table(self) -> Table:
        """Return what would be searched and what it costs."""
        return plan_table(self.plan, self.cost)

    def preview(self) -> Table:
        """Return `table` with what the ledger holds of the search already, and what is left of its time."""
        begun_with = None if self.log is None else self.log.n_threads
        rows = [
            ("Threads", threads.in_words(begun_with, self.settings)),
            *log_rows(self.plan, self.cost, self.log, is_fresh=self.is_fresh),
        ]
        return plan_table(self.plan, self.cost, rows_after=rows)

    def as_json(self) -> dict[str, Any]:
        """Return the cost as JSON values, with what the ledger holds of the search."""
        return budget.as_json(self.cost, self.log)

    def check(self, folder: Path) -> None:
        """Refuse, before anything trains, a folder for the result and a search that was begun with other settings.

        Raises:
            UsageError: the folder cannot be written to, or the file of the ledger is none.
            NoSpaceError: its disk is full.
            ResumeMismatchError: a search of this name was begun with other settings.
        """
        check_writable(folder)
        _ = self.log

    def run(
        self,
        *,
        progress: SearchProgress,
        should_stop: Callable[[], bool] = lambda: False,
        executor: Executor | None = None,
    ) -> TuneResult:
        """Go on with the search to its end, then train its best recipe with fresh seeds; raises as `tune` does.

        Args:
            progress: told of every step.
            should_stop: asked between epochs and before every run.
            executor: trains; None is the one that the settings name.
        """
        # A run that two sessions trained has no time that compares: it is trained anew, from its beginning.
        settings = replace(self.settings, has_checkpoints=self.plan.objective.is_reproducible)
        with opened(settings, self.plan.space.images, name=self.plan.name, should_stop=should_stop) as (
            ledger,
            identity,
            n_threads,
        ):
            driver = Driver(
                settings,
                identity,
                ledger,
                executor or settings.make_executor(),
                progress,
                should_stop,
                n_threads,
                is_alone=not self.plan.objective.is_reproducible,
            )
            search = _begin(self.plan, driver, progress, is_fresh=self.is_fresh)
            driver.drive(search)
            fresh = _fresh_runs(search, n_seeds=self.test_seeds)
            runs, definition = _label(search, fresh)
            if fresh and not should_stop():
                progress.on_plan(fresh, held={run.run_id for run in fresh if ledger.status(run.run_id) == "done"})
                driver.drive(FixedRuns(fresh))
            return _result(search, driver, runs, fresh, definition=definition, test_seeds=self.test_seeds)


def _begin(plan: SearchPlan, driver: Driver, progress: SearchProgress, *, is_fresh: bool) -> Search:
    """The search as far as its log goes, with progress told what is behind it and what is to come."""
    ledger, images = driver.ledger, plan.space.images
    if plan.name in ledger.studies() and ledger.search(plan.name) is None:
        raise UsageError(f"{plan.name!r} is the name of an experiment in {ledger.path}: choose another one")
    n_classes = data.load(images).classes
    check_images(plan.space.model_spec(plan.space.usual), images)  # of a folder, known only now
    search = Search(
        plan,
        ledger.begin_search(plan.name, plan.definition(driver.identity), fresh=is_fresh),
        ledger,
        driver.identity,
        places=driver.executor.places,
        n_classes=n_classes,
        can_retry_failed=driver.settings.retry_failed,
    )
    search.catch_up()
    ended = [candidate for candidate in search.candidates.values() if candidate.status != "open"]
    n_epochs_ended = plan.seeds * sum(candidate.epochs for candidate in ended)
    progress.expect(**expected(plan))
    progress.on_search(n_ended=plan.seeds * len(ended), n_epochs_ended=n_epochs_ended)
    return search


def _result(
    search: Search,
    driver: Driver,
    runs: list[PlannedRun],
    fresh: list[PlannedRun],
    *,
    definition: str,
    test_seeds: int,
) -> TuneResult:
    """What came of a search, from its state and the ledger."""
    plan, ledger, best = search.plan, search.ledger, search.best()
    run_frame, epoch_frame = runs_of(ledger, plan.name, definition, planned=runs)
    trials, best_trial = trials_frame(search), None if best is None else best.ordinal
    return TuneResult(
        name=plan.name,
        plan=plan,
        trials=trials,
        best=None if best is None else best.runs[0].spec,
        best_trial=best_trial,
        runs=with_values(run_frame, trials, list(plan.space.names.values()), best_trial=best_trial),
        epochs=epoch_frame,
        n_trained=driver.n_trained,
        is_complete=not driver.should_stop(),
        is_out_of_hours=search.is_out_of_hours,
        fresh_scores=_scores(ledger, plan, fresh),
        environments={session: record.environment for session, record in ledger.sessions(run_frame).items()},
        n_tested=ledger.n_recipes(plan.name, FRESH),
        unused_seed=max([plan.seeds + test_seeds, *ledger.seeds(plan.name, FRESH)]) + 1,
        n_classes=search.n_classes,
    )


def _fresh_runs(search: Search, *, n_seeds: int) -> list[PlannedRun]:
    """The runs of the best recipe with seeds that the search did not use; none where no recipe is best."""
    best = search.best()
    if best is None:
        return []
    options: dict[str, Any] = {"epochs": best.epochs, "arm": FRESH, "what": f"best {best.ordinal}"}
    seeds = range(search.plan.seeds + 1, search.plan.seeds + n_seeds + 1)
    return [search.runs.of_seed(best.values, seed=seed, **options) for seed in seeds]


def _label(search: Search, fresh: list[PlannedRun]) -> tuple[list[PlannedRun], str]:
    """Label every run of a search, and return them with the digest under which the ledger holds their labels.

    The best trial's stand first: it is what `kbnd compare` takes as the baseline. It is part of the digest, so that
    fresh runs of one that was the best before are no longer shown.
    """
    best = search.best()
    definition = digest([search.info.definition, search.info.generation, None if best is None else best.ordinal])
    runs = [run for candidate in search.candidates.values() for run in candidate.runs]
    runs.sort(key=lambda run: best is None or run.arm != arm_of(best.ordinal))
    labels = [(run.arm, run.spec.seed, run.spec.replicate, run.run_id) for run in [*runs, *fresh]]
    if labels:
        search.ledger.assign(search.plan.name, definition, labels, title=search.plan.title)
    return [*runs, *fresh], definition


def _scores(ledger: Ledger, plan: SearchPlan, runs: list[PlannedRun]) -> tuple[float, ...]:
    """What a search looks for, of each of these runs that is done and has it."""
    records = [record for run in runs if (record := ledger.get(run.run_id)) is not None and record.status == "done"]
    return tuple(score for record in records if (score := plan.objective.of(record)) is not None)
