"""TensorBoard's event files, written from the ledger: curves for SCALARS, one row per run for HPARAMS.

| folder    | tag                                  | holds                                                          |
|-----------|--------------------------------------|----------------------------------------------------------------|
| `OUT/RUN` | epoch_loss/train, /validation, /test | by epoch, from 1; also train_eval: training images in eval mode |
|           | epoch_accuracy/train, ...            | likewise                                                       |
|           | epoch_seconds/train, /validation     | the first holds tracing and compilation                        |
|           | epoch_images_per_second/train        | training images over epoch_seconds/train                       |
|           | final/test_accuracy, ...             | the result, of a run that is done                              |
|           | (HParams)                            | hyperparameters, and how the run ended                         |
| `OUT`     | (HParams)                            | which hyperparameters and results there are                    |

Keras' callback has a folder for training and one for validation; here a run is one folder, because TensorBoard shows no
curves by itself where there are more than 40, and because a folder is what it knows hyperparameters of. One of these is
a field of the spec that differs between the exported runs (a few always are). Each folder holds one file of a fixed
name, so that another export replaces it. `EventFileWriter` is not used: it imports TensorFlow where that is installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.summary.writer.record_writer import RecordWriter

from kbnd.export.selection import FINAL, Selected, Value, varying
from kbnd.files import check_folder, disk_errors, folder_below, replacing

FILE = "events.out.tfevents.0.kbnd"

CURVES = {
    "epoch_loss/train": "train_loss",
    "epoch_loss/validation": "val_loss",
    "epoch_loss/test": "test_loss",
    "epoch_loss/train_eval": "train_eval_loss",
    "epoch_accuracy/train": "train_accuracy",
    "epoch_accuracy/validation": "val_accuracy",
    "epoch_accuracy/test": "test_accuracy",
    "epoch_accuracy/train_eval": "train_eval_accuracy",
    "epoch_seconds/train": "train_s",
    "epoch_seconds/validation": "val_s",
    "epoch_images_per_second/train": "images_per_s",
}
"""Tag -> field of an `EpochRecord`."""

ALWAYS = ("model.name", "model.batch_norm", "model.dropout", "train.learning_rate", "seed")
"""Hyperparameters that are shown even where all runs agree in them."""

SHORT = {"model.name": "model", "data.name": "dataset"}

_STATUS = {"done": "STATUS_SUCCESS", "diverged": "STATUS_FAILURE", "failed": "STATUS_FAILURE", "oom": "STATUS_FAILURE"}
_MANY = 10


def write_logs(runs: Sequence[Selected], out: Path) -> None:
    """Write the event files of these runs below a folder, made where it is missing.

    Raises:
        UsageError: the folder cannot be written.
        NoSpaceError: the disk is full.
    """
    fields = [_described(run) for run in runs]
    paths = varying(fields, always=ALWAYS)
    names = dict(zip(paths, _short(paths), strict=True))
    hyperparameters = [{names[name]: value for name, value in run.items() if name in names} for run in fields]
    kinds = {name: _kind([run[name] for run in hyperparameters if name in run]) for name in names.values()}
    results = [name for name in FINAL if any(name in run.final() for run in runs)]
    started_s = min(run.started_s for run in runs)
    check_folder(out, what="export")
    with disk_errors(f"the folder {out}"):
        out.mkdir(parents=True, exist_ok=True)
    _write(out, started_s, [(started_s, 0, _experiment(hyperparameters, kinds, results))])
    for run, values in zip(runs, hyperparameters, strict=True):
        own = {name: _typed(value, kinds[name]) for name, value in values.items()}
        _write(folder_below(out, run.name), run.started_s, [*_session(run, own), *_curves(run)])


def _described(run: Selected) -> dict[str, Value]:
    """Everything that may tell one run from another."""
    labels = {name: value for name, value in (("study", run.study), ("arm", run.arm)) if value is not None}
    setting = {"status": run.record.status, "backend": run.record.backend, "device": run.record.device}
    return {**labels, **setting, **run.fields()}


def _short(names: Sequence[str]) -> Iterator[str]:
    """Yield each name by its last part where no other name ends with it."""
    last = [SHORT.get(name, name.rpartition(".")[2]) for name in names]
    yield from (short if last.count(short) == 1 else name for short, name in zip(last, names, strict=True))


def _kind(values: Sequence[Value]) -> str:
    """Return the type of a column: numbers only where every value is one."""
    if all(isinstance(value, bool) for value in values):
        return "BOOL"
    return "STRING" if any(isinstance(value, bool | str) for value in values) else "FLOAT64"


def _typed(value: Value, kind: str) -> Value:
    return str(value) if kind == "STRING" else float(value) if kind == "FLOAT64" else value


def _curves(run: Selected) -> Iterator[tuple[float, int, Summary]]:
    for epoch, time_s in zip(run.record.epochs, run.epoch_ends_s(), strict=True):
        values = {tag: getattr(epoch, name) for tag, name in CURVES.items()}
        scalars = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items() if value is not None]
        if scalars:
            yield time_s, epoch.epoch, Summary(value=scalars)


def _session(run: Selected, hyperparameters: dict[str, Value]) -> Iterator[tuple[float, int, Summary]]:
    """The row of a run: its hyperparameters, how it ended, its result."""
    start = SessionStartInfo(group_name=run.name, start_time_secs=run.started_s)
    for name, value in hyperparameters.items():
        _set(start.hparams[name], value)
    status = api_pb2.Status.Value(_STATUS.get(run.record.status, "STATUS_UNKNOWN"))
    end = SessionEndInfo(status=status, end_time_secs=run.ended_s)
    yield run.started_s, 0, _plugin(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start))
    yield run.ended_s, 0, _plugin(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end))
    if final := run.final():
        scalars = [Summary.Value(tag=f"final/{name}", simple_value=value) for name, value in final.items()]
        yield run.ended_s, run.record.n_epochs, Summary(value=scalars)


def _experiment(runs: Sequence[dict[str, Value]], kinds: dict[str, str], results: Sequence[str]) -> Summary:
    """What the table of all runs has for columns: without it, TensorBoard would take every curve for a result."""
    experiment = api_pb2.Experiment()
    for name, kind in kinds.items():
        info = experiment.hparam_infos.add(name=name, type=api_pb2.DataType.Value(f"DATA_TYPE_{kind}"))
        values: list[Any] = sorted({_typed(run[name], kind) for run in runs if name in run})
        if kind == "FLOAT64" and len(values) > _MANY:
            info.domain_interval.min_value, info.domain_interval.max_value = values[0], values[-1]
        else:
            for value in values:
                _set(info.domain_discrete.values.add(), value)
    for name in results:
        experiment.metric_infos.add(name=api_pb2.MetricName(group="", tag=f"final/{name}"), display_name=name)
    return _plugin(metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=experiment))


def _set(field: Any, value: Value) -> None:
    """Put a value into a protobuf `Value`."""
    if isinstance(value, bool):
        field.bool_value = value
    elif isinstance(value, str):
        field.string_value = value
    else:
        field.number_value = float(value)


def _plugin(tag: str, data: HParamsPluginData) -> Summary:
    about = metadata.create_summary_metadata(data)
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)])


def _write(folder: Path, started_s: float, events: Iterable[tuple[float, int, Summary]]) -> None:
    """Write the one event file of a folder, as a whole or not at all."""
    with replacing(folder / FILE, what="event file") as file:
        records = RecordWriter(file)
        records.write(Event(wall_time=started_s, file_version="brain.Event:2").SerializeToString())
        for time_s, step, summary in events:
            records.write(Event(wall_time=time_s, step=step, summary=summary).SerializeToString())
