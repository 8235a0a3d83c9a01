"""Runs that are computed, not trained: a study and searches whose every number is known before they begin.

What kbnd does with a run (claims, epochs, results, checkpoints' places) is done as ever; only the executor is another.
A journal beside the ledger says which run was begun when, and which was stored: it is written with one system call a
line, so that a killed process leaves all of it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from kbnd.clock import CLOCK_FIELDS, summarise
from kbnd.execution.progress import Silent
from kbnd.profiling.machine import environment
from kbnd.records import HITS, EpochRecord, RunRecord
from kbnd.spec import PROTOCOL, Identity, RunSpec
from kbnd.training.task import Observer, Task

N_TEST = 300
SETTING = Identity("tensorflow", "2.21", "3.15", "cpu", "ab" * 32)
"""Of runs that no driver asked for."""

LEDGER = "kbnd.sqlite"
JOURNAL = "journal.txt"


def record_of(task: Task) -> RunRecord:
    """The record that a run is to end with: a function of its id, but for its session and the time it began."""
    spec, noise = task.spec, Random(task.run_id)
    epochs = tuple(_epoch(number, noise) for number in range(1, spec.train.epochs + 1))
    correct = np.array([noise.random() < 0.9 for _ in range(N_TEST)])
    clock = {
        name: value for name, value in summarise([asdict(epoch) for epoch in epochs]).items() if name in CLOCK_FIELDS
    }
    return RunRecord(
        run_id=task.run_id,
        recipe_id=spec.recipe_id,
        spec=spec.canonical(),
        model=spec.model.name,
        dataset=spec.data.name,
        seed=spec.seed,
        replicate=spec.replicate,
        status="done",
        **asdict(task.identity),
        protocol=PROTOCOL,
        session=task.session,
        block=task.block,
        position=task.position,
        started_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        environment=environment() | {"load_average": [0.5, 0.25, 0.125]},  # bytes of a ledger stay where they are
        epochs=epochs,
        n_epochs=len(epochs),
        n_parameters=61_706,
        n_steps=38,
        test_accuracy=int(correct.sum()) / N_TEST,
        test_loss=noise.uniform(0.1, 0.5),
        val_accuracy=epochs[-1].val_accuracy,
        val_loss=epochs[-1].val_loss,
        wall_s=(clock["fit_s"] or 0.0) + 1.5,
        test_correct=np.packbits(correct).tobytes(),
        n_test=N_TEST,
        **clock,
    )


def _epoch(number: int, noise: Random) -> EpochRecord:
    losses = {f"{part}_loss": noise.uniform(0.1, 1.0) for part in ("train", "train_eval", "val", "test")}
    accuracies = {f"{part}_accuracy": noise.randrange(301) / 300 for part in ("train", "train_eval", "val", "test")}
    seconds = noise.uniform(0.5, 1.0) + (number == 1)
    return EpochRecord(
        epoch=number,
        **losses,
        **accuracies,
        train_s=seconds,
        val_s=noise.uniform(0.05, 0.1),
        is_warmup=number == 1,
        images_per_s=1197 / seconds,
        hook_s=0.001,
        peak_rss_bytes=2**29 + noise.randrange(2**20),
        peak_device_bytes=2**28,
        energy_j=50.0 * seconds,
        power_w=50.0,
    )


@dataclass
class Computing:
    """The executor: computes one run after another.

    Attributes:
        folder: of the journal.
        pause: called after every epoch, while the run is claimed.
        diverges: which recipes diverge after their first epoch.
    """

    folder: Path
    pause: Callable[[], None] = lambda: None
    diverges: Callable[[RunSpec], bool] = lambda spec: spec.train.learning_rate > 0.6
    places: int = 1
    is_concurrent: bool = False

    def execute(
        self, tasks: Iterator[Task | None], *, observer: Callable[[Task], Observer]
    ) -> Iterator[RunRecord | None]:
        for task in tasks:
            yield None if task is None else self._run(task, observer(task))

    def _run(self, task: Task, observer: Observer) -> RunRecord:
        note(self.folder, "begun", task.run_id)
        record = record_of(task)
        observer.on_start(replace(record, epochs=(), n_epochs=0))
        for epoch in record.epochs:
            observer.on_epoch(epoch)
            self.pause()
            if self.diverges(task.spec):
                return cut(record, epoch.epoch, "diverged")
            if epoch.epoch < record.n_epochs and observer.should_prune(epoch):
                return cut(record, epoch.epoch, "pruned")
            if epoch.epoch < record.n_epochs and observer.should_stop():
                return cut(record, epoch.epoch, "interrupted")
        return record


def cut(record: RunRecord, n: int, status: Any) -> RunRecord:
    """Return a run that ended after n epochs."""
    epochs = record.epochs[:n]
    clock = {
        name: value for name, value in summarise([asdict(epoch) for epoch in epochs]).items() if name in CLOCK_FIELDS
    }
    results = dict.fromkeys(("test_accuracy", "test_loss", "val_accuracy", "val_loss", "test_correct", "n_test"))
    if status == "diverged":  # which is evaluated like one that is done
        last = {"val_accuracy": epochs[-1].val_accuracy, "val_loss": epochs[-1].val_loss}
        results = {name: getattr(record, name) for name in results} | last
    return replace(record, status=status, epochs=epochs, n_epochs=n, **clock, **results)


class Journal(Silent):
    """Progress that writes down which results are stored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_end(self, run: Any, record: RunRecord) -> None:
        if record.status in HITS:
            note(self.folder, "stored", record.run_id)


def note(folder: Path, what: str, run_id: str) -> None:
    """Write a line into the journal, in one system call."""
    file = os.open(folder / JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{what} {run_id}\n".encode())
    os.close(file)


def journal(folder: Path) -> list[tuple[str, str]]:
    """What was noted, in order."""
    file = folder / JOURNAL
    return [(line.split()[0], line.split()[1]) for line in file.read_text().splitlines()] if file.exists() else []


def counting(kill: Callable[[], None], *, at: float) -> Callable[[], int]:
    """Count what kbnd's ledger and drivers call, and call `kill` at one of these; return what tells the count."""
    count = 0

    def look(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        if _INSTANTS.isdisjoint(frame.f_code.co_filename.rsplit("/", 3)):
            return
        count += 1
        if count >= at:
            kill()

    sys.setprofile(look)
    return lambda: count


_INSTANTS = frozenset({"ledger", "execution", "tuning", "files.py"})
"""Folders and files of kbnd in which a process is killed: there it reads, decides and writes."""


def doze(chance: Random, longest_s: float) -> Callable[[], None]:
    """Return a pause that takes a while, another one each time."""
    return lambda: time.sleep(chance.uniform(0, longest_s))
