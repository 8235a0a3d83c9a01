"""`kbnd tune` as a function: a space is searched, the ledger remembers, the best recipe is tried on test once.

    plan_search --> run_search: search --> best recipe --> fresh seeds --> test --> TuneResult

The same call, made again, goes on where the last one ended; with more trials or hours it goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kbnd import data
from kbnd.cost.images import check_images
from kbnd.errors import UsageError
from kbnd.execution.display import TerminalProgress
from kbnd.execution.driver import Driver, opened
from kbnd.execution.executors import Executor
from kbnd.execution.progress import SearchProgress, Silent
from kbnd.execution.runs import PlannedRun
from kbnd.execution.settings import Settings
from kbnd.execution.source import FixedRuns
from kbnd.ledger import Ledger
from kbnd.records import arm_of
from kbnd.spec import digest
from kbnd.tuning.budget import expected
from kbnd.tuning.defaults import space_for
from kbnd.tuning.plan import SearchPlan, plan_search
from kbnd.tuning.result import FRESH, TuneResult, runs_of, trials_frame, with_values
from kbnd.tuning.search import Search
from kbnd.tuning.space import Space

N_FRESH_SEEDS = 3

Values = str | float | Sequence[str] | Sequence[float] | None


def tune(
    model: str | None = None,
    *,
    dataset: str | None = None,
    space: Space | Path | str | None = None,
    dropout: Values = None,
    batch_norm: Values = None,
    lr: Values = None,
    optimizer: Values = None,
    epochs: int | None = None,
    changes: Mapping[str, Any] | None = None,
    oracle: str = "bayesian",
    objective: str = "val_accuracy",
    seeds: int = 2,
    max_trials: int | None = None,
    max_hours: float | None = None,
    prune: bool = False,
    search_seed: int = 1,
    test_seeds: int = N_FRESH_SEEDS,
    ledger: Path | str = "kbnd.sqlite",
    name: str | None = None,
    fresh: bool = False,
    executor: str = "inline",
    address: str | None = None,
    backend: str | None = None,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    retry_failed: bool = False,
    checkpoint_every: int = 1,
    wait: bool = True,
    yes: bool = False,
    progress: SearchProgress | bool = True,
) -> TuneResult:
    """Search for a good recipe of a network and return what was found; the ledger remembers every run.

    No file but the ledger is written: `TuneResult.write` makes the folder that the command `kbnd tune` leaves.

    Args:
        model: network, such as `alexnet` or `resnet20`; None where a space file names it.
        dataset: None is the network's own.
        space: a `Space`, or a space file (a `Path` or its name); None is the network's default space.
        dropout: `"0..0.8"`, `"0,0.25,0.5"` or `"0.3"`; also a number, or a list of them.
        batch_norm: placements separated by commas; of a residual network orders too.
        lr: `1e-3..1` (logarithmic), a list or one learning rate.
        optimizer: names separated by commas.
        epochs: of a candidate; of `hyperband` the most.
        changes: further settings by path, such as `{"data.n_train": 5000}`.
        oracle: one of `ORACLES`.
        objective: `val_accuracy`, `val_loss`, `time_to_accuracy:0.98` or `accuracy_per_joule`.
        seeds: runs of each candidate.
        max_trials: candidates in all; None is 20, of a grid all, and what Hyperband wants.
        max_hours: of training in all, after which no candidate is begun.
        prune: give up runs that lag behind the median (`kbnd.tuning.pruning`).
        search_seed: of the oracle.
        test_seeds: further seeds that the best recipe is trained with for its test result; 0 for none.
        ledger: file.
        name: of the search; None is made of network, dataset, oracle and backend.
        fresh: begin the search anew, in place of the one of this name; its runs that the ledger holds are not trained
            again (but where the objective is measured by the clock), and another name keeps both.
        executor: `inline`, `processes:N` or `ray`.
        address: of a Ray cluster.
        backend: `tensorflow`, `jax` or `torch`.
        num_cpus: processors that each run on Ray asks for.
        num_gpus: GPUs that each run on Ray asks for, may be a fraction.
        retry_failed: train runs again that ended `failed` or `oom`, of candidates that have not ended.
        checkpoint_every: epochs between checkpoints.
        wait: wait for runs that another live process is training.
        yes: begin a grid of more than 10,000 points, too.
        progress: True prints a line on stderr for each run that ends, False nothing; or who is told of every step.

    Returns:
        The trials, the best recipe and its test result.

    Raises:
        UsageError: settings that cannot be; the sentence names the setting.
        ResumeMismatchError: a search of this name was begun with other settings.
        DataMissingError: the dataset is not there.
    """
    settings = Settings(
        ledger=Path(ledger),
        backend=backend,
        executor=executor,
        address=address,
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        retry_failed=retry_failed,
        checkpoint_every=checkpoint_every,
        wait=wait,
    )
    if not isinstance(space, (Space, Path, str, type(None))):
        raise UsageError(f"space should be a Space or the name of a space file, received {type(space).__name__}")
    if isinstance(space, Space):
        said: dict[str, Any] = {
            "dropout": dropout,
            "batch_norm": batch_norm,
            "lr": lr,
            "optimizer": optimizer,
            "epochs": epochs,
        }
        said |= {"model": model, "dataset": dataset, "changes": changes}
        for what, value in said.items():
            if value is not None:
                raise UsageError(f"a Space says {what} itself: leave out {what} = {value!r}")
        space.check()
        chosen = space
    else:
        chosen = space_for(
            model,
            dataset=dataset,
            file=None if space is None else Path(space),
            dropout=_as_text(dropout),
            batch_norm=_as_text(batch_norm),
            lr=_as_text(lr),
            optimizer=_as_text(optimizer),
            epochs=epochs,
            changes=changes,
        )
    plan = plan_search(
        chosen,
        settings,
        oracle=oracle,
        looked_for=objective,
        seeds=seeds,
        max_trials=max_trials,
        max_hours=max_hours,
        is_pruned=prune,
        search_seed=search_seed,
        name=name,
        is_insisting=yes,
    )
    if not isinstance(progress, bool):
        return run_search(plan, settings, test_seeds=test_seeds, is_fresh=fresh, progress=progress)
    shown = TerminalProgress() if progress else Silent()
    try:
        return run_search(plan, settings, test_seeds=test_seeds, is_fresh=fresh, progress=shown)
    finally:
        shown.close()


def run_search(
    plan: SearchPlan,
    settings: Settings,
    *,
    test_seeds: int = N_FRESH_SEEDS,
    is_fresh: bool = False,
    progress: SearchProgress,
    should_stop: Callable[[], bool] = lambda: False,
    executor: Executor | None = None,
) -> TuneResult:
    """Go on with a search to its end, then train its best recipe with fresh seeds; raises as `tune` does.

    Args:
        plan: what is searched.
        settings: the engine's.
        test_seeds: further seeds of the best recipe.
        is_fresh: whether the search is begun anew.
        progress: told of every step.
        should_stop: asked between epochs and before every run.
        executor: trains; None is the one that the settings name.
    """
    if test_seeds < 0:
        raise UsageError(f"test_seeds should be 0 or more, received {test_seeds}")
    # A run that two sessions trained has no time that compares: it is trained anew, from its beginning.
    settings = replace(settings, has_checkpoints=plan.objective.is_reproducible)
    with opened(settings, plan.space.images, should_stop=should_stop) as (ledger, identity):
        driver = Driver(
            settings,
            identity,
            ledger,
            executor or settings.make_executor(),
            progress,
            should_stop,
            is_alone=not plan.objective.is_reproducible,
        )
        search = _begun(plan, driver, progress, is_fresh=is_fresh)
        driver.drive(search)
        fresh = _fresh_runs(search, n_seeds=test_seeds)
        runs, definition = _label(search, fresh)
        if fresh and not should_stop():
            progress.on_plan(fresh, held={run.run_id for run in fresh if ledger.status(run.run_id) == "done"})
            driver.drive(FixedRuns(fresh))
        return _result(search, driver, runs, fresh, definition=definition, test_seeds=test_seeds)


def _begun(plan: SearchPlan, driver: Driver, progress: SearchProgress, *, is_fresh: bool) -> Search:
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
        retries_failed=driver.settings.retry_failed,
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


def _as_text(values: Values) -> str | None:
    """Values as the command line takes them."""
    if values is None or isinstance(values, str):
        return values
    return ",".join(map(str, values)) if isinstance(values, Sequence) else str(values)


def _fresh_runs(search: Search, *, n_seeds: int) -> list[PlannedRun]:
    """The runs of the best recipe with seeds that the search did not use; none where no recipe is best."""
    best = search.best()
    if best is None:
        return []
    options: dict[str, Any] = {"epochs": best.epochs, "arm": FRESH, "what": f"best {best.ordinal}"}
    seeds = range(search.plan.seeds + 1, search.plan.seeds + n_seeds + 1)
    return [search.planned(best.values, seed=seed, **options) for seed in seeds]


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
        title = f"Search for {search.plan.objective.name} of {search.plan.space.model['name']}"
        search.ledger.assign(search.plan.name, definition, labels, title=title)
    return [*runs, *fresh], definition


def _scores(ledger: Ledger, plan: SearchPlan, runs: list[PlannedRun]) -> tuple[float, ...]:
    """What a search looks for, of each of these runs that is done and has it."""
    records = [record for run in runs if (record := ledger.get(run.run_id)) is not None and record.status == "done"]
    return tuple(score for record in records if (score := plan.objective.of(record)) is not None)
