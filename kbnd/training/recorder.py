"""The callback that turns each epoch into an `EpochRecord`, evaluates what the spec asks for, and stops a run.

profiler (closes its window) -> recorder: evaluate -> tell -> diverged? asked to prune? checkpoint? asked to stop?

Pruning is asked before a checkpoint is stored, so that a run resumed from one is never asked less than one that was
not stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

import keras

from kbnd import data
from kbnd.profiling.profiler import EpochProfiler
from kbnd.records import EpochRecord, Status
from kbnd.training import checkpoint
from kbnd.training.evaluation import Evaluation, evaluate
from kbnd.training.pixels import Pixels
from kbnd.training.task import Observer, Task

LARGEST_LOSS = 2.0**24
"""Mean cross-entropy in nats, 16.8 million, above which a run that *ends* there has diverged as one with NaN has.

Such a loss takes logits of that size, where float32 has whole numbers only: what tells two classes apart, a nat, is
lost. The largest loss in the studies' committed results is 4.8. On the way there it may be larger: while moving
statistics lag, the eval-mode loss of a deep network can leap and come back, and such a run goes on.
"""


def has_diverged(losses: Iterable[float | None], *, largest: float = math.inf) -> bool:
    """Return whether any of the losses that were measured is no finite number, or above the largest one."""
    return not all(math.isfinite(loss) and loss <= largest for loss in losses if loss is not None)


class Recorder(keras.callbacks.Callback):
    """Makes an `EpochRecord` of every epoch, evaluates what the spec asks for, and stops where it must.

    Stands behind the profiler, so that nothing here is inside a timed window. `epochs` is the caller's list, so that
    a run that fails keeps the epochs it had.
    """

    def __init__(
        self,
        task: Task,
        dataset: data.Dataset,
        profiler: EpochProfiler,
        observer: Observer,
        *,
        epochs: list[EpochRecord],
        continued_from: str | None,
        pixels: Pixels,
    ) -> None:
        super().__init__()
        self.epochs = epochs
        self.status: Status = "done"
        self.dataset = dataset
        self.profiler = profiler
        self.pixels = pixels
        self._task = task
        self._observer = observer
        self._continued_from = continued_from

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluate, record, tell the observer, then decide whether to go on."""
        logs = logs or {}
        clock = self._clock(epoch + 1)
        entry = EpochRecord(
            epoch=epoch + 1,
            train_loss=_number(logs.get("loss")),
            train_accuracy=_number(logs.get("accuracy")),
            **self._curves(),
            **clock,
        )
        self.epochs.append(entry)
        self._observer.on_epoch(entry)
        if has_diverged((entry.train_loss, entry.train_eval_loss, entry.val_loss, entry.test_loss)):
            self.status, self.model.stop_training = "diverged", True
        elif epoch + 1 < self._task.spec.train.epochs:
            self._maybe_stop(entry)

    def _clock(self, epoch: int) -> dict[str, Any]:
        """What the profiler measured of this epoch; empty where a fault of its own kept it from measuring."""
        rows = [row for row in self.profiler.epochs if row["epoch"] == epoch]
        return {key: value for row in rows for key, value in row.items() if key not in ("epoch", "val_s")}

    def _curves(self) -> dict[str, Any]:
        """Eval-mode losses and accuracies of this epoch, by field of EpochRecord."""
        spec = self._task.spec.train
        curves: dict[str, Any] = {}
        if spec.validation_curve and len(self.dataset.validation.labels):
            started = time.perf_counter()
            result = self._evaluated(self.dataset.validation)
            curves |= {"val_s": time.perf_counter() - started, "val_loss": result.loss, "val_accuracy": result.accuracy}
        if spec.test_curve:
            result = self._evaluated(self.dataset.test)
            curves |= {"test_loss": result.loss, "test_accuracy": result.accuracy}
        if spec.n_train_eval:
            # The first images: stratified order puts the classes in proportion in every prefix.
            result = self._evaluated(self.dataset.train[: spec.n_train_eval])
            curves |= {"train_eval_loss": result.loss, "train_eval_accuracy": result.accuracy}
        return curves

    def _evaluated(self, split: data.Split) -> Evaluation:
        return evaluate(self.model, split, pixels=self.pixels)

    def _maybe_stop(self, entry: EpochRecord) -> None:
        if self._observer.should_prune(entry):
            self._prune()
            return
        is_stopping = self._observer.should_stop()
        if self._task.checkpoint and (is_stopping or entry.epoch % self._task.checkpoint_every == 0):
            checkpoint.save(
                self._task.checkpoint,
                self.model,
                run_id=self._task.run_id,
                session=self._task.session,
                epochs=self.epochs,
                continued_from=self._continued_from,
            )
        if is_stopping:
            self.status, self.model.stop_training = "interrupted", True

    def _prune(self) -> None:
        self.status, self.model.stop_training = "pruned", True
        if self._task.checkpoint:
            checkpoint.remove(self._task.checkpoint)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
