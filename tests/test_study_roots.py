"""Roots, arms that are their own baseline: compared with nothing, and trained without the study's baseline."""

from __future__ import annotations

from typing import Any

import pytest
from study_files import grouped, study

from kbnd.spec import Identity
from kbnd.study.choices import Choices, decide
from kbnd.study.experiment import Experiment
from kbnd.study.plan import plan

HERE = Identity("tensorflow", "2.21", "3.15", "cpu", "0" * 64)

NETWORKS = [
    {"name": "plain"},
    {"name": "bn", "model": {"batch_norm": "before_activation"}},
    {"name": "tanh+bn", "group": "other", "baseline": "tanh", "model": {"batch_norm": "before_activation"}},
    {"name": "tanh", "group": "other", "baseline": "tanh", "model": {"options": {"activation": "tanh"}}},
]


def chosen(*arms: str, preset: str = "faithful", **changes: Any) -> Experiment:
    return decide(grouped(arms=NETWORKS, **changes), Choices(arms=arms or None, preset=preset))


def test_an_arm_that_names_itself_is_compared_with_nothing() -> None:
    experiment = chosen("all")
    assert experiment.baselines == {"plain": "plain", "bn": "plain", "tanh+bn": "tanh", "tanh": "tanh"}
    assert experiment.baseline == "plain"


def test_a_root_is_trained_without_the_studys_baseline_and_has_the_control() -> None:
    experiment = chosen("tanh+bn")
    assert list(experiment.arms) == ["tanh", "tanh+bn"]  # the root first, wherever the study has it
    assert experiment.all_baselines["bn"] == "plain"
    assert {run.arm for run in plan(experiment, identity=HERE) if run.spec.replicate == 1} == {"tanh"}


def test_without_a_baseline_of_its_own_an_arm_still_brings_the_studys() -> None:
    assert list(chosen("bn").arms) == ["plain", "bn"]
    assert list(chosen("bn", "other").arms) == ["plain", "bn", "tanh+bn", "tanh"]


def test_a_preset_trains_only_its_arms_and_their_baselines() -> None:
    presets = {"few": {"arms": ["other"]}}
    assert list(chosen(preset="few", presets=presets).arms) == ["tanh", "tanh+bn"]


@pytest.mark.parametrize(
    ("name", "arms", "roots"),
    [
        ("ic_resnet", "depth20", ["r20-post", "r20b-post"]),
        ("ic_resnet", "augmentation", ["r20-post"]),
        ("ic_resnet", "core", ["r110-post", "r164-post", "r110b-post", "r164b-post"]),
        ("cnn_depth", "rates", ["deeper-none"]),
        ("cnn_depth", "core", ["simple-none", "deeper-none", "resnet20-none"]),
        ("alexnet_bn", "deeper", ["resnet20"]),
        ("lenet_grid", "bn", ["baseline"]),
    ],
)
def test_each_network_of_a_study_is_a_root(name: str, arms: str, roots: list[str]) -> None:
    experiment = decide(study(name), Choices(arms=(arms,)))
    assert [arm for arm, other in experiment.baselines.items() if arm == other] == roots
    assert experiment.baseline == roots[0]
