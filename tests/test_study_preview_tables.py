"""The plan of an experiment as it is printed: what is said of runs, times and sizes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from study_files import STUDIES, grouped
from study_files import study as read

from kbnd.report.table import to_text
from kbnd.study.choices import Choices, decide
from kbnd.study.differences import changed, described
from kbnd.study.experiment import Experiment
from kbnd.study.preview import ArmPreview, Preview, as_json
from kbnd.study.preview_tables import preview_tables
from kbnd.words import rough_size, rough_time

ARM = ArmPreview("bn", "none", "batch_norm before_activation", "f" * 16, 10, 4, 61_990, 416_520, 200.0, "measured")
FOUND = Preview(
    label="grid.mnist.jax",
    title="The grid",
    difference="epochs 1 instead of 5",
    backend="jax",
    data=decide(grouped(), Choices()).data,
    seeds=10,
    needs_gpu=True,
    gpu=None,
    speed=8e10,
    within=3,
    seconds=2e5,
    memory_bytes=2.4e9,
    disk_bytes=3.21e6,
    arms=[ARM],
    source="S9: somebody",
    claims="Claims that these arms can decide: S9-C1 (1 of 1).",
)


def printed(**changes: Any) -> str:
    return "".join(map(to_text, preview_tables(replace(FOUND, **changes))))


def test_tables_say_what_would_be_trained_and_that_times_are_estimates() -> None:
    text = printed()
    for part in (
        "S9: somebody",
        "epochs 1 instead of 5",
        "mnist (50,000 training, 10,000 validation images)",
        "10: 1 arm x 10 seeds; 4 in the ledger, 6 to train",
        "Time, estimated",
        "about 2.3 days",
        "about 2.4 GB",
        "about 3.2 MB",
        "wrong by a factor of 3",
        "3.3 minutes",
        "Times are measured",
        "6 of 10",
        "as none, but batch_norm before_activation",
        "on a CPU it starts with --yes only",
        "Claims that these arms can decide: S9-C1 (1 of 1).",
    ):
        assert part in text


def test_json_has_the_keys_that_it_always_had() -> None:
    plan = json.loads(json.dumps(as_json(FOUND)))
    assert plan["arms"][0]["n_left"] == 6
    assert (plan["report"], plan["arms"][0]["source"]) == ("S9: somebody", "measured")
    assert "source" not in plan


def test_a_study_of_ones_own_differs_from_no_report() -> None:
    own = {"source": "", "claims": ""}
    assert "Differs" not in printed(**own, difference="")
    assert "Differs from faithful  epochs 1 instead of 5" in printed(**own)
    assert "Differs from faithful  in nothing" in printed(difference="")
    assert "Claims" not in printed(**own)


def test_with_nothing_left_to_train_no_gpu_is_asked_for() -> None:
    assert "--yes" not in printed(arms=[replace(ARM, n_held=10)])


def test_where_times_come_from_is_said_arm_by_arm_only_where_it_differs() -> None:
    text = printed(arms=[ARM, replace(ARM, arm="dropout", basis="scaled")])
    assert "3.3 minutes, measured" in text
    assert "3.3 minutes, scaled" in text
    assert "Times are" not in text


def test_a_root_says_what_it_is_and_a_twin_what_it_equals() -> None:
    root = replace(ARM, arm="none", baseline="none", changes="lenet5, epochs 5")
    text = printed(arms=[root, replace(ARM, changes="nothing")])
    assert "none  lenet5, epochs 5" in text
    assert "bn    as none  " in text


@pytest.mark.parametrize("name", STUDIES)
def test_no_line_is_wider_than_a_hundred_columns(name: str) -> None:
    """The whole of a study, its longest names and every change; a field stays beside its value."""
    study = read(name)
    for preset in ("faithful", *study.presets):
        experiment = decide(study, Choices(preset=preset))
        arms = [
            replace(ARM, arm=arm, baseline=experiment.baselines[arm], changes=words(experiment, arm))
            for arm in experiment.arms
        ]
        about = {"title": study.title, "source": study.source, "difference": experiment.difference}
        text = printed(arms=arms, **about)
        lines = text.splitlines()[1:]  # the first is the title
        assert max(map(len, lines)) <= 100, preset
        assert not [line for line in lines if line.endswith(("batch_norm", "learning_rate", "options.order"))]


def words(experiment: Experiment, arm: str) -> str:
    own, other = experiment.arms[arm], experiment.arms[experiment.baselines[arm]]
    return described(*own) if own is other else changed(other, own)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0 seconds"),
        (40, "40 seconds"),
        (119.4, "119 seconds"),
        (200, "3.3 minutes"),
        (7_100, "118 minutes"),
        (10_800, "3 hours"),
        (172_800, "2 days"),
        (1.4e7, "162 days"),
    ],
)
def test_times_are_said_as_far_as_an_estimate_knows_them(seconds: float, words: str) -> None:
    assert rough_time(seconds) == words


def test_sizes_likewise() -> None:
    assert [rough_size(n) for n in (500, 5_000, 1.23e6, 4.56e9, 2e11)] == [
        "0.5 kB",
        "5 kB",
        "1.2 MB",
        "4.6 GB",
        "200 GB",
    ]
