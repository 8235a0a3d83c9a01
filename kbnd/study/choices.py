"""What a user chooses of a study, and the experiment that comes of it: every arm with every field decided.

Tables of changes are laid over each other, the later one wins, field by field (`kbnd.study.overlays`):

| part  | order                                                                                              |
|-------|----------------------------------------------------------------------------------------------------|
| model | study, preset, arm; `options` key by key                                                           |
| data  | study, preset, `--dataset`                                                                         |
| train | study, defaults of the dataset (where it is not the study's), preset, arm, `--epochs`              |

So an arm of 40 epochs (a group `long`) has 40 in every preset, and only the user's own `--epochs` shortens it.
With `--dataset`, the preset's own `n_train` and `n_validation` stay.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kbnd import data, models
from kbnd.errors import UsageError
from kbnd.report.tables.notes import BY_VALIDATION
from kbnd.spec import DataSpec, ModelSpec, Positive, RunSpec, Spec, TrainSpec, digest
from kbnd.study.decidable import decidable
from kbnd.study.definition import Study, naming
from kbnd.study.differences import COUNTS, fields_of, instead
from kbnd.study.experiment import Experiment, Recipe
from kbnd.study.overlays import for_other_arms, over_data, over_models
from kbnd.study.variants import ALL, CORE, FAITHFUL, Arm, Changes, Preset

LONGEST_NAME = 50
"""Of an experiment, so that the backend's name fits behind it in a ledger's 64."""


class Choices(Spec):
    """What a user chose on the command line; None is the study's or the preset's own.

    Attributes:
        preset: a preset of the study; `faithful` is always one.
        dataset: another dataset, with its own default batch size and epochs.
        seeds: number of paired seeds, 1...N.
        epochs: passes over the training images.
        arms: arms and groups to train, with the baselines they need; `all` is every arm.
    """

    preset: str = FAITHFUL
    dataset: str | None = None
    seeds: Positive | None = None
    epochs: Positive | None = None
    arms: tuple[str, ...] | None = None


def decide(study: Study, choices: Choices) -> Experiment:
    """Make every choice of an experiment and check its arms, before anything is trained.

    An arm that is not chosen may be one that the preset's network, or the dataset or the number of epochs asked for,
    cannot have; in the faithful experiment every arm must be possible.

    Raises:
        UsageError: an unknown arm, group, preset or dataset, or an arm that the network cannot have.
    """
    preset = study.preset(choices.preset)
    baselines = _baselines(study, preset)
    names = _arms(study, preset, baselines, choices.arms)
    images, is_other = _images(study, preset, choices.dataset)
    budget = _budget(study, preset, images.name if is_other else None)
    usual, arms = _recipes(study, choices, budget, names)
    is_shortened = any(usual[name] != recipe for name, recipe in arms.items())
    is_by_validation = _is_by_validation(choices, preset, images, [arms[name][1] for name in names])
    is_quick = all(arms[name][1].epochs < usual[name][1].epochs for name in names)
    difference = _difference(study, preset, images, budget, epochs=choices.epochs, arms=names)
    experiment = Experiment(
        name=_name(study.name, images.name, choices.preset, choices.epochs if is_shortened else None),
        title=f"{study.title}, here on {data.label_for(images.name)}" if is_other else study.title,
        source=study.source,
        preset=choices.preset,
        difference=", ".join(filter(None, [difference, BY_VALIDATION * is_by_validation])),
        seeds=choices.seeds or preset.seeds or study.seeds,
        data=images,
        arms={name: arms[name] for name in names},
        baselines={name: baselines[name] for name in names},
        all_baselines=baselines,
        is_by_validation=is_by_validation,
        needs_gpu=preset.needs_gpu,
        has_own_budget=images.name == _images(study, preset, None)[0].name and not is_quick,
        definition=digest([_values(images), {name: [_values(part) for part in arm] for name, arm in arms.items()}]),
    )
    return experiment.model_copy(update={"claims": decidable(study, experiment).in_words()})


def check_differences(experiment: Experiment) -> None:
    """Warn of arms that are one recipe: one run serves both, so that there can be no difference between them."""
    owners: dict[str, str] = {}
    for name, recipe in experiment.arms.items():
        first = owners.setdefault(digest([_values(part) for part in recipe]), name)
        if first != name:
            warnings.warn(f"arms {first} and {name} are one recipe here: they cannot differ", stacklevel=1)


def _baselines(study: Study, preset: Preset) -> dict[str, str]:
    """Every arm -> the arm it is compared with; the one that is the others' stands first and is its own."""
    first = preset.baseline or study.baseline
    return {first: first} | {arm.name: arm.baseline or first for arm in study.arms if arm.name != first}


def _arms(study: Study, preset: Preset, baselines: Mapping[str, str], choice: Iterable[str] | None) -> list[str]:
    """The arms to be trained: those asked for and their baselines, as the study has them, but a root first."""
    default = preset.arms or ([CORE] if CORE in study.groups else [ALL])
    arms: set[str] = set()
    new = {name for entry in (default if choice is None else choice) for name in study.members(entry)}
    while new:  # a baseline may have one of its own
        arms |= new
        new = {baselines[name] for name in arms} - arms
    names = [name for name in baselines if name in arms]
    first = next(name for name in names if baselines[name] == name)
    return [first, *(name for name in names if name != first)]


def _images(study: Study, preset: Preset, dataset: str | None) -> tuple[DataSpec, bool]:
    """The dataset, resolved, and whether it is another one than the study's."""
    faithful = _faithful_data(study)
    fields = over_data(faithful, preset.data)
    if dataset is not None and dataset != fields.get("name"):
        counts = {field: preset.data[field] for field in COUNTS if field in preset.data}
        fields = {**over_data(fields, {"name": dataset}), **counts}
    images = data.resolve(DataSpec(**fields))
    return images, images.name != data.resolve(DataSpec(**faithful)).name


def _faithful_data(study: Study) -> Changes:
    return over_data(study.data, study.preset(FAITHFUL).data)


def _is_by_validation(choices: Choices, preset: Preset, images: DataSpec, training: Iterable[TrainSpec]) -> bool:
    """Whether the preset turns the test curve off where there is one of validation; test results are not shown then.

    A study that has no test curve at all looks at test images once, after the last epoch, as is usual.
    """
    is_turned_off = choices.preset != FAITHFUL and preset.train.get("test_curve") is False and images.n_validation != 0
    return is_turned_off and all(train.validation_curve and not train.test_curve for train in training)


def _budget(study: Study, preset: Preset, other_dataset: str | None) -> Changes:
    """What all arms are trained with, before their own changes."""
    defaults = {} if other_dataset is None else data.training_defaults(other_dataset)
    return {**study.train, **defaults, **preset.train}


def _recipes(
    study: Study, choices: Choices, budget: Changes, names: Iterable[str]
) -> tuple[dict[str, Recipe], dict[str, Recipe]]:
    """Every arm that can be, with the preset's epochs and with those asked for; what must be and cannot is refused."""
    preset = study.preset(choices.preset)
    users_own = {} if choices.epochs is None else {"epochs": choices.epochs}
    is_own = choices.preset == FAITHFUL and choices.epochs is choices.dataset is None
    required = {arm.name for arm in study.arms} if is_own else set(names)
    said = {field for table in (study.model, preset.model, *(arm.model for arm in study.arms)) for field in table}
    usual, arms = {}, {}
    for arm in study.arms:
        try:
            with naming(study, arm):
                usual[arm.name] = _recipe(study, preset, arm, said, budget)
                arms[arm.name] = _recipe(study, preset, arm, said, budget, users_own) if users_own else usual[arm.name]
        except UsageError:
            if arm.name in required:
                raise
    return usual, arms


def _recipe(
    study: Study, preset: Preset, arm: Arm, said: Collection[str], budget: Changes, users_own: Changes | None = None
) -> Recipe:
    fields = for_other_arms(arm.model, said) | over_models(study.model, preset.model, arm.model)
    model = models.resolve(ModelSpec(**fields))
    train = TrainSpec(**{**budget, **arm.train, **(users_own or {})})
    RunSpec(model=model, data=DataSpec(), train=train)  # refuses what fits neither
    return model, train


def _values(spec: Spec) -> dict[str, Any]:
    return spec.model_dump(mode="json", exclude_defaults=True)


def _name(study: str, dataset: str, preset: str, epochs: int | None) -> str:
    """Label of an experiment: `lenet_grid.mnist`, `lenet_grid.digits.smoke`, `lenet_grid.mnist.e2`."""
    short = "".join(c if c.isalnum() or c in "_-" else "_" for c in dataset)
    if short != dataset or len(short) > 16:  # a folder, or a long name
        short = f"{short[-7:]}-{digest(dataset)[:8]}"
    parts = [study, short, "" if preset == FAITHFUL else preset, "" if epochs is None else f"e{epochs}"]
    name = ".".join(part for part in parts if part)
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 9]}-{digest(name)[:8]}"


def _difference(
    study: Study, preset: Preset, images: DataSpec, budget: Changes, *, epochs: int | None, arms: Iterable[str]
) -> str:
    """Words for every field that makes the experiment another one than the source's."""
    faithful = study.preset(FAITHFUL)
    before = [
        fields_of(data.resolve(DataSpec(**_faithful_data(study)))),
        fields_of(TrainSpec(**{**study.train, **faithful.train})),
        fields_of(ModelSpec(**over_models(study.model, faithful.model))),
    ]
    after = [
        fields_of(images),
        fields_of(TrainSpec(**budget)),
        fields_of(ModelSpec(**over_models(study.model, preset.model))),
    ]
    if epochs is not None:
        training = study.faithful_training()
        before[1]["epochs"] = " or ".join(map(str, sorted({training[arm].epochs for arm in arms})))
        after[1]["epochs"] = str(epochs)
    before.append({"baseline": faithful.baseline or study.baseline})  # of other networks than the source's, mostly
    after.append({"baseline": preset.baseline or study.baseline})
    return instead(before, after)
