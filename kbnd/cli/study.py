"""The command that runs a study: `kbnd study`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kbnd.cli.options import (
    DEFAULT_LEDGER,
    Address,
    BackendName,
    CheckpointEvery,
    Epochs,
    Executor,
    Json,
    LedgerFile,
    NumCpus,
    NumGpus,
    RetryFailed,
    Seeds,
    end,
    names,
    note,
    show,
)
from kbnd.cli.progress import with_progress
from kbnd.errors import SOME_RUNS_FAILED

if TYPE_CHECKING:
    from kbnd.execution.display import TerminalProgress
    from kbnd.study.job import Job
    from kbnd.study.runner import Outcome


def study(
    file: Annotated[Path, typer.Argument(help="The study's TOML file.")],
    dataset: Annotated[str | None, typer.Option(help="Another dataset than the study's.")] = None,
    seeds: Seeds = None,
    epochs: Epochs = None,
    arms: Annotated[
        str | None, typer.Option(help="Arms and groups to train, separated by commas, or all; baselines come along.")
    ] = None,
    backend: BackendName = None,
    preset: Annotated[
        str, typer.Option(help="faithful (the report's own budget) or one that the study names, such as scaled.")
    ] = "faithful",
    executor: Executor = "inline",
    address: Address = None,
    num_cpus: NumCpus = None,
    num_gpus: NumGpus = None,
    ledger: LedgerFile = DEFAULT_LEDGER,
    out: Annotated[Path | None, typer.Option(help="Folder for tables and figures; default results/EXPERIMENT.")] = None,
    as_json: Json = False,
    checkpoint_every: CheckpointEvery = 1,
    retry_failed: RetryFailed = False,
    retime: Annotated[int, typer.Option(min=0, help="Train every run this many times more, for its time alone.")] = 0,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for runs of other live processes.")] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be trained and what it costs; write nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Start a preset that needs a GPU on a CPU, too.")] = False,
) -> None:
    """Run a study: train what the ledger does not hold yet, then print and write its tables."""
    from kbnd.execution.settings import Settings
    from kbnd.study.job import prepare

    choices = {"preset": preset, "dataset": dataset, "seeds": seeds, "epochs": epochs, "arms": names(arms)}
    settings = Settings(
        ledger=ledger, backend=backend, executor=executor, address=address, num_cpus=num_cpus, num_gpus=num_gpus,
        checkpoint_every=checkpoint_every, retry_failed=retry_failed, retime=retime, wait=wait,
    )  # fmt: skip
    job = prepare(file, choices, settings, out=out, is_dry_run=dry_run, is_insisting=yes)
    if dry_run:
        _show_preview(job, as_json=as_json)
    else:
        _train_and_show(job, as_json=as_json)


def _show_preview(job: Job, *, as_json: bool) -> None:
    from kbnd.study import preview
    from kbnd.study.preview_tables import preview_tables

    cost = preview.preview(job.experiment, job.settings)
    show(preview.as_json(cost) if as_json else preview_tables(cost))


def _train_and_show(job: Job, *, as_json: bool) -> None:
    from kbnd.study import outputs
    from kbnd.study.results import gather
    from kbnd.study.runner import run

    def train(progress: TerminalProgress, should_stop: Callable[[], bool]) -> Outcome:
        return run(job.experiment, job.settings, progress=progress, should_stop=should_stop)

    outcome, stopped = with_progress(train, is_by_validation=job.experiment.is_by_validation)
    if stopped:
        note(f"stopped, runs finished by this call: {outcome.n_trained}; the same command continues")
        note(f"what is there: kbnd compare {job.settings.ledger} --study {outcome.label}")
        end(stopped)
    results = gather(job.study, job.experiment, outcome, ledger=job.settings.ledger)
    outputs.write(results, job.out)
    show(outputs.as_json(results) if as_json else results.tables)
    note(f"written to {job.out}")
    end(SOME_RUNS_FAILED if results.n_bad else 0)
