"""The command that trains a single run: `kbnd train`.

A recipe's file and options are two ways to one `kbnd.recipe.Recipe`: each option of `FIELDS` fills one of its fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kbnd.cli.options import (
    DEFAULT_LEDGER,
    BackendName,
    CheckpointEvery,
    Epochs,
    Fit,
    ImageSize,
    Json,
    LedgerFile,
    RetryFailed,
    builder_options,
    end,
    height_width,
    names,
    note,
    numbers,
    show,
)
from kbnd.cli.progress import with_progress
from kbnd.errors import SOME_RUNS_FAILED, UsageError

if TYPE_CHECKING:
    from kbnd.recipe import Recipe

FIELDS: dict[str, tuple[str, str]] = {
    "model": ("model", "name"),
    "batch_norm": ("model", "batch_norm"),
    "batch_norm_sites": ("model", "batch_norm_sites"),
    "dropout": ("model", "dropout"),
    "dropout_sites": ("model", "dropout_sites"),
    "option": ("model", "options"),
    "dataset": ("data", "name"),
    "n_train": ("data", "n_train"),
    "image_size": ("data", "image_size"),
    "fit": ("data", "fit"),
    "standardise": ("data", "standardise"),
    "optimizer": ("train", "optimizer"),
    "lr": ("train", "learning_rate"),
    "momentum": ("train", "momentum"),
    "schedule": ("train", "schedule"),
    "milestones": ("train", "milestones"),
    "multipliers": ("train", "multipliers"),
    "weight_decay": ("train", "weight_decay"),
    "weight_decay_mode": ("train", "weight_decay_mode"),
    "initial_weights": ("train", "initial_weights"),
    "initial_gain": ("train", "initial_gain"),
    "augmentation": ("train", "augmentation"),
    "dropout_schedule": ("train", "dropout_schedule"),
    "dropout_schedule_epochs": ("train", "dropout_schedule_epochs"),
    "batch_size": ("train", "batch_size"),
    "epochs": ("train", "epochs"),
}
"""Option -> the part of a recipe and the field that it fills; one that nobody gave leaves the field's default."""

READERS: dict[str, Callable[[Any], Any]] = {
    "batch_norm_sites": names,
    "dropout_sites": names,
    "option": builder_options,
    "image_size": height_width,
    "milestones": numbers,
    "multipliers": numbers,
}
"""Option whose text is not yet the field's value -> what reads it."""


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
    fit: Fit = None,
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
    options = dict(locals())  # before anything else is named here
    from kbnd import recipe as recipes
    from kbnd.execution.settings import Settings
    from kbnd.report.runs import run_as_json, run_table, stored_run
    from kbnd.study.job import single_run
    from kbnd.study.runner import run_one

    given = {name: options[name] for name in FIELDS if _is_given(context, name)}
    if recipe is None:
        parts = _recipe({"model": model, "dataset": dataset} | given)
    else:
        _check_nothing_beside(given)
        parts = recipes.read(recipe)
    spec = single_run(parts, seed=seed, replicate=replicate)
    settings = Settings(
        ledger=ledger, backend=backend, checkpoint_every=checkpoint_every, retry_failed=retry_failed,
        weights=save_weights,
    )  # fmt: skip
    outcome, stopped = with_progress(
        lambda progress, should_stop: run_one(spec, settings, progress=progress, should_stop=should_stop)
    )
    if stopped and not outcome.n_trained:
        note("stopped: the same command continues")
        end(stopped)
    record = stored_run(ledger, outcome.runs[0].run_id)
    show(run_as_json(record) if as_json else [run_table(record)])
    end(stopped or (SOME_RUNS_FAILED if record.status != "done" else 0))


def _recipe(given: Mapping[str, Any]) -> Recipe:
    """The recipe that options ask for, with what a network's name and a dataset bring of their own."""
    from kbnd import data, models
    from kbnd.recipe import Recipe
    from kbnd.spec import DataSpec, ModelSpec, TrainSpec

    network, network_options = models.registry.named(given["model"])
    model = _fields("model", given)
    model |= {"name": network, "options": network_options | model.get("options", {})}
    return Recipe(
        model=ModelSpec(**model),
        data=DataSpec(**_fields("data", given)),
        train=TrainSpec(**data.training_defaults(given["dataset"]) | _fields("train", given)),
    )


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line; one that does not leaves its field unsaid."""
    return getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"


def _fields(part: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one part of a recipe that options fill."""
    fields = {
        field: _read(option, given[option])
        for option, (owner, field) in FIELDS.items()
        if owner == part and option in given
    }
    return {field: value for field, value in fields.items() if value is not None}


def _read(option: str, value: Any) -> Any:
    return READERS[option](value) if option in READERS else value


def _check_nothing_beside(given: Mapping[str, Any]) -> None:
    """Refuse options beside a recipe that say what it says itself."""
    for name in given:
        raise UsageError(
            f"--recipe says network, images and training: leave out --{name.replace('_', '-')}, or change the file"
        )
