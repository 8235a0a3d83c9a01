"""Workers with faults, and a driver to be killed.

| `python execution_faults.py ...` | is                                                                     |
|----------------------------------|------------------------------------------------------------------------|
| `work FD`                        | a worker that trains nothing and fails as the network's name says      |
| `train FD`                       | a worker that trains, but runs out of memory for the seed `FAKE_OOM`   |
| `drive N`                        | a driver that never ends and says which processes its N workers are    |

Workers start often, so what only some of them need is imported where it is used.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ledger_records import SETTING, agreeing, epoch, record

from kbnd.data import Dataset
from kbnd.errors import DataMissingError
from kbnd.execution import worker
from kbnd.records import RunRecord
from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec
from kbnd.training.task import Observer, Task

WORKER = (__file__, "work")
TRAINING_WORKER = (__file__, "train")
FAKE_OOM = 13

_KEPT: list[bytes] = []


def task(name: str, *, folder: Path, seed: int = 1, epochs: int = 3) -> Task:
    """A task whose run does what `name` says; its attempts are counted in a folder."""
    spec = RunSpec(model=ModelSpec(name=name), data=DataSpec(name="digits"), train=TrainSpec(epochs=epochs), seed=seed)
    return Task(spec=spec, identity=SETTING, session="s1", checkpoint=folder / f"{name}.{seed}.npz")


def attempts(task: Task) -> int:
    """How often a task was begun."""
    assert task.checkpoint is not None
    return len(task.checkpoint.read_bytes()) if task.checkpoint.exists() else 0


def train(task: Task, *, observer: Observer, **_: Any) -> RunRecord:
    """Do as the network's name says, between the first epoch and the second."""
    assert task.checkpoint is not None
    with task.checkpoint.open("ab") as file:
        file.write(b"x")
    run = unfinished(task)
    observer.on_start(run)
    for number in range(1, task.spec.train.epochs + 1):
        one = epoch(number)
        run = replace(run, epochs=(*run.epochs, one), n_epochs=number)
        observer.on_epoch(one)
        if number == 1:
            run = replace(run, **(_fault(task.spec.model.name, attempts(task)) or {}))
        if number < task.spec.train.epochs and observer.should_stop():
            return agreeing(replace(run, status="interrupted"))
    if run.status != "interrupted":
        return run
    return agreeing(replace(run, status="done", test_accuracy=0.75, test_loss=0.5, fit_s=0.0))


def remotely(*arguments: Any) -> Any:
    """A remote task of Ray that trains nothing and fails as the network's name says."""
    from unittest.mock import patch

    from kbnd.execution.ray import crew

    with patch.object(crew, "trainer", lambda: train):
        return crew.trained(*arguments)


def unfinished(task: Task) -> RunRecord:
    """The record of a task that has no epochs yet; its worker and node are noted."""
    spec = task.spec
    return replace(
        record(n_epochs=0, status="interrupted", fit_s=None, peak_rss_bytes=None),
        run_id=task.run_id,
        recipe_id=spec.recipe_id,
        spec=spec.canonical(),
        model=spec.model.name,
        seed=spec.seed,
        **asdict(task.identity),
        environment={"pid": os.getpid(), "node": _node()},
    )


def _node() -> str | None:
    """The node of a Ray cluster that this is, None where it is none."""
    ray = sys.modules.get("ray")
    return ray.get_runtime_context().get_node_id() if ray else None


def _fault(name: str, attempt: int) -> dict[str, Any] | None:
    """Fields of a record that a fault changes; most faults do not return."""
    if name == "killed" or (name == "killed-once" and attempt == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    elif name == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif name == "raises":
        raise ZeroDivisionError("nobody caught this")
    elif name == "no-data":
        raise DataMissingError("dataset 'digits' is neither cached nor reachable")
    elif name == "oom" or (name == "oom-once" and attempt == 1):
        return {"status": "oom", "error": "RESOURCE_EXHAUSTED: out of memory (fake)"}
    elif name == "fat":
        _KEPT.append(os.urandom(2**24))
    elif name == "slow":
        time.sleep(0.3)
    elif name == "endless":
        time.sleep(3600)
    return None


def drive(n: str) -> None:
    """Be a driver with N workers that train for ever."""
    from kbnd.execution import processes

    processes.WORKER = WORKER

    def tasks() -> Iterator[Task]:
        for seed in range(1, int(n) + 1):
            yield task("endless", folder=Path.cwd(), seed=seed)

    def observer(_: Task) -> Observer:
        return Observer(on_start=lambda run: print(run.environment["pid"], flush=True))

    list(processes.Processes(int(n)).execute(tasks(), observer=observer))


def train_or_run_out_of_memory() -> Callable[..., RunRecord]:
    """Train as a worker does, but without memory for one seed."""
    from unittest.mock import patch

    trainer = worker.Trainer()

    def train(task: Task, *, observer: Observer) -> RunRecord:
        from kbnd.training import backend

        backend.load(task.identity.backend)
        from kbnd.training.compiled import Networks

        take = Networks.take

        def take_or_fail(self: Networks, spec: RunSpec, dataset: Dataset) -> Any:
            if spec.seed == FAKE_OOM:
                raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 byte (fake)")
            return take(self, spec, dataset)

        with patch.object(Networks, "take", take_or_fail):
            return trainer(task, observer=observer)

    return train


if __name__ == "__main__":
    verb, number = sys.argv[1:]
    if verb == "drive":
        drive(number)
    else:
        worker.main(int(number), train if verb == "work" else train_or_run_out_of_memory())
