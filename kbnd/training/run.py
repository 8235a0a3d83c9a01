"""One run: data, build, initialise, fit, evaluate, record.

    data -> compiled model in its initial state -> fit (profiler, recorder) -> final evaluation -> RunRecord

A run tells an `Observer` about every epoch and asks it whether to stop; it never writes to a ledger itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kbnd import data
from kbnd.clock import CLOCK_FIELDS, summarise
from kbnd.errors import KbndError, ResumeMismatchError
from kbnd.files import disk_errors, replacing
from kbnd.printable import printable
from kbnd.profiling import threads
from kbnd.profiling.machine import environment
from kbnd.profiling.profiler import EpochProfiler
from kbnd.quiet import without_retracing_warnings
from kbnd.records import CUT_SHORT, EpochRecord, RunRecord, Status
from kbnd.spec import PROTOCOL
from kbnd.training import checkpoint, holding, initial
from kbnd.training.compiled import Networks
from kbnd.training.evaluation import evaluate
from kbnd.training.feed import EpochStart, OrderedBatches
from kbnd.training.pixels import Pixels, pixels_for
from kbnd.training.recorder import LARGEST_LOSS, Recorder, has_diverged
from kbnd.training.schedulers import schedulers_for
from kbnd.training.task import Observer, Task

OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "ResourceExhausted", "out of memory", "OutOfMemory", "MemoryError")
"""What the backends' exceptions say, or are called, when memory ran out."""


def train(
    task: Task,
    *,
    dataset: data.Dataset | None = None,
    observer: Observer | None = None,
    networks: Networks | None = None,
) -> RunRecord:
    """Train one run to its end and return its record; a failure becomes a record too.

    Args:
        task: what to train, and where its checkpoint lies.
        dataset: the loaded dataset of `task.spec.data`; loaded where None.
        observer: told of every epoch.
        networks: models that earlier runs compiled, to take one from and put it back to; None builds one.

    Returns:
        A record whose status is `done`, `diverged`, `failed`, `oom`, `pruned` or `interrupted`.

    Raises:
        KbndError: what the user must mend (missing data, a full disk) is no failure of the run.
    """
    backend = task.identity.backend
    with threads.held(backend, task.n_threads), holding.of_a_run(backend):
        return _train(task, dataset, observer or Observer(), Networks() if networks is None else networks)


def _train(task: Task, dataset: data.Dataset | None, observer: Observer, networks: Networks) -> RunRecord:
    """Train under the settings of the task; as `train`."""
    started = time.perf_counter()
    record, epochs = blank(task), list[EpochRecord]()
    try:
        dataset = dataset or data.load(task.spec.data)
        if dataset.fingerprint != task.identity.fingerprint:
            raise ResumeMismatchError(
                f"dataset {task.spec.data.name!r} changed since this command began (fingerprint "
                f"{dataset.fingerprint[:12]} instead of {task.identity.fingerprint[:12]}): start it again"
            )
        record = _trained(task, record, networks, dataset, observer, epochs)
    except KbndError:
        raise
    except Exception as error:  # noqa: BLE001 (the one place where a failed run becomes a row)
        text = f"{type(error).__name__}: {error}"
        status: Status = "oom" if any(sign in text for sign in OUT_OF_MEMORY) else "failed"
        if status == "oom":
            networks.clear()  # or the next run would lack what those keep
        record = replace(
            record, status=status, error=printable(text[:2000], keep="\n\t"), epochs=tuple(epochs), n_epochs=len(epochs)
        )
    return replace(record, wall_s=time.perf_counter() - started)


def blank(task: Task) -> RunRecord:
    """Return the record of a run that has not been trained yet."""
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
        environment=environment(),
    )


@without_retracing_warnings()
def _trained(
    task: Task,
    record: RunRecord,
    networks: Networks,
    dataset: data.Dataset,
    observer: Observer,
    epochs: list[EpochRecord],
) -> RunRecord:
    """Fit and evaluate, appending to `epochs`; what this raises becomes a failed run."""
    model = networks.take(task.spec, dataset)
    resumed = checkpoint.load(task.checkpoint, run_id=task.run_id) if task.checkpoint else None
    if resumed:
        checkpoint.restore(resumed, model)
        epochs += resumed.epochs
        record = replace(record, epochs=resumed.epochs, continued_from=_earlier(resumed, task.session))
    observer.on_start(record)
    pixels = pixels_for(task.spec.data, dataset.train.images, fingerprint=dataset.fingerprint)
    profiler = EpochProfiler(n_images=len(dataset.train.labels), idle_bytes=networks.n_bytes)
    recorder = Recorder(
        task, dataset, profiler, observer, epochs=epochs, continued_from=record.continued_from, pixels=pixels
    )
    record = _fitted(task, record, model, recorder)
    if record.status not in CUT_SHORT:
        record = _evaluated(task, record, model, dataset, pixels)
    networks.put_back(model, task.spec, dataset)  # the model of a run that raised is in an unknown state: it is gone
    return record


def _fitted(task: Task, record: RunRecord, model: keras.Model, recorder: Recorder) -> RunRecord:
    """The record with its epochs and their clock, the model trained."""
    spec = task.spec.train
    feed = OrderedBatches(
        recorder.dataset.train,
        batch_size=spec.batch_size,
        seed=task.spec.seed,
        pixels=recorder.pixels,
        is_augmented=spec.augmentation != "none",
    )

    def start(epoch: int) -> None:
        feed.set_epoch(epoch)
        initial.seed_global_dropout(seed=task.spec.seed, epoch=epoch)

    model.fit(
        feed,
        epochs=spec.epochs,
        initial_epoch=len(recorder.epochs),
        shuffle=False,
        verbose=0,
        # What prepares an epoch stands before the profiler, so that its window is open for the training alone.
        callbacks=[EpochStart(start), *schedulers_for(spec), recorder.profiler, recorder],
    )
    clock = summarise([asdict(epoch) for epoch in recorder.epochs])
    return replace(
        record,
        epochs=tuple(recorder.epochs),
        n_epochs=len(recorder.epochs),
        n_parameters=int(sum(math.prod(v.shape) for v in model.trainable_variables)),
        n_steps=len(feed),
        status=recorder.status,
        error=None,
        **{name: clock[name] for name in CLOCK_FIELDS},
    )


def _evaluated(task: Task, record: RunRecord, model: keras.Model, dataset: data.Dataset, pixels: Pixels) -> RunRecord:
    """The record with the results of the final weights."""
    record = replace(record, **_final(model, dataset, record.epochs, pixels))
    if task.weights:
        _save_weights(model, task.weights)
    losses = (record.test_loss, record.val_loss, record.epochs[-1].train_loss)
    return replace(record, status="diverged") if has_diverged(losses, largest=LARGEST_LOSS) else record


def _final(model: keras.Model, dataset: data.Dataset, epochs: Sequence[EpochRecord], pixels: Pixels) -> dict[str, Any]:
    """Test and validation results of the final weights, by field of RunRecord."""
    test = evaluate(model, dataset.test, pixels=pixels)
    results: dict[str, Any] = {
        "test_loss": test.loss,
        "test_accuracy": test.accuracy,
        "test_correct": np.packbits(test.correct).tobytes(),
        "n_test": len(test.correct),
        "val_loss": epochs[-1].val_loss,
        "val_accuracy": epochs[-1].val_accuracy,
    }
    if results["val_loss"] is None and len(dataset.validation.labels):
        validation = evaluate(model, dataset.validation, pixels=pixels)
        results |= {"val_loss": validation.loss, "val_accuracy": validation.accuracy}
    return results


def _earlier(resumed: checkpoint.Checkpoint, session: str) -> str | None:
    """The session whose training this one continues, so that its time is never compared; a session may stop itself."""
    return resumed.continued_from if resumed.session == session else resumed.session


def _save_weights(model: keras.Model, path: Path) -> None:
    arrays = {variable.path: np.asarray(keras.ops.convert_to_numpy(variable.value)) for variable in model.weights}
    with disk_errors(f"the folder {path.parent} of the weights"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, what="file of weights") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
