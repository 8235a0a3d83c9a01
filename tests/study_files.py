"""Studies small enough for tests: LeNet-5 on a few digits, three arms; arms in groups; and those of this checkout."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from patience import HANG_S

from kbnd.study.definition import Study, read

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "studies"
STUDIES = sorted(file.stem for file in FOLDER.glob("*.toml"))
"""The studies of this checkout."""

TINY = """
name = "tiny"
title = "A tiny study"
baseline = "plain"
seeds = 2
{control}

[model]
name = "lenet5"

[data]
name = "digits"
n_train = 96

[train]
epochs = {epochs}
batch_size = 32
learning_rate = {learning_rate}

[[arms]]
name = "plain"

[[arms]]
name = "bn"
model = {{ batch_norm = "before_activation" }}

[[arms]]
name = "bn+dropout0.5"
model = {{ batch_norm = "before_activation", dropout = 0.5 }}

[[tables]]
title = "Accuracy"
metric = "test_accuracy"
columns = ["all"]
[[tables.rows]]
label = "BN"
arms = ["bn"]
published = [0.99]
"""

GROUPED: dict[str, Any] = {
    "name": "grouped",
    "title": "Arms in groups",
    "source": "nobody's",
    "baseline": "plain",
    "seeds": 3,
    "model": {"name": "lenet5"},
    "data": {"name": "mnist"},
    "train": {"epochs": 5, "test_curve": True},
    "arms": [
        {"name": "plain"},
        {"name": "bn", "model": {"batch_norm": "before_activation"}},
        {"name": "tanh", "group": "activation", "model": {"options": {"activation": "tanh"}}},
        {"name": "tanh+bn", "group": "activation", "baseline": "tanh", "model": {"options": {"activation": "tanh"}}},
        {"name": "long", "group": "budget", "train": {"epochs": 40}},
    ],
}
"""A study as its TOML file would hold it; nothing of it is trained."""


class Done(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def ended(command: Callable[[], None]) -> Done:
    """Run a command to its end, in this process."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr), pytest.raises(SystemExit) as end:
        command()
    return Done(int(end.value.code or 0), stdout.getvalue(), stderr.getvalue())


def write_tiny(folder: Path, *, epochs: int = 2, learning_rate: float = 0.05, control: bool = False) -> Path:
    """Write the tiny study and return its file."""
    file = folder / "tiny.toml"
    text = TINY.format(epochs=epochs, learning_rate=learning_rate, control=f"control = {str(control).lower()}")
    file.write_text(text)
    return file


def grouped(**changes: Any) -> Study:
    """Return the study whose arms come in groups, with some of its fields replaced or added."""
    return Study(**{**GROUPED, **changes})


@cache
def study(name: str) -> Study:
    """Return a study of this checkout, which is read once."""
    return read(FOLDER / f"{name}.toml")


def options_in(folder: Path) -> list[str]:
    """Options by which a study keeps everything in a folder, on the backend that is set."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    return ["--ledger", str(folder / "kbnd.sqlite"), "--out", str(folder / "out"), "--backend", backend]


def start(name: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m studies.NAME` on a CPU, on the backend that is set."""
    return subprocess.run(
        [sys.executable, "-m", f"studies.{name}", *options_in(folder), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
