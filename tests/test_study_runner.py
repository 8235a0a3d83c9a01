"""What a study leaves in its ledger before anything is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ledger_records import SETTING
from study_files import write_tiny

from kbnd import data
from kbnd.execution.progress import Silent
from kbnd.execution.settings import Settings
from kbnd.ledger import Reader
from kbnd.study import runner
from kbnd.study.choices import Choices, decide
from kbnd.study.definition import read
from kbnd.training import backend


def test_a_study_asks_once_for_its_data_and_remembers_its_baselines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []
    fingerprint = data.fingerprint
    monkeypatch.setattr(data, "fingerprint", lambda spec: asked.append(spec) or fingerprint(spec))
    monkeypatch.setattr(backend, "load", lambda name=None, **_: "tensorflow")
    monkeypatch.setattr(backend, "identity", lambda text, **_: replace(SETTING, fingerprint=text))
    monkeypatch.setattr(runner, "drive_all", lambda driver, runs: None)
    file = write_tiny(tmp_path)
    own = 'name = "bn+dropout0.5"\nbaseline = "bn"'
    file.write_text(file.read_text().replace('name = "bn+dropout0.5"', own))
    settings = Settings(ledger=tmp_path / "kbnd.sqlite", backend="tensorflow", control=False)
    for arms in (None, ("bn",)):  # what is chosen later leaves what was chosen before its baselines
        asked.clear()
        experiment = decide(read(file), Choices(arms=arms))
        runner.run(experiment, settings, progress=Silent())
        assert len(asked) == 1
    with Reader.open(settings.ledger) as ledger:
        baselines = ledger.about("tiny.digits.tensorflow").baselines
    assert baselines == {"plain": "plain", "bn": "plain", "bn+dropout0.5": "bn"}
