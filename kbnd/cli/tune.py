"""The command that searches: `kbnd tune`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kbnd.cli.options import (
    DEFAULT_LEDGER,
    Address,
    BackendName,
    CheckpointEvery,
    Executor,
    Fit,
    ImageSize,
    Json,
    LedgerFile,
    NumCpus,
    NumGpus,
    builder_options,
    end,
    height_width,
    note,
    show,
)
from kbnd.cli.progress import with_progress
from kbnd.errors import SOME_RUNS_FAILED

if TYPE_CHECKING:
    from kbnd.tuning.job import SearchJob
    from kbnd.tuning.result import TuneResult


def tune(
    model: Annotated[
        str | None,
        typer.Option(help="Network, such as alexnet or resnet20; default the space file's, without one lenet5."),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Dataset; default: the network's own.")] = None,
    dropout: Annotated[str | None, typer.Option(help="0..0.8, or 0,0.25,0.5, or one rate.")] = None,
    batch_norm: Annotated[
        str | None, typer.Option(help="Placements separated by commas; of a residual network orders too.")
    ] = None,
    lr: Annotated[str | None, typer.Option(help="1e-4..1 (logarithmic), a list, or one learning rate.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, adam, or both with a comma.")] = None,
    space: Annotated[Path | None, typer.Option(help="TOML file with everything else that varies or does not.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Of the network's own, as width=0.5; repeatable.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Of a candidate; of hyperband the most.")] = None,
    n_train: Annotated[int | None, typer.Option(help="Train on so many images only.")] = None,
    image_size: ImageSize = None,
    fit: Fit = None,
    oracle: Annotated[str, typer.Option(help="random, grid, bayesian or hyperband.")] = "bayesian",
    objective: Annotated[
        str, typer.Option(help="val_accuracy, val_loss, time_to_accuracy:0.98 or accuracy_per_joule.")
    ] = "val_accuracy",
    max_trials: Annotated[
        int | None, typer.Option(help="Candidates in all; default 20, the whole grid, what hyperband wants.")
    ] = None,
    max_hours: Annotated[
        float | None, typer.Option(help="Of training in all; no candidate is begun after them.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each candidate, with the seeds 1...N.")] = 2,
    test_seeds: Annotated[int, typer.Option(min=0, help="Fresh seeds of the best recipe, for its test result.")] = 3,
    prune: Annotated[bool, typer.Option("--prune", help="Give up runs that lag behind the median.")] = False,
    search_seed: Annotated[int, typer.Option(help="Of the oracle.")] = 1,
    name: Annotated[str | None, typer.Option(help="Of the search in the ledger.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin the search anew; only by the clock are its runs trained again.")
    ] = False,
    executor: Executor = "inline",
    address: Address = None,
    num_cpus: NumCpus = None,
    num_gpus: NumGpus = None,
    backend: BackendName = None,
    ledger: LedgerFile = DEFAULT_LEDGER,
    out: Annotated[Path | None, typer.Option(help="Folder for tables and figures; default results/SEARCH.")] = None,
    as_json: Json = False,
    checkpoint_every: CheckpointEvery = 1,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Train failed runs again, of the best recipe or with --fresh.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for runs of other live processes.")] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be searched and what it costs; write nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Start a grid of more than 10,000 points, too.")] = False,
) -> None:
    """Search over dropout rate, BN placement, learning rate and more; the ledger remembers, so it can be resumed."""
    from kbnd.execution.settings import Settings
    from kbnd.tuning.tune import new_job

    changes = {f"model.options.{key}": value for key, value in builder_options(option or ()).items()}
    changes |= {} if n_train is None else {"data.n_train": n_train}
    changes |= {} if image_size is None else {"data.image_size": list(height_width(image_size) or ())}
    changes |= {} if fit is None else {"data.fit": fit}
    settings = Settings(
        ledger=ledger, backend=backend, executor=executor, address=address, num_cpus=num_cpus, num_gpus=num_gpus,
        checkpoint_every=checkpoint_every, retry_failed=retry_failed, wait=wait,
    )  # fmt: skip
    job = new_job(
        settings, model=model if model or space else "lenet5", dataset=dataset, space=space, dropout=dropout,
        batch_norm=batch_norm, lr=lr, optimizer=optimizer, epochs=epochs, changes=changes, oracle=oracle,
        objective=objective, seeds=seeds, max_trials=max_trials, max_hours=max_hours, prune=prune,
        search_seed=search_seed, test_seeds=test_seeds, name=name, fresh=fresh, yes=yes,
    )  # fmt: skip
    if dry_run:
        show(job.as_json() if as_json else [job.preview()])
    else:
        _run_and_report(job, out or Path("results") / job.plan.name, as_json=as_json)


def _run_and_report(job: SearchJob, out: Path, *, as_json: bool) -> None:
    from kbnd.report.terminal import print_tables

    job.check(out)
    print_tables([job.table()], file=sys.stderr)
    note()
    if job.fresh_note:
        note(f"{job.fresh_note}; the files in {out} are replaced")
    result, stopped = with_progress(job.run)
    result.write(out)
    show(result.as_json() if as_json else result.tables())
    for line in _end_notes(result, out, is_stopped=bool(stopped)):
        note(line)
    end(stopped or (0 if result.best is not None and not result.n_failed else SOME_RUNS_FAILED))


def _end_notes(result: TuneResult, out: Path, *, is_stopped: bool) -> Iterator[str]:
    """What a person must know besides: where the files are, what was there before, and how to go on."""
    from kbnd.words import counted

    yield f"written to {out}"
    if is_stopped:  # what was interrupted by this call was not there before it
        yield "stopped: the same command continues"
        return
    n_stored = result.runs["run_id"].nunique() - result.n_trained
    if n_stored > 0:
        yield f"{counted(n_stored, 'run')} of these {'were' if n_stored > 1 else 'was'} in the ledger"
    if result.is_out_of_hours:
        n = counted(len(result.trials), "candidate")
        yield f"ended by --max-hours {result.plan.max_hours} after {n}: the same command with more goes on"
    if result.best is not None:
        recipe = f"kbnd train --recipe {out / 'best.toml'}"
        yield f"train the best recipe: {recipe} (seed {result.unused_seed}, which had no part in this)"
