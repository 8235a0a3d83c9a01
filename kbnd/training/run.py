"""One run: data, build, initialise, fit, evaluate, record.

    data -> models.build -> initial weights -> fit (profiler, recorder) -> final evaluation -> RunRecord

A run tells an `Observer` about every epoch and asks it whether to stop; it never writes to a ledger itself.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kbnd import data, models
from kbnd.errors import KbndError
from kbnd.records import EpochRecord, RunRecord, Status
from kbnd.spec import PROTOCOL, Identity, RunSpec, TrainSpec
from kbnd.training import backend, checkpoint, initial
from kbnd.training.evaluation import evaluate
from kbnd.training.feed import EpochOrder, OrderedBatches
from kbnd.training.profiler import EpochProfiler

OPTIMIZERS: dict[str, Callable[[TrainSpec], keras.optimizers.Optimizer]] = {
    "sgd": lambda spec: keras.optimizers.SGD(spec.learning_rate, momentum=spec.momentum),
    "adam": lambda spec: keras.optimizers.Adam(spec.learning_rate, epsilon=1e-8),
}

OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "ResourceExhausted", "out of memory", "OutOfMemory", "MemoryError")
"""What the backends' exceptions say, or are called, when memory ran out."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run to train, with the settings of the engine that change none of its numbers.

    Attributes:
        spec: what to train; its `data` is resolved.
        identity: the setting that the run id was made from.
        session: the driver's session.
        block: one seed of a study, within which times pair.
        position: place within the block.
        checkpoint: file of the run's checkpoints, None for none.
        checkpoint_every: epochs between checkpoints.
        weights: file that the final weights are written to, None for none.
    """

    spec: RunSpec
    identity: Identity
    session: str
    block: int | None = None
    position: int | None = None
    checkpoint: Path | None = None
    checkpoint_every: int = 1
    weights: Path | None = None

    @property
    def run_id(self) -> str:
        """Digest of spec and setting."""
        return self.spec.run_id(self.identity)


@dataclass(frozen=True)
class Observer:
    """What a run reports to while it trains; the defaults do nothing.

    Attributes:
        on_start: called once before training with the run's preliminary record (its `epochs` are those resumed).
        on_epoch: called after every epoch.
        should_stop: asked after every epoch; True stores a checkpoint and stops as `interrupted`.
    """

    on_start: Callable[[RunRecord], None] = field(default=lambda record: None)
    on_epoch: Callable[[EpochRecord], None] = field(default=lambda epoch: None)
    should_stop: Callable[[], bool] = field(default=lambda: False)


def train(task: Task, *, dataset: data.Dataset | None = None, observer: Observer | None = None) -> RunRecord:
    """Train one run to its end and return its record; a failure becomes a record too.

    Args:
        task: what to train, and where its checkpoint lies.
        dataset: the loaded dataset of `task.spec.data`; loaded where None.
        observer: told of every epoch.

    Returns:
        A record whose status is `done`, `diverged`, `failed`, `oom` or `interrupted`.

    Raises:
        KbndError: what the user must mend (missing data, a full disk) is no failure of the run.
    """
    started = time.perf_counter()
    observer = observer or Observer()
    record = blank(task)
    try:
        record = _trained(task, record, dataset or data.load(task.spec.data), observer)
    except KbndError:
        raise
    except Exception as error:  # noqa: BLE001 (the one place where a failed run becomes a row)
        text = f"{type(error).__name__}: {error}"
        status: Status = "oom" if any(sign in text for sign in OUT_OF_MEMORY) else "failed"
        record = replace(record, status=status, error=text[:2000])
    return replace(record, wall_s=time.perf_counter() - started)


def compiled(spec: RunSpec, dataset: data.Dataset) -> keras.Model:
    """Return the network of a run: built, with its seed's initial weights and dropout generators, compiled."""
    model = models.build(spec.model, input_shape=dataset.image_shape, classes=dataset.classes)
    initial.initialise(model, seed=spec.seed, scheme=spec.train.initial_weights)
    initial.seed_dropout(model, seed=spec.seed)
    model.compile(
        optimizer=OPTIMIZERS[spec.train.optimizer](spec.train),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    return model


def blank(task: Task) -> RunRecord:
    spec, identity = task.spec, task.identity
    return RunRecord(
        run_id=task.run_id,
        recipe_id=spec.recipe_id,
        spec=spec.canonical(),
        model=spec.model.name,
        dataset=spec.data.name,
        seed=spec.seed,
        replicate=spec.replicate,
        status="failed",
        backend=identity.backend,
        backend_version=identity.backend_version,
        keras_version=identity.keras_version,
        device=identity.device,
        fingerprint=identity.fingerprint,
        protocol=PROTOCOL,
        session=task.session,
        started_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        block=task.block,
        position=task.position,
        environment=backend.environment(),
    )


def _trained(task: Task, record: RunRecord, dataset: data.Dataset, observer: Observer) -> RunRecord:
    """Fit and evaluate; what this raises becomes a failed run."""
    spec = task.spec.train
    model = compiled(task.spec, dataset)
    resumed = checkpoint.load(task.checkpoint, run_id=task.run_id) if task.checkpoint else None
    if resumed:
        checkpoint.restore(resumed, model)
        record = replace(record, epochs=resumed.epochs, session=_joined(resumed.session, task.session))
    observer.on_start(record)
    feed = OrderedBatches(dataset.train, batch_size=spec.batch_size, seed=task.spec.seed)
    profiler = EpochProfiler(n_images=len(dataset.train.labels))
    recorder = Recorder(task, dataset, profiler, observer, record)
    model.fit(
        feed,
        epochs=spec.epochs,
        initial_epoch=len(record.epochs),
        shuffle=False,
        verbose=0,
        callbacks=[EpochOrder(feed.set_epoch), profiler, recorder],
    )
    record = replace(
        record,
        epochs=tuple(recorder.epochs),
        n_epochs=len(recorder.epochs),
        n_parameters=int(sum(math.prod(v.shape) for v in model.trainable_variables)),
        n_steps=len(feed),
        status=recorder.status,
        error=None,
        **_clock(recorder.epochs),
    )
    if record.status == "interrupted":
        return record
    if task.weights:
        _save_weights(model, task.weights)
    return replace(record, **_final(model, dataset, recorder.epochs))


class Recorder(keras.callbacks.Callback):
    """Makes an `EpochRecord` of every epoch, evaluates what the spec asks for, and stops where it must.

    Stands behind the profiler, so that nothing here is inside a timed window.
    """

    def __init__(
        self, task: Task, dataset: data.Dataset, profiler: EpochProfiler, observer: Observer, record: RunRecord
    ) -> None:
        super().__init__()
        self.epochs: list[EpochRecord] = list(record.epochs)
        self.status: Status = "done"
        self._task = task
        self._dataset = dataset
        self._profiler = profiler
        self._observer = observer
        self._session = record.session

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluate, record, report, then decide whether to go on."""
        logs = logs or {}
        clock = {key: value for key, value in self._profiler.epochs[-1].items() if key not in ("epoch", "val_s")}
        entry = EpochRecord(
            epoch=epoch + 1,
            train_loss=_number(logs.get("loss")),
            train_accuracy=_number(logs.get("accuracy")),
            **self._curves(),
            **clock,
        )
        self.epochs.append(entry)
        self._observer.on_epoch(entry)
        if not all(math.isfinite(x) for x in (entry.train_loss, entry.val_loss, entry.test_loss) if x is not None):
            self.status, self.model.stop_training = "diverged", True
        elif epoch + 1 < self._task.spec.train.epochs:
            self._maybe_stop(epoch + 1)

    def _curves(self) -> dict[str, float | None]:
        """Eval-mode losses and accuracies of this epoch, by field of EpochRecord."""
        spec, found = self._task.spec.train, {}
        if spec.validation_curve and len(self._dataset.validation.labels):
            started = time.perf_counter()
            result = evaluate(self.model, self._dataset.validation)
            found |= {"val_s": time.perf_counter() - started, "val_loss": result.loss, "val_accuracy": result.accuracy}
        if spec.test_curve:
            result = evaluate(self.model, self._dataset.test)
            found |= {"test_loss": result.loss, "test_accuracy": result.accuracy}
        if spec.n_train_eval:
            part = self._dataset.train
            result = evaluate(self.model, data.Split(part.images[: spec.n_train_eval], part.labels[: spec.n_train_eval]))
            found |= {"train_eval_loss": result.loss, "train_eval_accuracy": result.accuracy}
        return found

    def _maybe_stop(self, n_epochs: int) -> None:
        is_stopping = self._observer.should_stop()
        if self._task.checkpoint and (is_stopping or n_epochs % self._task.checkpoint_every == 0):
            checkpoint.save(
                self._task.checkpoint, self.model, run_id=self._task.run_id, session=self._session, epochs=self.epochs
            )
        if is_stopping:
            self.status, self.model.stop_training = "interrupted", True


def _final(model: keras.Model, dataset: data.Dataset, epochs: Sequence[EpochRecord]) -> dict[str, Any]:
    """Test and validation results of the final weights, by field of RunRecord."""
    test = evaluate(model, dataset.test)
    found: dict[str, Any] = {
        "test_loss": test.loss,
        "test_accuracy": test.accuracy,
        "test_correct": np.packbits(test.correct).tobytes(),
        "n_test": len(test.correct),
        "val_loss": epochs[-1].val_loss,
        "val_accuracy": epochs[-1].val_accuracy,
    }
    if found["val_loss"] is None and len(dataset.validation.labels):
        validation = evaluate(model, dataset.validation)
        found |= {"val_loss": validation.loss, "val_accuracy": validation.accuracy}
    return found


def _clock(epochs: Sequence[EpochRecord]) -> dict[str, Any]:
    """Sums and medians of the epochs' clocks, by field of RunRecord; None where nothing was measured."""
    times = [e.train_s for e in epochs if e.train_s is not None]
    steady = [e.train_s for e in epochs if e.train_s is not None and not e.is_warmup]
    warmup = [e.train_s for e in epochs if e.train_s is not None and e.is_warmup]
    epoch_s = float(np.median(steady)) if steady else None
    return {
        "fit_s": sum(times) if times else None,
        "steady_train_s": sum(steady) if steady else None,
        "epoch_s": epoch_s,
        "compile_s": max(0.0, warmup[0] - epoch_s) if warmup and epoch_s is not None else None,
        "peak_rss_bytes": _largest(e.peak_rss_bytes for e in epochs),
        "peak_device_bytes": _largest(e.peak_device_bytes for e in epochs),
        "energy_j": sum(e.energy_j for e in epochs if e.energy_j is not None) if epochs and epochs[0].energy_j else None,
    }


def _largest(values: Any) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _joined(earlier: str, now: str) -> str:
    """The session of a run that two sessions trained: one that no other run has, so that its time is never compared."""
    return now if earlier == now else f"{earlier}+{now}"


def _save_weights(model: keras.Model, path: Path) -> None:
    arrays = {variable.path: np.asarray(keras.ops.convert_to_numpy(variable)) for variable in model.weights}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
