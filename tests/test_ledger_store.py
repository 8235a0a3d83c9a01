from __future__ import annotations

import dataclasses
import doctest
import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_records import epoch, record

from kbnd.errors import UsageError
from kbnd.execution.settings import Settings
from kbnd.ledger import Ledger, Reader, checks, database, rows, schema
from kbnd.ledger.plain import digest_of_run
from kbnd.ledger.rows import StoredRun
from kbnd.records import EpochRecord

FINITE = st.floats(allow_nan=False)
OPTIONAL = {"number": st.none() | FINITE, "count": st.none() | st.integers(0, 2**63 - 1)}
EPOCHS = st.builds(
    EpochRecord,
    epoch=st.just(1),
    is_warmup=st.booleans(),
    **{name: OPTIONAL[f.kind] for name, f in schema.EPOCH_FIELDS.items() if f.is_optional},
)


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "kbnd.sqlite") as opened:
        yield opened


def test_the_example_of_the_ledger_runs() -> None:
    (example,) = doctest.DocTestFinder(recurse=False).find(Ledger, globs={"Ledger": Ledger})
    assert doctest.DocTestRunner().run(example) == doctest.TestResults(failed=0, attempted=1)


def test_a_finished_run_comes_back_as_it_was_given(ledger: Ledger) -> None:
    run = record(n_epochs=3, block=1, position=0, is_concurrent=True)
    ledger.finish(run)
    assert ledger.get(run.run_id) == run
    assert ledger.records() == [run]
    assert ledger.verify() == []


@given(given=EPOCHS)
def test_every_epoch_survives_storing(given: EpochRecord) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        for statement in chain(*schema.MIGRATIONS):
            db.execute(statement)
        run = record(n_epochs=1, epochs=(given,))
        stored = StoredRun(run, digest_of_run(run))
        rows.replace_run(db, stored)
        assert rows.read_run(db, run.run_id) == run
        assert list(rows.read_runs(db)) == [stored]
        assert digest_of_run(rows.read_run(db, run.run_id)) == stored.digest


def test_the_tables_hold_every_field_of_the_records(ledger: Ledger) -> None:
    """A field added to a record needs a migration."""
    own = {"runs": {"host", "boot_id", "token", "finished_at", "spec", "digest"}, "epochs": {"run_id"}}
    for table, fields in (("runs", schema.RUN_FIELDS), ("epochs", schema.EPOCH_FIELDS)):
        columns = {row[1] for row in ledger._db.execute(f"PRAGMA table_info({table})")}
        assert columns == set(fields) | own[table]


def test_every_field_of_a_run_but_its_epochs_is_stored() -> None:
    assert {f.name for f in dataclasses.fields(record())} - set(schema.RUN_FIELDS) == {"epochs"}


def test_numpy_scalars_are_stored_as_numbers(ledger: Ledger) -> None:
    run = record(test_accuracy=np.float32(0.5), n_steps=np.int64(7))
    ledger.finish(run)
    assert ledger.get(run.run_id).test_accuracy == 0.5
    assert ledger.get(run.run_id).n_steps == 7


def test_nan_is_stored_as_missing_and_infinity_as_itself(ledger: Ledger) -> None:
    lost = (epoch(1, train_loss=math.nan, test_loss=math.inf),)
    ledger.finish(record(n_epochs=1, status="diverged", epochs=lost))
    stored = ledger.get(record(n_epochs=1).run_id).epochs[0]
    assert (stored.train_loss, stored.test_loss) == (None, math.inf)


def test_a_run_is_seen_growing_while_it_is_trained(ledger: Ledger) -> None:
    run = record(n_epochs=2)
    ledger.begin(replace(run, epochs=()))
    assert ledger.status(run.run_id) == "running"
    ledger.add_epoch(run.run_id, epoch(1))
    assert ledger.runs()["epochs"].tolist() == [1]
    ledger.finish(run)
    assert ledger.status(run.run_id) == "done"
    assert ledger.runs()["epochs"].tolist() == [2]


def test_a_new_attempt_keeps_the_epochs_of_its_checkpoint_only(ledger: Ledger) -> None:
    run = record(n_epochs=4)
    ledger.begin(replace(run, epochs=()))
    for number in (1, 2, 3):
        ledger.add_epoch(run.run_id, epoch(number))
    ledger.begin(replace(run, epochs=()), keep_epochs=2)
    assert [e.epoch for e in ledger.get(run.run_id).epochs] == [1, 2]
    ledger.begin(replace(run, epochs=()))
    assert ledger.get(run.run_id).epochs == ()


def test_epochs_that_a_checkpoint_brings_are_stored_at_the_beginning(ledger: Ledger) -> None:
    run = record(n_epochs=3)
    ledger.begin(replace(run, epochs=run.epochs[:2]), keep_epochs=2)
    assert ledger.get(run.run_id).epochs == run.epochs[:2]


def test_finishing_replaces_the_epochs_of_earlier_attempts(ledger: Ledger) -> None:
    run = record(n_epochs=1)
    ledger.begin(replace(run, epochs=()))
    ledger.add_epoch(run.run_id, epoch(1, train_loss=9.0))
    ledger.add_epoch(run.run_id, epoch(2))
    ledger.finish(run)
    assert ledger.get(run.run_id).epochs == run.epochs


def test_a_result_is_never_replaced(ledger: Ledger) -> None:
    ledger.finish(record())
    with pytest.raises(UsageError, match="never replaced"):
        ledger.finish(record(test_accuracy=0.1))
    with pytest.raises(UsageError, match="never replaced"):
        ledger.begin(record())
    assert ledger.get(record().run_id) == record()


def test_an_epoch_needs_a_run_that_was_begun(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="not begun"):
        ledger.add_epoch(record().run_id, epoch(1))


def test_an_unknown_run_is_none(ledger: Ledger) -> None:
    assert ledger.get("0" * 16) is None
    assert ledger.status("0" * 16) is None


def test_a_read_only_ledger_refuses_every_write(ledger: Ledger) -> None:
    ledger.finish(record())
    with Reader.open(ledger.path) as reader:
        assert reader.get(record().run_id) == record()
        writing = (
            "finish",
            "begin",
            "add_epoch",
            "claim",
            "assign",
            "merge",
            "import_",
            "begin_search",
            "append_event",
        )
        assert not [name for name in writing if hasattr(reader, name)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._db.execute("DELETE FROM runs")


def test_a_migration_keeps_what_was_stored(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.finish(record())
    _add_migration(monkeypatch, "ALTER TABLE runs ADD COLUMN mood TEXT DEFAULT 'calm'")
    with Ledger.open(ledger.path) as migrated:
        assert migrated.get(record().run_id) == record()
        assert migrated._db.execute("SELECT mood FROM runs").fetchone() == ("calm",)
        assert migrated._db.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS) + 1,)


def test_baselines_of_their_own_are_remembered(ledger: Ledger) -> None:
    labels = [("bn", 1, 0, record().run_id)]
    ledger.assign("grid", "0" * 16, labels, baselines={"bn": "none"})
    assert ledger.about("grid").baselines == {"bn": "none"}
    with pytest.raises(UsageError, match="baselines should map arms to arms"):
        ledger.assign("grid", "0" * 16, labels, baselines={"bn": "no name"})


def test_a_migration_that_fails_changes_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.finish(record())
    with monkeypatch.context() as patch:
        _add_migration(patch, "ALTER TABLE runs ADD COLUMN mood TEXT", "ALTER TABLE nothing ADD COLUMN x")
        with pytest.raises(Exception, match="nothing"):
            Ledger.open(ledger.path)
    with Ledger.open(ledger.path) as unchanged:
        assert unchanged.verify() == []
        assert unchanged._db.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
        assert "mood" not in [row[1] for row in unchanged._db.execute("PRAGMA table_info(runs)")]


def test_the_file_is_as_durable_as_promised(ledger: Ledger) -> None:
    settings = {name: ledger._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert settings == {"journal_mode": "delete", "synchronous": 2}


def test_verify_finds_what_was_tampered_with(ledger: Ledger) -> None:
    run = record(n_epochs=2)
    ledger.finish(run)
    for statement, complaint in (
        ("UPDATE runs SET test_accuracy = 1.5", "test_accuracy should lie in"),
        ("UPDATE runs SET seed = 2", "seed is 2 but its spec says 1"),
        ("UPDATE runs SET spec = replace(spec, 'lenet5', 'lenet6')", "recipe_id is not the digest"),
        ("UPDATE runs SET device = 'gpu'", "run_id is not the digest"),
        ("UPDATE runs SET status = 'splendid'", "status should be one of"),
        ("UPDATE runs SET spec = '{'", "spec should be dict"),
        ("UPDATE epochs SET train_loss = 'low'", "train_loss should be a number or nothing, it holds text"),
        ("DELETE FROM epochs WHERE epoch = 1", "numbered from 1"),
        ("UPDATE runs SET n_test = 99", "test_correct holds 1 bytes for 99"),
    ):
        ledger._db.execute("SAVEPOINT tamper")
        ledger._db.execute(statement)
        found = list(checks.problems_in(ledger._db))
        ledger._db.execute("ROLLBACK TO tamper")
        ledger._db.execute("RELEASE tamper")
        assert any(complaint in sentence for sentence in found), (statement, found)
    assert ledger.verify() == []


def test_verify_finds_epochs_of_no_run(ledger: Ledger) -> None:
    ledger._db.execute("PRAGMA foreign_keys = OFF")
    ledger._db.execute("INSERT INTO epochs (run_id, epoch, is_warmup) VALUES ('x', 1, 0)")
    assert ledger.verify() == ["a row of epochs belongs to no row of runs"]


def test_sqlite_errors_without_a_rule_are_still_one_sentence(ledger: Ledger) -> None:
    with pytest.raises(Exception, match="could not be used: incomplete input"), database.translated(ledger.path):
        ledger._db.execute("SELECT")


def _add_migration(patch: pytest.MonkeyPatch, *statements: str) -> None:
    longer = (*schema.MIGRATIONS, statements)
    patch.setattr(database, "MIGRATIONS", longer)


def test_a_ledger_is_one_by_whatever_link_it_is_reached(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "kbnd.sqlite"
    link.symlink_to("disk/kbnd.sqlite")
    for path, seed in ((tmp_path / "disk/kbnd.sqlite", 1), (link, 2)):
        with Ledger.open(path) as ledger:
            ledger.merge([record(seed=seed)])
    with Reader.open(link) as reader:
        assert len(reader.records()) == 2
    assert link.is_symlink()
    assert Settings(ledger=link).checkpoint("a") == Settings(ledger=tmp_path / "disk/kbnd.sqlite").checkpoint("a")
