"""Event files, read back with TensorBoard's own readers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from ledger_records import epoch, label, record

pytest.importorskip("tensorboard", reason="needs TensorBoard: pip install 'kbnd[tensorboard]'")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import Status

from kbnd.errors import UsageError
from kbnd.export import export
from kbnd.ledger import Ledger

FULL = {"val_loss": 0.6, "val_accuracy": 0.7, "test_loss": 0.5, "test_accuracy": 0.75, "val_s": 0.5}
DONE = record(seed=1, dropout=0.5, n_epochs=2, epochs=(epoch(1, **FULL), epoch(2, train_accuracy=0.25, **FULL)))
LOST = record(seed=2, n_epochs=1, status="diverged", epochs=(epoch(1, train_loss=float("inf")),))


@pytest.fixture(scope="module", autouse=True)
def _without_tensorflow() -> Iterator[None]:
    """TensorBoard reads with its own stand-in for TensorFlow where it finds this module: seconds less."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "tensorboard.compat.notf", ModuleType("notf"))
        yield


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "kbnd.sqlite") as opened:
        opened.merge([DONE, LOST])
        opened.assign("grid", "0" * 16, [label("drop", DONE), label("plain", LOST)])
        yield opened


@pytest.fixture
def logs(ledger: Ledger, tmp_path: Path) -> Path:
    exported = export(ledger, "tensorboard", tmp_path / "tb")
    assert exported.look == f"tensorboard --logdir {tmp_path / 'tb'}"
    return tmp_path / "tb"


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder))
    return events.Reload()


def of_run(logs: Path, run) -> Path:
    (folder,) = logs.glob(f"grid/*/*-{run.run_id[:8]}")
    return folder


def hparams(folder: Path, tag: str, what: str):
    """What the HParams plugin finds under a tag."""
    content = read(folder).SummaryMetadata(tag).plugin_data.content
    return getattr(metadata, f"parse_{what}_plugin_data")(content)


def test_curves_are_scalars_by_epoch(logs: Path) -> None:
    events = read(of_run(logs, DONE))
    curve = events.Scalars("epoch_loss/train")
    assert [(point.step, point.value) for point in curve] == [(1, 1.0), (2, 0.5)]
    assert [(point.step, point.value) for point in events.Scalars("epoch_accuracy/train")] == [(2, 0.25)]
    assert events.Scalars("epoch_accuracy/test")[0].value == 0.75
    assert [point.value for point in events.Scalars("epoch_seconds/validation")] == [0.5, 0.5]
    assert curve[1].wall_time - curve[0].wall_time == 2.0  # 1.5 s of training and 0.5 s of validation
    assert "epoch_loss/train_eval" not in events.Tags()["scalars"]  # was not measured


def test_the_result_is_a_scalar_of_runs_that_are_done(logs: Path) -> None:
    assert [(point.step, point.value) for point in read(of_run(logs, DONE)).Scalars("final/test_accuracy")] == [
        (2, 0.75)
    ]
    assert not [tag for tag in read(of_run(logs, LOST)).Tags()["scalars"] if tag.startswith("final")]


def test_each_run_has_its_hyperparameters_and_its_end(logs: Path) -> None:
    start = hparams(of_run(logs, DONE), metadata.SESSION_START_INFO_TAG, "session_start_info")
    values = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
    assert values == {
        "arm": "drop",
        "status": "done",
        "model": "lenet5",
        "batch_norm": "none",
        "dropout": 0.5,
        "epochs": 2.0,
        "learning_rate": 0.05,
        "seed": 1.0,
    }
    ends = {
        run.status: hparams(of_run(logs, run), metadata.SESSION_END_INFO_TAG, "session_end_info")
        for run in (DONE, LOST)
    }
    assert {name: end.status for name, end in ends.items()} == {
        "done": Status.STATUS_SUCCESS,
        "diverged": Status.STATUS_FAILURE,
    }


def test_the_table_of_runs_has_typed_columns(logs: Path) -> None:
    experiment = hparams(logs, metadata.EXPERIMENT_TAG, "experiment")
    domains = {
        info.name: [value.WhichOneof("kind") for value in info.domain_discrete.values]
        for info in experiment.hparam_infos
    }
    assert domains["dropout"] == ["number_value"] * 2
    assert domains["arm"] == ["string_value"] * 2
    final = ["test_accuracy", "test_loss", "val_accuracy", "val_loss", "fit_s"]
    assert [info.name.tag for info in experiment.metric_infos] == [f"final/{name}" for name in final]


def test_another_export_replaces_the_files(ledger: Ledger, logs: Path) -> None:
    before = {file: file.read_bytes() for file in logs.rglob("*") if file.is_file()}
    export(ledger, "tensorboard", logs)
    assert {file: file.read_bytes() for file in logs.rglob("*") if file.is_file()} == before
    assert len(before) == 3


def test_a_folder_that_is_a_file_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match=r"should be a folder, received the file .*taken"):
        export(ledger, "tensorboard", tmp_path / "taken")
