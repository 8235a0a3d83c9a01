"""What the driver of a study does with its ledger: claims that it lost, labels that it leaves; nothing is trained."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ledger_records import SETTING, epoch, record
from study_files import write_tiny

from kbnd import data
from kbnd.ledger import Ledger
from kbnd.records import RunRecord
from kbnd.spec import RunSpec
from kbnd.study import runner
from kbnd.study.choices import Choices, decide
from kbnd.study.definition import read
from kbnd.study.plan import Planned
from kbnd.study.runner import Settings
from kbnd.training import backend
from kbnd.training.task import Task

RUN = record()
PLANNED = Planned("plain", RunSpec(**RUN.spec), RUN.run_id)


class Silence:
    """Progress that tells nobody."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[runner._Driver]:
    """A driver that has claimed a run, on a ledger that another process may open too."""
    settings = Settings(ledger=tmp_path / "kbnd.sqlite")
    with Ledger.open(settings.ledger) as ledger:
        assert ledger.claim(RUN.run_id) == "claimed"
        yield runner._Driver(settings, SETTING, ledger, Silence(), should_stop=lambda: False)


def take_over(ledger: Path, *, finish: bool) -> None:
    """Another process finds the claim unheard of for long, takes it, and may even store its result."""
    with closing(sqlite3.connect(ledger)) as db, db:
        db.execute("UPDATE claims SET heartbeat_at = 0, boot_id = 'another'")
    with Ledger.open(ledger) as other:
        assert other.claim(RUN.run_id) == "claimed"
        other.begin(RUN)
        if finish:
            other.finish(replace(RUN, session="other"))


@pytest.mark.parametrize("finish", [True, False], ids=["finished", "given up"])
@pytest.mark.parametrize("n_told", [0, 1, 2], ids=["before it began", "after its start", "after its last epoch"])
def test_a_run_that_somebody_took_over_is_given_up_quietly(driver: runner._Driver, finish: bool, n_told: int) -> None:
    observer = runner._observer(driver, PLANNED)
    tell = [lambda: observer.on_start(replace(RUN, epochs=(), n_epochs=0)), lambda: observer.on_epoch(epoch(1))]
    for step in tell[:n_told]:
        step()
    take_over(driver.settings.ledger, finish=finish)
    for step in tell[n_told:]:
        step()
        assert observer.should_stop()
    assert not runner._store(driver, PLANNED, RUN)
    assert driver.n_trained == 0
    assert driver.ledger.claim(RUN.run_id) == ("hit" if finish else "claimed")


def test_of_a_claim_that_is_kept_the_result_is_stored(driver: runner._Driver) -> None:
    observer = runner._observer(driver, PLANNED)
    observer.on_start(replace(RUN, epochs=(), n_epochs=0))
    observer.on_epoch(epoch(1))
    assert not observer.should_stop()
    assert runner._store(driver, PLANNED, replace(RUN, status="interrupted"))
    assert driver.ledger.status(RUN.run_id) == "interrupted"


def test_a_study_asks_once_for_its_data_and_remembers_its_baselines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []
    fingerprint = data.fingerprint
    monkeypatch.setattr(data, "fingerprint", lambda spec: asked.append(spec) or fingerprint(spec))
    monkeypatch.setattr(backend, "load", lambda name=None: "tensorflow")
    monkeypatch.setattr(backend, "identity", lambda text: replace(SETTING, fingerprint=text))
    monkeypatch.setattr(runner, "executor", lambda name: nothing)
    file = write_tiny(tmp_path)
    own = 'name = "bn+dropout0.5"\nbaseline = "bn"'
    file.write_text(file.read_text().replace('name = "bn+dropout0.5"', own))
    settings = Settings(ledger=tmp_path / "kbnd.sqlite", backend="tensorflow", control=False)
    for arms in (None, ("bn",)):  # what is chosen later leaves what was chosen before its baselines
        asked.clear()
        experiment = decide(read(file), Choices(arms=arms))
        runner.run(experiment, settings, progress=Silence(), should_stop=lambda: True)
        assert len(asked) == 1
    with Ledger.open(settings.ledger, read_only=True) as ledger:
        baselines = ledger.about("tiny.digits.tensorflow").baselines
    assert baselines == {"plain": "plain", "bn": "plain", "bn+dropout0.5": "bn"}


def nothing(tasks: Iterator[Task], *, observer: object) -> Iterator[RunRecord]:
    return iter(())
