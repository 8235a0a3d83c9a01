"""With how many threads runs are computed: what the first had, whatever executor goes on. Nothing is trained."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ledger_records import SETTING, label, record
from study_files import write_tiny

from kbnd.circumstances import n_threads_of
from kbnd.execution import resources, threads
from kbnd.execution.progress import Silent
from kbnd.execution.settings import Settings
from kbnd.ledger import Ledger
from kbnd.profiling import threads as backend_threads
from kbnd.records import SearchEvent
from kbnd.report.runs import run_table
from kbnd.report.tables.notes import thread_notes
from kbnd.study import runner
from kbnd.study.choices import Choices, decide
from kbnd.study.definition import read

CROWDED = "they take turns on the 4 cores here, so it takes longer than with fewer"


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of four cores whose user has set no number of threads."""
    for module in (resources, backend_threads):
        monkeypatch.setattr(module, "usable_cores", lambda: [0, 1, 2, 3])
    monkeypatch.setattr(threads.cores, "n_cores", lambda: 4)
    monkeypatch.setattr(resources, "n_cores", lambda: 4)
    monkeypatch.setattr(backend_threads.psutil, "cpu_count", lambda logical=True: 8 if logical else 4)
    for name in resources.THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "kbnd.sqlite") as opened:
        yield opened


def counted(n_threads: Any, *, seed: int, hour: int, **changes: Any):
    started_at = f"2026-01-02T{hour:02}:00:00+00:00"
    return record(seed=seed, started_at=started_at, environment={"n_threads": n_threads}, **changes)


def test_a_study_was_begun_with_the_threads_of_its_first_run_on_a_cpu(ledger: Ledger) -> None:
    runs = [
        counted(7, seed=1, hour=1, status="failed"),
        *(counted(n, seed=2 + i, hour=2) for i, n in enumerate([None, "two", True, 0, 10**9, 2.0])),
        counted(2, seed=8, hour=4),
        counted(1, seed=9, hour=3),
        replace(counted(5, seed=10, hour=0), status="running"),
    ]
    for run in runs[:-1]:
        ledger.finish(run)
    assert ledger.first_n_threads("s", lambda: [run.run_id for run in runs]) == 1
    ledger.begin(runs[-1])  # one that is being trained counts: another driver began the study
    assert ledger.first_n_threads("s", lambda: [run.run_id for run in runs]) == 5
    assert ledger.first_n_threads("s", lambda: [runs[7].run_id]) == 2
    assert ledger.first_n_threads("s") is None


@pytest.mark.parametrize(
    ("environment", "n_threads"),
    [
        ({"threads": {"tensorflow_intra_op": 3, "TF_NUM_INTRAOP_THREADS": "4"}, "n_cores_usable": 2}, 3),
        ({"threads": {"tensorflow_intra_op": 0, "TF_NUM_INTRAOP_THREADS": "4"}, "n_cores_usable": 2}, 4),
        ({"threads": {"tensorflow_intra_op": 0, "TF_NUM_INTRAOP_THREADS": None}, "n_cores_usable": 2}, 2),
        ({"threads": {"torch": 5}}, None),
        ({"threads": [1]}, None),
        ([1], None),
        ({"n_threads": None, "threads": {"tensorflow_intra_op": 3}}, None),
        ({"n_threads": "9" * 5000}, None),
    ],
)
def test_a_run_from_before_tells_its_threads_by_its_settings(environment: Any, n_threads: int | None) -> None:
    assert n_threads_of(environment, "tensorflow") == n_threads


def test_what_was_labelled_comes_before_what_is_planned(ledger: Ledger) -> None:
    labelled, planned = counted(3, seed=1, hour=5), counted(4, seed=2, hour=1)
    for run in (labelled, planned):
        ledger.finish(run)
    ledger.assign("s", "d" * 16, [label("bn", labelled)])
    ledger.assign("s", "e" * 16, [])  # under another definition by now
    assert ledger.first_n_threads("s", lambda: [planned.run_id]) == 3


def test_what_is_imported_changes_nothing_of_a_study_that_is_going_on(ledger: Ledger) -> None:
    own, imported = counted(2, seed=1, hour=5), counted(16, seed=2, hour=1)
    ledger.merge([imported])
    assert ledger.first_n_threads("", lambda: [own.run_id, imported.run_id]) == 16
    ledger.finish(own)
    assert ledger.first_n_threads("", lambda: [own.run_id, imported.run_id]) == 2


def test_a_search_was_begun_with_the_threads_of_its_first_candidate(ledger: Ledger) -> None:
    run = counted(3, seed=1, hour=5)
    ledger.finish(run)
    info = ledger.begin_search("tune", {})
    body = {"values": {}, "epochs": 2, "run_ids": {"1": run.run_id}}
    assert ledger.append_event(info, SearchEvent(1, "ask", 1, body, "2026-01-02T03:04:05+00:00"))
    assert ledger.first_n_threads("tune") == 3


def test_the_threads_of_a_study_are_settled_once(ledger: Ledger) -> None:
    begun = counted(4, seed=1, hour=1)
    assert ledger.settle_n_threads("s", tuple, usual=None) is None  # a cluster decides
    assert [ledger.settle_n_threads("s", tuple, usual=usual) for usual in (2, 1, None)] == [2, 2, 2]
    ledger.merge([begun])  # what is imported meanwhile changes nothing of it
    ledger.assign("s", "d" * 16, [label("bn", begun)])
    assert ledger.first_n_threads("s", lambda: [begun.run_id]) == 2
    assert ledger.settle_n_threads("of runs that are stored", lambda: [begun.run_id], usual=2) == 4
    assert [ledger.settle_n_threads("", tuple, usual=usual) for usual in (2, 1)] == [None, None]
    assert ledger.verify() == []
    ledger._db.execute("UPDATE thread_counts SET n_threads = 1")
    assert "a row of thread_counts ('s', 1, ...) was changed since it was stored" in ledger.verify()


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize("visible", ["", "0"])  # a GPU that the backend has no use for: settled when that is known
@pytest.mark.parametrize(("executors", "n_threads"), [(("processes:2", "inline"), 2), (("inline", "processes:2"), 4)])
def test_two_drivers_begun_at_once_train_with_one_count(
    executors: tuple[str, str], n_threads: int, visible: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    experiment = decide(read(write_tiny(tmp_path)), Choices())
    first, second = (
        Settings(ledger=tmp_path / "kbnd.sqlite", backend="tensorflow", executor=executor) for executor in executors
    )
    driven: list[int | None] = []

    def begin_the_second(*_: Any, **__: Any) -> str:
        """Before the first has trained, or even labelled, anything."""
        monkeypatch.setattr(threads.backend, "load", lambda *_, **__: "tensorflow")
        if not visible:
            runner.run(experiment, second, progress=Silent())
        return "tensorflow"

    def drive(driver: Any, runs: Any) -> None:
        driven.append(driver.n_threads)
        if visible and len(driven) == 1:
            runner.run(experiment, second, progress=Silent())

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(threads.threads, "of_process", lambda: None)
    monkeypatch.setattr(threads.threads, "current", lambda _: n_threads)
    monkeypatch.setattr(threads.backend, "load", begin_the_second)
    monkeypatch.setattr(threads.backend, "identity", lambda text, **_: replace(SETTING, fingerprint=text))
    monkeypatch.setattr(runner, "drive_all", drive)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads that take turns
        runner.run(experiment, first, progress=Silent())
    assert driven == [n_threads, n_threads]


@pytest.mark.usefixtures("four_cores")
def test_a_place_gets_the_threads_that_runs_began_with() -> None:
    exact = resources.of_place(1, n_places=2, n_threads=1)
    assert exact.cores == (2, 3)
    assert {exact.variables[name] for name in resources.THREADS} == {"1"}
    assert "OMP_WAIT_POLICY" not in exact.variables
    crowded = resources.of_place(1, n_places=2, n_threads=4)
    assert crowded.cores == ()  # four threads on two cores of their own would wait while others idle
    assert {crowded.variables[name] for name in resources.THREADS} == {"4"}
    assert crowded.variables["OMP_WAIT_POLICY"] == "passive"
    assert resources.of_place(0, n_places=1, n_threads=2).variables["OMP_NUM_THREADS"] == "2"


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize(
    ("executor", "begun_with", "words"),
    [
        ("inline", None, "4 for each run"),
        ("processes:2", None, "2 for each run"),
        ("inline", 4, "4 for each run, as the first one had"),
        ("processes:2", 4, "4 for each run, as the first one had (by itself processes:2 would take 2)"),
        ("inline", 1, "1 for each run, as the first one had (by itself inline would take 4)"),
        ("inline", 6, f"6 for each run, as the first one had (by itself inline would take 4); {CROWDED}"),
    ],
)
def test_a_plan_says_the_threads_and_why(
    executor: str, begun_with: int | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for backend in ("tensorflow", "jax", "torch"):
        settings = Settings(ledger=Path("kbnd.sqlite"), executor=executor)
        monkeypatch.setattr(threads.backend, "choose", lambda _, name=backend: name)
        assert threads.in_words(begun_with, settings) == words


@pytest.mark.usefixtures("four_cores")
def test_what_a_backend_takes_by_itself_is_foretold(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [backend_threads.usual(name) for name in backend_threads.RULES] == [4, 4, 4]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert [backend_threads.usual(name) for name in backend_threads.RULES] == [4, 4, 3]
    monkeypatch.setenv("OMP_NUM_THREADS", "6")  # MKL lets PyTorch have no more than there are cores
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "6")
    monkeypatch.setenv("NPROC", "5")
    assert [backend_threads.usual(name) for name in backend_threads.RULES] == [6, 5, 4]


@pytest.mark.usefixtures("four_cores")
def test_a_backend_that_has_computed_with_others_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads.backend, "choose", lambda _: "jax")
    monkeypatch.setattr(backend_threads, "current", lambda _: 4)
    settings = Settings(ledger=Path("kbnd.sqlite"))
    with pytest.warns(UserWarning, match="computed with 1 thread and jax computes with 4 in this process") as caught:
        threads.warn(1, settings)
    assert len(caught) == 1
    threads.warn(4, settings)
    threads.warn(None, settings)
    threads.warn(1, replace(settings, executor="processes:2"))  # whose workers are told before they begin
    with pytest.warns(UserWarning, match="computed with 9 threads, as the first one; they take turns on the 4 cores"):
        threads.warn(9, replace(settings, executor="processes:2"))


def test_a_table_of_several_thread_counts_says_so_once() -> None:
    runs = pd.DataFrame(
        {
            "status": ["done", "diverged", "done", "failed", "done", "done"],
            "device": ["cpu", "cpu", "cpu", "cpu", "gpu", "cpu"],
            "n_threads": pd.array([2, 2, 1, 8, 16, None], dtype="Int64"),
        }
    )
    (note,) = thread_notes(runs)
    assert note.startswith("Computed with several thread counts: 1 run with 1 thread, 2 runs with 2 threads; on a CPU")
    assert thread_notes(runs[:2]) == thread_notes(runs[["status", "device"]]) == []


def test_a_run_shows_and_files_its_threads(ledger: Ledger) -> None:
    run = counted(3, seed=1, hour=1)
    assert any("on cpu, 3 threads." in note for note in run_table(run).notes)
    assert not any("thread" in note for note in run_table(record()).notes)
    for stored in (run, record(seed=2)):
        ledger.finish(stored)
    table = ledger.runs().set_index("seed")["n_threads"]
    assert (table[1], table.isna()[2]) == (3, True)
