"""Schedules inside a fit: right in every epoch, without a new trace, in layers of any depth."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import kbnd
from kbnd.errors import UsageError
from kbnd.layers import VariableDropout
from kbnd.spec import TrainSpec
from kbnd.training.schedulers import LearningRateSchedule, schedulers_for

pytestmark = pytest.mark.backend

IMAGES = np.random.default_rng(1).random((32, 4), np.float32)
LABELS = np.arange(32) % 3


class Block(keras.layers.Layer):
    """A layer around a dropout layer; counts how often it is traced (or run) for training."""

    def __init__(self, rate: float, **options) -> None:
        super().__init__(**options)
        self.dropout = VariableDropout(rate, name="dropout")
        self.n_traces = 0

    def build(self, shape) -> None:
        self.dropout.build(shape)

    def call(self, x, training=False):
        self.n_traces += bool(training)
        return self.dropout(x, training=training)


def network() -> keras.Model:
    x = image = keras.Input((4,))
    x = VariableDropout(0.5, name="outer")(keras.layers.Dense(8, "relu")(x))
    x = keras.layers.Dense(3)(Block(0.25, name="block")(x))
    model = keras.Model(image, x)
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


class Seen(keras.callbacks.Callback):
    """What the variables hold when an epoch ends."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: list[tuple[float, float]] = []
        self.learning_rates: list[float] = []

    def on_epoch_end(self, epoch, logs=None) -> None:
        layers = self.model.get_layer("outer"), self.model.get_layer("block").dropout
        self.rates.append(tuple(float(layer.rate.value) for layer in layers))
        self.learning_rates.append(float(self.model.optimizer.learning_rate))


def fit(model: keras.Model, *callbacks, epochs: int = 4, **options) -> Seen:
    seen = Seen()
    model.fit(IMAGES, LABELS, batch_size=16, epochs=epochs, verbose=0, callbacks=[*callbacks, seen], **options)
    return seen


def test_dropout_follows_its_schedule_in_nested_layers_too() -> None:
    seen = fit(network(), kbnd.DropoutSchedule("linear", epochs=2))
    assert seen.rates == [(0.5, 0.25), (0.25, 0.125), (0, 0), (0, 0)]


def test_a_fit_that_starts_later_is_where_it_would_have_been() -> None:
    model = network()
    model.get_layer("outer").rate.assign(0.0)
    seen = fit(model, kbnd.DropoutSchedule("late", epochs=2), initial_epoch=1, epochs=3)
    assert seen.rates == [(0, 0), (0.5, 0.25)]


def test_dropout_is_really_off_when_its_schedule_says_so() -> None:
    model = network()
    fit(model, kbnd.DropoutSchedule("late", epochs=1), epochs=1)
    ones = keras.ops.ones((50, 40))
    masked = model.get_layer("outer")(ones, training=True)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(masked), 1.0)


@pytest.mark.parametrize("dropout", [keras.layers.Dropout(0.5), VariableDropout(0.0)], ids=["Keras' own", "of rate 0"])
def test_a_schedule_without_any_rate_to_change_says_so_once(dropout: keras.layers.Layer) -> None:
    model = keras.Sequential([keras.Input((4,)), dropout, keras.layers.Dense(3)])
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    schedule = kbnd.DropoutSchedule("linear", epochs=2)
    with pytest.warns(UserWarning, match=r"VariableDropout .*kbnd's builders .*dropout > 0") as seen:
        model.fit(IMAGES, LABELS, batch_size=16, epochs=3, verbose=0, callbacks=[schedule])
    ours = [warning for warning in seen if issubclass(warning.category, UserWarning)]
    assert len(ours) == 1


def test_the_learning_rate_follows_its_schedule() -> None:
    train = TrainSpec(epochs=4, learning_rate=0.2, schedule="step", milestones=[1, 3], multipliers=[0.5, 0.1])
    seen = fit(network(), LearningRateSchedule(train))
    assert seen.learning_rates == pytest.approx([0.2, 0.1, 0.1, 0.02])


def test_steps_are_taken_at_the_scheduled_rate() -> None:
    train = TrainSpec(epochs=2, learning_rate=0.2, schedule="step", milestones=[1], multipliers=[1e-30])
    model = network()
    fit(model, LearningRateSchedule(train), epochs=1)
    before = model.get_weights()
    fit(model, LearningRateSchedule(train), initial_epoch=1, epochs=2)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_allclose(now, then, rtol=0, atol=1e-25)


def test_a_schedule_traces_nothing_anew() -> None:
    train = TrainSpec(epochs=4, schedule="cosine", dropout_schedule="linear", dropout_schedule_epochs=3)
    plain, scheduled = network(), network()
    fit(plain)
    fit(scheduled, *schedulers_for(train))
    # PyTorch runs where the others trace: the same number of steps either way
    assert scheduled.get_layer("block").n_traces == plain.get_layer("block").n_traces


def test_a_run_without_schedules_has_no_callback_for_them() -> None:
    assert schedulers_for(TrainSpec()) == []


@pytest.mark.parametrize(
    ("kind", "epochs", "sentence"),
    [
        ("erly", 3, r"unknown dropout_schedule 'erly'.*early"),
        ("early", 0, "epochs of a dropout schedule should be a whole number from 1, received 0"),
        ("early", 2.5, "whole number from 1, received 2.5"),
    ],
)
def test_what_cannot_be_a_dropout_schedule_is_refused(kind: str, epochs: float, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        kbnd.DropoutSchedule(kind, epochs=epochs)
