"""Real runs in other processes: the numbers of this one, also after a crash, on the backend that is set."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import execution_faults as faults
import psutil
import pytest

from kbnd import data
from kbnd.errors import UsageError
from kbnd.execution import concurrent, processes
from kbnd.execution.executors import executor
from kbnd.execution.worker import check_identity
from kbnd.records import EpochRecord, RunRecord
from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec
from kbnd.training import backend
from kbnd.training.task import Observer, Task

pytestmark = pytest.mark.backend

OF_THE_CLOCK = ("train_s", "val_s", "images_per_s", "hook_s", "is_warmup", "peak_rss_bytes")


def task(*, seed: int, folder: Path) -> Task:
    spec = RunSpec(
        model=ModelSpec(name="lenet5", batch_norm="before_activation", dropout=0.5),
        data=data.resolve(DataSpec(name="digits", n_train=80)),
        train=TrainSpec(epochs=3, batch_size=32, learning_rate=0.05),
        seed=seed,
    )
    identity = backend.identity(data.fingerprint(spec.data))
    return Task(spec=spec, identity=identity, session="test", checkpoint=folder / f"{seed}.npz")


def run(
    text: str, tasks: list[Task], observer: Callable[[Task], Observer] = lambda _: Observer()
) -> dict[int, RunRecord]:
    records = executor(text).execute(iter(tasks), observer=observer)
    return {record.seed: record for record in records if record}


def numbers(record: RunRecord) -> tuple:
    """Everything that is no time: curves, results, and which test images are right."""
    curves = [{k: v for k, v in vars(epoch).items() if k not in OF_THE_CLOCK} for epoch in record.epochs]
    return curves, record.status, record.test_loss, record.test_correct, record.val_loss


def test_a_worker_computes_what_this_process_would_through_a_fault_and_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "WORKER", faults.TRAINING_WORKER)
    monkeypatch.setattr(concurrent, "FAILED_RETRIES", 0)  # or a third worker would start for the second attempt
    here, there = tmp_path / "here", tmp_path / "there"
    begun: list[tuple[int, int]] = []  # seed, and epochs that a checkpoint brought

    def observer(task: Task) -> Observer:
        def kill_once(epoch: EpochRecord) -> None:
            if epoch.epoch == 2 and begun == [(1, 0), (2, 0)]:
                for worker in psutil.Process().children():
                    if "train" in worker.cmdline():
                        worker.kill()

        return Observer(on_start=lambda record: begun.append((record.seed, len(record.epochs))), on_epoch=kill_once)

    tasks = [task(seed=seed, folder=there) for seed in (1, 2, faults.FAKE_OOM)]
    records = run("processes:1", tasks, observer)
    out_of_memory = records.pop(faults.FAKE_OOM)
    assert (out_of_memory.status, out_of_memory.n_epochs) == ("oom", 0)
    assert begun in ([(1, 0), (2, 0), (2, 1)], [(1, 0), (2, 0), (2, 2)])  # it may have stored its second before it died
    inline = run("inline", [task(seed=seed, folder=here) for seed in (1, 2)])
    assert {seed: numbers(record) for seed, record in records.items()} == {
        seed: numbers(record) for seed, record in inline.items()
    }
    threads = records[1].environment["threads"]  # this process may have loaded other libraries for other tests
    assert threads == {name: inline[1].environment["threads"][name] for name in threads}


@pytest.mark.skipif(backend.choose() != "torch", reason="the backend changes nothing of it, and PyTorch starts fastest")
def test_a_ray_of_this_machine_computes_what_this_process_would(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    (there,) = run("ray:1", [task(seed=1, folder=tmp_path / "there")]).values()
    assert not ray.is_initialized()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers
    (here,) = run("inline", [task(seed=1, folder=tmp_path / "here")]).values()
    assert numbers(there) == numbers(here)
    assert (tmp_path / "there" / "1.npz").exists()


def test_a_worker_with_another_backend_version_refuses_to_train() -> None:
    here = backend.identity("ab" * 32)
    other = here.__class__(**{**vars(here), "backend_version": "0.1", "device": "gpu"})
    expected = f"a worker has backend_version {here.backend_version} instead of 0.1, device cpu instead of gpu"
    with pytest.raises(UsageError, match=expected):
        check_identity(other, here)
