"""Compiled models that serve many runs: tracing and compiling a network costs more than a short training of it.

Dropout rates and the learning rate are variables of the compiled step, a seed only sets variables, and no step knows
how many epochs follow. So runs that differ in nothing else can share one model, set back in between to what a fresh
build would be:

| state                                    | set back to                                       |
|------------------------------------------|---------------------------------------------------|
| kernels and biases                       | the draw of the run's seed (`initial.initialise`) |
| gamma, beta, moving statistics           | 1, 0, 0, 1                                        |
| dropout rates and masks                  | the run's rates, the seed's generators            |
| steps, momenta, moments of the optimizer | 0                                                 |
| learning rate                            | the run's                                         |
| metrics, `stop_training`                 | empty, False (as every `fit` does itself)         |

The numbers are those of a fresh build, bit by bit.
"""

from __future__ import annotations

import gc
import math
from collections import OrderedDict

import keras
import numpy as np

from kbnd import models
from kbnd.data import Dataset
from kbnd.models.logits_dropout import warn_of_logits_dropout
from kbnd.models.registry import find
from kbnd.spec import ModelSpec, RunSpec, canonical_json
from kbnd.training import initial
from kbnd.training.optimizers import optimizer_for

MOST_MODELS = 16
"""Models kept at most: a block of a large study, or the placements of a search."""

MOST_BYTES = 2**30
"""Variables kept at most, in bytes; what compiled code takes beside them no backend tells."""


class Networks:
    """The compiled models of a process that no run is using, the least recently used dropped first.

    A model is taken out for a run and put back only after it; what a run that raised has left is never used again.
    A Keras model and its compiled steps are a circle of some 10 MB, which is broken at once where a model is dropped.
    (Breaking it after every run would take a quarter of a second each time.)

    Args:
        most_models: models kept at most.
        most_bytes: bytes of variables kept at most; a single model is kept whatever its size.
    """

    def __init__(self, *, most_models: int = MOST_MODELS, most_bytes: int = MOST_BYTES) -> None:
        self.most_models = most_models
        self.most_bytes = most_bytes
        self._idle: OrderedDict[str, tuple[keras.Model, int]] = OrderedDict()
        self._is_out = False

    @property
    def n_models(self) -> int:
        """How many models are kept."""
        return len(self._idle)

    @property
    def n_bytes(self) -> int:
        """Bytes of the variables of the models that are kept, their optimizers' too."""
        return sum(n_bytes for _, n_bytes in self._idle.values())

    def clear(self) -> None:
        """Drop every model that is kept."""
        self._idle.clear()
        gc.collect()

    def take(self, spec: RunSpec, dataset: Dataset) -> keras.Model:
        """Return the compiled model of a run in its initial state: one that is kept, or else a fresh build.

        Args:
            spec: of the run.
            dataset: its images, for their shape and the number of classes.

        Raises:
            UsageError: the network cannot be meant, or not for these images.
        """
        if self._is_out:  # the run before has raised
            gc.collect()
        self._is_out = True
        model, _ = self._idle.pop(_key(spec, dataset), (None, 0))
        if model is None:
            return compiled(spec, dataset)
        _warn(spec.model, dataset)
        set_back(model, spec)
        return model

    def put_back(self, model: keras.Model, spec: RunSpec, dataset: Dataset) -> None:
        """Keep a model for later runs, dropping others where there are too many.

        Args:
            model: as `take` gave it.
            spec: what it was taken for.
            dataset: likewise.
        """
        self._idle[_key(spec, dataset)] = (model, _n_bytes(model))
        self._is_out = False
        n_models = self.n_models
        while self.n_models > self.most_models or (self.n_models > 1 and self.n_bytes > self.most_bytes):
            self._idle.popitem(last=False)
        if self.n_models < n_models:
            gc.collect()


def compiled(spec: RunSpec, dataset: Dataset) -> keras.Model:
    """Return the network of a run: built, with its seed's initial weights and dropout generators, compiled."""
    model = models.build(spec.model, input_shape=dataset.image_shape, classes=dataset.classes)
    model.compile(
        optimizer=optimizer_for(spec.train),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    set_back(model, spec)
    return model


def set_back(model: keras.Model, spec: RunSpec) -> None:
    """Give a compiled model the state that a run begins with, whatever it was used for before.

    Args:
        model: of the run's network and optimizer; dropout rates and learning rate may be those of another run.
        spec: of the run.
    """
    initial.initialise(model, seed=spec.seed, scheme=spec.train.initial_weights, gain=spec.train.initial_gain)
    initial.set_dropout(model, {f"{unit}_dropout": rate for unit, rate in _rates(spec.model).items()})
    initial.seed_dropout(model, seed=spec.seed)
    for variable in model.optimizer.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))
    model.optimizer.learning_rate = spec.train.learning_rate
    model.reset_metrics()
    model.stop_training = False
    if hasattr(model, "_jax_state"):  # the arrays of the last evaluation, which nobody reads any more
        model._jax_state = None


def _key(spec: RunSpec, dataset: Dataset) -> str:
    """What two runs have in common that share a model.

    The sites of dropout belong to it, because a rate of 0 makes no layer; so do the data, because batches of other
    sizes would be compiled anew within an epoch that is timed as steady.
    """
    train = {"learning_rate", "epochs"} if spec.train.schedule == "constant" else set()
    apart = {"seed": True, "replicate": True, "model": {"dropout", "dropout_sites"}, "train": train}
    shared = spec.model_dump(mode="json", exclude=apart)  # type: ignore[arg-type]
    return canonical_json([shared, sorted(_rates(spec.model)), dataset.image_shape, dataset.classes])


def _rates(spec: ModelSpec) -> dict[str, float]:
    """The dropout rate of each unit that has a dropout layer."""
    return dict(find(spec.name).plan(spec).dropout)


def _warn(spec: ModelSpec, dataset: Dataset) -> None:
    """Warn of dropout on the logits as a build would: the warning quotes the rate."""
    network = find(spec.name)
    *_, last = network.parts(spec, input_shape=dataset.image_shape, classes=dataset.classes)
    warn_of_logits_dropout(network.plan(spec), [last.unit], dataset.classes)  # type: ignore[union-attr]


def _n_bytes(model: keras.Model) -> int:
    variables = [*model.variables, *model.optimizer.variables]
    return sum(math.prod(v.shape) * np.dtype(keras.backend.standardize_dtype(v.dtype)).itemsize for v in variables)
