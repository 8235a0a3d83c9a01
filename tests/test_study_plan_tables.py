"""The plan of an experiment as it is printed: what is said of runs, times and sizes."""

from __future__ import annotations

import json

import pytest
from study_files import grouped

from kbnd.report.plan import plan_tables, rough_size, rough_time
from kbnd.report.render import to_text
from kbnd.study.choices import Choices, decide
from kbnd.study.preview import ArmPreview, Preview, as_json


def test_tables_say_what_would_be_trained_and_that_times_are_estimates() -> None:
    arm = ArmPreview("bn", "none", "batch_norm before_activation", "f" * 16, 10, 4, 61_990, 416_520, 200.0, "measured")
    about = {"label": "grid.mnist.jax", "title": "The grid", "difference": "epochs 1 instead of 5", "backend": "jax"}
    found = Preview(
        **about,
        data=decide(grouped(), Choices()).data,
        seeds=10,
        needs_gpu=True,
        gpu=None,
        speed=8e10,
        within=3,
        seconds=2e5,
        memory_bytes=2.4e9,
        disk_bytes=3.21e6,
        arms=[arm],
    )
    text = "".join(map(to_text, plan_tables(found)))
    for said in (
        "epochs 1 instead of 5",
        "mnist (50,000 training, 10,000 validation images)",
        "10: 1 arm x 10 seeds; 4 in the ledger, 6 to train",
        "Time, estimated",
        "about 2.3 days",
        "about 2.4 GB",
        "about 3.2 MB",
        "wrong by a factor of 3",
        "3.3 minutes, measured",
        "batch_norm before_activation",
        "on a CPU it starts with --yes only",
    ):
        assert said in text
    assert json.loads(json.dumps(as_json(found)))["arms"][0]["n_left"] == 6


@pytest.mark.parametrize(
    ("seconds", "said"),
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
def test_times_are_said_as_far_as_an_estimate_knows_them(seconds: float, said: str) -> None:
    assert rough_time(seconds) == said


def test_sizes_likewise() -> None:
    assert [rough_size(n) for n in (500, 5_000, 1.23e6, 4.56e9, 2e11)] == [
        "0.5 kB",
        "5 kB",
        "1.2 MB",
        "4.6 GB",
        "200 GB",
    ]
