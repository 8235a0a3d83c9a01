"""The space of a search: defaults of its network, a space file over them, options of a command over both.

Unless a user says otherwise a search varies the placement of Batch Normalization (none, before, after the activation),
the dropout rate (0..0.8) and the learning rate (1e-4..1, logarithmic), with the dataset's own budget.

Residual networks have their Batch Normalization from the option `order`, so their `batch_norm` is read as one:

| `batch_norm` | `none`       | `before_activation` | `after_activation` | `before_weight` | an order |
|--------------|--------------|---------------------|--------------------|-----------------|----------|
| `order`      | `post_no_bn` | `post`              | `post_after`       | `ic_conv_relu`  | itself   |
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kbnd import data, models
from kbnd.errors import UsageError
from kbnd.models.architecture import ResidualArchitecture
from kbnd.models.registry import find, named
from kbnd.spec import TABLES, ModelSpec, TrainSpec
from kbnd.tuning.parameters import Choice, Range
from kbnd.tuning.paths import check_path
from kbnd.tuning.space import Space
from kbnd.tuning.syntax import Entries, choice, entries_in, name_in, naming, numbers, read, words

BATCH_NORM = Choice(values=("none", "before_activation", "after_activation"))
DROPOUT = Range(min=0.0, max=0.8)
LEARNING_RATE = Range(min=1e-4, max=1.0, log=True)

ORDERS = {
    "none": "post_no_bn",
    "before_activation": "post",
    "after_activation": "post_after",
    "before_weight": "ic_conv_relu",
}
"""Placement -> the order of a residual network whose units have their steps in the same order."""

OF_NETWORK: dict[str, Entries] = {
    "alexnet": {"model.options.head": [512, 512]},  # without hidden dense layers dropout has no place
    "alexnet_d2l": {"data.image_size": [224, 224]},
}
"""What a search of a network has beside the defaults."""


def default_space(model: str, dataset: str | None = None, *, epochs: int | None = None) -> Space:
    """Return what is searched of a network unless a user says otherwise.

    Args:
        model: its name, such as `alexnet` or `resnet20`.
        dataset: another one than the network's own.
        epochs: of a candidate; None is the dataset's default.

    Raises:
        UsageError: an unknown name, or a network that cannot be.
    """
    return space_for(model, dataset=dataset, epochs=epochs)


def space_file(space: object) -> Path | None:
    """Return the space file that a person names by its path or as a text; None stays None.

    Raises:
        UsageError: it is neither.
    """
    if not isinstance(space, (Path, str, type(None))):
        raise UsageError(f"space should be a Space or the name of a space file, received {type(space).__name__}")
    return None if space is None else Path(space)


def space_for(
    model: str | None = None,
    *,
    dataset: str | None = None,
    file: Path | None = None,
    dropout: str | None = None,
    batch_norm: str | None = None,
    lr: str | None = None,
    optimizer: str | None = None,
    epochs: int | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Space:
    """Return the checked space of a search.

    Args:
        model: name of the network; None where the file says it.
        dataset: None is the file's, else the network's own.
        file: a space file, laid over the defaults.
        dropout: as a user writes it: a range, a list or one rate; this and what follows is laid over the file.
        batch_norm: placements, of a residual network orders too, separated by commas.
        lr: a range (logarithmic), a list or one learning rate.
        optimizer: names separated by commas.
        epochs: of a candidate.
        changes: further settings by path: a `Choice`, a `Range`, or the one value.

    Raises:
        UsageError: an unknown name, a range or list that cannot be meant, a hyperparameter that the network does not
            have, or a value that it cannot have.
    """
    if not isinstance(changes, (Mapping, type(None))):
        raise UsageError(f"changes should be a mapping of paths to values, received {changes!r}")
    content = {} if file is None else read(file)
    name = model or name_in(content, "model")
    if name is None:
        raise UsageError("a search needs a network: name it as model, or as name in [model] of the space file")
    network, options = named(name)
    find(network)  # an unknown name is no fault of the file
    with naming(f"the space {file}"):
        of_file = _for_network(network, entries_in(content, network))
    of_name = {f"model.options.{option}": value for option, value in options.items()}
    of_command = {
        "model.dropout": None if dropout is None else numbers("dropout", dropout),
        "model.batch_norm": None if batch_norm is None else words("batch_norm", batch_norm),
        "train.learning_rate": None if lr is None else numbers("lr", lr, log=True),
        "train.optimizer": None if optimizer is None else words("optimizer", optimizer),
        "train.epochs": epochs,
        **(changes or {}),
    }
    of_command = _for_network(network, {path: value for path, value in of_command.items() if value is not None})
    images = dataset or of_file.get("data.name") or find(network).dataset
    fixed = {"model.name": network, "data.name": images}
    layers = (_defaults(network, images), of_name, of_file, of_name if model else {}, of_command, fixed)
    space = _space(_enlarge(_merge(*layers)))
    space.check()
    return space


def _defaults(network: str, dataset: str) -> Entries:
    budget = {"epochs": TrainSpec().epochs, "batch_size": TrainSpec().batch_size, **data.training_defaults(dataset)}
    return {
        **_for_network(network, {"model.batch_norm": BATCH_NORM}),
        "model.dropout": DROPOUT,
        "train.learning_rate": LEARNING_RATE,
        **{f"train.{field}": value for field, value in budget.items()},
        **OF_NETWORK.get(network, {}),
    }


def _for_network(network: str, entries: Entries) -> Entries:
    """Entries in which the placement of a residual network is its order."""
    if not isinstance(find(network), ResidualArchitecture) or "model.batch_norm" not in entries:
        return entries
    if "model.options.order" in entries:
        raise UsageError(f"{network} has its Batch Normalization from order: give order or batch_norm, not both")
    rest = {path: value for path, value in entries.items() if path != "model.batch_norm"}
    value = entries["model.batch_norm"]
    placements = value.values if isinstance(value, Choice) else (value,)
    orders = [ORDERS.get(str(placement), placement) for placement in placements]
    return {**rest, "model.options.order": choice(orders)}


def _merge(*layers: Entries) -> Entries:
    """Entries over each other; rates by site and one rate for all sites take each other's place."""
    merged: Entries = {}
    for layer in layers:
        if any(map(_is_dropout, layer)):
            merged = {path: value for path, value in merged.items() if not _is_dropout(path)}
        merged |= layer
    return merged


def _is_dropout(path: str) -> bool:
    return path == "model.dropout" or path.startswith("model.dropout.")


def _enlarge(entries: Entries) -> Entries:
    """Entries with images that are large enough for the network, unless a user has said their size.

    Images that are too small are enlarged by the least whole factor.
    """
    dataset = data.DATASETS.get(entries["data.name"])
    if dataset is None or "data.image_size" in entries:
        return entries
    network = {path: _first_value(value) for path, value in entries.items() if path.startswith("model.")}
    least = models.smallest_side(ModelSpec(**_tables(network)["model"]))
    if min(dataset.image_size or dataset.image_shape) >= least:
        return entries
    height, width, _ = dataset.image_shape
    factor = -(-least // min(height, width))
    return {**entries, "data.image_size": [factor * height, factor * width]}


def _first_value(value: Any) -> Any:
    return value.bounds()[0] if isinstance(value, (Choice, Range)) else value


def _space(entries: Entries) -> Space:
    for path in entries:
        check_path(path, entries["model.name"])
    varied = {path: value for path, value in entries.items() if isinstance(value, (Choice, Range))}
    fixed = {path: value for path, value in entries.items() if path not in varied}
    return Space(**_tables(fixed), hyperparameters=varied)


def _tables(entries: Entries) -> dict[str, dict[str, Any]]:
    """Entries by path as nested tables."""
    tables: dict[str, dict[str, Any]] = {table: {} for table in TABLES}
    for path, value in entries.items():
        table, field, *inner = path.split(".", 2)
        if inner:
            tables[table].setdefault(field, {})[inner[0]] = value
        else:
            tables[table][field] = value
    return tables
