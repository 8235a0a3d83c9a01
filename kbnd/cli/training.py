"""Commands that train: `kbnd study` and `kbnd train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kbnd.cli.options import (
    DEFAULT_LEDGER,
    BackendName,
    CheckpointEvery,
    Epochs,
    Executor,
    ImageSize,
    Json,
    LedgerFile,
    RetryFailed,
    Seeds,
    builder_options,
    end,
    height_width,
    names,
    show,
)
from kbnd.cli.progress import with_progress
from kbnd.errors import SOME_RUNS_FAILED

if TYPE_CHECKING:
    from kbnd.study.choices import Experiment
    from kbnd.study.definition import Study
    from kbnd.study.runner import Settings


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
    from kbnd.study.choices import Choices, decide
    from kbnd.study.definition import read
    from kbnd.study.preview import check_gpu
    from kbnd.study.runner import Settings

    study = read(file)
    choices: dict[str, Any] = {"preset": preset, "dataset": dataset, "seeds": seeds, "epochs": epochs}
    experiment = decide(study, Choices(**choices, arms=names(arms)))
    settings = Settings(
        ledger=ledger, backend=backend, executor=executor, control=study.control, checkpoint_every=checkpoint_every,
        retry_failed=retry_failed, retime=retime, wait=wait,
    )  # fmt: skip
    settings.check()
    if dry_run:
        _show_plan(experiment, settings, as_json=as_json)
        return
    if not yes:
        check_gpu(study, experiment, settings)
    _run_and_report(study, experiment, settings, out=out, as_json=as_json)


def _show_plan(experiment: Experiment, settings: Settings, *, as_json: bool) -> None:
    from kbnd.report.plan import plan_tables
    from kbnd.study import preview

    found = preview.preview(experiment, settings)
    show(preview.as_json(found) if as_json else plan_tables(found))


def _run_and_report(
    study: Study, experiment: Experiment, settings: Settings, *, out: Path | None, as_json: bool
) -> None:
    from kbnd.report.outputs import check_writable
    from kbnd.study import outputs
    from kbnd.study.runner import label, run

    out = out or Path("results") / label(experiment, settings)
    check_writable(out)
    outcome, stopped = with_progress(lambda **told: run(experiment, settings, **told))
    if stopped:
        print(f"stopped, runs finished by this call: {outcome.n_trained}; the same command continues", file=sys.stderr)
        print(f"what is there: kbnd compare {settings.ledger} --study {outcome.label}", file=sys.stderr)
        end(stopped)
    report = outputs.make(study, experiment, outcome, ledger=settings.ledger)
    outputs.write(report, out)
    show(outputs.as_json(report) if as_json else report.tables)
    print(f"written to {out}", file=sys.stderr)
    end(SOME_RUNS_FAILED if report.n_bad else 0)


def train(
    model: Annotated[str, typer.Option(help="Network, such as lenet5.")] = "lenet5",
    dataset: Annotated[str, typer.Option(help="Dataset.")] = "digits",
    batch_norm: Annotated[
        str, typer.Option(help="none, before_activation, after_activation or before_weight.")
    ] = "none",
    dropout: Annotated[float, typer.Option(help="Rate in [0, 1) at the network's dropout sites.")] = 0.0,
    batch_norm_sites: Annotated[str | None, typer.Option(help="Kinds or units with BN, separated by commas.")] = None,
    dropout_sites: Annotated[str | None, typer.Option(help="Kinds or units with dropout, separated by commas.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Of the network's own, as depth=20; repeatable.")
    ] = None,
    optimizer: Annotated[str, typer.Option(help="sgd or adam.")] = "sgd",
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 0.05,
    momentum: Annotated[float, typer.Option(help="Momentum of SGD.")] = 0.0,
    schedule: Annotated[str, typer.Option(help="Of the learning rate: constant, step or cosine.")] = "constant",
    milestones: Annotated[str | None, typer.Option(help="Of step: epochs after which it changes, as 80,120.")] = None,
    multipliers: Annotated[
        str | None, typer.Option(help="Of step: factors on --lr from there on, as 0.1,0.01.")
    ] = None,
    weight_decay: Annotated[float, typer.Option(help="Coefficient on every trainable weight.")] = 0.0,
    weight_decay_mode: Annotated[str, typer.Option(help="coupled (in the gradient) or decoupled (AdamW).")] = "coupled",
    initial_weights: Annotated[
        str, typer.Option(help="Scheme, such as glorot_uniform or he_normal.")
    ] = "torch_default",
    initial_gain: Annotated[float, typer.Option(help="Factor on the initial kernels.")] = 1.0,
    augmentation: Annotated[str, typer.Option(help="none or crop_flip.")] = "none",
    dropout_schedule: Annotated[str, typer.Option(help="constant, early, late or linear.")] = "constant",
    dropout_schedule_epochs: Annotated[int, typer.Option(help="Epochs of that schedule's first part.")] = 0,
    batch_size: Annotated[int | None, typer.Option(help="Images per step; default 128 (digits: 32).")] = None,
    epochs: Epochs = None,
    seed: Annotated[int, typer.Option(help="Positive whole number.")] = 1,
    replicate: Annotated[int, typer.Option(help="Above 0: train the same run once more, for its time.")] = 0,
    image_size: ImageSize = None,
    n_train: Annotated[int | None, typer.Option(help="Train on so many images only.")] = None,
    standardise: Annotated[str, typer.Option(help="none or per_channel (mean 0, deviation 1).")] = "none",
    backend: BackendName = None,
    ledger: LedgerFile = DEFAULT_LEDGER,
    save_weights: Annotated[Path | None, typer.Option(help="Write the final weights to this .npz file.")] = None,
    as_json: Json = False,
    checkpoint_every: CheckpointEvery = 1,
    retry_failed: RetryFailed = False,
) -> None:
    """Train one network once, through the ledger, and print its result."""
    from kbnd import data, models
    from kbnd.report import overview
    from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec
    from kbnd.study.runner import Settings, run_one

    budget: dict[str, Any] = {"batch_size": batch_size, "epochs": epochs}
    budget = data.training_defaults(dataset) | {name: value for name, value in budget.items() if value is not None}
    network: dict[str, Any] = {
        "name": model,
        "batch_norm": batch_norm,
        "batch_norm_sites": names(batch_norm_sites),
        "dropout": dropout,
        "dropout_sites": names(dropout_sites),
        "options": builder_options(option or ()),
    }
    images: dict[str, Any] = {
        "name": dataset,
        "n_train": n_train,
        "image_size": height_width(image_size),
        "standardise": standardise,
    }
    training: dict[str, Any] = {
        "optimizer": optimizer,
        "learning_rate": lr,
        "momentum": momentum,
        "schedule": schedule,
        "milestones": names(milestones) or (),
        "multipliers": names(multipliers) or (),
        "weight_decay": weight_decay,
        "weight_decay_mode": weight_decay_mode,
        "initial_weights": initial_weights,
        "initial_gain": initial_gain,
        "augmentation": augmentation,
        "dropout_schedule": dropout_schedule,
        "dropout_schedule_epochs": dropout_schedule_epochs,
    }
    spec = RunSpec(
        model=models.resolve(ModelSpec(**network)),
        data=data.resolve(DataSpec(**images)),
        train=TrainSpec(**training, **budget),
        seed=seed,
        replicate=replicate,
    )
    settings = Settings(
        ledger=ledger, backend=backend, checkpoint_every=checkpoint_every, retry_failed=retry_failed,
        weights=save_weights,
    )  # fmt: skip
    outcome, stopped = with_progress(lambda **told: run_one(spec, settings, **told))
    if stopped and not outcome.n_trained:
        print("stopped: the same command continues", file=sys.stderr)
        end(stopped)
    record = overview.stored_run(ledger, outcome.runs[0].run_id)
    show(overview.run_as_json(record) if as_json else [overview.run_table(record)])
    end(stopped or (SOME_RUNS_FAILED if record.status != "done" else 0))
