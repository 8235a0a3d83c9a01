"""What a driver does with its ledger: claims, hits, runs of others, claims it lost; nothing is trained."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ledger_records import SETTING, epoch, record

from kbnd.errors import LedgerClaimedError, LedgerLockedError
from kbnd.execution import driver as driving
from kbnd.execution.driver import Driver
from kbnd.execution.runs import PlannedRun
from kbnd.execution.settings import Settings
from kbnd.execution.source import FixedRuns, IsForeign
from kbnd.ledger import Ledger, sqlite_errors
from kbnd.records import RunRecord
from kbnd.spec import RunSpec
from kbnd.training.task import Observer, Task

RUNS = [record(seed=seed) for seed in (1, 2, 3)]
PLANNED = [PlannedRun("plain", RunSpec(**run.spec), run.run_id) for run in RUNS]
BY_ID = {run.run_id: run for run in RUNS}


class Told:
    """Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self.events.append(name)


class Scripted:
    """An executor that trains nothing: `during` happens between a run's start and its first epoch."""

    places = 1
    is_concurrent = False

    def __init__(self, during: Callable[[RunRecord], None] = lambda run: None) -> None:
        self.during = during
        self.trained: list[int] = []

    def execute(
        self, tasks: Iterator[Task | None], *, observer: Callable[[Task], Observer]
    ) -> Iterator[RunRecord | None]:
        for task in tasks:
            if task is None:
                yield None
                continue
            run, told = BY_ID[task.run_id], observer(task)
            told.on_start(replace(run, epochs=(), n_epochs=0))
            self.during(run)
            told.on_epoch(epoch(1))
            self.trained.append(run.seed)
            yield replace(run, status="interrupted") if told.should_stop() else run


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Told) -> Iterator[Driver]:
    monkeypatch.setattr(driving, "POLL_S", 0.01)
    settings = Settings(ledger=tmp_path / "kbnd.sqlite")
    with Ledger.open(settings.ledger) as ledger:
        yield Driver(settings, SETTING, ledger, Scripted(), told, should_stop=lambda: False)


def use(driver: Driver, engine: Scripted) -> Scripted:
    driver.executor = engine
    return engine


def take_over(ledger: Path, run: RunRecord, *, finish: bool) -> None:
    """Another process finds the claim unheard of for long, takes it, and may even store its result."""
    with closing(sqlite3.connect(ledger)) as db, db:
        db.execute("UPDATE claims SET heartbeat_at = 0, boot_id = 'another'")
    with Ledger.open(ledger) as other:
        assert other.claim(run.run_id) == "claimed"
        other.begin(run)
        if finish:
            other.finish(replace(run, session="other"))


def test_what_the_ledger_holds_is_not_trained(driver: Driver, told: Told) -> None:
    driver.ledger.merge([RUNS[1]])
    engine = use(driver, Scripted())
    driver.drive(FixedRuns(PLANNED))
    assert engine.trained == [1, 3]
    assert driver.n_trained == 2
    assert told.events.count("on_hit") == 1


def test_a_checkpoint_that_a_killed_process_left_behind_goes_with_the_hit(driver: Driver) -> None:
    driver.ledger.merge([RUNS[0]])
    left = driver.settings.checkpoint(RUNS[0].run_id)
    left.parent.mkdir()
    left.write_bytes(b"left")
    use(driver, Scripted())
    driver.drive(FixedRuns(PLANNED[:1]))
    assert not left.exists()


def test_what_is_wanted_may_depend_on_what_has_ended(driver: Driver) -> None:
    engine = use(driver, Scripted())

    class OneByOne(FixedRuns):
        def wanted(self, is_foreign: IsForeign) -> Iterator[PlannedRun | None]:
            for planned in PLANNED:
                yield planned
                while driver.ledger.status(planned.run_id) != "done":
                    yield None

    driver.drive(OneByOne(PLANNED))
    assert engine.trained == [1, 2, 3]


@pytest.mark.parametrize("finish", [True, False], ids=["finished", "given up"])
def test_a_run_that_somebody_took_over_is_theirs_or_trained_again(driver: Driver, told: Told, finish: bool) -> None:
    taken = []

    def once(run: RunRecord) -> None:
        if not taken:
            taken.append(run.run_id)
            take_over(driver.settings.ledger, run, finish=finish)

    engine = use(driver, Scripted(once))
    driver.drive(FixedRuns(PLANNED[:1]))
    assert engine.trained == ([1] if finish else [1, 1])
    assert told.events.count("on_end") == (0 if finish else 1)
    stored = driver.ledger.get(RUNS[0].run_id)
    assert stored is not None
    assert stored.session == ("other" if finish else RUNS[0].session)


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_locked_ledger_costs_no_run(
    tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch, is_stopped: bool
) -> None:
    """Another process locks the ledger while a run trains; a driver that is told to stop gives up after one wait."""
    monkeypatch.setattr(sqlite_errors, "BUSY_TIMEOUT_S", 0.02)
    file, waits = tmp_path / "kbnd.sqlite", []
    Ledger.open(file).close()
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:

        def is_patient() -> bool:
            waits.append("locked")
            if len(waits) == 3:
                other.execute("ROLLBACK")
            return not is_stopped

        engine = Scripted(lambda run: other.execute("BEGIN EXCLUSIVE"))
        with Ledger.open(file, is_patient=is_patient) as ledger:
            driver = Driver(Settings(ledger=file), SETTING, ledger, engine, told, should_stop=lambda: False)
            if is_stopped:
                with pytest.raises(LedgerLockedError):
                    driver.drive(FixedRuns(PLANNED[:1]))
                assert len(waits) == 1
                return
            driver.drive(FixedRuns(PLANNED[:1]))
            assert engine.trained == [1]
            assert len(waits) == 3
            assert ledger.get(RUNS[0].run_id) == RUNS[0]


def test_runs_of_another_live_process_are_waited_for_at_the_end(driver: Driver, told: Told) -> None:
    engine = use(driver, Scripted())
    with Ledger.open(driver.settings.ledger) as other:
        assert other.claim(RUNS[0].run_id) == "claimed"
        other.begin(RUNS[0])
        told.on_wait = lambda runs: other.finish(RUNS[0])  # type: ignore[attr-defined]
        driver.drive(FixedRuns(PLANNED))
    assert engine.trained == [2, 3]


def test_who_would_not_wait_is_told_so(driver: Driver) -> None:
    engine = use(driver, Scripted())
    driver.settings = replace(driver.settings, wait=False)
    with Ledger.open(driver.settings.ledger) as other:
        assert other.claim(RUNS[0].run_id) == "claimed"
        with pytest.raises(LedgerClaimedError, match="1 run waits for another live process"):
            driver.drive(FixedRuns(PLANNED))
    assert engine.trained == [2, 3]


def test_after_a_stop_nothing_new_begins_and_what_was_in_flight_is_stored(driver: Driver) -> None:
    asked = []
    driver.should_stop = lambda: bool(asked)
    engine = use(driver, Scripted(lambda run: asked.append(run)))
    driver.drive(FixedRuns(PLANNED))
    assert engine.trained == [1]
    assert driver.ledger.status(RUNS[0].run_id) == "interrupted"
    assert driver.n_trained == 0


def test_a_run_that_became_idle_while_another_process_had_it_is_not_trained(driver: Driver, told: Told) -> None:
    with Ledger.open(driver.settings.ledger) as other:
        other.claim(RUNS[0].run_id)
        other.begin(RUNS[0])

        class Idle(FixedRuns):
            def is_wanted(self, run: PlannedRun) -> bool:
                return not told.events.count("on_wait")

        engine = use(driver, Scripted())
        driver.drive(Idle(PLANNED[:1]))
    assert not engine.trained
    assert told.events == ["on_wait", "on_hit"]
