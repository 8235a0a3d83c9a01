"""The command that trains a single run: `kbnd train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from kbnd.cli.options import (
    DEFAULT_LEDGER,
    BackendName,
    CheckpointEvery,
    Epochs,
    ImageSize,
    Json,
    LedgerFile,
    RetryFailed,
    builder_options,
    end,
    height_width,
    names,
    show,
)
from kbnd.cli.progress import with_progress
from kbnd.errors import SOME_RUNS_FAILED, UsageError

BESIDE_RECIPE = (
    *("recipe", "seed", "replicate", "backend", "ledger", "save_weights", "as_json"),
    *("checkpoint_every", "retry_failed"),
)
"""Options that a recipe says nothing about."""


def train(
    context: typer.Context,
    recipe: Annotated[
        Path | None,
        typer.Option(help="TOML file with tables model, data and train, as best.toml of kbnd tune."),
    ] = None,
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
    seed: Annotated[int | None, typer.Option(help="Positive whole number; default 1, or the recipe's own.")] = None,
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
    from kbnd import recipe as recipes
    from kbnd.cost.images import check_batch, check_images
    from kbnd.execution.settings import Settings
    from kbnd.report.runs import run_as_json, run_table, stored_run
    from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec
    from kbnd.study.runner import run_one

    if recipe is not None:
        _check_nothing_beside(context)
        written = recipes.read(recipe)
        chosen, images, training = written.model, written.data, written.train
        seed = written.seed if seed is None else seed
    else:
        network, options = models.registry.named(model)
        chosen = ModelSpec(
            name=network,
            batch_norm=batch_norm,  # type: ignore[arg-type]
            batch_norm_sites=names(batch_norm_sites),
            dropout=dropout,
            dropout_sites=names(dropout_sites),
            options=options | builder_options(option or ()),
        )
        images = DataSpec(
            name=dataset,
            n_train=n_train,
            image_size=height_width(image_size),
            standardise=standardise,  # type: ignore[arg-type]
        )
        budget: dict[str, Any] = {"batch_size": batch_size, "epochs": epochs}
        budget = data.training_defaults(dataset) | {key: value for key, value in budget.items() if value is not None}
        details: dict[str, Any] = {
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
        training = TrainSpec(**details, **budget)
    spec = RunSpec(
        model=models.resolve(chosen), data=data.resolve(images), train=training, seed=1 if seed is None else seed,
        replicate=replicate,
    )  # fmt: skip
    check_images(spec.model, spec.data)
    check_batch(spec.train, spec.data)
    settings = Settings(
        ledger=ledger, backend=backend, checkpoint_every=checkpoint_every, retry_failed=retry_failed,
        weights=save_weights,
    )  # fmt: skip
    outcome, stopped = with_progress(lambda **told: run_one(spec, settings, **told))
    if stopped and not outcome.n_trained:
        print("stopped: the same command continues", file=sys.stderr)
        end(stopped)
    record = stored_run(ledger, outcome.runs[0].run_id)
    show(run_as_json(record) if as_json else [run_table(record)])
    end(stopped or (SOME_RUNS_FAILED if record.status != "done" else 0))


def _check_nothing_beside(context: typer.Context) -> None:
    """Refuse options beside a recipe that say what it says itself."""
    given = [
        name
        for name in context.params
        if name not in BESIDE_RECIPE and getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]
    if given:
        raise UsageError(
            f"--recipe says network, images and training: leave out --{given[0].replace('_', '-')}, or change the file"
        )
