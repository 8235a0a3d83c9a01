"""Callbacks that put a schedule into effect: each sets a variable at the start of every epoch.

Learning rate and dropout rates are variables of the compiled step, so nothing is traced or compiled anew. Both
callbacks compute from the epoch's number alone and hold no state of the training.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import keras

from kbnd.errors import checked_whole
from kbnd.layers import VariableDropout
from kbnd.spec import TrainSpec
from kbnd.training.schedules import dropout_factor_at, learning_rate_at

Logs = dict[str, Any] | None


class LearningRateSchedule(keras.callbacks.Callback):
    """Sets the learning rate that a TrainSpec has for each epoch.

    Args:
        train: its `schedule`, `learning_rate` and what belongs to them.
    """

    def __init__(self, train: TrainSpec) -> None:
        super().__init__()
        self.train = train

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:  # noqa: ARG002 (Keras' signature)
        """Set the rate of this epoch."""
        self.model.optimizer.learning_rate = learning_rate_at(self.train, epoch + 1)


class DropoutSchedule(keras.callbacks.Callback):
    """Multiplies the rate of every `kbnd.layers.VariableDropout` of the model by a factor for each epoch.

    Works in any ``model.fit(..., callbacks=[DropoutSchedule("early", epochs=10)])``, also for layers inside other
    layers. The factor multiplies the rate that a layer was made with (`initial_rate`), whatever its weight `rate` held
    before; after the fit the weight keeps the last epoch's rate. Keras' own Dropout layers cannot be scheduled: a fit
    without any layer to schedule begins with a warning.

    Args:
        kind: `constant`, `early`, `late` or `linear`, as `kbnd.training.schedules` defines them.
        epochs: epochs of the schedule's first part, counted from the first epoch of the fit's numbering.

    Raises:
        UsageError: an unknown kind, or fewer than one epoch.
    """

    def __init__(self, kind: str, *, epochs: int) -> None:
        super().__init__()
        epochs = checked_whole(epochs, "epochs of a dropout schedule")
        dropout_factor_at(kind, 1, epochs)
        self.kind = kind
        self.epochs = epochs

    def on_train_begin(self, logs: Logs = None) -> None:  # noqa: ARG002 (Keras' signature)
        """Warn where there is no rate to set."""
        if not any(layer.initial_rate for layer in self._layers()):
            warnings.warn(
                "DropoutSchedule changes nothing in this fit: the model has no kbnd.layers.VariableDropout with a rate "
                "above 0, which kbnd's builders put in for dropout > 0, and Keras' own Dropout cannot be scheduled",
                stacklevel=5,  # who called fit, above Keras' list of callbacks and its filter of tracebacks
            )

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:  # noqa: ARG002 (Keras' signature)
        """Set the rates of this epoch."""
        factor = dropout_factor_at(self.kind, epoch + 1, self.epochs)
        for layer in self._layers():
            layer.rate.assign(layer.initial_rate * factor)

    def _layers(self) -> Iterator[VariableDropout]:
        # No public attribute of a model lists the layers inside composite layers.
        layers = self.model._flatten_layers(include_self=False)
        return (layer for layer in layers if isinstance(layer, VariableDropout))


def schedulers_for(train: TrainSpec) -> list[keras.callbacks.Callback]:
    """Return the callbacks that a run needs for its schedules: none where nothing changes."""
    schedulers: list[keras.callbacks.Callback] = []
    if train.schedule != "constant":
        schedulers.append(LearningRateSchedule(train))
    if train.dropout_schedule != "constant":
        schedulers.append(DropoutSchedule(train.dropout_schedule, epochs=train.dropout_schedule_epochs))
    return schedulers
