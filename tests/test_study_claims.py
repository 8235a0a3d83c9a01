"""The studies of this checkout: all 72 claims of the five reports, their published numbers and their budgets."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import Any

import pytest
from study_files import ROOT, STUDIES
from study_files import study as read

from kbnd.analysis.metrics import is_metric, requirements
from kbnd.spec import RunSpec, TrainSpec
from kbnd.study.choices import Choices, decide
from kbnd.study.experiment import Experiment
from kbnd.study.protocol import unmet

SOURCES = {
    "S0": "lenet_grid",
    "S1": "ic_resnet",
    "S2": "lenet_placement",
    "S3": "cnn_depth",
    "S4": "alexnet_bn",
}
IDS = {
    "S0": [f"S0-C{n}" for n in range(1, 16)],
    "S1": [f"S1-C{n}" for n in range(1, 13)],
    "S2": [f"S2-C{n}" for n in range(1, 15)],
    "S3": [f"S3-C{n}" for n in (1, 2, 3, 4, "5a", "5b", "5c", *range(6, 16))],
    "S4": [f"S4-C{n}" for n in range(1, 15)],
}
CORE = {
    "S0": "1 2 3 6 7 8 9 10 12 13 14",
    "S1": "1 2 3 4 5 9 10 12",
    "S2": "1 2 5 6 7 8 10 12",
    "S3": "1 2 5a 5c 6 8 10 11",
    "S4": "4 7 8",
}
EXACT = {"S1-C9", "S1-C10", "S3-C8"}
ORDERS = ("relu_ic_conv", "ic_conv_relu", "conv_relu_ic")
TABLE_1_OF_S1 = {  # the three orders, then the baseline
    "r110": (0.8226, 0.8429, 0.8449, 0.6454),
    "r164": (0.8076, 0.8279, 0.8402, 0.8183),
    "r110b": (0.8251, 0.8355, 0.8389, 0.8159),
    "r164b": (0.8218, 0.8455, 0.8498, 0.8254),
}


@cache
def faithful(name: str) -> Experiment:
    """The whole study at the report's budget, every arm of it."""
    return decide(read(name), Choices(arms=("all",)))


def recipes(name: str) -> dict[str, str]:
    experiment = faithful(name)
    return {
        arm: RunSpec(model=model, data=experiment.data, train=train).recipe_id
        for arm, (model, train) in experiment.arms.items()
    }


def by_arm_test(name: str) -> list[tuple[str, str, str]]:
    """(claim, metric, arm) of every test of a study."""
    return [(c.id, test.metric, arm) for c in read(name).claims for test in c.tests for arm in test.arms]


def test_the_five_reports_make_72_claims() -> None:
    assert {report: [c.id for c in read(name).claims] for report, name in SOURCES.items()} == IDS
    assert sum(map(len, IDS.values())) == 72
    others = [c.id for name in STUDIES if name not in SOURCES.values() for c in read(name).claims]
    assert not [claim for claim in others if re.match(r"S\d-", claim)]


def test_the_core_set_has_38() -> None:
    core = {report: {c.id for c in read(name).claims if c.core} for report, name in SOURCES.items()}
    assert core == {report: {f"{report}-C{n}" for n in numbers.split()} for report, numbers in CORE.items()}
    assert sum(map(len, core.values())) == 38


@pytest.mark.parametrize("name", STUDIES)
def test_every_claim_says_where_it_stands_and_what_was_expected(name: str) -> None:
    claims = read(name).claims
    assert claims
    for claim in claims:
        assert claim.place, claim.id
        assert len(claim.statement.split()) > 4, claim.id
    with_prior = {claim.id for claim in claims if "prior" in claim.model_fields_set}
    assert with_prior == {claim.id for claim in claims}


@pytest.mark.parametrize("name", STUDIES)
def test_a_claim_expected_to_make_no_difference_could_turn_out_so(name: str) -> None:
    for claim in read(name).claims:
        open_to_it = [test for test in claim.tests if test.rule in ("superiority", "time", "trend") and test.margin]
        assert open_to_it or "equivalent" not in claim.prior, claim.id
        assert "no trend" not in claim.prior or all(test.margin for test in claim.tests), claim.id


@pytest.mark.parametrize("name", STUDIES)
def test_what_arms_decide_is_in_what_they_are_trained_for(name: str) -> None:
    study = read(name)
    assert unmet(study.claims, training=study.faithful_training(), seeds=study.seeds) == []
    shared = {**study.train, **study.preset("faithful").train}
    training = {arm.name: TrainSpec(**{**shared, **arm.train}) for arm in study.arms}
    for claim, metric, arm in by_arm_test(name):
        assert is_metric(metric), claim
        for field in requirements(metric):
            assert getattr(training[arm], field), f"{claim}: {metric} of {arm} needs {field}"
        threshold = re.fullmatch(r"(instability|accuracy_at|median_last)_(\d+)", metric)
        assert not threshold or int(threshold[2]) <= training[arm].epochs, claim


@pytest.mark.parametrize("name", STUDIES)
def test_a_claim_compares_arms_that_differ_in_what_they_say(name: str) -> None:
    known = recipes(name)
    for claim in read(name).claims:
        used = {known[arm] for arm in claim.arms}
        assert len(used) == len(claim.arms), f"{claim.id}: two arms are one and the same training"


def test_the_other_readings_of_s0_change_one_thing_each() -> None:
    arms = faithful("lenet_grid").arms
    readings = [arm.name for arm in read("lenet_grid").arms if arm.group == "sensitivity"]
    for name in readings:
        ours = name.replace("-2sites", "").replace("-after", "")
        (model, train), (usual, same_train) = arms[name], arms[ours]
        changed = {field for field in type(model).model_fields if getattr(model, field) != getattr(usual, field)}
        assert train == same_train
        assert len(changed) == 1, f"{name} differs from {ours} in {changed}"
    assert len(readings) == 2 * 5 + 8


def test_exact_claims_name_tests_that_exist() -> None:
    exact = {claim.id: claim.test for name in STUDIES for claim in read(name).claims if claim.needs == "exact"}
    assert set(exact) == EXACT
    for claim, tests in exact.items():
        assert [test for test in tests if is_defined(test)] == list(tests), claim


def test_a_passing_test_means_what_the_reports_claim_or_its_opposite() -> None:
    passing = {c.id: c.passing for name in STUDIES for c in read(name).claims if c.needs == "exact"}
    assert passing == {"S1-C9": "contradicts", "S1-C10": "supports", "S3-C8": "supports"}


def test_tests_named_in_comments_exist() -> None:
    text = "".join((ROOT / "studies" / f"{name}.toml").read_text() for name in STUDIES)
    named = set(re.findall(r"tests/\w+\.py::\w+", text))
    assert len(named) > len(EXACT)
    assert not [test for test in named if not is_defined(test)]


def is_defined(test: str) -> bool:
    """Whether a file holds a test function of that name, found without importing it."""
    path, _, function = test.partition("::")
    file = ROOT / path
    nodes = ast.walk(ast.parse(file.read_text())) if file.exists() else ()
    return any(isinstance(node, ast.FunctionDef) and node.name == function for node in nodes)


def test_probe_claims_name_their_probe() -> None:
    probes = {claim.id: claim.probe for name in STUDIES for claim in read(name).claims if claim.needs == "probe"}
    assert len(probes) == 10
    for claim, probe in probes.items():
        number = re.match(r"P(\d+)\b", probe)
        assert number, claim
        assert 1 <= int(number[1]) <= 20, claim


def test_table_1_of_s1_is_the_reports() -> None:
    table = read("ic_resnet").tables[0]
    assert table.metric == "test_accuracy"
    assert {row.arms[-1].removesuffix("-post"): row.published for row in table.rows} == TABLE_1_OF_S1
    for row in table.rows:
        network = row.arms[-1].removesuffix("-post")
        assert row.arms == (*(f"{network}-{order}" for order in ORDERS), f"{network}-post")


def test_only_s0_and_s1_published_numbers() -> None:
    published = {name for name in STUDIES for table in read(name).tables for row in table.rows if row.published}
    assert published == {"lenet_grid", "ic_resnet"}


@pytest.mark.parametrize(
    ("name", "data", "training"),
    [
        ("lenet_grid", ("mnist", 50_000), {"epochs": 5, "batch_size": 128, "optimizer": "sgd", "learning_rate": 0.05}),
        (
            "lenet_placement",
            ("mnist", 50_000),
            {"epochs": 10, "batch_size": 128, "optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.0},
        ),
        (
            "ic_resnet",
            ("cifar10", 50_000),
            {"epochs": 100, "batch_size": 64, "optimizer": "adam", "learning_rate": 0.001, "schedule": "constant"},
        ),
        ("alexnet_bn", ("cifar10", 50_000), {"batch_size": 128, "optimizer": "sgd", "learning_rate": 0.1}),
        ("cnn_depth", ("cifar10", 50_000), {"optimizer": "sgd"}),
        (
            "lenet_factorial",
            ("mnist", 50_000),
            {"epochs": 5, "batch_size": 128, "optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.0},
        ),
    ],
)
def test_the_faithful_budget_is_the_reports(name: str, data: tuple[str, int], training: dict[str, Any]) -> None:
    experiment = decide(read(name), Choices())
    assert experiment.difference == ""
    assert (experiment.data.name, experiment.data.n_train) == data
    for model, train in experiment.arms.values():
        assert {field: getattr(train, field) for field in training} == training
        assert (model.batch_norm_momentum, model.batch_norm_epsilon) == (0.9, 1e-5)


def test_arms_of_a_core_differ_in_their_network_alone() -> None:
    for name in STUDIES:
        training = {train.model_dump_json() for _, train in decide(read(name), Choices()).arms.values()}
        assert len(training) == 1, name


@pytest.mark.parametrize("name", STUDIES)
def test_every_preset_can_be_decided_and_says_what_it_is(name: str) -> None:
    study = read(name)
    assert {"scaled", "smoke"} <= set(study.presets)
    for preset in study.presets:
        experiment = decide(study, Choices(preset=preset))
        assert experiment.arms
        if preset in ("scaled", "smoke"):
            assert experiment.difference
            assert not experiment.needs_gpu
    assert decide(study, Choices()).needs_gpu == (name in ("ic_resnet", "cnn_depth", "alexnet_bn"))


def test_s1_arms_are_named_after_their_network_order_and_rate() -> None:
    for name, (model, _) in faithful("ic_resnet").arms.items():
        network, order, *rest = name.split("-")
        match = re.fullmatch(r"r(\d+)(b?)", network)
        assert match
        assert model.options["depth"] == int(match[1])
        assert (model.options.get("block", "basic") == "bottleneck") == bool(match[2])
        assert model.options.get("order", "post") == order
        rate = next((float(part[1:]) for part in rest if part.startswith("p")), 0.05 if order in ORDERS else 0.0)
        assert model.dropout == rate, name


def test_the_factorial_is_one_and_shares_its_runs_with_the_grid() -> None:
    arms = recipes("lenet_factorial")
    sites = [f"{site}{rate}" for site in ("dense", "both", "conv") for rate in ("0.1", "0.2", "0.5", "0.8")]
    assert list(arms) == [
        name for level in ("none", "before", "after") for name in (level, *(f"{level}-{site}" for site in sites))
    ]
    assert len(set(arms.values())) == 39
    grid = recipes("lenet_grid")
    shared = {"none": "baseline", "before": "bn", "none-dense0.8": "dropout0.8", "before-dense0.2": "bn+dropout0.2"}
    assert {arms[ours] for ours in shared} == {grid[theirs] for theirs in shared.values()}
    assert len(set(arms.values()) & set(grid.values())) == 15  # the ten, and BN after the activation at five rates


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_a_module_that_says_what_it_costs(name: str) -> None:
    module = ROOT / "studies" / f"{name}.py"
    docstring = ast.get_docstring(ast.parse(module.read_text())) or ""
    for word in ("Reproduces:", "Command:", "Cost:", "studies/README.md", f"python -m studies.{name}"):
        assert word in docstring, word
    cost = re.search(r"^Cost: +(\d+) runs of .*(measured|estimate)", docstring, re.MULTILINE)
    core = decide(read(name), Choices())
    assert cost is not None
    assert int(cost[1]) == core.seeds * (len(core.arms) + 1)  # with the A/A control
    assert ("needs a GPU" in cost[0]) == core.needs_gpu
    readme = (ROOT / "studies" / "README.md").read_text()
    assert f"`{name}`" in readme
    for group in read(name).groups:
        assert group in ("core", "smoke") or f"`{group}`" in docstring + readme, group
    lines = [line for kind in ("py", "toml") for line in module.with_suffix(f".{kind}").read_text().splitlines()]
    assert not [line for line in lines if len(line) > 120]


@pytest.mark.parametrize("name", ["alexnet_bn", "cnn_depth"])
def test_a_reconstruction_says_that_it_is_one(name: str) -> None:
    assert "RECONSTRUCTION" in (ROOT / "studies" / f"{name}.py").read_text()
    assert "reconstruct" in read(name).title
    assert "reconstruct" in read(name).source
