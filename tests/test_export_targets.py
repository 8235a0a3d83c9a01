"""What leaves a ledger: which runs, under which names, and what is refused in one sentence."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from ledger_records import label, record

from kbnd import cli
from kbnd.errors import UsageError
from kbnd.export import export
from kbnd.export.selection import Selected, select, varying
from kbnd.ledger import Ledger
from kbnd.records import SearchEvent

RUNS = {
    "plain": [record(seed=1), record(seed=2), record(seed=1, replicate=1)],
    "drop": [record(seed=1, dropout=0.5), record(seed=2, dropout=0.5, status="diverged")],
}


@pytest.fixture
def ledger(tmp_path: Path):
    """Two arms of a study, a run that nobody named and one that is being trained."""
    with Ledger.open(tmp_path / "kbnd.sqlite") as opened:
        opened.merge([run for runs in RUNS.values() for run in runs])
        opened.merge([record(seed=9)])
        opened.assign("grid", "0" * 16, [label(arm, run) for arm, runs in RUNS.items() for run in runs])
        opened.begin(record(seed=8))
        yield opened


def names(runs: list[Selected]) -> list[str]:
    return [run.name.rpartition("-")[0] for run in runs]


def test_a_run_is_named_by_the_arm_it_serves(ledger: Ledger) -> None:
    assert names(select(ledger, "grid")) == ["drop/seed1", "drop/seed2", "plain/seed1", "plain/seed1-r1", "plain/seed2"]
    assert names(select(ledger)) == [*(f"grid/{name}" for name in names(select(ledger, "grid"))), "lenet5/seed9"]
    assert select(ledger, "grid")[0].name.endswith(record(seed=1, dropout=0.5).run_id[:8])


def test_candidates_of_a_search_are_its_arms(ledger: Ledger) -> None:
    info = ledger.begin_search("hunt", {})
    for ordinal, seed in ((1, 9), (2, 8)):
        body = {"values": {}, "epochs": None, "run_ids": {str(seed): record(seed=seed).run_id}}
        ledger.append_event(info, SearchEvent(ordinal, "ask", ordinal, body, "2026-01-02T03:04:05"))
    assert names(select(ledger, "hunt")) == ["trial001/seed9"]
    assert "hunt/trial001/seed9" in names(select(ledger))
    (candidate,) = select(ledger, "hunt")
    assert "fit_s" in candidate.final()
    assert "test_accuracy" not in candidate.final()  # a search shows nobody what its candidates reach on test
    assert "test_accuracy" in select(ledger, "grid")[0].final()
    ledger.begin_search("hunt", {}, fresh=True)
    anew = next(run for run in select(ledger) if run.record.seed == 9)  # a candidate of before, which nobody names now
    assert "test_accuracy" not in anew.final()


def test_every_field_of_the_spec_is_told_and_only_those_that_differ_are_hyperparameters(ledger: Ledger) -> None:
    fields = [run.fields() for run in select(ledger, "grid")]
    assert fields[0]["model.dropout"] == 0.5
    assert fields[0]["model.batch_norm_momentum"] == 0.9  # at its default
    assert "data.n_train" not in fields[0]  # None: all that the split leaves
    assert varying(fields) == ["model.dropout", "seed", "replicate"]
    assert "train.learning_rate" in varying(fields, always=["train.learning_rate"])


def test_rates_of_single_sites_are_one_hyperparameter() -> None:
    run = record()
    spec = {**run.spec, "model": {"name": "lenet5", "dropout": {"conv": 0.2}, "options": {"head": [8]}}}
    fields = Selected(replace(run, spec=spec), "x", None, None).fields()
    assert fields["model.dropout"] == '{"conv":0.2}'
    assert fields["model.options.head"] == "[8]"


def test_a_run_that_is_not_done_has_no_result_to_rank(ledger: Ledger) -> None:
    final = {run.record.status: run.final() for run in select(ledger, "grid")}
    assert final["done"]["test_accuracy"] == 0.75
    assert final["diverged"] == {}


def test_epochs_end_one_after_the_other_from_the_start_of_the_run() -> None:
    run = Selected(record(n_epochs=3, wall_s=9.0), "x", None, None)
    assert [end - run.started_s for end in run.epoch_ends_s()] == [1.5, 3.0, 4.5]
    assert run.ended_s - run.started_s == 9.0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("UPDATE runs SET spec = '{'", r"spec should be dict, received '\{': see `kbnd ledger verify`"),
        ("UPDATE runs SET started_at = 'now'", "started_at should be a date"),
        ("UPDATE epochs SET train_s = 'long'", "train_s should be a number or nothing, it holds text"),
        ("DELETE FROM runs", "holds no finished run$"),
    ],
)
def test_damaged_runs_are_refused(ledger: Ledger, change: str, complaint: str) -> None:
    with closing(sqlite3.connect(ledger.path)) as db:
        db.execute(change)
        db.commit()
    with pytest.raises(UsageError, match=complaint):
        select(ledger)


def test_names_of_a_stranger_do_not_choose_where_files_go(ledger: Ledger) -> None:
    ledger._db.execute("UPDATE labels SET arm = '../..' WHERE arm = 'plain'")
    ledger._db.execute("UPDATE labels SET arm = '..' WHERE arm = 'drop'")
    assert {name.split("/")[0] for name in names(select(ledger, "grid"))} == {".._..", "_"}


@pytest.mark.parametrize(
    ("target", "options", "complaint"),
    [
        ("excel", {}, "unknown target 'excel': choose from csv, parquet, jsonl, tensorboard, mlflow"),
        ("csv", {"out": None}, "target 'csv' needs a folder to write: --out PATH"),
        ("jsonl", {"out": None}, "target 'jsonl' needs a file to write: --out PATH"),
        ("csv", {"tracking_uri": "http://x"}, "a tracking URI belongs to target 'mlflow'"),
        ("mlflow", {"tracking_uri": "http://x"}, "received both"),
        ("csv", {"study": "gird"}, "unknown study 'gird' .did you mean 'grid'"),
        ("jsonl", {"study": "grid"}, "exports the whole ledger"),
    ],
)
def test_what_cannot_be_exported_is_said(ledger: Ledger, tmp_path: Path, target: str, options, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        export(ledger, target, **{"out": tmp_path / "out", **options})


@pytest.mark.parametrize(("target", "missing"), [("tensorboard", "tensorboard"), ("mlflow", "mlflow")])
def test_a_missing_extra_is_named(ledger: Ledger, tmp_path: Path, monkeypatch, target: str, missing: str) -> None:
    monkeypatch.setattr("kbnd.export.targets.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=rf"target '{target}' needs {missing}: pip install 'kbnd\[{target}\]'"):
        export(ledger, target, tmp_path / "out")


def kbnd(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def test_tables_and_lines_are_those_of_ledger_export(capsys, ledger: Ledger, tmp_path: Path) -> None:
    code, out, _ = kbnd(capsys, "export", ledger.path, "--to", "csv", "--out", tmp_path / "t", "--study", "grid")
    assert (code, out.splitlines()) == (0, [str(tmp_path / "t" / "runs.csv"), str(tmp_path / "t" / "epochs.csv")])
    assert len(pd.read_csv(tmp_path / "t" / "runs.csv")) == 5
    code, out, _ = kbnd(capsys, "export", ledger.path, "--to", "jsonl", "--out", tmp_path / "a", "--json")
    assert (code, json.loads(out)["written"]) == (0, [str(tmp_path / "a")])
    kbnd(capsys, "ledger", "export", tmp_path / "b", "--ledger", ledger.path)
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text()
    assert kbnd(capsys, "export", tmp_path / "none.sqlite", "--to", "csv", "--out", tmp_path / "t")[0] == 2


def test_an_export_loads_no_backend(ledger: Ledger, tmp_path: Path) -> None:
    """Also where TensorFlow is installed beside TensorBoard, whose own writer would import it."""
    pytest.importorskip("tensorboard", reason="needs kbnd[tensorboard]")
    code = (
        "import sys; from kbnd.export import export; from kbnd.ledger import Reader\n"
        f"with Reader.open({str(ledger.path)!r}) as ledger: export(ledger, 'tensorboard', 'tb')\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"
