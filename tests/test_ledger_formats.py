"""Ledgers and exports that an older kbnd wrote: read as they are, brought to the present format only by a writer."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from ledger_formats import older_ledger, unsealed
from ledger_records import label, record

from kbnd.errors import UsageError
from kbnd.ledger import Ledger, Merged, Reader, StudyInfo, schema

DIGEST = "0" * 16
BLIND = "nothing was looked at on test images"
OLD = StudyInfo("The grid", "a different experiment", DIGEST)


@pytest.fixture
def first_format(tmp_path: Path) -> Path:
    """A ledger of format 1, whose studies knew of one baseline only."""
    file = tmp_path / "old.sqlite"
    with older_ledger(file, 1) as old:
        old.finish(record())
        old._db.execute("INSERT INTO studies VALUES ('grid', ?, ?, ?, 0.0)", (DIGEST, OLD.title, OLD.difference))
        row = ("grid", DIGEST, *label("none", record()), 0)
        old._db.execute("INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    assert format_of(file) == 1
    return file


@pytest.fixture
def third_format(tmp_path: Path) -> Path:
    """A ledger of format 3, which said in prose what two columns say now."""
    file = tmp_path / "third.sqlite"
    with older_ledger(file, 3) as old:
        for seed, session in enumerate(("one", "one+two", "one+two+three"), start=1):
            old.finish(record(seed=seed, session=session))
        for study, difference in (("open", "epochs 2 instead of 5"), ("blind", f"epochs 2, {BLIND}")):
            old._db.execute("INSERT INTO studies VALUES (?, ?, '', ?, 0.0, '{}')", (study, DIGEST, difference))
    assert format_of(file) == 3
    return file


def test_what_stood_in_prose_becomes_columns(third_format: Path) -> None:
    for kind in (Reader, Ledger):
        with kind.open(third_format) as ledger:
            runs = {run.seed: run for run in ledger.records()}
            assert [(runs[i].session, runs[i].continued_from) for i in (1, 2, 3)] == [
                ("one", None),
                ("two", "one"),
                ("three", "one+two"),
            ]
            assert [ledger.about(study).is_by_validation for study in ("open", "blind")] == [False, True]
            assert ledger.verify() == []


def test_an_export_of_an_older_format_gives_the_same_ledger(third_format: Path, tmp_path: Path) -> None:
    with Ledger.open(third_format) as ledger:
        ledger.export(tmp_path / "new.jsonl")
        stored = ledger.records()
    lines = unsealed(tmp_path / "new.jsonl")
    for line in lines:
        if earlier := line.get("run", {}).pop("continued_from", None):
            line["run"]["session"] = f"{earlier}+{line['run']['session']}"
    old = [{"ledger": {"format": 2}}, *lines[1:]]
    (tmp_path / "old.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    for name in ("new", "old"):
        with Ledger.open(tmp_path / f"{name}.sqlite") as ledger:
            ledger.import_(tmp_path / f"{name}.jsonl")
            assert ledger.records() == stored


def format_of(file: Path) -> int:
    with closing(sqlite3.connect(file)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def test_reading_an_old_ledger_leaves_it_as_it_is(first_format: Path) -> None:
    before = first_format.read_bytes()
    with Reader.open(first_format) as reader:
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
    with Reader.open(first_format) as reader:
        (file,) = reader.export(tmp_path / "export.jsonl")
    first, *lines = unsealed(file, format=1)
    assert [line["study"].pop("baselines") for line in lines if "study" in line] == [{}]
    file.write_text("\n".join(map(json.dumps, [first, *lines])))
    with Ledger.open(tmp_path / "new.sqlite") as ledger:
        assert ledger.import_(file) == Merged(n_added=1, n_replaced=0, n_kept=0)
        assert ledger.about("grid") == OLD


@pytest.mark.parametrize("baselines", ['{"bn": 1}', '["bn"]', "5", '{"a b": "bn"}'])
def test_baselines_of_a_stranger_are_checked(first_format: Path, tmp_path: Path, baselines: str) -> None:
    with Ledger.open(first_format) as ledger:
        (file,) = ledger.export(tmp_path / "export.jsonl")
        lines = "\n".join(json.dumps(line, separators=(",", ":")) for line in unsealed(file))
        file.write_text(lines.replace('"baselines":{}', f'"baselines":{baselines}'))
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
