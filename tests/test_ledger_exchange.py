from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_formats import unsealed
from ledger_records import epoch, label, record

from kbnd.errors import UsageError
from kbnd.ledger import Ledger, Merged, StudyInfo

DIGEST = "0123456789abcdef"


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two ledgers: `empty`, and `full` of finished, diverged, failed, running and planned runs."""
    folder = tmp_path_factory.mktemp("templates")
    runs = [
        record(seed=1, n_epochs=3),
        record(seed=2, n_epochs=1, status="diverged", epochs=(epoch(1, train_loss=float("inf")),)),
        record(seed=3, n_epochs=0, status="failed", error="ValueError: no\n\tgood", test_correct=None, n_test=None),
    ]
    with Ledger.open(folder / "full.sqlite") as ledger:
        ledger.merge(runs)
        ledger.begin(record(seed=4))
        labels = [label("bn", run) for run in [*runs, record(seed=9)]]
        ledger.assign("grid", "f" * 16, labels[:1], title="Of yesterday")
        about = {"title": "The grid", "difference": "digits instead of mnist"}
        ledger.assign("grid", DIGEST, labels, **about, baselines={"bn": "none"})
    Ledger.open(folder / "empty.sqlite").close()
    return folder


@pytest.fixture
def full(templates: Path, tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(shutil.copy(templates / "full.sqlite", tmp_path)) as ledger:
        yield ledger


@pytest.fixture
def empty(templates: Path, tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(shutil.copy(templates / "empty.sqlite", tmp_path)) as ledger:
        yield ledger


def exported(ledger: Ledger) -> list[str]:
    (file,) = ledger.export(ledger.path.with_suffix(".jsonl"))
    return file.read_text().splitlines()


def with_run_line(ledger: Ledger, change) -> Path:
    """Lines of a ledger whose first run was changed by hand."""
    (export,) = ledger.export(ledger.path.with_suffix(".jsonl"))
    lines = unsealed(export)
    change(next(line["run"] for line in lines if "run" in line))
    file = ledger.path.with_name("changed.jsonl")
    file.write_text("\n".join(map(json.dumps, lines)))
    return file


@pytest.mark.parametrize("through", ["jsonl", "sqlite"])
def test_a_ledger_survives_the_way_through_an_export(full: Ledger, empty: Ledger, through: str) -> None:
    source = full.path if through == "sqlite" else full.export(full.path.with_suffix(".jsonl"))[0]
    assert empty.import_(source) == Merged(n_added=3, n_replaced=0, n_kept=0)
    assert exported(empty) == exported(full)
    assert empty.studies() == ["grid"]
    assert empty.about("grid") == StudyInfo("The grid", "digits instead of mnist", DIGEST, {"bn": "none"})
    assert empty.verify() == []
    assert empty.import_(source) == Merged(n_added=0, n_replaced=0, n_kept=3)


def test_a_run_being_trained_is_not_exported(full: Ledger) -> None:
    assert record(seed=4).run_id not in "".join(exported(full))


def test_tables_for_people_are_two_files(full: Ledger, tmp_path: Path) -> None:
    for format, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        files = full.export(tmp_path / "out" / format, format)
        assert [file.name for file in files] == [f"runs.{format}", f"epochs.{format}"]
        assert read(files[0])["run_id"].tolist() == full.runs()["run_id"].tolist()
        assert len(read(files[1])) == len(full.epochs())
        assert len(list(files[0].parent.iterdir())) == 2


def test_exports_say_what_they_cannot_do(full: Ledger, tmp_path: Path) -> None:
    for path, format, complaint in (
        (tmp_path / "x", "xlsx", "unknown format 'xlsx': choose from jsonl, csv, parquet"),
        (tmp_path / "nowhere" / "x.jsonl", "jsonl", "the folder .*nowhere of the export x.jsonl does not exist"),
        (full.path, "csv", "the export should be a folder, received the file"),
    ):
        with pytest.raises(UsageError, match=complaint):
            full.export(path, format)


def test_parquet_without_pyarrow_names_the_extra(full: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kbnd.ledger.exports.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"kbnd\[parquet\]"):
        full.export(full.path.with_name("out"), "parquet")


@pytest.mark.parametrize(
    ("here", "there", "then"),
    [
        ("failed", "done", "replaced"),
        ("interrupted", "diverged", "replaced"),
        ("done", "failed", "kept"),
        ("failed", "interrupted", "kept"),
        ("done", "done", "kept"),
    ],
)
def test_a_result_beats_a_failure(full: Ledger, empty: Ledger, here: str, there: str, then: str) -> None:
    empty.finish(record(seed=7, status=here))
    theirs = record(seed=7, status=there)
    assert empty.merge([theirs]) == Merged(0, int(then == "replaced"), int(then == "kept"))
    assert empty.status(theirs.run_id) == (there if then == "replaced" else here)


def test_two_results_of_one_run_are_refused_and_both_are_shown(full: Ledger, empty: Ledger) -> None:
    empty.finish(record(seed=1, n_epochs=3, test_accuracy=0.5, session="s2"))
    before = exported(empty)
    with pytest.raises(UsageError, match=r"test_accuracy is 0\.5 in .*empty.sqlite and 0\.75 in .*full.sqlite"):
        empty.import_(full.path)
    assert exported(empty) == before


def test_two_results_differ_in_an_epoch_too(empty: Ledger) -> None:
    empty.finish(record(session="s2"))
    changed = (epoch(1), epoch(2, train_loss=9.0))
    with pytest.raises(UsageError, match=r"epoch 2 train_loss is 0\.5 in .* and 9\.0"):
        empty.merge([record(epochs=changed)])


def test_times_may_differ_between_two_trainings_but_not_within_one(empty: Ledger) -> None:
    empty.finish(record())
    slower = (epoch(1), epoch(2, train_s=97.5))
    assert empty.merge([record(session="s2", epochs=slower)]).n_kept == 1
    assert empty.get(record().run_id).fit_s == record().fit_s
    with pytest.raises(UsageError, match=r"fit_s is 3\.0 in .* and 99\.0 in"):
        empty.merge([record(epochs=slower)])


def test_a_run_being_trained_here_is_left_to_its_trainer(full: Ledger, empty: Ledger) -> None:
    run = record(seed=1, n_epochs=3)
    empty.claim(run.run_id)
    empty.begin(replace(run, epochs=()))
    assert empty.import_(full.path) == Merged(n_added=2, n_replaced=0, n_kept=1)
    assert empty.status(run.run_id) == "running"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda run: run.update(test_accuracy=1.5), r"test_accuracy should lie in \[0, 1\], received 1.5"),
        (lambda run: run.update(test_accuracy="high"), "test_accuracy should be float, received 'high'"),
        (lambda run: run.update(fit_s=-1.0), "fit_s should not be negative"),
        (lambda run: run.update(seed=True), "seed should be int"),
        (lambda run: run.update(n_test=2**70), "n_test should be at least 0"),
        (lambda run: run.update(status="running"), "status should be one of"),
        (lambda run: run.update(run_id="../../etc"), "run_id should be 16 hexadecimal digits"),
        (lambda run: run.update(run_id="0" * 16), "its run_id is not the digest"),
        (lambda run: run.update(recipe_id="0" * 16), "its recipe_id is not the digest"),
        (lambda run: run["spec"].update(seed=5), "its spec says 5"),
        (lambda run: run["spec"].update(self=5), "its spec is none of this kbnd"),
        (lambda run: run["spec"]["model"].update(os="rm"), "its spec is none of this kbnd: unknown field"),
        (lambda run: run.update(session="\x1b[2J"), "session should be printable text"),
        (lambda run: run.update(started_at="yesterday"), "started_at should be a date and time"),
        (lambda run: run.update(test_correct="%%%"), "test_correct is not base64"),
        (lambda run: run.update(test_correct="AAAA"), "test_correct holds 3 bytes for 4 test images"),
        (lambda run: run.update(pickle="gASV"), "unknown field 'pickle'"),
        (lambda run: run.pop("backend"), "the field 'backend' is missing"),
        (lambda run: run["epochs"].pop(), r"n_epochs is \d but \d epochs are stored"),
        (lambda run: run["epochs"][0].update(epoch=4), "numbered from 1 without gaps"),
        (lambda run: run["epochs"][0].update(train_s="1"), "epoch 1: train_s should be float"),
        (lambda run: run.update(epochs="many"), "epochs is not a list of objects"),
        (lambda run: run.update(environment=[]), "environment should be dict"),
    ],
)
def test_what_a_stranger_wrote_is_refused_as_a_whole(full: Ledger, empty: Ledger, change, complaint: str) -> None:
    file = with_run_line(full, change)
    with pytest.raises(UsageError, match=complaint):
        empty.import_(file)
    assert empty.records() == []
    assert empty.studies() == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty: nothing was stored"),
        ("hello", "line 1: is not one JSON value"),
        ('{"ledger":{"format":0}}', 'line 1: should be .*format": 4.*, received'),
        ('{"ledger":{"format":2,"x":1}}', "line 1: should be"),
        ('{"ledger":{"format":true}}', "line 1: should be"),
        ('{"ledger":{"format":[]}}', "line 1: should be"),
        ('{"run":{"format":3}}', "line 1: should be"),
        (
            '{"ledger":{"format":5,"since":"later"}}',
            r"line 1: is of a newer kbnd .export format 5, this kbnd knows up to 4.: upgrade kbnd",
        ),
        ('{"ledger":{"format":1}}\n{"run":{"fit_s":NaN}}', "line 2: holds NaN"),
        ('{"ledger":{"format":1}}\n{"run":{"seed":1', "line 2: is not one JSON value, or is cut off"),
        ('{"ledger":{"format":1}}\n[1]', "line 2: is not an object with one key"),
        ('{"ledger":{"format":1}}\n{"code":{}}', "line 2: describes a 'code'"),
        ('{"ledger":{"format":1}}\n' + '{"run":' * 100_000, "line 2: is not one JSON value"),
        ('{"ledger":{"format":1}}\n{"study":{"name":"a b","digest":"' + DIGEST + '","labels":[]}}', "study name 'a b'"),
        ('{"ledger":{"format":1}}\n{"study":{"name":"a","digest":"' + DIGEST + '","labels":[[1]]}}', "is not an .arm"),
        (
            '{"ledger":{"format":1}}\n{"study":{"name":"a","title":"\\u001b[2J","digest":"'
            + DIGEST
            + '","labels":[]}}',
            "the title should be printable text",
        ),
        (
            '{"ledger":{"format":1}}\n{"study":{"name":"a","difference":5,"digest":"' + DIGEST + '","labels":[]}}',
            "the difference should be printable text, received 5",
        ),
        (
            '{"ledger":{"format":2}}\n{"study":{"name":"a","digest":"' + DIGEST + '","labels":[]}}',
            "'baselines' is missing",
        ),
        ("\udcff" * 100, "neither a ledger nor JSON lines"),
    ],
)
def test_what_is_no_export_is_refused(empty: Ledger, text: str, complaint: str) -> None:
    file = empty.path.with_name("strange")
    file.write_text(text, errors="surrogateescape")
    with pytest.raises(UsageError, match=complaint):
        empty.import_(file)


def test_a_strange_ledger_is_checked_like_strange_lines(full: Ledger, empty: Ledger) -> None:
    with closing(sqlite3.connect(full.path)) as db:
        db.execute("UPDATE runs SET seed = x'00' WHERE status = 'done'")
        db.commit()
    with pytest.raises(UsageError, match="seed should be a whole number, it holds bytes"):
        empty.import_(full.path)
    assert empty.records() == []


def test_a_ledger_is_not_imported_into_itself(full: Ledger) -> None:
    with pytest.raises(UsageError, match="is the ledger it would be imported into"):
        full.import_(full.path)
    with pytest.raises(UsageError, match=r"the file to import .* does not exist"):
        full.import_(full.path.with_name("missing"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(text=st.text(max_size=60), after=st.integers(0, 3))
def test_no_text_makes_an_import_fail_otherwise(empty: Ledger, text: str, after: int) -> None:
    file = empty.path.with_name("noise.jsonl")
    head = '{"ledger":{"format":2}}\n'
    file.write_text((head if after else "") + '{"run":'[: 3 * after] + text, encoding="utf-8", errors="replace")
    with suppress(UsageError):
        empty.import_(file)
    assert empty.records() == []


@pytest.mark.parametrize(
    ("name", "format", "sentence"),
    [
        ("x.csv", "csv", r"^an export as csv is a folder of files, not a file as .*x\.csv: name a folder, as .*x$"),
        ("x.parquet", "parquet", r"an export as parquet is a folder of files"),
        ("x.jsonl", "csv", r"an export as csv is a folder of files"),
        ("X.CSV", "csv", r"an export as csv is a folder of files"),
        (
            "x.csv",
            "jsonl",
            r"^an export as jsonl is no csv: name the file .*x\.jsonl, or choose format csv and a folder",
        ),
    ],
)
def test_a_name_that_means_another_format_is_refused(
    full: Ledger, tmp_path: Path, name: str, format: str, sentence: str
) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match=sentence):
        full.export(tmp_path / name, format)
    assert sorted(tmp_path.iterdir()) == before
    assert full.export(tmp_path / "lenet_grid.mnist.csvs", "csv")  # a point in a folder's name is no ending
