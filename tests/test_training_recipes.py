"""What a recipe asks for reaches the training, and only what it should reach."""

from __future__ import annotations

import functools
from dataclasses import replace

import keras
import numpy as np
import pytest

from kbnd import data
from kbnd.records import RunRecord
from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec
from kbnd.training import backend, run
from kbnd.training.compiled import Networks
from kbnd.training.feed import OrderedBatches
from kbnd.training.pixels import pixels_for
from kbnd.training.task import Task

pytestmark = pytest.mark.backend

N_TRAIN = 80
STILL = {"learning_rate": 1e-30, "epochs": 1}
"""Settings under which no weight moves, so that losses are those of the initial weights."""


NETWORKS = Networks()
"""Compiled once for all runs below that differ in nothing but rates."""


def train(*, standardise: str = "none", dropout: float = 0.0, **training) -> RunRecord:
    images = data.resolve(DataSpec(name="digits", n_train=N_TRAIN))
    settings = {"epochs": 2, "batch_size": 40, "learning_rate": 0.1, "n_train_eval": N_TRAIN, "test_curve": True}
    spec = RunSpec(
        model=ModelSpec(name="lenet5", dropout=dropout),
        data=images.model_copy(update={"standardise": standardise}),
        train=TrainSpec(**settings | training),
    )
    task = Task(spec=spec, identity=backend.identity(data.fingerprint(spec.data)), session="test")
    record = run.train(task, networks=NETWORKS)
    assert record.error is None
    return record


plain = functools.cache(train)
"""A run that others are compared with, trained once."""


def digits(**fields) -> data.Dataset:
    return data.load(DataSpec(name="digits", n_train=N_TRAIN, **fields))


def collected(feed: OrderedBatches, *, epoch: int) -> dict[bytes, bytes]:
    """Images of one epoch by the position of their original, whatever the batches."""
    feed.set_epoch(epoch)
    images = np.concatenate([feed[step][0] for step in range(len(feed))])
    order = data.epoch_order(N_TRAIN, seed=1, epoch=epoch)
    return {int(index): image.tobytes() for index, image in zip(order, images, strict=True)}


def test_augmented_images_are_the_same_at_every_batch_size_and_new_in_every_epoch() -> None:
    split = digits().train
    feeds = [OrderedBatches(split, batch_size=size, seed=1, is_augmented=True) for size in (7, 40)]
    first, again = (collected(feed, epoch=1) for feed in feeds)
    assert first == again
    second = collected(feeds[0], epoch=2)
    assert sum(second[index] != first[index] for index in first) > 0.9 * N_TRAIN


def test_images_for_training_are_augmented_and_no_others() -> None:
    still, augmented = plain(**STILL), train(**STILL, augmentation="crop_flip")
    assert augmented.epochs[0].train_loss != still.epochs[0].train_loss
    for name in ("train_eval_loss", "val_loss"):
        assert getattr(augmented.epochs[0], name) == getattr(still.epochs[0], name)
    assert augmented.test_loss == still.test_loss


def test_all_splits_are_standardised_alike_by_the_images_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []

    def watched(spec, images, *, fingerprint):
        used.append(np.array(images))
        return pixels_for(spec, images, fingerprint=fingerprint)

    monkeypatch.setattr(run, "pixels_for", watched)
    still, standardised = plain(**STILL), train(**STILL, standardise="per_channel")
    np.testing.assert_array_equal(used[-1], digits().train.images)
    # the training's own loss is a float32 mean over batches, evaluation's float64
    assert standardised.epochs[0].train_loss == pytest.approx(standardised.epochs[0].train_eval_loss, rel=1e-5)
    for name in ("train_loss", "train_eval_loss", "val_loss", "test_loss"):
        assert getattr(standardised.epochs[0], name) != getattr(still.epochs[0], name)
    assert standardised.test_loss == standardised.epochs[0].test_loss
    assert standardised.val_loss == standardised.epochs[0].val_loss


def test_black_pixels_are_padded_before_standardising() -> None:
    dataset = digits()
    pixels = pixels_for(DataSpec(standardise="per_channel"), dataset.train.images)
    feed = OrderedBatches(dataset.train, batch_size=N_TRAIN, seed=1, pixels=pixels, is_augmented=True)
    images, _ = feed[0]
    black = pixels.scaled(np.zeros((1, 1, 1, 1), np.uint8)).item()
    assert images.min() == pytest.approx(black)
    assert (images == images.min()).mean() > 0.4  # digits are mostly black


def test_an_epoch_after_its_milestone_is_trained_at_the_new_rate() -> None:
    record = train(epochs=3, schedule="step", milestones=[2], multipliers=[1e-30])
    first, second, third = (epoch.test_loss for epoch in record.epochs)
    assert first != second
    assert second == third


def test_schedules_act_before_an_epoch_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    order = []

    class Scheduler(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            order.append("schedule")

    class Profiler(run.EpochProfiler):
        def on_epoch_begin(self, epoch, logs=None):
            order.append("clock")
            super().on_epoch_begin(epoch, logs)

    monkeypatch.setattr(run, "schedulers_for", lambda _: [Scheduler()])
    monkeypatch.setattr(run, "EpochProfiler", Profiler)
    train()
    assert order == ["schedule", "clock"] * 2


def test_dropout_is_off_once_its_early_phase_is_over() -> None:
    early = train(dropout=0.5, **STILL | {"epochs": 2}, dropout_schedule="early", dropout_schedule_epochs=1)
    still = plain(**STILL | {"epochs": 2})
    assert early.epochs[0].train_loss != pytest.approx(still.epochs[0].train_loss, rel=1e-5)
    assert early.epochs[1].train_loss == pytest.approx(still.epochs[1].train_loss, rel=1e-6)


@pytest.mark.parametrize("mode", ["coupled", "decoupled"])
def test_weight_decay_changes_the_result_but_not_the_first_loss(mode: str) -> None:
    undecayed = plain(batch_size=N_TRAIN)
    decayed = train(batch_size=N_TRAIN, weight_decay=0.1, weight_decay_mode=mode)
    assert decayed.epochs[0].train_loss == undecayed.epochs[0].train_loss
    assert decayed.epochs[1].train_loss != undecayed.epochs[1].train_loss


def test_the_gain_reaches_the_initial_weights() -> None:
    still, wide = plain(**STILL), train(**STILL, initial_gain=3.0)
    assert wide.epochs[0].train_loss > still.epochs[0].train_loss + 0.1


def test_more_images_than_there_are_for_the_eval_mode_curve_means_all_of_them() -> None:
    every, more = plain().epochs, train(n_train_eval=10**6).epochs
    strip = dict.fromkeys(("is_warmup", "train_s", "val_s", "images_per_s", "hook_s", "peak_rss_bytes"))
    assert [replace(epoch, **strip) for epoch in every] == [replace(epoch, **strip) for epoch in more]


def test_the_images_of_the_eval_mode_curve_hold_all_classes_in_proportion() -> None:
    labels = digits().train[:30].labels
    assert np.bincount(labels, minlength=10).tolist() == [3] * 10
    assert labels.tolist() != sorted(labels)
