"""Rows that say which run an arm is, what a study is called, what a search looks for: none changes unseen."""

from __future__ import annotations

from pathlib import Path

import pytest
from ledger_records import label, record

from kbnd.errors import UsageError
from kbnd.ledger import Ledger
from kbnd.ledger.row_digests import COLUMNS
from kbnd.records import SearchEvent

CHANGES = {
    "studies": ("title = 'another'", 'baselines = \'{"bn":"bn"}\'', "is_by_validation = 1", "assigned_at = 1.5"),
    "labels": (
        "arm = 'renamed' WHERE arm = 'bn'",
        "run_id = '0000000000000000' WHERE arm = 'bn'",
        "ordinal = 9 - ordinal",
    ),
    "searches": ('definition = \'{"oracle":"grid"}\'', "created_at = '2026-01-02T00:00:00'"),
}


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "kbnd.sqlite") as ledger:
        runs = [record(seed=seed, dropout=dropout) for dropout in (0.0, 0.5) for seed in (1, 2)]
        for run in runs:
            ledger.finish(run)
        arms = ("plain", "plain", "bn", "bn")
        ledger.assign("grid", "0" * 16, [label(arm, run) for arm, run in zip(arms, runs, strict=True)], title="A grid")
        info = ledger.begin_search("tune", {"oracle": "random"})
        body = {"values": {}, "epochs": None, "run_ids": {}}
        ledger.append_event(info, SearchEvent(1, "ask", 1, body, "2026-01-02T00:00:00+00:00"))
        yield ledger


@pytest.mark.parametrize(("table", "change"), [(table, change) for table in CHANGES for change in CHANGES[table]])
def test_a_row_that_was_changed_is_said_and_not_imported(
    ledger: Ledger, tmp_path: Path, table: str, change: str
) -> None:
    assert ledger.verify() == []
    ledger._db.execute(f"UPDATE {table} SET {change}")
    problems = ledger.verify()
    assert problems
    assert all(f"a row of {table} (" in problem for problem in problems)
    with Ledger.open(tmp_path / "new.sqlite") as new:
        with pytest.raises(
            UsageError, match=rf"a row of {table} .* was changed since it was stored; nothing was imported"
        ):
            new.import_(ledger.path)
        assert new.studies() == []


def test_the_digest_of_a_row_is_of_everything_else_in_it(ledger: Ledger) -> None:
    for table, columns in COLUMNS.items():
        names = [row[1] for row in ledger._db.execute(f"PRAGMA table_info({table})")]
        assert sorted(names) == sorted([*columns, "row_digest"])


def test_labels_keep_their_places_and_digests_however_they_are_given(ledger: Ledger, tmp_path: Path) -> None:
    runs = [record(seed=seed, dropout=0.5) for seed in (1, 2, 3)]
    ledger.assign("grid", "0" * 16, [label("bn", run) for run in runs])
    assert ledger.arms("grid") == ["plain", "bn"]
    assert ledger.verify() == []
    with Ledger.open(tmp_path / "new.sqlite") as new:
        for _ in range(2):
            new.import_(ledger.path)
            assert (new.arms("grid"), new.verify()) == (["plain", "bn"], [])


def test_a_row_that_belongs_to_nothing_is_not_left_out_in_silence(ledger: Ledger, tmp_path: Path) -> None:
    ledger._db.execute("PRAGMA foreign_keys = OFF")
    ledger._db.execute("UPDATE search_events SET generation = 2")
    with Ledger.open(tmp_path / "new.sqlite") as new, pytest.raises(UsageError, match="belongs to no row of searches"):
        new.import_(ledger.path)
