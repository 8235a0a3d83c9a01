"""Searches for a time or an energy: what is measured by the clock is measured alone, here, and for this search."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from ledger_records import record
from scripted_search import Killed, Scripted, searched

from kbnd.analysis import importance
from kbnd.analysis.compare import compare
from kbnd.errors import ResumeMismatchError
from kbnd.ledger import Ledger, Reader
from kbnd.records import FIRST_OWN_REPLICATE, EpochRecord, RunRecord, arm_of
from kbnd.training.task import Observer, Task

pytestmark = pytest.mark.backend
__test__ = os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"  # nothing is trained: one backend is enough


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance, "N_TREES", 10)
    monkeypatch.setattr(importance, "N_REPEATS", 1)


def test_a_time_that_was_looked_for_stands_beside_that_of_fresh_seeds(tmp_path: Path) -> None:
    options = {"looked_for": "time_to_accuracy:0.3", "lr": "0.01,0.03", "oracle": "grid", "max_trials": None}
    result = searched(tmp_path, Scripted(), **options)
    assert len(result.fresh_scores) == 2
    best = result.tables()[-1]
    assert [row[0] for row in best.rows][:2] == [
        "Time to 30 % validation accuracy, search, s",
        "Time to 30 % validation accuracy, fresh seeds, s",
    ]
    assert "The clock ran in 2 sessions" not in result.recipe()
    with pytest.raises(Killed):
        searched(tmp_path / "two", Scripted(kill_after=7), **options)
    again = searched(tmp_path / "two", Scripted(), **options)
    assert "The clock ran in 2 sessions: scores compare only as far as these were alike." in " ".join(
        again.tables()[0].notes
    )
    assert "The clock ran in 2 sessions" in again.recipe()


def test_a_search_by_the_clock_takes_no_time_from_the_ledger(tmp_path: Path) -> None:
    options = {"lr": "0.01,0.03", "dropout": "0.2", "oracle": "grid", "max_trials": None}
    beside = Scripted(is_concurrent=True)
    searched(tmp_path, beside, **options, name="beside")
    assert len(beside.trained) == 10
    timed = {**options, "looked_for": "time_to_accuracy:0.3", "name": "timed"}
    engine = Scripted()
    first = searched(tmp_path, engine, **timed)
    assert len(engine.trained) == 10
    assert not set(engine.trained) & set(beside.trained)
    assert first.trials["score"].notna().all()
    assert first.runs["replicate"].min() >= FIRST_OWN_REPLICATE
    assert len(first.fresh_scores) == 2
    idle = Scripted()
    same = searched(tmp_path, idle, **timed)
    assert not idle.trained
    pd.testing.assert_frame_equal(same.trials, first.trials)
    assert same.fresh_scores == first.fresh_scores
    anew = Scripted()
    again = searched(tmp_path, anew, **timed, is_fresh=True)
    assert len(anew.trained) == 10
    assert not set(anew.trained) & set(engine.trained)
    assert again.best.recipe_id == first.best.recipe_id
    comparison = compare(again.runs, baseline=arm_of(again.best_trial), metrics=["val_accuracy"])
    assert comparison["n"].tolist() == [2, 2, 2, 2, 2]  # what is compared by seed is compared of any replicate


def test_what_another_search_trains_between_a_kill_and_its_resumption_is_no_time_of_this_one(tmp_path: Path) -> None:
    options = {"lr": "0.01,0.03", "dropout": "0.2", "oracle": "grid", "max_trials": None}
    timed = {**options, "looked_for": "time_to_accuracy:0.3", "name": "timed"}
    with pytest.raises(Killed):
        searched(tmp_path, Scripted(kill_after=1), **timed)
    searched(tmp_path, Scripted(is_concurrent=True), **options, name="beside")
    other = searched(tmp_path, Scripted(), **{**timed, "name": "other"})
    result = searched(tmp_path, Scripted(), **timed)
    assert not set(result.runs["run_id"]) & set(other.runs["run_id"])
    assert not set(result.runs["session"]) & set(other.runs["session"])


def test_nothing_is_timed_while_anybody_trains_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Scripted()
    waits: list[float] = []
    with Ledger.open(tmp_path / "kbnd.sqlite") as other:
        assert other.claim(record().run_id) == "claimed"  # a run of whatever study

        def wait(seconds: float) -> None:
            waits.append(seconds)
            assert not engine.trained
            if len(waits) == 2:
                other.begin(record())
                other.finish(record())

        monkeypatch.setattr("kbnd.execution.driver.time.sleep", wait)
        options = {"looked_for": "time_to_accuracy:0.3", "oracle": "grid", "lr": "0.01,0.03", "dropout": "0.2"}
        result = searched(tmp_path, engine, **options)
    assert len(waits) == 2
    assert result.trials["score"].notna().all()


@pytest.mark.parametrize(("n_disturbed", "n_again", "n_scores"), [(1, 1, 4), (2, 2, 4), (3, 2, 3)])
def test_a_run_that_something_else_was_trained_beside_is_measured_again(
    tmp_path: Path, n_disturbed: int, n_again: int, n_scores: int
) -> None:
    engine = Scripted()
    run = engine._run

    def disturbed(task: Task, observer: Observer) -> RunRecord:
        if len(engine.trained) < n_disturbed:
            with Ledger.open(tmp_path / "kbnd.sqlite") as other:
                beside = record(seed=900 + len(engine.trained))
                assert other.claim(beside.run_id) == "claimed"  # begun after the timed run
                done = run(task, observer)
                other.finish(beside)
                return done
        return run(task, observer)

    engine._run = disturbed
    options = {"looked_for": "time_to_accuracy:0.3", "oracle": "grid", "lr": "0.01,0.03", "dropout": "0.2", "seeds": 1}
    options |= {"max_trials": None}
    first = searched(tmp_path, engine, **options)
    assert len(set(engine.trained)) == len(engine.trained) == 4 + n_again + 2  # of them two are fresh seeds
    assert first.trials["score"].notna().sum() == n_scores
    assert first.trials["wall_s"].iloc[0] == pytest.approx(1.5 * (1 + n_again))  # all of it was spent
    assert len(first.runs) == 4 + 2
    with Reader.open(tmp_path / "kbnd.sqlite") as ledger:
        assert len(ledger.candidates()) == 4 + n_again
        assert ledger.verify() == []
    idle = Scripted()
    same = searched(tmp_path, idle, **options)
    assert not idle.trained
    pd.testing.assert_frame_equal(same.trials, first.trials)


def test_a_search_by_the_clock_is_of_one_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"looked_for": "time_to_accuracy:0.3", "oracle": "grid", "lr": "0.01,0.03", "dropout": "0.2"}
    searched(tmp_path, Scripted(), **options)
    monkeypatch.setattr("kbnd.profiling.machine.in_words", lambda: "64 x Another")
    with pytest.raises(ResumeMismatchError, match=r'machine: stored ".*", asked "64 x Another"'):
        searched(tmp_path, Scripted(), **options)


def test_while_another_process_times_a_run_of_a_search_nothing_is_trained_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"looked_for": "time_to_accuracy:0.3", "oracle": "grid", "lr": "0.01,0.03", "dropout": "0.2"}
    with pytest.raises(Killed):
        searched(tmp_path, Scripted(kill_after=1), **options)
    (run_id,) = Reader.open(tmp_path / "kbnd.sqlite").runs()["run_id"]
    engine = Scripted()
    with Ledger.open(tmp_path / "kbnd.sqlite") as other:
        assert other.claim(run_id) == "claimed"
        begun = other.get(run_id)
        waits: list[float] = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            assert not engine.trained
            if len(waits) == 3:
                done = replace(begun, status="done", val_accuracy=0.9, val_loss=0.1, epoch_s=0.5)
                other.finish(replace(done, epochs=(EpochRecord(epoch=1, val_accuracy=0.9),), n_epochs=1))

        monkeypatch.setattr("kbnd.execution.driver.time.sleep", wait)
        result = searched(tmp_path, engine, **options)
    assert len(waits) == 3
    assert run_id not in engine.trained
    assert result.trials["score"].notna().all()


def test_a_search_by_the_clock_keeps_no_checkpoint(tmp_path: Path) -> None:
    has_checkpoint: list[bool] = []
    engine = Scripted()
    run = engine._run
    engine._run = lambda task, observer: has_checkpoint.append(task.checkpoint is not None) or run(task, observer)
    for looked_for in ("val_accuracy", "time_to_accuracy:0.3"):
        options = {"looked_for": looked_for, "max_trials": 1, "seeds": 1}
        searched(tmp_path / looked_for[:4], engine, **options)
    assert set(has_checkpoint[:3]) == {True}
    assert set(has_checkpoint[3:]) == {False}
