"""kbnd's networks inside stock keras-tuner tuners, for those who search in a notebook with keras-tuner's own loop.

    import keras_tuner
    from kbnd.tuning.hypermodel import SpecHyperModel

    model = SpecHyperModel("alexnet", input_shape=(32, 32, 3), classes=10)
    tuner = keras_tuner.RandomSearch(model, objective="val_accuracy", max_trials=20, seed=1)
    tuner.search(x, y, validation_data=(x_val, y_val), epochs=5)

Builder, optimizer and seeded initial weights are those of a kbnd run. Order of the images, epochs, batch size and what
is remembered are the tuner's: such a search is not replayed, and its times are not measured by kbnd.
Differs from `kbnd tune`: every trial has the one seed, and values are not rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from kbnd.cost.images import images_of
from kbnd.errors import UsageError, checked_whole
from kbnd.models.registry import named
from kbnd.spec import DataSpec, RunSpec
from kbnd.training.compiled import compiled
from kbnd.tuning.defaults import space_file, space_for
from kbnd.tuning.keras_values import declare, decode
from kbnd.tuning.space import Space

BUILT = (
    "optimizer",
    "learning_rate",
    "momentum",
    "weight_decay",
    "weight_decay_mode",
    "initial_weights",
    "initial_gain",
)
"""Fields of `TrainSpec` that a compiled model carries; the others are what a tuner's `fit` does."""


class SpecHyperModel(keras_tuner.HyperModel):
    """A network of kbnd as a hypermodel: `build` declares its space, and returns a compiled model.

    Args:
        model: name of the network, such as `alexnet` or `resnet20`.
        input_shape: (height, width, channels) of the images, scaled to [0, 1]; None is that of the space's
            dataset, by default the network's own: (32, 32, 3) for `alexnet`.
        classes: number of logits; labels are whole numbers from 0. None is likewise that of the dataset.
        space: what varies: a `Space`, or a space file (a `Path` or its name); None is
            `kbnd.tuning.default_space(model)`.
        seed: of initial weights and dropout masks, the same for every trial.

    Raises:
        UsageError: a function or a model in place of a name, a space of another network, or one that varies what only
            `fit` could follow, such as batch size.
    """

    def __init__(
        self,
        model: str,
        *,
        input_shape: tuple[int, int, int] | None = None,
        classes: int | None = None,
        space: Space | Path | str | None = None,
        seed: int = 1,
    ) -> None:
        network, _ = named(model)
        super().__init__(name=model)
        self.space = space if isinstance(space, Space) else space_for(model, file=space_file(space))
        if self.space.model.get("name") != network:
            raise UsageError(f"a space of {network} is needed, received one of {self.space.model.get('name')}")
        allowed = {f"train.{field}" for field in BUILT}
        for path in self.space.hyperparameters:
            if not path.startswith("model.") and path not in allowed:
                raise UsageError(f"a hypermodel varies the network and train.{', train.'.join(BUILT)}, received {path}")
        if input_shape is None or classes is None:
            images = images_of(self.space.images)
            if images is None:
                raise UsageError(
                    f"the images of {self.space.images.name} are not decoded yet: give input_shape and classes"
                )
            input_shape, classes = input_shape or images.shape, classes or images.classes
        self.input_shape = input_shape
        self.classes = classes
        self.seed = checked_whole(seed, "seed")

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the compiled network of a trial, in the initial state that its seed gives.

        Args:
            hp: of the trial; what the space varies is declared in it, by path.
        """
        values: dict[str, Any] = {
            path: decode(parameter, declare(hp, path, parameter))
            for path, parameter in self.space.hyperparameters.items()
        }
        spec = RunSpec(
            model=self.space.model_spec(values),
            data=DataSpec(),
            train=self.space.train_spec(values),
            seed=self.seed,
        )
        model = compiled(spec, _Images(self.input_shape, self.classes))  # type: ignore[arg-type]
        # Hyperband loads the checkpoint of an earlier trial into this model, and with it the optimizer's moments.
        model.optimizer.build(model.trainable_variables)
        return model


@dataclass(frozen=True)
class _Images:
    """What a network is built for: all that `compiled` reads of a dataset."""

    image_shape: tuple[int, int, int]
    classes: int
