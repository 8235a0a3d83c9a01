"""Every study of this checkout as a user starts it: its smoke preset to the end.

What is trained here is tested on every backend elsewhere; these runs show that the six files work, each on one of them.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from study_files import STUDIES, start, study

from kbnd.analysis.selection import own_arms, repeat_name
from kbnd.study.choices import Choices, decide

pytestmark = pytest.mark.backend

BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")
TRAINED_ON = {
    "alexnet_bn": "tensorflow",
    "cnn_depth": "torch",
    "ic_resnet": "torch",
    "lenet_factorial": "torch",
    "lenet_grid": "tensorflow",
    "lenet_placement": "jax",
}
FILES = {
    *("runs.csv", "epochs.csv", "comparison.csv", "times.csv", "claims.csv"),
    *("tables.md", "tables.tex", "report.html", "environment.json"),
}
FIGURES = {f"figures/{name}.{kind}" for name in ("accuracy", "curves") for kind in ("svg", "png")}


@pytest.mark.parametrize("name", [name for name in STUDIES if TRAINED_ON[name] == BACKEND])
def test_the_smoke_preset_runs_to_the_end(name: str, tmp_path: Path) -> None:
    experiment = decide(study(name), Choices(preset="smoke"))
    done = start(name, tmp_path, "--preset", "smoke")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    assert {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()} >= FILES | FIGURES

    runs = pd.read_csv(out / "runs.csv")
    assert set(runs.status) == {"done"}
    assert runs.run_id.is_unique
    own = runs.query("replicate == 0").groupby("arm").seed.nunique()
    assert own.to_dict() == dict.fromkeys(experiment.arms, experiment.seeds)
    assert set(runs.query("replicate == 1").arm) == {repeat_name(experiment.baseline, 1)}

    epochs = pd.read_csv(out / "epochs.csv").groupby("run_id").epoch.max()
    assert epochs.to_dict() == {run.run_id: experiment.arms[run.arm][1].epochs for run in own_arms(runs).itertuples()}
    comparison = pd.read_csv(out / "comparison.csv")
    baselines = dict(comparison[comparison.metric == "test_accuracy"][["arm", "baseline"]].itertuples(index=False))
    assert {arm: baselines[arm] for arm in experiment.arms} == experiment.baselines
    assert experiment.difference.split(",")[0] in done.stdout.replace("\n", " ")


def test_every_study_is_trained_on_a_backend() -> None:
    assert sorted(TRAINED_ON) == STUDIES
