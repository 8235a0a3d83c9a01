"""Differences in words: between an experiment and the source's, and between an arm and the one it is compared with.

| of                | reads                                                    |
|-------------------|----------------------------------------------------------|
| two experiments   | `n_train 10000 instead of 50000, options.width 0.5 ...`  |
| two arms          | `batch_norm before_activation, dropout 0.5`              |
| an arm on its own | `lenet5, optimizer sgd, learning_rate 0.05, ...`         |

Each option of a network stands on its own, with the builder's default where a spec names none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kbnd import models
from kbnd.spec import DataSpec, ModelSpec, Spec, TrainSpec

COUNTS = ("n_train", "n_validation")
"""Fields of `DataSpec` that belong to one dataset; None is all of them."""

ALWAYS = ("optimizer", "learning_rate", "batch_size", "epochs")
"""Fields of `TrainSpec` that describe an arm also where they are at their default."""

Fields = dict[str, Any]


def fields_of(spec: Spec) -> Fields:
    """Return a spec's fields by the names they are printed with."""
    fields = spec.model_dump()
    if isinstance(spec, DataSpec):
        fields = {"dataset": fields.pop("name"), **fields}
    if isinstance(spec, ModelSpec):
        options = {**_default_options(spec.name), **fields.pop("options")}
        fields = {"network": fields.pop("name"), **fields}
        fields |= {f"options.{name}": list(v) if isinstance(v, tuple) else v for name, v in options.items()}
    return fields


def instead(before: Sequence[Fields], after: Sequence[Fields]) -> str:
    """Return words for every field that another experiment has otherwise; options that one network lacks are none."""
    return ", ".join(
        f"{field} {words(field, new[field])} instead of {words(field, old[field])}"
        for old, new in zip(before, after, strict=True)
        for field in new
        if field in old and old[field] != new[field]
    )


def changed(before: Sequence[Spec], after: Sequence[Spec]) -> str:
    """Return words for what an arm (model, train) has otherwise than another one; `nothing` where that is so."""
    old: Fields = {}
    new: Fields = {}
    for first, second in zip(before, after, strict=True):
        old, new = old | fields_of(first), new | fields_of(second)
    texts = [f"{field} {words(field, value)}" for field, value in new.items() if old.get(field) != value]
    return ", ".join(texts) or "nothing"


def described(model: ModelSpec, train: TrainSpec) -> str:
    """Return words for an arm on its own: its network, its usual settings, and what is not at its default."""
    usual = fields_of(ModelSpec(name=model.name)) | fields_of(TrainSpec())
    own = fields_of(model) | fields_of(train)
    unusual = [field for field in own if own[field] != usual.get(field) and field not in ALWAYS]
    return ", ".join([model.name, *(f"{field} {words(field, own[field])}" for field in (*unusual, *ALWAYS))])


def words(field: str, value: Any) -> str:
    """Return a field's value as it is printed."""
    if value is None:
        return "all" if field in COUNTS else "default"
    if isinstance(value, Mapping):
        return " ".join(f"{name} {part}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ("x" if field == "image_size" else " ").join(map(str, value)) or "none"
    return str(value)


def _default_options(network: str) -> Fields:
    return dict(models.MODELS[network].options) if network in models.MODELS else {}
