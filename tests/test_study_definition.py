"""A study's TOML file, and the choices a user makes; nothing here loads a backend."""

from __future__ import annotations

from pathlib import Path

import pytest
from study_files import FOLDER, STUDIES, study, write_tiny

from kbnd.errors import UsageError
from kbnd.spec import Identity
from kbnd.study.choices import Choices, decide
from kbnd.study.definition import read
from kbnd.study.plan import plan

HERE = Identity("tensorflow", "2.21", "3.15", "cpu", "0" * 64)


def test_lenet_grid_is_the_reports_experiment() -> None:
    experiment = decide(study("lenet_grid"), Choices())
    rates = ("0.1", "0.2", "0.5", "0.8")
    assert list(experiment.arms) == [
        "baseline",
        "bn",
        *(f"dropout{p}" for p in rates),
        *(f"bn+dropout{p}" for p in rates),
    ]
    assert experiment.difference == ""
    assert (experiment.data.name, experiment.data.n_train, experiment.data.n_validation) == ("mnist", 50_000, 10_000)
    for name, (model, train) in experiment.arms.items():
        assert (train.epochs, train.batch_size, train.learning_rate, train.momentum) == (5, 128, 0.05, 0.0)
        assert (train.optimizer, train.initial_weights) == ("sgd", "torch_default")
        assert model.batch_norm == ("before_activation" if name.startswith("bn") else "none")
        assert model.dropout == float(name.partition("dropout")[2] or 0)
    assert (model.batch_norm_momentum, model.batch_norm_epsilon) == (0.9, 1e-5)


def test_published_numbers_are_the_reports() -> None:
    times, accuracies = study("lenet_grid").tables
    assert [row.published for row in accuracies.rows] == [
        (0.9832,) * 4,
        (0.9883,) * 4,
        (0.9864, 0.9876, 0.9863, 0.9614),
        (0.9886, 0.9902, 0.9903, 0.9821),
    ]
    assert [row.published[0] for row in times.rows] == [84.1743, 94.8565, 74.8126, 87.1156]


def test_another_dataset_brings_its_own_budget_and_says_so() -> None:
    experiment = decide(study("lenet_grid"), Choices(dataset="digits"))
    _, train = experiment.arms["baseline"]
    assert (train.batch_size, train.epochs) == (32, 20)
    assert "digits instead of mnist" in experiment.difference
    assert "epochs 20 instead of 5" in experiment.difference
    assert experiment.name != decide(study("lenet_grid"), Choices()).name


def test_choices_change_the_plan_and_never_the_runs_of_others() -> None:
    grid = study("lenet_grid")
    few = plan(decide(grid, Choices(seeds=2)), identity=HERE)
    many = plan(decide(grid, Choices(seeds=3)), identity=HERE)
    assert {run.run_id for run in few} < {run.run_id for run in many}
    chosen = decide(grid, Choices(seeds=2, arms=("bn",)))
    assert list(chosen.arms) == ["baseline", "bn"]
    assert {run.run_id for run in plan(chosen, identity=HERE)} < {run.run_id for run in few}
    assert chosen.definition == decide(grid, Choices()).definition


def test_a_block_is_one_seed_with_its_arms_shuffled_and_the_control() -> None:
    runs = plan(decide(study("lenet_grid"), Choices(seeds=3)), identity=HERE)
    blocks = [[run for run in runs if run.block == seed] for seed in (1, 2, 3)]
    for seed, block in zip((1, 2, 3), blocks, strict=True):
        assert {run.spec.seed for run in block} == {seed}
        assert [run.position for run in block] == list(range(11))
        assert sorted(run.spec.replicate for run in block if run.arm == "baseline") == [0, 1]
    orders = [tuple(run.arm for run in block) for block in blocks]
    assert len(set(orders)) == 3
    assert len({run.run_id for run in runs}) == len(runs) == 33


def test_retiming_repeats_every_run_as_a_new_replicate() -> None:
    experiment = decide(study("lenet_grid"), Choices(seeds=1))
    once, twice = (plan(experiment, identity=HERE, retime=n) for n in (0, 1))
    again = twice[len(once) :]
    assert [run.run_id for run in twice[: len(once)]] == [run.run_id for run in once]
    assert {run.spec.replicate for run in again} == {2, 3}
    assert not {run.run_id for run in again} & {run.run_id for run in once}
    assert {run.block for run in again} == {2}


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('baseline = "plain"', 'baseline = "plian"', "unknown arm 'plian' (did you mean 'plain'?)"),
        ('name = "bn"', 'name = "plain"', "two arms are called 'plain'"),
        ('name = "bn"', 'name = "b n"', "b n"),
        ('arms = ["bn"]', 'arms = ["bn", "plain"]', "should be as many as columns, 1, received 2 and 1"),
        ('arms = ["bn"]', 'arms = ["nb"]', "unknown arm 'nb'"),
        ('metric = "test_accuracy"', 'metric = "test_acuracy"', "'test_acuracy' (did you mean 'test_accuracy'?)"),
        ("seeds = 2", "seeds = 0", "seeds should be greater than or equal to 1"),
        ('title = "A tiny study"', "", "title is missing"),
        ("seeds = 2", "sedes = 2", "unknown field 'sedes'"),
        ("[model]", "[model", "is not TOML"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path: Path, before: str, after: str, sentence: str) -> None:
    file = write_tiny(tmp_path)
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))
    with pytest.raises(UsageError) as error:
        read(file)
    assert sentence in str(error.value)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ('model = { batch_norm = "befor" }', "'befor'"),
        ('model = { batch_normm = "none" }', "batch_normm"),
        ("model = { dropout = 1.0 }", "less than 1"),
        ('model = { dropout = 0.5, dropout_sites = ["dense9"] }', "dense9"),
        ("train = { learning_rate = 0 }", "greater than 0"),
        ("train = { epochs = 0 }", "epochs"),
    ],
)
def test_an_arm_that_cannot_be_is_refused_before_training(tmp_path: Path, change: str, sentence: str) -> None:
    file = write_tiny(tmp_path)
    file.write_text(file.read_text().replace('model = { batch_norm = "before_activation" }', change, 1))
    with pytest.raises(UsageError, match=sentence):
        decide(read(file), Choices())


def test_a_file_that_still_calls_its_source_a_report_is_read(tmp_path: Path) -> None:
    file = write_tiny(tmp_path)
    text = file.read_text()
    for key in ("source", "report"):
        file.write_text(f'{key} = "S9: somebody"\n' + text)
        assert decide(read(file), Choices()).source == "S9: somebody"
    file.write_text('source = "S9: somebody"\nreport = "S9: somebody"\n' + text)
    with pytest.raises(UsageError) as error:
        read(file)
    assert str(error.value) == (f"the study {file}: `report` is the former name of `source`: leave one of the two out")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.toml"):
        read(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("name", ["alexnet_bn", "cnn_depth"])
def test_a_reconstruction_says_so_in_title_source_and_module(name: str) -> None:
    about = study(name)
    for text in (about.title, about.source, (FOLDER / f"{name}.py").read_text().lower()):
        assert "reconstruct" in text


def test_titles_fit_on_a_line() -> None:
    assert max(len(study(name).title) for name in STUDIES) <= 110
