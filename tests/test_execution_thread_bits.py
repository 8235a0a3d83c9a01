"""Bits and threads, on the backend that is set: a study keeps the threads that it began with, and so its bits."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from patience import HANG_S
from study_files import write_tiny

from kbnd.profiling import threads

pytestmark = pytest.mark.backend

VARIABLES = {"tensorflow": "TF_NUM_INTRAOP_THREADS", "jax": "PJRT_NPROC", "torch": "OMP_NUM_THREADS"}
"""Backend -> what a user sets for it."""

SCRIPT = """
import json, os, sys
from pathlib import Path
from kbnd.execution.progress import Silent
from kbnd.execution.settings import Settings
from kbnd.ledger import Reader
from kbnd.study import runner
from kbnd.study.choices import Choices, decide
from kbnd.study.definition import read

for variable, count, file, executor, arms in json.loads(sys.argv[1]):
    os.environ[variable] = count
    experiment = decide(read(Path("tiny.toml")), Choices(arms=arms, seeds=1, epochs=4))
    runner.run(experiment, Settings(ledger=Path(file), executor=executor), progress=Silent())
    with Reader.open(file) as ledger:
        runs = ledger.records()
    print(json.dumps({
        run.run_id: [run.environment["n_threads"], run.test_loss, [epoch.train_loss for epoch in run.epochs]]
        for run in runs
    }))
"""
"""Trains a study step by step and prints, after each, its runs: their threads, and losses to the last bit."""

Step = tuple[int, str, str, list[str]]
"""(threads that the user has set, ledger, executor, arms)."""


def trained(folder: Path, *steps: Step) -> list[dict[str, list]]:
    """The runs that a ledger holds after each step, all trained from one new process."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    orders = [(VARIABLES[backend], str(count), *step) for count, *step in steps]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(orders)],
        cwd=folder,
        env={**os.environ, "KERAS_BACKEND": backend, VARIABLES[backend]: str(steps[0][0])},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def begun(folder: Path, name: str, whole: str) -> str:
    """A ledger that holds of another one the runs without BN, as if its study had been stopped."""
    (folder / name).write_bytes((folder / whole).read_bytes())
    with closing(sqlite3.connect(folder / name)) as db, db:
        db.execute("DELETE FROM runs WHERE spec LIKE '%batch_norm%'")
        db.execute("DELETE FROM epochs WHERE run_id NOT IN (SELECT run_id FROM runs)")
    return name


def test_a_study_goes_on_with_its_threads_whatever_the_executor(tmp_path: Path) -> None:
    """Begun inline and gone on with in a worker, and the reverse, it has the bits of one that never stopped."""
    write_tiny(tmp_path)
    arms = ["plain", "bn"]
    with_two, with_one = trained(tmp_path, (2, "two", "inline", arms), (1, "one", "processes:1", arms))
    inline_first, worker_first = begun(tmp_path, "inline first", "two"), begun(tmp_path, "worker first", "one")
    ends = trained(tmp_path, (2, worker_first, "inline", arms), (1, inline_first, "processes:1", arms))
    assert ends == [with_one, with_two]
    assert {run[0] for run in with_two.values()} == {2}
    assert {run[0] for run in with_one.values()} == {1}
    assert with_one != with_two
    losses = [[run[1] for run in runs.values()] for runs in (with_one, with_two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)  # 1e-6 after an epoch, and it grows with every one


@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") != "jax", reason="only JAX has several devices in a processor")
def test_devices_in_a_processor_are_threads_of_jax() -> None:
    """Each device has one, so that more devices than cores change the last bits: 4 are like `PJRT_NPROC=4`."""
    script = (
        "import jax; jax.config.update('jax_num_cpu_devices', 4)\n"
        "from kbnd.training import backend; from kbnd.profiling import threads\n"
        "backend.load('jax', n_threads=1); print(threads.of_process())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "4"


def test_a_backend_says_how_many_threads_it_has() -> None:
    from kbnd.training import backend

    name = backend.load()
    assert threads.current(name) == threads.of_process() >= 1
    with threads.held(name, None):
        assert threads.current(name) >= 1
    if name in threads.SWITCHABLE:
        before = threads.current(name)
        with threads.held(name, before + 1):
            assert threads.of_process() == before + 1
        assert threads.of_process() == before
