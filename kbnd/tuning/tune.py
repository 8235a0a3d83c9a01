"""`kbnd tune` as a function: a space is searched, the ledger remembers, the best recipe is tried on test once.

space, settings --> plan --> job --> TuneResult
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kbnd.errors import UsageError, checked_whole
from kbnd.execution.display import TerminalProgress
from kbnd.execution.progress import SearchProgress, Silent
from kbnd.execution.runs import check_count
from kbnd.execution.settings import Settings
from kbnd.tuning.defaults import space_file, space_for
from kbnd.tuning.job import SearchJob
from kbnd.tuning.plan import plan_search
from kbnd.tuning.result import TuneResult
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
        oracle: `random`, `grid`, `bayesian` or `hyperband`.
        objective: `val_accuracy`, `val_loss`, `time_to_accuracy:0.98` or `accuracy_per_joule`.
        seeds: runs of each candidate.
        max_trials: candidates in all; None is 20, of a grid all, and what Hyperband wants.
        max_hours: of training in all, after which no candidate is begun.
        prune: give up runs that lag behind the median (`kbnd.analysis.pruning`).
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
        ledger=Path(ledger), backend=backend, executor=executor, address=address, num_cpus=num_cpus, num_gpus=num_gpus,
        checkpoint_every=checkpoint_every, retry_failed=retry_failed, wait=wait,
    )  # fmt: skip
    job = new_job(
        settings, model=model, dataset=dataset, space=space, dropout=dropout, batch_norm=batch_norm, lr=lr,
        optimizer=optimizer, epochs=epochs, changes=changes, oracle=oracle, objective=objective, seeds=seeds,
        max_trials=max_trials, max_hours=max_hours, prune=prune, search_seed=search_seed, test_seeds=test_seeds,
        name=name, fresh=fresh, yes=yes,
    )  # fmt: skip
    if not isinstance(progress, bool):
        return job.run(progress=progress)
    display = TerminalProgress() if progress else Silent()
    try:
        return job.run(progress=display)
    finally:
        display.close()


def new_job(
    settings: Settings,
    *,
    model: str | None = None,
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
    name: str | None = None,
    fresh: bool = False,
    yes: bool = False,
) -> SearchJob:
    """Return the job of a search, checked and not begun; what it takes and raises is as of `tune`."""
    varied: dict[str, Any] = {
        "dropout": dropout, "batch_norm": batch_norm, "lr": lr, "optimizer": optimizer, "epochs": epochs,
        "model": model, "dataset": dataset, "changes": changes,
    }  # fmt: skip
    searched = _whole(space, varied) if isinstance(space, Space) else _completed(space_file(space), varied)
    plan = plan_search(
        searched, settings, oracle=oracle, looked_for=objective, seeds=seeds, max_trials=max_trials,
        max_hours=max_hours, is_pruned=prune, search_seed=search_seed, name=name, is_insisting=yes,
    )  # fmt: skip
    n_fresh = checked_whole(test_seeds, "test_seeds", least=0)
    check_count(n_fresh, of="fresh seeds of the best recipe", remedy="of them (test_seeds)")
    return SearchJob(plan=plan, settings=settings, test_seeds=n_fresh, is_fresh=fresh)


def _whole(space: Space, options: Mapping[str, Any]) -> Space:
    """A space that says everything itself, checked."""
    for option, value in options.items():
        if value is not None:
            raise UsageError(f"a Space says {option} itself: leave out {option} = {value!r}")
    space.check()
    return space


def _completed(file: Path | None, options: dict[str, Any]) -> Space:
    """A space of a file, if any, and of options over it."""
    texts = {option: _as_text(options[option]) for option in ("dropout", "batch_norm", "lr", "optimizer")}
    return space_for(**{**options, **texts}, file=file)


def _as_text(values: Values) -> str | None:
    """Values as the command line takes them."""
    if values is None or isinstance(values, str):
        return values
    return ",".join(map(str, values)) if isinstance(values, Sequence) else str(values)
