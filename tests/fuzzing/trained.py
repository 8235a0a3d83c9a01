"""The same faults with real trainings on a backend: kills, and several drivers, one of them by the clock.

Commands run as a person runs them, on bundled digits and on the backend that `KERAS_BACKEND` names; a killed training
goes on from its checkpoint. Tables are compared without their times.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.cases import Fault
from fuzzing.computed import LEDGER
from fuzzing.drivers import new
from fuzzing.kills import looked
from fuzzing.mutations import first_difference
from fuzzing.texts import TRAINED
from kbnd.ledger import Reader

KILLS = 2
"""On each ledger."""

COMMAND_S = 300.0
N_DRIVERS = 3

TUNE = (
    *("tune", "--model", "lenet5", "--dataset", "digits", "--n-train", "200", "--epochs", "1", "--seeds", "1"),
    *("--test-seeds", "1", "--json", "--oracle"),
)
KILLED: dict[str, tuple[str, ...]] = {
    "study": ("study", "trained.toml", "--json"),
    "random": (*TUNE, "random", "--max-trials", "5"),
    "hyperband": (*TUNE, "hyperband", "--epochs", "3", "--objective", "val_loss"),
    "bayesian": (*TUNE, "bayesian", "--max-trials", "6"),
}
SHARED: dict[str, tuple[str, ...]] = {
    "random": (*TUNE, "random", "--max-trials", "8", "--seeds", "2"),
    "bayesian": (*TUNE, "bayesian", "--max-trials", "8"),
    "hyperband": (*TUNE, "hyperband", "--epochs", "3"),
    "by the clock": (
        *(*TUNE, "random", "--max-trials", "4", "--epochs", "2", "--seeds", "2"),
        *("--objective", "time_to_accuracy:0.2"),
    ),
}


def commands(folder: Path) -> dict[str, tuple[Any, float]]:
    """What each command that is to be killed prints where nobody kills it, and the seconds that it takes."""
    ends = {}
    for name in KILLED:
        started = time.perf_counter()
        ends[name] = (_table(_completed(name, new(folder / f"trained-{name}"))), time.perf_counter() - started)
    return ends


def killed(ends: dict[str, tuple[Any, float]], chance: Random, folder: Path) -> Iterator[Fault]:
    """Kill a command at random moments, run it again to its end, and compare."""
    name = chance.choice(sorted(KILLED))
    table, seconds = ends[name]
    for _ in range(KILLS):
        process = _started(KILLED[name], folder)
        try:
            process.wait(timeout=chance.uniform(0.3, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        yield from _noted(folder)
    ended = _completed(name, folder)
    yield from _noted(folder)
    if ended.returncode not in (0, 3):
        yield Fault("traceback", f"{name}: exit code {ended.returncode}: {ended.stderr[-400:]}")
    elif (again := _table(ended)) != table:
        yield Fault("silent", f"{name}: not as a command that nobody killed: {first_difference(table, again)}")


def together(_: None, chance: Random, folder: Path) -> Iterator[Fault]:
    """Let several processes drive one search: each run is trained once, by the clock none beside another."""
    name = chance.choice(sorted(SHARED))
    drivers = [_started(SHARED[name], folder) for _ in range(N_DRIVERS)]
    outputs = [driver.communicate(timeout=COMMAND_S)[1] for driver in drivers]
    yield from looked(folder)
    with Reader.open(folder / LEDGER) as ledger:
        records = ledger.records()
    n_trained = sum(": done" in line for text in outputs for line in text.splitlines())
    if n_trained != sum(record.status == "done" for record in records):
        yield Fault("double", f"{name}: {len(records)} runs, but {n_trained} were trained")
    if name == "by the clock" and any(record.is_concurrent for record in records):
        yield Fault("silent", f"{name}: a run was trained beside another")
    for driver, text in zip(drivers, outputs, strict=True):
        if driver.returncode not in (0, 3) or "Traceback" in text:
            yield Fault("traceback", f"{name}: exit code {driver.returncode}: {text[-400:]}")


def nothing(folder: Path) -> None:
    """Drivers share no file."""


def _started(command: tuple[str, ...], place: Path) -> subprocess.Popen[str]:
    (place / "trained.toml").write_text(TRAINED)
    words = [sys.executable, "-c", "from kbnd.cli import main; main()", *command, "--ledger", LEDGER]
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*words, "--backend", backend], cwd=place, **pipes)  # type: ignore[call-overload]


def _completed(name: str, place: Path) -> subprocess.CompletedProcess[str]:
    process = _started(KILLED[name], place)
    out, err = process.communicate(timeout=COMMAND_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _table(ended: subprocess.CompletedProcess[str]) -> Any:
    """What a command printed, without whatever a clock measured."""

    def without_times(value: Any) -> Any:
        if isinstance(value, list):
            return [without_times(inner) for inner in value if not _is_of_a_time(inner)]
        if isinstance(value, dict):
            return {key: without_times(inner) for key, inner in value.items() if not _is_timed(key)}
        return value

    return without_times(json.loads(ended.stdout))


def _is_of_a_time(row: Any) -> bool:
    """Whether a row of comparison.csv compares times."""
    return isinstance(row, dict) and str(row.get("metric", "")).endswith("_s")


def _is_timed(key: str) -> bool:
    return key.endswith(("_s", "_bytes", "_j")) or key in ("session", "started_at", "times", "continued_from")


def _noted(place: Path) -> Iterator[Fault]:
    """Look at the ledger of a killed command, and find runs that were finished before and trained again."""
    if not (place / LEDGER).exists():
        return
    yield from looked(place)
    with Reader.open(place / LEDGER) as ledger:
        done = {record.run_id: record.started_at for record in ledger.records() if record.status == "done"}
    with (place / "seen.jsonl").open("a") as file:
        file.write(json.dumps(done) + "\n")
    looks = [json.loads(line) for line in (place / "seen.jsonl").read_text().splitlines()]
    for earlier, later in list(pairwise(looks))[-1:]:
        again = [run_id for run_id, begun in earlier.items() if later.get(run_id) != begun]
        yield from (Fault("double", f"run {run_id} was finished and trained again") for run_id in again)
