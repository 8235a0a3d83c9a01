"""Groups of arms, baselines and presets: what a study chooses to train, and how its tables of changes are laid."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from study_files import GROUPED, grouped
from study_files import study as read

from kbnd import models
from kbnd.errors import UsageError
from kbnd.spec import Identity
from kbnd.study.choices import Choices, check_differences, decide
from kbnd.study.experiment import Experiment
from kbnd.study.plan import plan

HERE = Identity("tensorflow", "2.21", "3.15", "cpu", "0" * 64)
ARMS = GROUPED["arms"]


def chosen(*arms: str, preset: str = "faithful", **changes: Any) -> Experiment:
    return decide(grouped(**changes), Choices(arms=arms or None, preset=preset))


@pytest.fixture
def other_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A second network, `wide`, that has a width besides LeNet-5's activation."""

    def wide(input_shape: object, classes: int, *, activation: str = "relu", width: float = 1.0) -> None:
        raise NotImplementedError

    entry = models.Architecture("wide", builder=wide, units=lambda **_: models.LENET5_UNITS, dataset="mnist")
    monkeypatch.setitem(models.MODELS, "wide", entry)
    return


# Groups


def test_the_core_group_is_trained_unless_something_else_is_asked_for() -> None:
    assert list(chosen().arms) == ["plain", "bn"]
    assert list(chosen("activation").arms) == ["plain", "tanh", "tanh+bn"]  # plain is what tanh is compared with
    assert list(chosen("long", "activation", "bn").arms) == ["plain", "bn", "tanh", "tanh+bn", "long"]
    assert list(chosen("all").arms) == [arm["name"] for arm in ARMS]


def test_a_study_without_a_core_group_trains_every_arm() -> None:
    named = [{**arm, "group": "mine"} for arm in ARMS]
    assert list(chosen(arms=named).arms) == [arm["name"] for arm in ARMS]


def test_a_preset_chooses_arms_and_the_user_chooses_over_it() -> None:
    presets = {"scaled": {"arms": ["activation", "bn"], "train": {"epochs": 1}}}
    assert list(chosen(preset="scaled", presets=presets).arms) == ["plain", "bn", "tanh", "tanh+bn"]
    assert list(chosen("core", preset="scaled", presets=presets).arms) == ["plain", "bn"]


def test_what_is_chosen_changes_no_run_and_not_the_experiment() -> None:
    few, many = chosen("tanh"), chosen("all")
    assert (few.definition, few.name, few.difference) == (many.definition, many.name, many.difference)
    assert {r.run_id for r in plan(few, identity=HERE)} < {r.run_id for r in plan(many, identity=HERE)}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"arms": [*ARMS, {"name": "core"}]}, "an arm and a group are both called 'core'"),
        ({"arms": [*ARMS, {"name": "all"}]}, "no arm or group can be called 'all'"),
        ({"arms": [*ARMS, {"name": "x", "group": "all"}]}, "no arm or group can be called 'all'"),
        ({"arms": [*ARMS, {"name": "x", "group": "a b"}]}, "arm 'x': group should be"),
        ({"arms": [*ARMS, {"name": "x", "baseline": "bnn"}]}, "unknown arm 'bnn' (did you mean 'bn'?)"),
        (
            {"arms": [*ARMS, {"name": "x", "baseline": "y"}, {"name": "y", "baseline": "x"}]},
            "arm 'x' is its own baseline by way of 'y': one of them needs none",
        ),
        (
            {"presets": {"scaled": {"arms": ["actvation"]}}},
            "unknown arm or group 'actvation' (did you mean 'activation'",
        ),
        ({"presets": {"scaled": {"arms": []}}}, "arms"),
        ({"presets": {"scaled": {"baseline": "core"}}}, "unknown arm 'core'"),
        ({"presets": {"my-preset": {}}}, "a preset's name is 1 to 20 letters, digits and _, received 'my-preset'"),
        ({"arms": {"name": "plain"}}, "arms should be tables, [[arms]]"),
    ],
)
def test_names_that_cannot_be_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        grouped(**changes)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("name", "guess"), [("buget", " (did you mean 'budget'?)"), ("tahn", " (did you mean 'tanh'?)"), ("nonsense", "")]
)
def test_an_unknown_name_is_answered_with_groups_and_the_closest_arm(name: str, guess: str) -> None:
    with pytest.raises(UsageError) as error:
        chosen(name)
    assert str(error.value) == (
        f"unknown arm or group {name!r}{guess}: choose from core, activation, budget, all, or an arm "
        "(--arms all --dry-run lists them)"
    )


def test_of_many_allowed_names_an_error_lists_the_likest() -> None:
    arms = [{"name": f"net{i}"} for i in range(40)] + [{"name": "plain"}]
    with pytest.raises(UsageError) as error:
        grouped(arms=[*arms, {"name": "x", "baseline": "net77"}])
    sentence = str(error.value)
    assert "unknown arm 'net77' (did you mean 'net" in sentence
    assert "net7, " in sentence
    assert "plain" not in sentence
    assert sentence.endswith(", ... (42 in all)")


# Baselines


def test_an_arm_is_compared_with_its_own_baseline_the_others_with_the_studys() -> None:
    experiment = chosen("all")
    assert experiment.baselines == {
        "plain": "plain",
        "bn": "plain",
        "tanh": "plain",
        "tanh+bn": "tanh",
        "long": "plain",
    }
    assert experiment.baseline == "plain"


def test_a_chosen_arm_brings_its_baseline_and_that_ones_baseline() -> None:
    arms = [*ARMS, {"name": "more", "group": "far", "baseline": "tanh+bn"}]
    assert list(chosen("more", arms=arms).arms) == ["plain", "tanh", "tanh+bn", "more"]


def test_a_preset_may_have_another_baseline_and_its_control_is_that_one() -> None:
    presets = {"tanh": {"baseline": "tanh", "arms": ["tanh+bn", "long"]}}
    experiment = chosen(preset="tanh", presets=presets)
    assert experiment.baselines == {"tanh": "tanh", "tanh+bn": "tanh", "long": "tanh"}
    assert experiment.baseline == "tanh"
    runs = plan(experiment, identity=HERE)
    assert {run.arm for run in runs if run.spec.replicate == 1} == {"tanh"}


# Presets


def test_a_study_has_the_presets_that_it_names_and_always_faithful() -> None:
    study = grouped(presets={"cifar": {"data": {"name": "cifar10"}, "seeds": 1}})
    assert decide(study, Choices()).difference == ""
    assert decide(study, Choices(preset="cifar")).name == "grouped.cifar10.cifar"
    with pytest.raises(UsageError, match=r"unknown preset 'cfar' .did you mean 'cifar'.*: choose from faithful, cifar"):
        decide(study, Choices(preset="cfar"))


def test_a_faithful_preset_of_the_file_is_what_others_are_held_against() -> None:
    presets = {"faithful": {"train": {"epochs": 90}}, "scaled": {"train": {"epochs": 5}}}
    assert chosen(presets=presets).difference == ""
    assert chosen(presets=presets).arms["bn"][1].epochs == 90
    assert chosen(preset="scaled", presets=presets).difference == "epochs 5 instead of 90"


def test_what_an_arm_says_of_training_holds_in_every_preset_but_not_over_the_user() -> None:
    study = grouped(presets={"scaled": {"train": {"epochs": 2}}})

    def epochs(**choices: Any) -> list[int]:
        return [train.epochs for _, train in decide(study, Choices(arms=("all",), **choices)).arms.values()]

    assert epochs() == [5, 5, 5, 5, 40]
    assert epochs(preset="scaled") == [2, 2, 2, 2, 40]
    assert epochs(preset="scaled", epochs=1) == [1] * 5


def test_epochs_of_the_user_are_another_experiment_where_any_arm_has_others() -> None:
    study = grouped()
    whole = decide(study, Choices(epochs=5, arms=("all",)))
    assert whole.name == "grouped.mnist.e5"
    assert whole.difference == "epochs 5 instead of 5 or 40"
    assert decide(study, Choices(epochs=5)).difference == ""  # of the arms chosen, none is shortened


def test_another_dataset_keeps_what_the_network_sees_and_as_many_images_as_it_has() -> None:
    data = {"name": "mnist", "n_train": 50_000, "n_validation": 500, "image_size": [32, 32]}
    study = grouped(data=data, presets={"digits": {"data": {"name": "digits"}}, "few": {"data": {"n_train": 500}}})
    for experiment in (decide(study, Choices(dataset="digits")), decide(study, Choices(preset="digits"))):
        assert (experiment.data.n_train, experiment.data.image_size) == (1_197, (32, 32))
        assert "n_train 1197 instead of 50000, n_validation 300 instead of 500" in experiment.difference
        assert experiment.arms["bn"][1].batch_size == 32  # the dataset's own default
        assert experiment.title == "Arms in groups, here on Digits"
    assert decide(study, Choices(preset="few", dataset="digits")).data.n_train == 500


@pytest.mark.parametrize(
    ("own", "dataset", "n_train"),
    [(5_000, "cifar10", 5_000), (45_000, "cifar10", 45_000), (45_001, "cifar10", 45_000), (1_000, "digits", 1_000)],
)
def test_a_studys_own_number_of_images_is_kept_on_another_dataset(own: int, dataset: str, n_train: int) -> None:
    experiment = decide(grouped(data={"name": "mnist", "n_train": own}), Choices(dataset=dataset))
    assert experiment.data.n_train == n_train
    assert ("n_train" in experiment.difference) == (own != n_train)


def test_a_preset_that_needs_a_gpu_says_so_and_whether_dataset_and_epochs_are_its_own() -> None:
    study = grouped(presets={"faithful": {"needs_gpu": True}, "scaled": {}})

    def is_own(**choices: Any) -> bool:
        experiment = decide(study, Choices(**choices))
        assert experiment.needs_gpu == (choices.get("preset") != "scaled")
        return experiment.has_own_budget

    assert is_own()
    assert is_own(preset="scaled")
    assert is_own(dataset="mnist", seeds=1, epochs=5)
    assert not is_own(dataset="digits")
    assert not is_own(epochs=4)
    assert is_own(epochs=6)  # more than what is refused
    assert is_own(epochs=5, arms=("all",))  # of all arms, `long` alone is shortened


def test_with_another_dataset_only_the_chosen_arms_must_be_possible() -> None:
    late = {"name": "late", "group": "step", "train": {"schedule": "step", "milestones": [25], "multipliers": [0.1]}}
    study = grouped(train={"epochs": 50}, arms=[*GROUPED["arms"], late])
    assert list(decide(study, Choices(dataset="digits")).arms) == ["plain", "bn"]  # of 20 epochs
    with pytest.raises(UsageError, match=r"arm 'late' of study 'grouped': .*below the 20 epochs"):
        decide(study, Choices(dataset="digits", arms=("late",)))
    with pytest.raises(UsageError, match=r"arm 'late' of study 'grouped': .*below the 20 epochs"):
        decide(study.model_copy(update={"train": {"epochs": 20}}), Choices())  # the report's own must be possible


def test_long_names_stay_within_what_a_ledger_holds() -> None:
    study = grouped(name="a" * 20, presets={"b" * 20: {"data": {"name": "fashion_mnist"}}})
    long = decide(study, Choices(preset="b" * 20, epochs=99_999)).name
    assert len(long) == 50
    assert long != decide(study, Choices(preset="b" * 20, epochs=99_998)).name


# Options


def test_options_are_merged_key_by_key(other_network: None) -> None:
    arms = [{"name": "plain"}, {"name": "tanh", "model": {"options": {"activation": "tanh"}}}]
    study = grouped(
        model={"name": "wide", "options": {"width": 0.5}},
        arms=arms,
        presets={"narrow": {"model": {"options": {"width": 0.25}}}},
    )
    narrow = decide(study, Choices(preset="narrow"))
    assert narrow.arms["tanh"][0].options == {"width": 0.25, "activation": "tanh"}
    assert decide(study, Choices()).arms["tanh"][0].options == {"width": 0.5, "activation": "tanh"}
    assert narrow.difference == "options.width 0.25 instead of 0.5"


def test_a_default_is_named_where_an_option_differs_from_it(other_network: None) -> None:
    presets = {"narrow": {"model": {"options": {"width": 0.25}}}}
    study = grouped(model={"name": "wide"}, arms=ARMS[:2], presets=presets)
    assert decide(study, Choices(preset="narrow")).difference == "options.width 0.25 instead of 1.0"


def test_an_option_follows_to_another_network_only_where_that_has_it(other_network: None) -> None:
    arms = [{"name": "plain"}, {"name": "small", "model": {"name": "lenet5"}}]
    study = grouped(model={"name": "wide", "options": {"width": 0.5, "activation": "tanh"}}, arms=arms)
    assert decide(study, Choices()).arms["small"][0].options == {"activation": "tanh"}
    preset = grouped(
        arms=[{"name": "plain"}, {"name": "wide", "model": {"name": "wide"}}],
        presets={"tanh": {"model": {"options": {"activation": "tanh"}}}},
    )
    assert decide(preset, Choices(preset="tanh")).arms["wide"][0].options == {"activation": "tanh"}


def test_a_preset_may_change_the_network(other_network: None) -> None:
    study = grouped(presets={"wide": {"model": {"name": "wide"}}})
    assert decide(study, Choices(preset="wide")).difference == "network wide instead of lenet5"


def test_an_option_that_an_arms_own_network_lacks_is_refused() -> None:
    arms = [*ARMS, {"name": "x", "model": {"options": {"widht": 1}}}]
    with pytest.raises(UsageError, match="arm 'x' of study 'grouped': unknown option of lenet5 'widht'"):
        decide(grouped(arms=arms), Choices())
    with pytest.raises(UsageError, match=r"arm 'x' of study 'grouped': .*options"):
        decide(grouped(arms=[*ARMS, {"name": "x", "model": {"options": 3}}]), Choices())


def test_a_preset_may_leave_out_arms_that_its_network_cannot_have(other_network: None) -> None:
    arms = [*ARMS[:2], {"name": "wider", "group": "width", "model": {"options": {"width": 2.0}}}]
    presets = {"lenet": {"model": {"name": "lenet5"}}}
    study = grouped(model={"name": "wide"}, arms=arms, presets=presets)
    assert list(decide(study, Choices(preset="lenet")).arms) == ["plain", "bn"]
    with pytest.raises(UsageError, match="arm 'wider'"):
        decide(study, Choices(preset="lenet", arms=("wider",)))


@pytest.mark.parametrize("preset", ["decisive", "scaled"])
def test_another_baseline_makes_another_experiment(preset: str) -> None:
    experiment = decide(read("ic_resnet"), Choices(preset=preset))
    assert "baseline r20-post instead of r110-post" in experiment.difference


# Mistakes


def test_two_arms_of_one_recipe_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="arms tanh and tanh\\+bn are one recipe here: they cannot differ"):
        check_differences(chosen("activation"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_differences(chosen())


def test_a_mistake_in_what_all_arms_share_is_no_arms_fault() -> None:
    with pytest.raises(UsageError, match=r"^study 'grouped': learning_rate should be greater than 0"):
        chosen(train={"epochs": 5, "learning_rate": -1.0})


@pytest.mark.parametrize("name", [{"a": 1}, ["lenet5"], 5])
def test_a_network_of_an_arm_that_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(UsageError, match="arm 'odd' of study 'grouped': name"):
        chosen("odd", arms=[*ARMS, {"name": "odd", "model": {"name": name}}])


def test_an_error_that_echoes_pages_keeps_its_beginning_and_its_end() -> None:
    error = UsageError(f"depth should be a whole number, received {'[' * 10_000}: choose from 20, 32")
    assert str(error).startswith("depth should be a whole number, received [[[")
    assert str(error).endswith("[[[: choose from 20, 32")
    assert len(str(error)) < 1600
