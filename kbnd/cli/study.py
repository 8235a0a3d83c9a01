"""The command that runs a study: `kbnd study`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    show,
)
from kbnd.cli.progress import with_progress
from kbnd.errors import SOME_RUNS_FAILED

if TYPE_CHECKING:
    from kbnd.execution.settings import Settings
    from kbnd.study.definition import Study
    from kbnd.study.experiment import Experiment
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
    from kbnd.cost.images import check_batch, check_images
    from kbnd.execution.settings import Settings
    from kbnd.study.choices import Choices, check_differences, decide
    from kbnd.study.definition import read
    from kbnd.study.preview import check_gpu

    study = read(file)
    choices: dict[str, Any] = {"preset": preset, "dataset": dataset, "seeds": seeds, "epochs": epochs}
    experiment = decide(study, Choices(**choices, arms=names(arms)))
    settings = Settings(
        ledger=ledger, backend=backend, executor=executor, address=address, num_cpus=num_cpus, num_gpus=num_gpus,
        control=study.control, checkpoint_every=checkpoint_every, retry_failed=retry_failed, retime=retime, wait=wait,
    )  # fmt: skip
    settings.check()
    check_differences(experiment)
    for model, train in experiment.arms.values():
        check_images(model, experiment.data)
        check_batch(train, experiment.data)
    if dry_run:
        _show_plan(experiment, settings, as_json=as_json)
        return
    if not yes:
        check_gpu(study, experiment, settings)
    _run_and_report(study, experiment, settings, out=out, as_json=as_json)


def _show_plan(experiment: Experiment, settings: Settings, *, as_json: bool) -> None:
    from kbnd.study import preview
    from kbnd.study.plan_tables import plan_tables

    found = preview.preview(experiment, settings)
    show(preview.as_json(found) if as_json else plan_tables(found))


def _run_and_report(
    study: Study, experiment: Experiment, settings: Settings, *, out: Path | None, as_json: bool
) -> None:
    from kbnd.report.folder import check_writable
    from kbnd.study import outputs
    from kbnd.study.runner import label, run

    out = out or Path("results") / label(experiment, settings)
    check_writable(out)

    def call(**options: Any) -> Outcome:
        return run(experiment, settings, **options)

    outcome, stopped = with_progress(call, is_by_validation=experiment.is_by_validation)
    if stopped:
        print(f"stopped, runs finished by this call: {outcome.n_trained}; the same command continues", file=sys.stderr)
        print(f"what is there: kbnd compare {settings.ledger} --study {outcome.label}", file=sys.stderr)
        end(stopped)
    report = outputs.make(study, experiment, outcome, ledger=settings.ledger)
    outputs.write(report, out)
    show(outputs.as_json(report) if as_json else report.tables)
    print(f"written to {out}", file=sys.stderr)
    end(SOME_RUNS_FAILED if report.n_bad else 0)
