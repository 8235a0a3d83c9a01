"""Runs in MLflow, read back with its own client."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ledger_records import epoch, label, record

pytest.importorskip("mlflow", reason="needs MLflow: pip install 'kbnd[mlflow]'")
pytest.importorskip("sqlalchemy", reason="needs SQLAlchemy: pip install 'kbnd[mlflow]'")

from kbnd.errors import KbndError
from kbnd.export import export
from kbnd.ledger import Ledger

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # of MLflow and what it brings

DONE = record(seed=1, dropout=0.5, epochs=(epoch(1, val_accuracy=0.5), epoch(2, val_accuracy=0.625)), wall_s=9.0)
FAILED = record(seed=2, n_epochs=0, status="failed", error="ValueError: no", test_correct=None, n_test=None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose store is exported to twice by every test below: making its database takes seconds."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "kbnd.sqlite") as opened:
        opened.merge([DONE, FAILED])
        opened.assign("grid", "0" * 16, [label("drop", DONE), label("plain", FAILED)])
        yield opened


def runs_in(uri: str, experiment: str) -> dict:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    assert len({run.data.tags["kbnd.run_id"] for run in found}) == len(found)
    return {run.data.tags["kbnd.run_id"]: run for run in found}


def test_each_run_is_one_run_of_mlflow_however_often_it_is_exported(
    ledger: Ledger, store: Path, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    (uri,) = export(ledger, "mlflow", store, study="grid").written
    first = runs_in(uri, "grid")
    done, failed = first[DONE.run_id], first[FAILED.run_id]
    assert set(first) == {DONE.run_id, FAILED.run_id}
    assert (done.info.status, failed.info.status) == ("FINISHED", "FAILED")
    assert done.info.end_time - done.info.start_time == 9000
    assert done.data.params["model.dropout"] == "0.5"
    assert done.data.params["train.batch_size"] == "128"
    assert done.data.tags["kbnd.arm"] == "drop"
    assert done.data.tags["kbnd.backend"] == "tensorflow 2.21"
    assert failed.data.tags["kbnd.error"] == "ValueError: no"
    assert done.data.metrics["final/test_accuracy"] == 0.75
    assert "final/fit_s" not in failed.data.metrics
    history = MlflowClient(tracking_uri=uri).get_metric_history(done.info.run_id, "val_accuracy")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.625)]
    assert history[1].timestamp - history[0].timestamp == 1500

    export(ledger, "mlflow", store, study="grid")
    assert {kbnd: run.info.run_id for kbnd, run in runs_in(uri, "grid").items()} == {
        kbnd: run.info.run_id for kbnd, run in first.items()
    }
    assert os.listdir(tmp_path) == ["kbnd.sqlite"]  # MLflow leaves nothing where the command was given


def test_a_run_that_has_changed_or_was_cut_off_is_written_anew(ledger: Ledger, store: Path) -> None:
    from mlflow import MlflowClient

    (uri,) = export(ledger, "mlflow", store).written  # into an experiment named after the ledger
    first = runs_in(uri, "kbnd")
    MlflowClient(tracking_uri=uri).delete_tag(first[DONE.run_id].info.run_id, "kbnd.digest")
    ledger.finish(record(seed=2, n_epochs=0))
    export(ledger, "mlflow", store)
    second = runs_in(uri, "kbnd")
    assert second[FAILED.run_id].info.status == "FINISHED"
    assert all(second[run].info.run_id != first[run].info.run_id for run in (DONE.run_id, FAILED.run_id))


def test_a_store_that_cannot_be_used_is_one_sentence(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(KbndError, match="MLflow at nowhere://x could not be used: "):
        export(ledger, "mlflow", None, tracking_uri="nowhere://x")
    (tmp_path / "taken").write_text("")
    with pytest.raises(KbndError, match=r"should be a folder, received the file .*taken"):
        export(ledger, "mlflow", tmp_path / "taken")
