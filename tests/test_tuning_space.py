"""What a search varies: from defaults, space files and options to runs, and what is refused before anything trains."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbnd.errors import UsageError
from kbnd.models.registry import MODELS, named
from kbnd.tuning import Choice, Range, Space, default_space, space_for

FILE = """
[model]
name = "alexnet"
batch_norm = ["none", "before_activation"]

[model.options]
head = [[512, 512], [1024, 1024]]

[model.dropout]
dense = { min = 0.0, max = 0.8 }
conv = [0, 0.1]

[data]
name = "digits"
standardise = ["none", "per_channel"]

[train]
learning_rate = { min = 1e-3, max = 0.1, log = true, step = 10 }
batch_size = { min = 16, max = 64, step = 16 }
optimizer = "adam"
epochs = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "space.toml"
    path.write_text(FILE)
    return path


def values_of(space: Space, index: int) -> dict[str, Any]:
    return {path: each.points()[index] for path, each in space.hyperparameters.items()}


@pytest.mark.parametrize("model", [*(name for name in MODELS if name != "resnet"), "resnet20", "resnet164b"])
def test_every_network_has_a_space_with_nothing_said(model: str) -> None:
    space = default_space(model)
    batch_norm = "model.options.order" if model.startswith("resnet") else "model.batch_norm"
    assert set(space.hyperparameters) == {batch_norm, "model.dropout", "train.learning_rate"}
    assert space.hyperparameters["model.dropout"] == Range(min=0, max=0.8)
    assert space.hyperparameters["train.learning_rate"] == Range(min=1e-4, max=1, log=True)
    spec = space.run_spec(values_of(space, -1), seed=2)
    assert spec.data.name == MODELS[spec.model.name].dataset
    assert spec.data.n_validation == {"mnist": 10_000, "cifar10": 5_000}[spec.data.name]
    assert (spec.train.validation_curve, spec.train.test_curve, spec.seed) == (True, False, 2)
    assert (spec.model.dropout, spec.train.learning_rate) == (0.8, 1.0)


def test_alexnet_has_the_head_that_dropout_needs_and_images_that_fit() -> None:
    space = default_space("alexnet", "digits")
    spec = space.run_spec(values_of(space, -1), seed=1)
    assert spec.model.options["head"] == [512, 512]
    assert spec.data.image_size == (32, 32)  # 8x8 enlarged four times; 28x28 would leave nothing
    assert (spec.train.epochs, spec.train.batch_size) == (20, 32)  # the dataset's own budget
    assert default_space("alexnet", "digits", epochs=2).epochs == 2


def test_a_residual_network_has_its_batch_norm_from_its_order() -> None:
    space = default_space("resnet20")
    assert space.hyperparameters["model.options.order"].points() == ("post_no_bn", "post", "post_after")
    assert space_for("resnet20", batch_norm="none,before_weight,pre").hyperparameters["model.options.order"] == Choice(
        values=("post_no_bn", "ic_conv_relu", "pre")
    )


def test_names_of_networks_may_carry_a_depth() -> None:
    assert named("resnet20") == ("resnet", {"depth": 20})
    assert named("resnet164b") == ("resnet", {"depth": 164, "block": "bottleneck"})
    assert named("lenet5") == ("lenet5", {})
    assert default_space("resnet110").run_spec(values_of(default_space("resnet110"), 0), seed=1).model.options == {
        "depth": 110,
        "order": "post_no_bn",
    }


def test_a_space_file_says_what_is_fixed_chosen_and_ranged(file: Path) -> None:
    space = space_for(file=file)
    assert {path: each.points() for path, each in space.hyperparameters.items()} == {
        "data.standardise": ("none", "per_channel"),
        "model.batch_norm": ("none", "before_activation"),
        "model.dropout.conv": (0.0, 0.1),
        "model.dropout.dense": Range(min=0, max=0.8).points(),
        "model.options.head": ([512, 512], [1024, 1024]),
        "train.batch_size": (16, 32, 48, 64),
        "train.learning_rate": (0.001, 0.01, 0.1),
    }
    assert list(space.names.values()) == [
        *("standardise", "batch_norm", "dropout.conv", "dropout.dense", "head", "batch_size", "learning_rate"),
    ]
    spec = space.run_spec(values_of(space, -1), seed=1)
    assert spec.model.dropout == {"conv": 0.1, "dense": 0.8}
    assert (spec.train.optimizer, spec.train.batch_size, spec.train.epochs) == ("adam", 64, 3)
    assert space.size == 2 * 2 * 2 * 10 * 2 * 4 * 3
    assert not space.is_finite


def test_options_of_a_command_stand_over_the_file(file: Path) -> None:
    space = space_for(
        "alexnet", file=file, dataset="cifar10", dropout="0.1,0.2", lr="1e-2..1", optimizer="sgd,adam", epochs=7
    )
    assert space.hyperparameters["model.dropout"] == Choice(values=(0.1, 0.2))  # and none by site is left
    assert not [path for path in space.hyperparameters if path.startswith("model.dropout.")]
    assert space.hyperparameters["train.learning_rate"] == Range(min=0.01, max=1, log=True)
    assert space.hyperparameters["train.optimizer"] == Choice(values=("sgd", "adam"))
    assert (space.data["name"], space.epochs) == ("cifar10", 7)
    assert space_for("alexnet", file=file, dropout="0.3").model["dropout"] == 0.3


def test_a_step_makes_a_list_without_the_dust_of_binary_fractions() -> None:
    space = space_for("lenet5", changes={"model.dropout": Range(min=0, max=0.8, step=0.1)})
    assert space.hyperparameters["model.dropout"].points() == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    assert Range(min=1e-4, max=1, log=True, step=10).points() == (1e-4, 1e-3, 1e-2, 0.1, 1.0)
    assert Range(min=0, max=0.8, step=0.3).points() == (0.0, 0.3, 0.6)


@given(ends=st.tuples(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6)), share=st.floats(0, 1))
def test_a_rounded_value_stays_in_its_range_and_near_what_was_drawn(ends: tuple[float, float], share: float) -> None:
    low, width = ends
    if low + width <= low:
        return
    linear = Range(min=low, max=low + width)
    value = linear.min + share * (linear.max - linear.min)
    assert linear.min <= linear.rounded(value) <= linear.max
    # a ten thousandth of the width, and where the ends are far from 0 what a float can hold
    assert abs(linear.rounded(value) - value) <= 1e-3 * (linear.max - linear.min) + 1e-15 * abs(value)
    assert linear.agrees(linear.rounded(value), linear.rounded(value))
    log = Range(min=abs(low) + 1e-9, max=abs(low) + 1e-9 + width, log=True)
    assert log.min <= log.rounded(log.min) <= log.max
    assert log.rounded(log.max) == pytest.approx(log.max, rel=1e-5)


def test_a_grid_takes_ten_points_of_a_range_with_both_ends() -> None:
    assert Range(min=0, max=0.9).points() == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    learning_rates = Range(min=1e-4, max=1, log=True).points()
    assert (len(learning_rates), learning_rates[0], learning_rates[-1]) == (10, 1e-4, 1.0)
    ratios = [b / a for a, b in pairwise(learning_rates)]
    assert ratios == pytest.approx([ratios[0]] * 9, rel=1e-4)
    assert default_space("lenet5").size == 3 * 10 * 10


def test_the_definition_is_json_and_the_same_however_it_was_written(tmp_path: Path) -> None:
    said = space_for("lenet5", dataset="digits", dropout="0,0.5", epochs=20)
    path = tmp_path / "s.toml"
    path.write_text(
        '[train]\nmomentum = 0.0\n[model]\ndropout = [0, 0.5]\n[data]\nname = "digits"\nn_validation = 300\n'
    )
    read = space_for("lenet5", file=path)
    assert said.definition() == read.definition() == json.loads(json.dumps(said.definition()))
    assert said.definition()["train"] == {"batch_size": 32, "epochs": 20}
    assert said.definition() != space_for("lenet5", dataset="digits", dropout="0,0.4").definition()
    run_ids = [space.run_spec(values_of(space, 1), seed=1).recipe_id for space in (said, read)]
    assert run_ids[0] == run_ids[1]


def test_a_candidate_may_be_given_other_epochs() -> None:
    space = default_space("lenet5", "digits")
    assert space.run_spec(values_of(space, 0), seed=1, epochs=3).train.epochs == 3
    with pytest.raises(UsageError, match=r"a candidate has one value for each of model\.batch_norm, .*received"):
        space.run_spec({"model.dropout": 0.5}, seed=1)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"dropout": "0.8..0"}, r"dropout: a range ascends, .* received 0\.8\.\.0"),
    ({"dropout": "0.5..0.5"}, r"dropout: a range ascends"),
    ({"dropout": "0.."}, r"dropout: takes numbers, .* received '0\.\.'"),
    ({"dropout": "nan..1"}, r"dropout: min should be a finite number"),
    ({"dropout": "half"}, r"dropout: takes numbers, .* received 'half'"),
    ({"dropout": "0,0.5,0.50"}, r"dropout: 0\.5 is listed twice"),
    ({"dropout": "0,0.5,1"}, r"dropout = 1\.0: dropout should be less than 1"),
    ({"dropout": "-0.1..0.5"}, r"dropout should be greater than or equal to 0"),
    ({"lr": "0..1"}, r"lr: a logarithmic range begins above 0, received 0\.\.1"),
    ({"lr": "0,0.1"}, r"learning_rate should be greater than 0"),
    ({"batch_norm": "none,before"}, r"batch_norm = 'before': batch_norm should be 'none'"),
    ({"batch_norm": "none,,before_activation"}, r"batch_norm: takes names separated by commas"),
    ({"optimizer": "sgd,rmsprop"}, r"optimizer = 'rmsprop': optimizer should be 'sgd' or 'adam'"),
    ({"dropout": "0", "lr": "0.1", "batch_norm": "none"}, r"nothing to search"),
    ({"model": "lenet6"}, r"unknown model 'lenet6' \(did you mean 'lenet5'\?\): choose from"),
    ({"model": "resnet"}, r"depth is missing"),
    ({"model": "resnet21"}, r"depth 21 does not fit basic blocks"),
    ({"model": None}, r"a search needs a network"),
    ({"model": "resnet20", "batch_norm": "pre,posst"}, r"order = 'posst': unknown order of resnet"),
    ({"model": "resnet20", "changes": {"model.dropout.conv": 0.5}}, r"one dropout rate"),
    ({"model": "alexnet", "changes": {"model.options.head": []}}, r"dropout 0\.8 has no place in alexnet"),
    ({"changes": {"model.dropout.dens": Range(min=0, max=0.5)}}, r"unknown site of lenet5 in dropout 'dens'"),
    ({"changes": {"model.options.width": 2.0}}, r"unknown option of lenet5 'width'"),
    ({"changes": {"train.lr": 0.1}}, r"unknown field of \[train\] 'lr'"),
    ({"changes": {"train.epochs": Choice(values=(1, 2))}}, r"train\.epochs does not vary in a search"),
    ({"changes": {"train.test_curve": True}}, r"nothing is selected on test images"),
    ({"changes": {"data.n_validation": 0}}, r"n_validation should be above 0"),
    ({"changes": {"data.image_size": (20, 20), "data.fit": "bilinear"}}, r"needs images of at least 28x28, .* 20x20"),
    ({"optimizer": "adam", "changes": {"train.momentum": 0.9}}, "momentum belongs to optimizer 'sgd'"),
    (
        {"optimizer": "adam", "changes": {"train.momentum": Choice(values=(0, 0.9))}},
        r"momentum = 0\.9: momentum belongs to optimizer 'sgd'",
    ),
    ({"changes": {"train.batch_size": Range(min=16, max=64, log=True)}}, r"batch_size takes whole numbers"),
    (
        {"changes": {"train.batch_size": Range(min=16, max=64, step=7.5)}},
        r"batch_size takes whole numbers, received a range with 23\.5",
    ),
]


@pytest.mark.parametrize(("said", "sentence"), REFUSED)
def test_what_cannot_be_meant_is_refused_before_anything_trains(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        space_for(**{"model": "lenet5", "dataset": "digits", **said})


REFUSED_FILES = [
    ("[mode]", r"unknown table 'mode' \(did you mean 'model'\?\)"),
    ("model = 3", r"model should be a table"),
    ("[model]\ndropot = 0.3", r"unknown field of \[model\] 'dropot' \(did you mean 'dropout'\?\)"),
    ("[model]\noptions = 3", r"model\.options\.NAME"),
    ("[model.options]\nheads = [3]", r"unknown option of lenet5 'heads'"),
    ("[model]\ndropout = []", r"model\.dropout: an empty list"),
    ("[train]\nlearning_rate = {min = 0.1, max = 0.01}", r"train\.learning_rate: a range ascends"),
    ("[train]\nlearning_rate = {min = 0.1, mx = 1}", r"unknown key of a range 'mx' \(did you mean 'max'\?\)"),
    ("[train]\nlearning_rate = {min = 0, max = 1, log = true}", r"begins above 0"),
    ("[train]\nlearning_rate = {min = 0.1, max = 1, step = 2}", r"step 2 is wider than the range"),
    ("[train]\nlearning_rate = {min = 0.1, max = 1, log = true, step = 0.5}", r"is a factor above 1"),
    ("[train]\nweight_decay = [1979-05-27]", r"weight_decay: takes finite numbers"),
    ("[train]\nepochs = [1, 2]", r"train\.epochs does not vary"),
    ('[data]\nname = ["mnist", "digits"]', r"data\.name does not vary"),
    ("[model", r"is not TOML"),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSED_FILES)
def test_a_space_file_that_cannot_be_meant_is_refused_by_its_name(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=rf"the space .*bad\.toml.*{sentence}"):
        space_for("lenet5", dataset="digits", file=file)
    with pytest.raises(UsageError, match=r"the space .*none\.toml does not exist"):
        space_for("lenet5", file=tmp_path / "none.toml")


def test_momentum_is_of_sgd_alone_where_the_optimizer_varies(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text('[train]\noptimizer = ["sgd", "adam"]\nmomentum = [0.0, 0.9]')
    space = space_for("lenet5", dataset="digits", file=file, lr="0.01", dropout="0.1", batch_norm="none")
    values = {"train.momentum": 0.9, "train.optimizer": "adam"}
    assert space.train_spec(values).momentum == 0.0
    assert space.train_spec({**values, "train.optimizer": "sgd"}).momentum == 0.9
    assert not space.applies("train.momentum", values)


def test_a_range_agrees_with_itself_but_for_the_last_digit() -> None:
    linear, log = Range(min=0, max=0.8), Range(min=1e-4, max=1, log=True)
    assert linear.agrees(0.3001, 0.3)
    assert not linear.agrees(0.3003, 0.3)
    assert log.agrees(0.0123457, 0.0123456)
    assert not log.agrees(0.0123459, 0.0123456)
