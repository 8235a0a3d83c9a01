"""A run, from spec to record, on the backend that is set."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from kbnd import data, models
from kbnd.errors import DataMissingError, ResumeMismatchError
from kbnd.records import EpochRecord, RunRecord
from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec
from kbnd.training import backend, checkpoint, recorder, run
from kbnd.training.compiled import Networks
from kbnd.training.feed import EpochStart, OrderedBatches
from kbnd.training.pixels import Pixels
from kbnd.training.recorder import LARGEST_LOSS
from kbnd.training.task import Observer, Task

pytestmark = pytest.mark.backend


BOTH = ModelSpec(name="lenet5", batch_norm="before_activation", dropout=0.5)


def task(model: ModelSpec = BOTH, *, seed: int = 1, file: Path | None = None, **training) -> Task:
    settings = {"epochs": 2, "batch_size": 32, "learning_rate": 0.05, "test_curve": True, "n_train_eval": 40}
    spec = RunSpec(
        model=model,
        data=data.resolve(DataSpec(name="digits", n_train=80)),
        train=TrainSpec(**settings | training),
        seed=seed,
    )
    identity = backend.identity(data.fingerprint(spec.data))
    return Task(spec=spec, identity=identity, session="test", checkpoint=file)


def numbers(record) -> list[tuple[float | None, ...]]:
    """Everything of the epochs that is not time."""
    names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy")
    return [tuple(getattr(epoch, name) for name in names) for epoch in record.epochs]


@pytest.fixture(scope="module")
def networks() -> Networks:
    """Models compiled once, for runs that need no fresh one."""
    return Networks()


@pytest.fixture(scope="module")
def record() -> RunRecord:
    """A run on a fresh model."""
    return run.train(task())


def test_a_record_holds_result_curves_and_clock(record: RunRecord) -> None:
    assert (record.status, record.error, record.n_epochs) == ("done", None, 2)
    assert [epoch.epoch for epoch in record.epochs] == [1, 2]
    assert record.n_steps == 3  # the last, smaller batch is kept: 32 + 32 + 16
    assert record.n_parameters == 61_990
    last = record.epochs[-1]
    assert (last.test_accuracy, last.val_accuracy) == (record.test_accuracy, record.val_accuracy)
    assert None not in (last.train_eval_loss, last.train_eval_accuracy, last.train_s, last.val_s, last.images_per_s)
    assert [epoch.is_warmup for epoch in record.epochs] == [True, False]
    assert record.epoch_s == last.train_s
    assert record.fit_s == pytest.approx(sum(epoch.train_s for epoch in record.epochs))
    correct = np.unpackbits(np.frombuffer(record.test_correct, np.uint8), count=record.n_test)
    assert correct.mean() == pytest.approx(record.test_accuracy)


def test_a_seed_fixes_every_number_and_another_seed_changes_them(record: RunRecord, networks: Networks) -> None:
    again, other = (run.train(task(seed=seed), networks=networks) for seed in (1, 2))
    assert numbers(record) == numbers(again)
    assert record.test_correct == again.test_correct
    assert numbers(record) != numbers(other)


def test_the_model_is_trained_on_the_seeds_batches_in_their_order() -> None:
    """A softmax regression by hand, over the same order, ends with the same weights."""
    split = data.load(DataSpec(name="digits", n_train=70)).train
    batch_size, rate, classes = 32, 0.1, 10
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(classes)])
    model.set_weights([np.zeros((784, classes), np.float32), np.zeros(classes, np.float32)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(rate), loss=loss)
    feed = OrderedBatches(split, batch_size=batch_size, seed=3)
    model.fit(feed, epochs=3, shuffle=False, verbose=0, callbacks=[EpochStart(feed.set_epoch)])

    def by_hand(epochs: list[int]) -> np.ndarray:
        x, weights, bias = Pixels().scaled(split.images[:]).reshape(70, -1).astype(float), np.zeros((784, classes)), 0.0
        for epoch in epochs:
            order = data.epoch_order(70, seed=3, epoch=epoch)
            for batch in np.array_split(order, range(batch_size, 70, batch_size)):
                logits = x[batch] @ weights + bias
                p = np.exp(logits - logits.max(1, keepdims=True))
                gradient = (p / p.sum(1, keepdims=True) - np.eye(classes)[split.labels[batch]]) / len(batch)
                weights, bias = weights - rate * x[batch].T @ gradient, bias - rate * gradient.sum(0)
        return weights

    trained = keras.ops.convert_to_numpy(model.trainable_variables[0].value)
    np.testing.assert_allclose(trained, by_hand([1, 2, 3]), atol=2e-6)
    assert np.abs(trained - by_hand([2, 1, 3])).max() > 1e-4


def stop_after(epoch: int) -> Observer:
    seen: list[EpochRecord] = []
    return Observer(on_epoch=seen.append, should_stop=lambda: seen[-1].epoch >= epoch)


RECIPES = {
    "momentum": {"momentum": 0.9},
    "adam": {"optimizer": "adam", "learning_rate": 0.001},
    "everything that moves": {
        "momentum": 0.9,
        "weight_decay": 0.001,
        "schedule": "step",
        "milestones": [1, 3],
        "multipliers": [0.5, 0.1],
        "dropout_schedule": "linear",
        "dropout_schedule_epochs": 3,
        "augmentation": "crop_flip",
    },
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_resumed_run_ends_bit_identical(tmp_path: Path, recipe: str) -> None:
    networks = Networks()
    whole = run.train(task(epochs=4, **RECIPES[recipe]), networks=networks)
    parts = task(epochs=4, file=tmp_path / "run.npz", **RECIPES[recipe])
    stopped = run.train(parts, observer=stop_after(2), networks=networks)
    assert (stopped.status, stopped.n_epochs) == ("interrupted", 2)
    resumed = run.train(replace(parts, session="later"))  # on a fresh model, as in another process
    assert resumed.status == "done"
    assert numbers(resumed) == numbers(whole)
    assert resumed.test_correct == whole.test_correct
    assert (resumed.session, resumed.continued_from) == ("later", "test")  # times of two sessions are never compared


def test_a_torn_checkpoint_falls_back_to_the_one_before(tmp_path: Path, networks: Networks) -> None:
    file = tmp_path / "run.npz"
    run.train(task(epochs=4, file=file), observer=stop_after(3), networks=networks)
    assert len(checkpoint.load(file, run_id=task(epochs=4).run_id).epochs) == 3
    file.write_bytes(file.read_bytes()[:1000])
    assert len(checkpoint.load(file, run_id=task(epochs=4).run_id).epochs) == 2
    assert checkpoint.load(file, run_id="another run") is None


def test_nan_makes_a_run_diverged_and_stops_it(networks: Networks) -> None:
    record = run.train(task(epochs=5, learning_rate=1e38), networks=networks)
    assert record.status == "diverged"
    assert record.n_epochs < 5


def test_a_run_that_ends_with_a_loss_beyond_every_meaning_has_diverged(networks: Networks) -> None:
    record = run.train(task(ModelSpec(name="lenet5"), epochs=1, learning_rate=1e3), networks=networks)
    assert record.status == "diverged"
    assert math.isfinite(record.test_loss)  # some 1e29 nats
    assert record.test_accuracy is not None


@pytest.mark.parametrize(
    ("losses", "has_diverged"),
    [
        ((2.3, None, LARGEST_LOSS), False),
        ((2.3, 1.001 * LARGEST_LOSS), True),
        ((math.nan,), True),
        ((math.inf, 0.1), True),
        ((None,), False),
    ],
)
def test_a_loss_says_that_a_run_diverged_above_its_bound_only(losses: tuple, has_diverged: bool) -> None:
    assert recorder.has_diverged(losses, largest=LARGEST_LOSS) == has_diverged
    assert recorder.has_diverged(losses) == any(loss is not None and not math.isfinite(loss) for loss in losses)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("the kernel is broken"), "failed"),
        (MemoryError(), "oom"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1073741824 bytes"), "oom"),
    ],
)
def test_an_exception_becomes_a_record_with_its_text(monkeypatch, error: Exception, status: str) -> None:
    def broken(*_, **__):
        raise error

    monkeypatch.setattr(models, "build", broken)
    record = run.train(task())
    assert record.status == status
    assert type(error).__name__ in record.error


def test_a_run_that_fails_keeps_the_epochs_it_had(tmp_path: Path) -> None:
    seen: list[EpochRecord] = []

    def fail_after_two(epoch: EpochRecord) -> None:
        seen.append(epoch)
        if epoch.epoch == 2:
            raise RuntimeError("the kernel is broken")

    record = run.train(task(epochs=4, file=tmp_path / "run.npz"), observer=Observer(on_epoch=fail_after_two))
    assert record.status == "failed"
    assert list(record.epochs) == seen
    assert len(checkpoint.load(tmp_path / "run.npz", run_id=record.run_id).epochs) == 1


def test_data_that_changed_since_the_run_was_planned_are_refused() -> None:
    planned = task()
    changed = replace(planned, identity=backend.identity("0" * 64))
    with pytest.raises(ResumeMismatchError, match="changed since"):
        run.train(changed)


def test_every_arm_sees_the_same_batches(monkeypatch, networks: Networks) -> None:
    """What the feeds of two arms hand out, by epoch and step, on this backend."""
    handed: list[dict[tuple[int, int], tuple]] = []

    class Watched(OrderedBatches):
        def __init__(self, *arguments, **options) -> None:
            handed.append({})
            super().__init__(*arguments, **options)

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch
            super().set_epoch(epoch)

        def __getitem__(self, step: int):
            images, labels = super().__getitem__(step)
            handed[-1][self.epoch, step] = (images.tobytes(), labels.tobytes())
            return images, labels

    monkeypatch.setattr(run, "OrderedBatches", Watched)
    run.train(task(ModelSpec(name="lenet5")))
    run.train(task(BOTH), networks=networks)
    plain, both = handed
    assert {(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)} <= set(plain)
    assert plain == both


def test_missing_data_is_no_failed_run(monkeypatch) -> None:
    def missing(_):
        raise DataMissingError("no data")

    monkeypatch.setattr(run.data, "load", missing)
    with pytest.raises(DataMissingError):
        run.train(task())


def test_final_weights_are_written_as_plain_arrays(tmp_path: Path, networks: Networks) -> None:
    run.train(replace(task(epochs=1), weights=tmp_path / "weights.npz"), networks=networks)
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as stored:
        kernel = next(stored[name] for name in stored.files if "conv1/kernel" in name)
    assert kernel.shape == (5, 5, 1, 6)
