"""`kbnd doctor` starts each backend in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kbnd import doctor

pytestmark = pytest.mark.backend


def test_a_working_backend_shows_its_devices() -> None:
    found = doctor._examine_backend(os.environ.get("KERAS_BACKEND", "tensorflow"), "1.0")
    assert found["state"] == "works"
    assert found["devices"]


def test_a_broken_and_a_missing_backend_are_told_and_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = doctor._examine_backend("nonsense", "1.0")
    assert broken["state"].startswith("broken: ")
    missing = doctor._examine_backend("jax", None)
    assert missing["state"] == "not installed: pip install 'kbnd[jax]', in a checkout pip install -e '.[jax]'"


def test_a_ledger_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.sqlite").write_text("notes " * 500)
    assert "not a ledger" in doctor._examine_ledger(tmp_path / "notes.sqlite")["state"]
    assert doctor._examine_ledger(tmp_path / "none.sqlite")["state"] == "none yet"
