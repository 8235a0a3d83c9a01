"""The TOML schema of a study: arms, budget, presets, published tables.

One schema serves the studies of the source reports and a user's own (`kbnd study my.toml`):

    name, title, baseline          seeds, control
    [model] [data] [train]         what all arms share
    [[arms]]                       a name and what it changes
    [presets.NAME]                 changes for `--preset NAME`; `faithful` is the report's own budget
    [[tables]]                     the report's tables: a metric, columns, rows of arms and published numbers
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from kbnd import data, models
from kbnd.errors import UsageError, unknown
from kbnd.spec import DataSpec, ModelSpec, Name, Spec, TrainSpec, digest, sentence

PRESETS = ("faithful", "scaled", "smoke")

Changes = dict[str, Any]
Metric = Literal["fit_s", "epoch_s", "test_accuracy", "test_loss", "val_accuracy", "val_loss"]


class Arm(Spec):
    """One variant: a name and the fields it changes in the shared model and training."""

    name: Name
    model: Changes = {}
    train: Changes = {}


class Row(Spec):
    """One row of a published table: an arm and a published value (or None) for every column."""

    label: str
    arms: tuple[Name, ...]
    published: tuple[float | None, ...] = ()


class PublishedTable(Spec):
    """A table of the source report.

    Attributes:
        title: as the report's caption says it, in our words.
        metric: column of the runs that it shows; published accuracies are fractions, times seconds.
        columns: headings.
        rows: one arm and one published number for each column.
    """

    title: str
    metric: Metric
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @model_validator(mode="after")
    def _rows_fit_columns(self) -> PublishedTable:
        for row in self.rows:
            if len(row.arms) != len(self.columns) or len(row.published) not in (0, len(self.columns)):
                raise ValueError(
                    f"table {self.title!r}, row {row.label!r}: {len(self.columns)} columns need as many arms and "
                    f"published numbers, received {len(row.arms)} and {len(row.published)}"
                )
        return self


class Preset(Spec):
    """What `--preset NAME` changes."""

    seeds: Annotated[int, Field(ge=1)] | None = None
    model: Changes = {}
    data: Changes = {}
    train: Changes = {}


class Study(Spec):
    """A whole study as its TOML file says it.

    Attributes:
        name: of the study, at most 20 characters; its module and file are called so.
        title: one line for headings.
        report: the source report, in words.
        baseline: the arm that all others are compared with.
        seeds: default number of paired seeds.
        control: whether the baseline is trained twice in every block, the A/A control of all times.
        model: fields that all arms share.
        data: likewise.
        train: likewise.
        arms: the variants.
        presets: changes by preset name.
        tables: the report's tables.
    """

    name: Annotated[Name, Field(max_length=20)]
    title: str
    report: str = ""
    baseline: Name
    seeds: Annotated[int, Field(ge=1)] = 10
    control: bool = True
    model: Changes
    data: Changes = {}
    train: Changes = {}
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)]
    presets: dict[Name, Preset] = {}
    tables: tuple[PublishedTable, ...] = ()

    @model_validator(mode="after")
    def _names_agree(self) -> Study:
        names = [arm.name for arm in self.arms]
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise ValueError(f"two arms are called {min(repeated)!r}")
        for used in [self.baseline, *(arm for t in self.tables for row in t.rows for arm in row.arms)]:
            if used not in names:
                raise ValueError(str(unknown("arm", used, names)))
        for preset in self.presets:
            if preset not in PRESETS:
                raise ValueError(str(unknown("preset", preset, PRESETS)))
        return self

    def arm(self, name: str) -> Arm:
        """Return the arm of that name.

        Raises:
            UsageError: there is none.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise unknown("arm", name, [arm.name for arm in self.arms])


class Choices(Spec):
    """What a user chose on the command line; None is the study's or the preset's own.

    Attributes:
        preset: `faithful`, `scaled` or `smoke`.
        dataset: another dataset, with its own default batch size and epochs.
        seeds: number of paired seeds, 1...N.
        epochs: passes over the training images.
        arms: the arms to train besides the baseline.
    """

    preset: Literal["faithful", "scaled", "smoke"] = "faithful"
    dataset: str | None = None
    seeds: Annotated[int, Field(ge=1)] | None = None
    epochs: Annotated[int, Field(ge=1)] | None = None
    arms: tuple[str, ...] | None = None


class Experiment(Spec):
    """A study with every choice made: what is trained.

    Attributes:
        name: study, dataset and whatever else a user chose; with the backend it names the experiment in a ledger.
        title: of the study.
        difference: in words, what makes this another experiment than the report's; empty where nothing does.
        seeds: number of paired seeds.
        data: shared by all arms, resolved.
        arms: name -> (model, train), the baseline first; those chosen.
        definition: digest of the data and of every arm of the study, chosen or not.
    """

    name: Name
    title: str
    difference: str
    seeds: int
    data: DataSpec
    arms: dict[Name, tuple[ModelSpec, TrainSpec]]
    definition: str


def read(path: Path) -> Study:
    """Read a study's TOML file.

    Raises:
        UsageError: the file is missing, no TOML, or not a study; the sentence names the file and the field.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the study {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the study {path} is not TOML: {error}") from None
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"the study {path}: {sentence(error)}") from None
    except UsageError as error:
        raise UsageError(f"the study {path}: {error}") from None


def decide(study: Study, choices: Choices) -> Experiment:
    """Make every choice of an experiment and check all of its arms, before anything is trained.

    Raises:
        UsageError: an unknown arm, preset or dataset, or an arm that the network cannot have.
    """
    preset = study.presets.get(choices.preset)
    if preset is None and choices.preset != "faithful":
        raise unknown("preset", choices.preset, ["faithful", *study.presets])
    preset = preset or Preset()
    chosen_data = {**study.data, **preset.data}
    budget = dict(preset.train)
    if choices.dataset is not None and choices.dataset != chosen_data.get("name"):
        chosen_data = {**preset.data, "name": choices.dataset}
        budget = {**data.training_defaults(choices.dataset), **budget}
    usual_epochs = TrainSpec(**{**study.train, **budget}).epochs
    asked = {} if choices.epochs is None else {"epochs": choices.epochs}
    resolved = data.resolve(DataSpec(**chosen_data))
    arms = {}
    for arm in study.arms:
        try:
            model = models.resolve(ModelSpec(**{**study.model, **preset.model, **arm.model}))
            arms[arm.name] = (model, TrainSpec(**{**study.train, **budget, **arm.train, **asked}))
        except UsageError as error:
            raise UsageError(f"arm {arm.name!r} of study {study.name!r}: {error}") from None
    before = {"data": DataSpec(**study.data), "train": TrainSpec(**study.train), "model": ModelSpec(**study.model)}
    after = {
        "data": resolved,
        "train": TrainSpec(**{**study.train, **budget, **asked}),
        "model": ModelSpec(**{**study.model, **preset.model}),
    }
    epochs = None if choices.epochs in (None, usual_epochs) else choices.epochs
    return Experiment(
        name=_name(study.name, resolved.name, choices.preset, epochs),
        title=study.title,
        difference=_difference({**before, "data": data.resolve(DataSpec(**study.data))}, after),
        seeds=choices.seeds or preset.seeds or study.seeds,
        data=resolved,
        arms={name: arms[name] for name in _chosen_arms(study, choices.arms)},
        definition=digest([_values(resolved), {name: [_values(part) for part in arm] for name, arm in arms.items()}]),
    )


def _chosen_arms(study: Study, names: tuple[str, ...] | None) -> list[str]:
    """The baseline, then the arms chosen (None is all) in the study's order."""
    chosen = {arm.name for arm in study.arms} if names is None else {study.arm(name).name for name in names}
    return [study.baseline, *(arm.name for arm in study.arms if arm.name in chosen - {study.baseline})]


def _values(spec: Spec) -> dict[str, Any]:
    return spec.model_dump(mode="json", exclude_defaults=True)


def _name(study: str, dataset: str, preset: str, epochs: int | None) -> str:
    """Label of an experiment: `lenet_grid.mnist`, `lenet_grid.digits.smoke`, `lenet_grid.mnist.e2`."""
    short = "".join(c if c.isalnum() or c in "_-" else "_" for c in dataset)
    if short != dataset or len(short) > 16:  # a folder, or a long name
        short = f"{short[-7:]}-{digest(dataset)[:8]}"
    parts = [study, short, "" if preset == "faithful" else preset, "" if epochs is None else f"e{epochs}"]
    return ".".join(part for part in parts if part)


def _difference(faithful: Mapping[str, Spec], actual: Mapping[str, Spec]) -> str:
    """Words for every field that makes the experiment another one than the report's."""
    changes = []
    for part, spec in actual.items():
        before, after = faithful[part].model_dump(), spec.model_dump()
        label = {"name": "dataset"} if part == "data" else {}
        changes += [
            f"{label.get(field, field)} {_words(after[field])} instead of {_words(before[field])}"
            for field in after
            if after[field] != before[field]
        ]
    return ", ".join(changes)


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(str(part) for part in value)
    return "all" if value is None else str(value)
