"""Runs in other processes: what comes back, what a crash costs, and that nobody is left behind. Nothing is trained."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import execution_faults as faults
import psutil
import pytest
from patience import HANG_S

from kbnd.errors import DataMissingError, UsageError
from kbnd.execution import processes, resources
from kbnd.execution.concurrent import ActiveRun, Ended, Event, Refused, train_concurrently
from kbnd.execution.executors import executor
from kbnd.records import EpochRecord, RunRecord
from kbnd.training.task import Observer, Task

Watch = Callable[[Task], Observer]


@pytest.fixture(autouse=True)
def _no_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "WORKER", faults.WORKER)


def silent(_: Task) -> Observer:
    return Observer()


def run(places: int, tasks: list[Task], observer: Watch = silent) -> dict[str, RunRecord]:
    """The records of tasks by network and seed."""
    records = executor(f"processes:{places}").execute(iter(tasks), observer=observer)
    return {f"{record.model}.{record.seed}": record for record in records if record}


def test_every_run_comes_back_as_it_was_told(tmp_path: Path) -> None:
    told: dict[int, list[EpochRecord]] = {}

    tasks = [faults.task("well", folder=tmp_path, seed=seed) for seed in (1, 2, 3)]
    records = run(1, tasks, lambda task: Observer(on_epoch=told.setdefault(task.spec.seed, []).append))
    assert {record.status for record in records.values()} == {"done"}
    assert {record.seed: list(record.epochs) for record in records.values()} == told
    assert len({record.environment["pid"] for record in records.values()} - {os.getpid()}) == 1
    assert not any(record.is_concurrent for record in records.values())


def test_runs_at_two_places_are_marked_as_concurrent(tmp_path: Path) -> None:
    records = run(2, [faults.task("slow", folder=tmp_path, seed=seed) for seed in (1, 2)])
    assert all(record.is_concurrent for record in records.values())
    assert len({record.environment["pid"] for record in records.values()}) == 2


def test_a_task_is_pulled_only_where_a_place_is_free(tmp_path: Path) -> None:
    pulled: list[int] = []

    def tasks() -> Iterator[Task]:
        for seed in (1, 2, 3, 4):
            pulled.append(seed)
            yield faults.task("well", folder=tmp_path, seed=seed)

    for n_ended, _ in enumerate(executor("processes:2").execute(tasks(), observer=silent), start=1):
        assert len(pulled) - n_ended <= 1
    assert pulled == [1, 2, 3, 4]


def test_where_nothing_is_free_it_is_asked_again_after_the_next_news(tmp_path: Path) -> None:
    told: list[int] = []

    def tasks() -> Iterator[Task | None]:
        yield None
        yield faults.task("well", folder=tmp_path)
        while not told:  # what another process does becomes known between two epochs of a run here
            yield None
        yield faults.task("slow", folder=tmp_path)

    observer = Observer(on_epoch=lambda epoch: told.append(epoch.epoch))
    seen = list(executor("processes:2").execute(tasks(), observer=lambda _: observer))
    assert [record and record.model for record in seen] == [None, "well", "slow"]
    assert all(record.is_concurrent for record in seen if record)


FAULTS = {
    "killed-once": ("done", ""),
    "oom-once": ("done", ""),
    "killed": ("oom", "killed by SIGKILL"),
    "segfault": ("failed", "signal 11 (Segmentation fault)"),
    "raises": ("failed", "exit code 1: ZeroDivisionError: nobody caught this"),
    "oom": ("oom", "RESOURCE_EXHAUSTED"),
}
"""Fault -> status and error of the run that has it."""


def test_a_fault_takes_down_one_run_which_is_tried_once_more(tmp_path: Path) -> None:
    """Between and beside the faults other runs go on as if there were none."""
    bad = [faults.task(name, folder=tmp_path) for name in FAULTS]
    others = [faults.task("well", folder=tmp_path, seed=seed) for seed in range(1, len(FAULTS) + 1)]
    records = run(2, [task for pair in zip(others, bad, strict=True) for task in pair])
    for name, (status, error) in FAULTS.items():
        record = records.pop(f"{name}.1")
        assert (record.status, record.n_epochs) == (status, len(record.epochs)), name
        assert error in (record.error or ""), name
        assert [epoch.epoch for epoch in record.epochs][:1] == [1], name
    assert [faults.attempts(task) for task in bad] == [2] * len(bad)
    assert {record.status for record in records.values()} == {"done"}
    assert [faults.attempts(task) for task in others] == [1] * len(others)


def test_what_the_user_must_mend_ends_everything(tmp_path: Path) -> None:
    tasks = [faults.task(name, folder=tmp_path) for name in ("endless", "no-data")]
    with pytest.raises(DataMissingError, match="neither cached nor reachable"):
        run(2, tasks)
    assert not psutil.Process().children()


class OneRefused:
    """A crew of which one worker refuses in the moment in which the other has trained its run."""

    lost_retries = 0

    def start(self, run: ActiveRun) -> None:
        """Nothing has to be started."""

    def events(self, active: Sequence[ActiveRun]) -> list[tuple[ActiveRun, Event]]:
        trained = replace(faults.unfinished(active[1].task), status="done")
        return [(active[0], Refused(DataMissingError("no data"))), (active[1], Ended(trained, 0))]

    def answer(self, run: ActiveRun, answer: bool) -> None:
        """Nobody asks."""

    def close(self) -> None:
        """Nothing has to be ended."""


def test_what_ended_beside_a_refusal_is_not_lost(tmp_path: Path) -> None:
    tasks = [faults.task("well", folder=tmp_path, seed=seed) for seed in (1, 2)]
    records = train_concurrently(iter(tasks), observer=silent, crew=OneRefused(), n_places=2)
    record = next(records)
    assert record is not None
    assert (record.seed, record.status) == (2, "done")
    with pytest.raises(DataMissingError):
        next(records)


def test_a_run_stops_at_its_next_epoch_when_it_is_told_to(tmp_path: Path) -> None:
    tasks = [faults.task(name, folder=tmp_path) for name in ("well", "killed")]
    records = run(2, tasks, lambda _: Observer(should_stop=lambda: True))
    assert {(record.status, record.n_epochs, record.error) for record in records.values()} == {("interrupted", 1, None)}
    assert faults.attempts(tasks[1]) == 1


def test_the_signals_of_a_terminal_end_no_worker(tmp_path: Path) -> None:
    pids: list[int] = []

    def interrupt(_: EpochRecord) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pids[0], number)

    observer = Observer(on_start=lambda record: pids.append(record.environment["pid"]), on_epoch=interrupt)
    (record,) = run(1, [faults.task("well", folder=tmp_path)], lambda _: observer).values()
    assert (record.status, len(pids)) == ("done", 1)
    assert os.getpgid(0) != pids[0]


def test_a_killed_driver_leaves_no_worker(tmp_path: Path) -> None:
    driver = subprocess.Popen(
        [sys.executable, faults.__file__, "drive", "2"], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert driver.stdout is not None
    with driver:
        workers = [psutil.Process(int(driver.stdout.readline())) for _ in range(2)]
        driver.kill()
    deadline = time.monotonic() + HANG_S
    while time.monotonic() < deadline and any(is_running(one) for one in workers):
        time.sleep(0.02)
    assert not any(is_running(one) for one in workers)


def is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(("limit", "value"), [("RUNS_PER_WORKER", 2), ("GROWTH_BYTES", 2**23)])
def test_workers_are_replaced_before_their_memory_grows(
    limit: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, limit, value)
    records = run(1, [faults.task("fat", folder=tmp_path, seed=seed) for seed in (1, 2, 3, 4, 5)])
    pids = [record.environment["pid"] for record in records.values()]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


def test_without_a_folder_for_temporary_files_a_sentence_says_so(tmp_path: Path, no_temporaries: None) -> None:
    with pytest.raises(UsageError, match=r"what a worker prints cannot be written .*: set TMPDIR"):
        run(1, [faults.task("well", folder=tmp_path)])


def test_places_share_out_cores_and_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "usable_cores", lambda: list(range(8)))
    monkeypatch.setattr(resources, "n_cores", lambda: 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    monkeypatch.setenv("MKL_NUM_THREADS", "1")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    places = [resources.of_place(place, n_places=3) for place in range(3)]
    assert [one.cores for one in places] == [(0, 1), (2, 3), (4, 5)]
    assert [one.variables["CUDA_VISIBLE_DEVICES"] for one in places] == ["GPU-a", "GPU-b", "GPU-a"]
    assert {(one.variables["OMP_NUM_THREADS"], one.variables["MKL_NUM_THREADS"]) for one in places} == {("2", "1")}
    assert resources.of_place(9, n_places=12).cores == (1,)


def test_a_share_of_the_time_of_all_cores_is_what_places_share_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "usable_cores", lambda: list(range(8)))
    monkeypatch.setattr(resources, "n_cores", lambda: 2)  # a quota
    assert [resources.share(n_places) for n_places in (1, 2, 4)] == [2, 1, 1]
    assert [resources.of_place(place, n_places=4).cores for place in (0, 3)] == [(0,), (3,)]


@pytest.mark.parametrize(
    ("visible", "names"),
    [("0,-1,1", ["0"]), ("", []), ("-1", []), (" 0 , GPU-b", ["0", "GPU-b"]), ("NoDevFiles", ["NoDevFiles"])],
)
def test_gpus_are_those_that_cuda_would_see(monkeypatch: pytest.MonkeyPatch, visible: str, names: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert resources.gpus() == names


def test_one_place_has_the_machine_as_the_driver_would() -> None:
    alone = resources.of_place(0, n_places=1)
    assert not alone.cores
    assert set(alone.variables) == set(resources.SHARED_GPU)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("processes:0", "whole number from 1 to 1,000, as in processes:2: received 'processes:0'"),
        ("processes:x", "whole number from 1"),
        ("processes", "whole number from 1"),
        ("inline:2", "unknown executor 'inline:2'"),
        ("threads:2", "choose from inline, processes:N, ray, ray:N"),
    ],
)
def test_executors_that_cannot_be_are_refused_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        executor(text)


def test_an_address_belongs_to_ray() -> None:
    with pytest.raises(UsageError, match="address 'auto' belongs to executor 'ray', received executor 'processes:2'"):
        executor("processes:2", address="auto")
