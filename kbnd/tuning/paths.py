"""Paths of a search space: which field of a run each names, and which of them a search can vary.

    TABLE.FIELD      model.options.NAME      model.dropout.SITE

Tables are those of a run: model, data and train.
"""

from __future__ import annotations

from typing import Any

from kbnd.errors import UsageError, unknown
from kbnd.models.registry import find
from kbnd.spec import TABLES

ONE_FOR_ALL = {
    "model.name": "a search is of one network",
    "data.name": "a search is on one dataset",
    "data.n_validation": "candidates are compared on the same validation images",
    "train.epochs": "candidates are compared after the same number of epochs",
    "train.validation_curve": "it changes no training",
    "train.test_curve": "it changes no training",
    "train.n_train_eval": "it changes no training",
}
"""Fields that no search varies, and why."""

WHOLE = ("train.batch_size", "train.dropout_schedule_epochs", "data.n_train", "model.options.depth")
"""Fields that are whole numbers."""

HOSTS: dict[str, tuple[str, Any]] = {"train.momentum": ("train.optimizer", "sgd")}
"""A setting -> the field, and its value, without which it would be read by nobody: where that field varies, candidates
with another value of it do without the setting."""


def check_path(path: str, network: str) -> None:
    """Refuse a path that names no field of a run of a network.

    Raises:
        UsageError: it lists what there is.
    """
    table, field, inner = parts(path)
    if table not in TABLES:
        raise unknown("table of a search space", table, TABLES)
    if field not in TABLES[table].model_fields:
        raise unknown(f"field of [{table}]", field, TABLES[table].model_fields)
    if inner and path.startswith("model.options."):
        allowed = find(network).options
        if inner not in allowed:
            raise unknown(f"option of {network}", inner, allowed)
    elif (inner and field != "dropout") or path == "model.options":
        raise UsageError(f"a setting of a space is TABLE.FIELD, model.options.NAME or model.dropout.SITE, not {path!r}")


def check_varies(path: str) -> None:
    """Refuse to vary what all candidates must have in common.

    Raises:
        UsageError: it says why.
    """
    if path in ONE_FOR_ALL:
        raise UsageError(f"{path} does not vary in a search, {ONE_FOR_ALL[path]}: give it one value")


def parts(path: str) -> tuple[str, str, str]:
    """Return the table, the field and what is behind it: the option or the site, empty for most."""
    table, _, rest = path.partition(".")
    field, _, inner = rest.partition(".")
    return table, field, inner


def short_name(path: str) -> str:
    """Return what is printed where it is unique: the last part, `dropout.dense` for a dropout site."""
    _, field, inner = parts(path)
    return f"{field}.{inner}" if field == "dropout" and inner else inner or field
