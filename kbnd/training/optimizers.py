"""The optimizers of a run, with both kinds of weight decay.

g is the gradient of the mean cross-entropy, w a trainable weight, a the learning rate, c the coefficient:

| mode        | rule                                        | which is                                              |
|-------------|---------------------------------------------|-------------------------------------------------------|
| `coupled`   | g + c w takes the place of g in the rule    | c/2 |w|**2 in the loss; PyTorch's `weight_decay`       |
| `decoupled` | w - a c w takes the place of w, then the rule | `weight_decay` of Keras and of PyTorch's `AdamW`      |

Both reach every trainable weight, biases and BN's gamma and beta too, and the reported loss holds neither. Without
weight decay the optimizers are Keras' own classes.

Differs from PyTorch: Keras' SGD keeps a*g in its momentum where PyTorch keeps g, so that after a change of the learning
rate the steps in memory still have the old one; Keras' Adam adds epsilon before its bias correction, not behind it.

Reference: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kbnd.spec import TrainSpec

ADAM_EPSILON = 1e-8
"""PyTorch's; Keras' own is 1e-7."""


def optimizer_for(train: TrainSpec) -> keras.optimizers.Optimizer:
    """Return the optimizer of a run with its learning rate before any schedule."""
    is_coupled = bool(train.weight_decay) and train.weight_decay_mode == "coupled"
    if is_coupled:
        return COUPLED[train.optimizer](train, {"coupled_decay": train.weight_decay})
    return OPTIMIZERS[train.optimizer](train, {"weight_decay": train.weight_decay or None})


def _own(host: Any) -> Any:
    """Return the class that Keras makes of an optimizer on this backend: PyTorch's updates all weights at once."""
    return type(host.__new__(host))


class _Coupled:
    """Adds coefficient * weight to the gradient of every trainable weight; stands before an optimizer's class."""

    def __init__(self, *arguments: Any, coupled_decay: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.coupled_decay = coupled_decay

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Take one step along the gradients; one that is None has no decay either, as in PyTorch."""
        weights = self._trainable_variables if trainable_variables is None else trainable_variables  # type: ignore[attr-defined]
        pairs = zip(grads, list(weights), strict=True)
        # A Python number keeps the gradient's dtype on every backend, and needs no copy to a GPU at each step.
        decayed = [g if g is None else g + self.coupled_decay * w.value for g, w in pairs]
        super().apply(decayed, trainable_variables)  # type: ignore[misc]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this optimizer."""
        return {**super().get_config(), "coupled_decay": self.coupled_decay}  # type: ignore[misc]


@keras.saving.register_keras_serializable("kbnd")
class CoupledSGD(_Coupled, _own(keras.optimizers.SGD)):  # type: ignore[misc]
    """SGD with coupled weight decay; takes `coupled_decay` beside the arguments of `keras.optimizers.SGD`."""


@keras.saving.register_keras_serializable("kbnd")
class CoupledAdam(_Coupled, _own(keras.optimizers.Adam)):  # type: ignore[misc]
    """Adam with coupled weight decay; takes `coupled_decay` beside the arguments of `keras.optimizers.Adam`."""


Maker = Callable[[TrainSpec, dict[str, Any]], keras.optimizers.Optimizer]


def _sgd(kind: type) -> Maker:
    return lambda train, decay: kind(train.learning_rate, momentum=train.momentum, **decay)


def _adam(kind: type) -> Maker:
    return lambda train, decay: kind(train.learning_rate, epsilon=ADAM_EPSILON, **decay)


OPTIMIZERS: dict[str, Maker] = {"sgd": _sgd(keras.optimizers.SGD), "adam": _adam(keras.optimizers.Adam)}
COUPLED: dict[str, Maker] = {"sgd": _sgd(CoupledSGD), "adam": _adam(CoupledAdam)}
