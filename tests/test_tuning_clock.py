"""Searches for a time or an energy: what is measured by the clock is measured alone, here, and for this search."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from ledger_records import record
from scripted_search import Killed, Scripted, searched

from kbnd.analysis.compare import compare
from kbnd.errors import ResumeMismatchError, UsageError
from kbnd.ledger import Ledger, Reader
from kbnd.records import FIRST_OWN_REPLICATE, EpochRecord, RunRecord, arm_of
from kbnd.training.task import Observer, Task
from kbnd.tuning.objectives import objective

pytestmark = pytest.mark.backend
__test__ = os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"  # nothing is trained: one backend is enough


def test_times_of_runs_that_share_a_machine_are_no_objective(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="measured by the clock"):
        searched(tmp_path, Scripted(), executor="processes:2", looked_for="time_to_accuracy:0.5")


def test_times_measured_beside_other_runs_are_no_score() -> None:
    run = record(
        val_accuracy=0.9, epoch_s=2.0, epochs=tuple(EpochRecord(epoch=e, val_accuracy=0.3 * e) for e in (1, 2, 3))
    )
    timed = objective("time_to_accuracy:0.6")
    assert timed.of(run) == pytest.approx(4.0)
    assert timed.of(replace(run, is_concurrent=True)) is None
    assert timed.of(replace(run, continued_from="one")) is None
    assert timed.of(replace(run, epochs=run.epochs[:1])) is None


@pytest.mark.parametrize("name", ["val_accuracy", "val_loss"])
def test_as_many_right_images_in_other_seeds_are_the_same_score(name: str) -> None:
    def of(*n_right: int) -> list[RunRecord]:
        return [record(**{name: n / 300}) for n in n_right]

    assert (294 / 300 + 298 / 300) / 2 != (296 / 300 + 296 / 300) / 2  # in floats
    assert objective(name).score(of(294, 298)) == objective(name).score(of(296, 296)) == pytest.approx(296 / 300)
    assert objective(name).score(of(294, 297)) != objective(name).score(of(296, 296))


def test_a_candidate_that_misses_its_target_is_told_as_worse_than_any_that_reached_it() -> None:
    timed = objective("time_to_accuracy:0.6")
    missed = record(fit_s=30.0)
    assert timed.worst([missed], [12.0, 20.0], n_classes=10) == 60.0
    assert timed.worst([missed], [80.0], n_classes=10) == 80.0
    assert objective("val_loss").worst([], [1.0], n_classes=10) > 2.3
    assert objective("val_accuracy").worst([], [0.4], n_classes=10) == 0.0


def test_a_time_that_was_looked_for_stands_beside_that_of_fresh_seeds(tmp_path: Path) -> None:
    chosen = {"looked_for": "time_to_accuracy:0.3", "lr": "0.01,0.03", "oracle": "grid", "max_trials": None}
    result = searched(tmp_path, Scripted(), **chosen)
    assert len(result.fresh_scores) == 2
    best = result.tables()[-1]
    assert [row[0] for row in best.rows][:2] == [
        "Time to 30 % validation accuracy, search, s",
        "Time to 30 % validation accuracy, fresh seeds, s",
    ]
    assert "The clock ran in 2 sessions" not in result.recipe()
    with pytest.raises(Killed):
        searched(tmp_path / "two", Scripted(kill_after=7), **chosen)
    again = searched(tmp_path / "two", Scripted(), **chosen)
    assert "The clock ran in 2 sessions: scores compare only as far as these were alike." in " ".join(
        again.tables()[0].notes
    )
    assert "The clock ran in 2 sessions" in again.recipe()


def test_a_search_by_the_clock_takes_no_time_from_the_ledger(tmp_path: Path) -> None:
    chosen = {"lr": "0.01,0.03", "dropout": "0.2", "oracle": "grid", "max_trials": None}
    beside = Scripted(is_concurrent=True)
    searched(tmp_path, beside, **chosen, name="beside")
    assert len(beside.trained) == 10
    timed = {**chosen, "looked_for": "time_to_accuracy:0.3", "name": "timed"}
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
    chosen = {"lr": "0.01,0.03", "dropout": "0.2", "oracle": "grid", "max_trials": None}
    timed = {**chosen, "looked_for": "time_to_accuracy:0.3", "name": "timed"}
    with pytest.raises(Killed):
        searched(tmp_path, Scripted(kill_after=1), **timed)
    searched(tmp_path, Scripted(is_concurrent=True), **chosen, name="beside")
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
        chosen = {"looked_for": "time_to_accuracy:0.3", "oracle": "grid", "lr": "0.01,0.03", "dropout": "0.2"}
        result = searched(tmp_path, engine, **chosen)
    assert len(waits) == 2
    assert result.trials["score"].notna().all()


@pytest.mark.parametrize(("n_disturbed", "n_again", "n_scores"), [(1, 1, 4), (2, 2, 4), (3, 2, 3)])
def test_a_run_that_something_else_was_trained_beside_is_measured_again(
    tmp_path: Path, n_disturbed: int, n_again: int, n_scores: int
) -> None:
    engine = Scripted()
    run = engine._run

    def disturbed(task: Task, told: Observer) -> RunRecord:
        if len(engine.trained) < n_disturbed:
            with Ledger.open(tmp_path / "kbnd.sqlite") as other:
                beside = record(seed=900 + len(engine.trained))
                assert other.claim(beside.run_id) == "claimed"  # begun after the timed run
                done = run(task, told)
                other.finish(beside)
                return done
        return run(task, told)

    engine._run = disturbed
    chosen = {"looked_for": "time_to_accuracy:0.3", "oracle": "grid", "lr": "0.01,0.03", "dropout": "0.2", "seeds": 1}
    chosen |= {"max_trials": None}
    first = searched(tmp_path, engine, **chosen)
    assert len(set(engine.trained)) == len(engine.trained) == 4 + n_again + 2  # of them two are fresh seeds
    assert first.trials["score"].notna().sum() == n_scores
    assert first.trials["wall_s"].iloc[0] == pytest.approx(1.5 * (1 + n_again))  # all of it was spent
    assert len(first.runs) == 4 + 2
    with Reader.open(tmp_path / "kbnd.sqlite") as ledger:
        assert len(ledger.candidates()) == 4 + n_again
    idle = Scripted()
    same = searched(tmp_path, idle, **chosen)
    assert not idle.trained
    pd.testing.assert_frame_equal(same.trials, first.trials)


def test_a_search_by_the_clock_is_of_one_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"looked_for": "time_to_accuracy:0.3", "oracle": "grid", "lr": "0.01,0.03", "dropout": "0.2"}
    searched(tmp_path, Scripted(), **chosen)
    monkeypatch.setattr("kbnd.profiling.machine.in_words", lambda: "64 x Another")
    with pytest.raises(ResumeMismatchError, match=r'machine: stored ".*", asked "64 x Another"'):
        searched(tmp_path, Scripted(), **chosen)


def test_while_another_process_times_a_run_of_a_search_nothing_is_trained_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {"looked_for": "time_to_accuracy:0.3", "oracle": "grid", "lr": "0.01,0.03", "dropout": "0.2"}
    with pytest.raises(Killed):
        searched(tmp_path, Scripted(kill_after=1), **chosen)
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
        result = searched(tmp_path, engine, **chosen)
    assert len(waits) == 3
    assert run_id not in engine.trained
    assert result.trials["score"].notna().all()


def test_a_search_by_the_clock_keeps_no_checkpoint(tmp_path: Path) -> None:
    kept: list[bool] = []
    engine = Scripted()
    run = engine._run
    engine._run = lambda task, told: kept.append(task.checkpoint is not None) or run(task, told)
    for looked_for in ("val_accuracy", "time_to_accuracy:0.3"):
        chosen = {"looked_for": looked_for, "max_trials": 1, "seeds": 1}
        searched(tmp_path / looked_for[:4], engine, **chosen)
    assert set(kept[:3]) == {True}
    assert set(kept[3:]) == {False}


def test_energy_is_that_of_epochs_that_compiled_nothing() -> None:
    epochs = tuple(EpochRecord(epoch=e, energy_j=j, is_warmup=e == 1) for e, j in ((1, 900.0), (2, 100.0), (3, 120.0)))
    run = record(val_accuracy=0.66, energy_j=1120.0, epochs=epochs)
    assert objective("accuracy_per_joule").of(run) == pytest.approx(0.66 / (110 * 3))
    assert objective("accuracy_per_joule").of(replace(run, epochs=epochs[:1])) is None
