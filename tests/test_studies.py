"""Every study of this checkout before it trains: its plan, and what a CPU is refused."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from unittest import mock

import pytest
from study_files import FOLDER, STUDIES, Done, ended, options_in, study

from kbnd import cli
from kbnd.study.choices import Choices, decide

pytestmark = pytest.mark.backend

__test__ = os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"  # nothing is trained: one backend is enough

NEED_A_GPU = ["alexnet_bn", "cnn_depth", "ic_resnet"]


def look(name: str, folder: Path, *arguments: str) -> Done:
    """Run what `python -m studies.NAME` runs in this process, where nothing is trained."""
    module = FOLDER / f"{name}.py"
    with mock.patch.object(sys, "argv", [str(module), *options_in(folder), *arguments]):
        return ended(lambda: cli.study_main(name, str(module)))


@pytest.mark.parametrize("name", STUDIES)
def test_a_dry_run_shows_every_arm_and_writes_nothing(name: str, tmp_path: Path) -> None:
    experiment = decide(study(name), Choices())
    done = look(name, tmp_path, "--dry-run", "--json")
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    assert {arm["arm"]: arm["baseline"] for arm in plan["arms"]} == experiment.baselines
    assert sum(arm["n_left"] for arm in plan["arms"]) == experiment.seeds * (len(experiment.arms) + 1)
    assert all(arm["run_s"] > 0 and arm["macs"] > 0 for arm in plan["arms"])
    assert plan["needs_gpu"] == (name in NEED_A_GPU)
    assert not list(tmp_path.iterdir())


def test_a_dry_run_is_a_table_for_people(tmp_path: Path) -> None:
    text = look("ic_resnet", tmp_path, "--dry-run").out
    assert "r164b-conv_relu_ic" in text
    assert "1,730,522" in text
    assert "estimate" in text


def test_a_cpu_is_refused_what_needs_a_gpu_before_anything_is_made(tmp_path: Path) -> None:
    refused = look("ic_resnet", tmp_path)
    assert refused.code == 2
    assert "needs a GPU" in refused.err
    assert "--preset scaled" in refused.err
    assert "Traceback" not in refused.err
    assert not list(tmp_path.iterdir())
