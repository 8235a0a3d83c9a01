"""Studies as a user runs them: every output file, resume after a kill, sharing a ledger.

What is killed, interrupted or shares a ledger is a process of its own, which takes as long to start as to train; the
rest runs in this one, and both must end with the same tables.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pandas as pd
import pytest
from patience import HANG_S
from study_files import Done, ended, write_tiny

from kbnd import cli
from kbnd.ledger import Reader

pytestmark = pytest.mark.backend

BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")
LEDGER_ROW = "SELECT count(*) FROM epochs"


def arguments(folder: Path, *options: str, out: str = "out") -> list[str]:
    files = ["--ledger", str(folder / "kbnd.sqlite"), "--out", str(folder / out)]
    return ["study", str(folder / "tiny.toml"), *files, "--backend", BACKEND, *options]


def run(folder: Path, *options: str, out: str = "out") -> Done:
    """Run the command to its end, in this process."""
    return ended(lambda: cli.main(arguments(folder, *options, out=out)))


def start(
    folder: Path, *options: str, out: str = "out", stderr: int | IO[str] = subprocess.PIPE
) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    code = "from kbnd.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments(folder, *options, out=out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)


def n_epochs(folder: Path) -> int:
    """Epochs stored so far, read as another process would."""
    try:
        with sqlite3.connect(f"file:{folder / 'kbnd.sqlite'}?mode=ro", uri=True) as db:
            return db.execute(LEDGER_ROW).fetchone()[0]
    except sqlite3.Error:
        return 0


def wait_for_epochs(folder: Path, process: subprocess.Popen[str], n: int) -> None:
    deadline = time.monotonic() + HANG_S
    while n_epochs(folder) < n:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.02)


def results(folder: Path, out: str = "out") -> pd.DataFrame:
    """Everything of comparison.csv that is no time."""
    comparison = pd.read_csv(folder / out / "comparison.csv")
    return comparison[~comparison.metric.str.endswith("_s")].drop(columns="n_concurrent").reset_index(drop=True)


def curves(folder: Path, out: str = "out") -> pd.DataFrame:
    columns = ["run_id", "arm", "seed", "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]
    return pd.read_csv(folder / out / "epochs.csv")[columns]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted study of 3 arms x 2 seeds x 3 epochs with its A/A control."""
    folder = tmp_path_factory.mktemp("whole")
    write_tiny(folder, epochs=3, control=True)
    done = run(folder)
    assert done.code == 0, done.err
    (folder / "stdout").write_text(done.out)
    (folder / "stderr").write_text(done.err)
    return folder


def test_a_study_writes_every_file_and_prints_its_tables(whole: Path) -> None:
    files = {str(file.relative_to(whole / "out")) for file in (whole / "out").rglob("*") if file.is_file()}
    tables = {"runs.csv", "epochs.csv", "comparison.csv", "times.csv", "tables.md", "tables.tex", "environment.json"}
    assert tables | {"figures/accuracy.svg", "figures/accuracy.png", "figures/curves.svg"} <= files
    runs = pd.read_csv(whole / "out" / "runs.csv")
    assert len(runs) == 2 * 4
    assert set(runs.status) == {"done"}
    assert set(runs.backend) == {BACKEND}
    assert runs.test_accuracy.between(0, 1).all()
    assert (runs.fit_s > 0).all()
    assert len(pd.read_csv(whole / "out" / "epochs.csv")) == len(runs) * 3
    comparison = pd.read_csv(whole / "out" / "comparison.csv")
    promised = "arm metric n mean ci_low ci_high published baseline diff diff_ci_low diff_ci_high p p_adjusted verdict"
    assert " ".join(comparison.columns[:14]) == promised
    assert comparison[["p", "p_adjusted", "verdict"]].isna().all(axis=None)
    assert comparison.query("arm == 'bn' and metric == 'test_accuracy'").published.item() == 0.99
    assert "published" in (whole / "stdout").read_text()
    progress = (whole / "stderr").read_text()
    assert "[8/8]" in progress
    assert "left" in progress
    environments = json.loads((whole / "out" / "environment.json").read_text())
    assert {"packages", "cpu", "threads"} <= set(next(iter(environments.values())))


def test_the_control_repeats_the_baseline_to_the_bit(whole: Path) -> None:
    runs = pd.read_csv(whole / "out" / "runs.csv").query("arm in ('plain', 'plain (A/A)')")
    for _, pair in runs.groupby("seed"):
        assert sorted(pair.replicate) == [0, 1]
        assert pair.test_loss.nunique() == 1


def test_the_same_command_again_trains_nothing_and_gives_the_same_table(whole: Path) -> None:
    before = n_epochs(whole)
    again = run(whole, "--json", out="again")
    assert again.code == 0, again.err
    assert n_epochs(whole) == before
    assert "8 of them in the ledger already" in again.err
    printed = json.loads(again.out)
    assert len(printed["runs"]) == 8
    assert {row["arm"] for row in printed["comparison"]} == {"plain", "bn", "bn+dropout0.5"}
    pd.testing.assert_frame_equal(results(whole, "again"), results(whole))
    assert (whole / "again" / "runs.csv").read_text() == (whole / "out" / "runs.csv").read_text()


def test_a_study_that_is_killed_and_interrupted_continues_and_ends_with_the_same_table(
    whole: Path, tmp_path: Path
) -> None:
    write_tiny(tmp_path, epochs=3, control=True)
    stops = (signal.SIGKILL, signal.SIGINT, signal.SIGHUP)
    for number in stops:
        n = n_epochs(tmp_path) + 2
        with open("/dev/full", "w") as full:  # where no progress can be shown
            process = start(tmp_path, stderr=full if number == signal.SIGHUP else subprocess.PIPE)
        wait_for_epochs(tmp_path, process, n)
        process.send_signal(number)
        _, err = process.communicate(timeout=HANG_S)
        assert process.returncode == {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130, signal.SIGHUP: 129}[number]
        assert "Traceback" not in (err or "")
        assert n <= n_epochs(tmp_path) < 24
    resumed = run(tmp_path)
    assert resumed.code == 0, resumed.err
    pd.testing.assert_frame_equal(results(tmp_path), results(whole))
    pd.testing.assert_frame_equal(curves(tmp_path), curves(whole))
    with Reader.open(tmp_path / "kbnd.sqlite") as ledger:
        n_continued = ledger.runs()["continued_from"].notna().sum()
    assert n_continued <= len(stops)  # at most the run in flight was continued, each time


@pytest.mark.skipif(BACKEND != "torch", reason="the backend changes nothing of it, and PyTorch starts fastest")
def test_two_processes_share_the_work(whole: Path, tmp_path: Path) -> None:
    write_tiny(tmp_path, epochs=3, control=True)
    both = [start(tmp_path, out=out) for out in ("first", "second")]
    for process in both:
        _, err = process.communicate(timeout=HANG_S)
        assert process.returncode == 0, err
    pd.testing.assert_frame_equal(results(tmp_path, "first"), results(whole))
    pd.testing.assert_frame_equal(results(tmp_path, "second"), results(whole))
    runs = pd.read_csv(tmp_path / "second" / "runs.csv")
    assert runs.session.nunique() == 2  # both trained, and each run was trained once:
    assert n_epochs(tmp_path) == 24
    assert "continued_from" not in runs
    assert runs.is_concurrent.any()


def test_a_diverged_arm_is_counted_and_the_others_go_on(tmp_path: Path) -> None:
    file = write_tiny(tmp_path, epochs=2)
    broken = 'name = "bn"\nmodel = { batch_norm = "none" }\ntrain = { learning_rate = 1e38 }'
    file.write_text(file.read_text().replace('name = "bn"\nmodel = { batch_norm = "before_activation" }', broken, 1))
    done = run(tmp_path, "--seeds", "1")
    assert done.code == 3, done.err
    runs = pd.read_csv(tmp_path / "out" / "runs.csv").set_index("arm")
    assert dict(runs.status) == {"plain": "done", "bn": "diverged", "bn+dropout0.5": "done"}
    assert "diverged" in done.out
