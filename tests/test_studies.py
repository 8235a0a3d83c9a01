"""Every study of this checkout as a user starts it: its smoke preset to the end, its plan, and what a CPU is refused.

What is trained here is tested on every backend elsewhere; these runs show that the six files work, on one of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from kbnd.study.choices import Choices, Experiment, decide
from kbnd.study.definition import Study, read

pytestmark = pytest.mark.backend

BACKEND = "tensorflow"

__test__ = os.environ.get("KERAS_BACKEND", BACKEND) == BACKEND  # elsewhere nothing is collected, so nothing skipped

ROOT = Path(__file__).parents[1]
STUDIES = sorted(file.stem for file in (ROOT / "studies").glob("*.toml"))
NEED_A_GPU = ["alexnet_bn", "cnn_depth", "ic_resnet"]
FILES = {"runs.csv", "epochs.csv", "comparison.csv", "times.csv", "tables.md", "tables.tex", "environment.json"}
FIGURES = {f"figures/{name}.{kind}" for name in ("accuracy", "curves") for kind in ("svg", "png")}


def study(name: str) -> Study:
    return read(ROOT / "studies" / f"{name}.toml")


def smoke(name: str) -> Experiment:
    return decide(study(name), Choices(preset="smoke"))


def start(name: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m studies.NAME` on a CPU."""
    files = ["--ledger", str(folder / "kbnd.sqlite"), "--out", str(folder / "out"), "--backend", BACKEND]
    return subprocess.run(
        [sys.executable, "-m", f"studies.{name}", *files, *arguments],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("name", STUDIES)
def test_the_smoke_preset_runs_to_the_end(name: str, tmp_path: Path) -> None:
    experiment = smoke(name)
    done = start(name, tmp_path, "--preset", "smoke")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    assert {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()} >= FILES | FIGURES

    runs = pd.read_csv(out / "runs.csv")
    assert set(runs.status) == {"done"}
    assert runs.run_id.is_unique
    own = runs.query("replicate == 0").groupby("arm").seed.nunique()
    assert own.to_dict() == dict.fromkeys(experiment.arms, experiment.seeds)
    assert set(runs.query("replicate == 1").arm) == {experiment.baseline}

    epochs = pd.read_csv(out / "epochs.csv").groupby("run_id").epoch.max()
    assert epochs.to_dict() == {run.run_id: experiment.arms[run.arm][1].epochs for run in runs.itertuples()}
    comparison = pd.read_csv(out / "comparison.csv")
    baselines = dict(comparison[comparison.metric == "test_accuracy"][["arm", "baseline"]].itertuples(index=False))
    assert {arm: baselines[arm] for arm in experiment.arms} == experiment.baselines
    assert experiment.difference.split(",")[0] in done.stdout.replace("\n", " ")


@pytest.mark.parametrize("name", STUDIES)
def test_a_dry_run_shows_every_arm_and_writes_nothing(name: str, tmp_path: Path) -> None:
    experiment = decide(study(name), Choices())
    done = start(name, tmp_path, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert {arm["arm"]: arm["baseline"] for arm in plan["arms"]} == experiment.baselines
    assert sum(arm["n_left"] for arm in plan["arms"]) == experiment.seeds * (len(experiment.arms) + 1)
    assert all(arm["run_s"] > 0 and arm["macs"] > 0 for arm in plan["arms"])
    assert plan["needs_gpu"] == (name in NEED_A_GPU)
    assert not list(tmp_path.iterdir())


def test_a_dry_run_is_a_table_for_people(tmp_path: Path) -> None:
    shown = start("ic_resnet", tmp_path, "--dry-run").stdout
    assert "r164b-conv_relu_ic" in shown
    assert "1,730,522" in shown
    assert "estimate" in shown


def test_a_cpu_is_refused_what_needs_a_gpu_before_anything_is_made(tmp_path: Path) -> None:
    refused = start("ic_resnet", tmp_path)
    assert refused.returncode == 2
    assert "needs a GPU" in refused.stderr
    assert "--preset scaled" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not list(tmp_path.iterdir())
