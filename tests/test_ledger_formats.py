"""Ledgers and exports that an older kbnd wrote: read as they are, brought to the present format only by a writer."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from ledger_records import label, record

from kbnd.errors import UsageError
from kbnd.ledger import Ledger, Merged, StudyInfo, database, schema

DIGEST = "0" * 16
OLD = StudyInfo("The grid", "a different experiment", DIGEST)


@pytest.fixture
def first_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of format 1, whose studies knew of one baseline only."""
    file = tmp_path / "old.sqlite"
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", schema.MIGRATIONS[:1])
        with Ledger.open(file) as old:
            old.finish(record())
            old._db.execute("INSERT INTO studies VALUES ('grid', ?, ?, ?, 0.0)", (DIGEST, OLD.title, OLD.difference))
            row = ("grid", DIGEST, *label("none", record()), 0)
            old._db.execute("INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    assert format_of(file) == 1
    return file


def format_of(file: Path) -> int:
    with closing(sqlite3.connect(file)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def test_reading_an_old_ledger_leaves_it_as_it_is(first_format: Path) -> None:
    before = first_format.read_bytes()
    with Ledger.open(first_format, create=False, read_only=True) as reader:
        assert reader.get(record().run_id) == record()
        assert reader.about("grid") == OLD
        assert reader.runs("grid")["arm"].tolist() == ["none"]
        assert reader.verify() == []
    assert first_format.read_bytes() == before


def test_writing_to_an_old_ledger_brings_it_to_the_present_format(first_format: Path) -> None:
    with Ledger.open(first_format) as ledger:
        assert ledger.get(record().run_id) == record()
        assert ledger.about("grid") == OLD
        ledger.assign("grid", DIGEST, [label("bn", record())], baselines={"bn": "none"})
        assert ledger.about("grid").baselines == {"bn": "none"}
        assert ledger.verify() == []
    assert format_of(first_format) == len(schema.MIGRATIONS)


def test_an_old_ledger_can_be_imported(first_format: Path, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "new.sqlite") as ledger:
        assert ledger.import_(first_format) == Merged(n_added=1, n_replaced=0, n_kept=0)
        assert ledger.about("grid") == OLD
    assert format_of(first_format) == 1


def test_an_old_export_without_baselines_can_be_imported(first_format: Path, tmp_path: Path) -> None:
    with Ledger.open(first_format, read_only=True) as reader:
        (file,) = reader.export(tmp_path / "export.jsonl")
    first, *lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert first == {"ledger": {"format": 2}}
    assert [line["study"].pop("baselines") for line in lines if "study" in line] == [{}]
    lines.insert(0, {"ledger": {"format": 1}})
    file.write_text("\n".join(map(json.dumps, lines)))
    with Ledger.open(tmp_path / "new.sqlite") as ledger:
        assert ledger.import_(file) == Merged(n_added=1, n_replaced=0, n_kept=0)
        assert ledger.about("grid") == OLD


@pytest.mark.parametrize("baselines", ['{"bn": 1}', '["bn"]', "5", '{"a b": "bn"}'])
def test_baselines_of_a_stranger_are_checked(first_format: Path, tmp_path: Path, baselines: str) -> None:
    with Ledger.open(first_format) as ledger:
        (file,) = ledger.export(tmp_path / "export.jsonl")
        file.write_text(file.read_text().replace('"baselines":{}', f'"baselines":{baselines}'))
        ledger._db.execute("UPDATE studies SET baselines = ?", (baselines,))
        assert any("baselines should map arms to arms" in sentence for sentence in ledger.verify())
        with pytest.raises(UsageError, match=r"study grid in .*baselines should map arms to arms"):
            ledger.about("grid")
    with (
        Ledger.open(tmp_path / "new.sqlite") as new,
        pytest.raises(UsageError, match="baselines should map arms to arms"),
    ):
        new.import_(file)


def test_baselines_that_are_no_json_are_found(first_format: Path) -> None:
    with Ledger.open(first_format) as ledger:
        ledger._db.execute("UPDATE studies SET baselines = '{'")
        assert len(ledger.export(first_format.with_name("export.jsonl"))) == 1
        assert ledger.verify() == ["study grid: the baselines should map arms to arms, received '{'"]
