"""What a search varies and what it leaves alone: fields of a run by their dotted path, with a choice or a range.

    model.dropout      model.dropout.dense      model.options.order      train.learning_rate      data.standardise

Every path is that of a field of `kbnd.spec`, of an option of the network, or of a dropout site. A range with a step,
and every range of whole numbers, is the list of its values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import combinations
from typing import Any

from pydantic import field_validator, model_validator

from kbnd import data, models
from kbnd.cost.images import check_images, check_size
from kbnd.errors import UsageError
from kbnd.spec import DataSpec, ModelSpec, RunSpec, Spec, TrainSpec, canonical_json
from kbnd.tuning.parameters import Choice, Hyperparameter
from kbnd.tuning.paths import HOSTS, WHOLE, check_path, check_varies, parts, short_name

MOST_PAIRS = 20_000
"""Pairs of values up to which every pair is tried before a search."""

SIZING = ("model.options.", "data.image_size")
"""How the paths begin of what makes a network larger."""

BUDGET = ("epochs", "batch_size")
"""Fields that a definition says even where they are at their default."""

Fields = dict[str, Any]


class Space(Spec):
    """What a search varies, and everything else of its runs.

    Attributes:
        model: fields of `ModelSpec` that do not vary, its name among them.
        data: likewise of `DataSpec`.
        train: likewise of `TrainSpec`.
        hyperparameters: what varies, by path, in the order of the paths; a grid varies the last one fastest.
    """

    model: Fields
    data: Fields = {}
    train: Fields = {}
    hyperparameters: dict[str, Hyperparameter]

    @field_validator("hyperparameters")
    @classmethod
    def _listed(cls, parameters: dict[str, Hyperparameter]) -> dict[str, Hyperparameter]:
        return {path: _as_choice(path, parameters[path]) for path in sorted(parameters)}

    @model_validator(mode="after")
    def _can_be_searched(self) -> Space:
        for path in self.hyperparameters:
            check_path(path, str(self.model.get("name")))
            check_varies(path)
        if self.train.get("test_curve"):
            raise ValueError("test_curve has no place in a search: nothing is selected on test images")
        if self.data.get("n_validation") == 0:
            raise ValueError("n_validation should be above 0 in a search, which compares on these images")
        return self

    @property
    def names(self) -> dict[str, str]:
        """Path -> what is printed: its last part where that is unique, `dropout.dense` for a dropout site."""
        short = {path: short_name(path) for path in self.hyperparameters}
        names = list(short.values())
        return {path: name if names.count(name) == 1 else path for path, name in short.items()}

    @property
    def hosted(self) -> dict[str, tuple[str, Any]]:
        """A setting that varies -> the hyperparameter, and its value, without which candidates do without it."""
        varied = self.hyperparameters
        return {path: host for path, host in HOSTS.items() if path in varied and host[0] in varied}

    @property
    def size(self) -> int:
        """Candidates of a grid, each once: without a host, all values of a setting are one."""
        n = {path: len(parameter.points()) for path, parameter in self.hyperparameters.items()}
        for path, (host, value) in self.hosted.items():
            n_with = self.hyperparameters[host].points().count(value)
            n[host], n[path] = n_with * n[path] + n[host] - n_with, 1
        return math.prod(n.values())

    @property
    def is_finite(self) -> bool:
        """Whether there are no other candidates than those of a grid."""
        return all(isinstance(parameter, Choice) for parameter in self.hyperparameters.values())

    @property
    def usual(self) -> Fields:
        """One candidate: the first value of every choice, the lower end of every range."""
        return {path: parameter.bounds()[0] for path, parameter in self.hyperparameters.items()}

    @property
    def images(self) -> DataSpec:
        """The dataset, resolved; a field of it that varies leaves the images the same."""
        return _resolved(DataSpec(**self.data))

    @property
    def epochs(self) -> int:
        """Epochs of a candidate whose oracle does not say how many."""
        return int(self.train.get("epochs", TrainSpec().epochs))

    def run_spec(
        self, values: Mapping[str, Any], *, seed: int, epochs: int | None = None, replicate: int = 0
    ) -> RunSpec:
        """Return the run of a candidate with one seed; model and data are resolved.

        Args:
            values: by path, one for each hyperparameter.
            seed: from 1.
            epochs: instead of the space's own.
            replicate: above 0 for the same run once more.

        Raises:
            UsageError: other hyperparameters than the space has, or a run that cannot be.
        """
        return RunSpec(
            model=self.model_spec(values),
            data=_resolved(DataSpec(**self._fields("data", values))),
            train=self.train_spec(values, epochs=epochs),
            seed=seed,
            replicate=replicate,
        )

    def applies(self, path: str, values: Mapping[str, Any]) -> bool:
        """Return whether a candidate with these values has a setting at all (`HOSTS`)."""
        host, value = HOSTS.get(path, ("", None))
        return host not in values or bool(values[host] == value)

    def model_spec(self, values: Mapping[str, Any]) -> ModelSpec:
        """Return the network of a candidate, resolved; it raises what `run_spec` raises."""
        return models.resolve(ModelSpec(**self._fields("model", values)))

    def train_spec(self, values: Mapping[str, Any], *, epochs: int | None = None) -> TrainSpec:
        """Return how a candidate is trained; it raises what `run_spec` raises."""
        fields = self._fields("train", values)
        return TrainSpec(**(fields if epochs is None else {**fields, "epochs": epochs}))

    def check(self) -> None:
        """Make the run of every choice and of both ends of every range, before anything is trained.

        Raises:
            UsageError: nothing varies, or a value cannot be; the sentence names the hyperparameter.
        """
        if not self.hyperparameters:
            raise UsageError("nothing to search: every field has one value")
        self._check(self.usual, {})
        for changed in self._changes():
            self._check({**self.usual, **changed}, changed)

    def definition(self) -> Fields:
        """Return everything that makes the candidates what they are, as JSON values."""
        images = self.images
        budget = {"epochs": TrainSpec().epochs, "batch_size": TrainSpec().batch_size, **self.train}
        fixed = {field: budget[field] for field in BUDGET if f"train.{field}" not in self.hyperparameters}
        fields = {
            "model": _unusual(ModelSpec, self.model),
            "data": {"name": images.name, **images.model_dump(mode="json", exclude_defaults=True)},
            "train": _unusual(TrainSpec, self.train) | fixed,
            "hyperparameters": {
                path: parameter.model_dump(mode="json", exclude_defaults=True)
                for path, parameter in self.hyperparameters.items()
            },
        }
        return dict(json.loads(canonical_json(fields)))

    def _fields(self, table: str, values: Mapping[str, Any]) -> Fields:
        """The fields of a table with a candidate's values laid over them, options and sites one by one."""
        if set(values) != set(self.hyperparameters):
            raise UsageError(
                f"a candidate has one value for each of {', '.join(self.hyperparameters)}, received {list(values)}"
            )
        fields = dict(getattr(self, table))
        for path, value in values.items():
            of, field, inner = parts(path)
            if of == table:
                fields[field] = {**fields.get(field, {}), inner: value} if inner else value
        return {field: value for field, value in fields.items() if self.applies(f"{table}.{field}", values)}

    def _changes(self) -> Iterator[Fields]:
        """Every value to be tried, and every pair of values where they are few."""
        settings = [[(path, value) for value in parameter.bounds()] for path, parameter in self.hyperparameters.items()]
        yield from ({path: value} for of_path in settings for path, value in of_path)
        if sum(len(one) * len(other) for one, other in combinations(settings, 2)) <= MOST_PAIRS:
            yield from (dict([a, b]) for one, other in combinations(settings, 2) for a in one for b in other)

    def _check(self, values: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
        try:
            spec = self.run_spec(values, seed=1)
            check_images(spec.model, spec.data)
            if not changed or any(path.startswith(SIZING) for path in changed):
                check_size(spec.model, spec.data)
        except UsageError as error:
            changes = " and ".join(f"{self.names[path]} = {value!r}" for path, value in changed.items())
            raise UsageError(f"{changes}: {error}" if changes else str(error)) from None


def _as_choice(path: str, parameter: Hyperparameter) -> Hyperparameter:
    """The list of values that a range has where it has a step or is of whole numbers."""
    if isinstance(parameter, Choice):
        return parameter
    if path in WHOLE and parameter.log and parameter.step is None:
        raise ValueError(f"{path} takes whole numbers, whose logarithmic range needs a step: list its values")
    if path in WHOLE and parameter.step is None:
        parameter = parameter.model_copy(update={"step": 1.0})
    if parameter.step is None:
        return parameter
    points = parameter.points()
    between = next((point for point in points if path in WHOLE and not point.is_integer()), None)
    if between is not None:
        raise ValueError(f"{path} takes whole numbers, received a range with {between:g}")
    return Choice(values=tuple(map(int, points)) if path in WHOLE else points)


@lru_cache(maxsize=64)
def _resolved(images: DataSpec) -> DataSpec:
    return data.resolve(images)


def _unusual(spec: type[Spec], fields: Fields) -> Fields:
    """The fields that are not at their default."""
    return {name: value for name, value in fields.items() if value != spec.model_fields[name].default}
