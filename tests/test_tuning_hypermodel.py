"""kbnd's networks inside the four stock tuners of keras-tuner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from kbnd import data
from kbnd.errors import UsageError
from kbnd.spec import DataSpec
from kbnd.tuning import Choice, Range, Space, space_for
from kbnd.tuning.hypermodel import SpecHyperModel

pytestmark = pytest.mark.backend

SHAPE = (28, 28, 1)
TUNERS: dict[str, tuple[type[keras_tuner.Tuner], dict[str, Any]]] = {
    "random": (keras_tuner.RandomSearch, {"max_trials": 1}),
    "grid": (keras_tuner.GridSearch, {"max_trials": 2}),
    "bayesian": (keras_tuner.BayesianOptimization, {"max_trials": 2, "num_initial_points": 1}),
    "hyperband": (keras_tuner.Hyperband, {"max_epochs": 2, "factor": 2}),
}
N_TRIALS = {"random": 1, "hyperband": 3}
"""Of a random search one is as good as two. The third of Hyperband goes on from a checkpoint: a rebuilt network must
take the weights of the first one."""


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    train = data.load(DataSpec(name="digits", n_train=96)).train
    return np.asarray(train.images, "float32") / 255, np.asarray(train.labels)


def space() -> Space:
    return space_for("lenet5", dataset="digits", batch_norm="before_activation", optimizer="sgd,adam", epochs=1)


@pytest.mark.filterwarnings("ignore:(currentThread|getName)")  # keras-tuner calls threading by its old names
@pytest.mark.parametrize("name", TUNERS)
def test_a_stock_tuner_searches_a_network_of_kbnd(
    name: str, images: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    kind, options = TUNERS[name]
    model = SpecHyperModel("lenet5", input_shape=SHAPE, classes=10, space=space())
    tuner = kind(model, objective="val_accuracy", seed=1, directory=tmp_path, project_name=name, **options)
    x, y = images
    tuner.oracle.max_trials = N_TRIALS.get(name, 2)  # Hyperband takes no such argument
    tuner.search(x, y, validation_data=(x, y), epochs=1, batch_size=32, verbose=0)
    trials = tuner.oracle.get_best_trials(10)
    assert len(trials) == N_TRIALS.get(name, 2)
    assert all(trial.status == "COMPLETED" and 0 <= trial.score <= 1 for trial in trials)
    for trial in trials:
        values = {path: v for path, v in trial.hyperparameters.values.items() if not path.startswith("tuner/")}
        assert set(values) == {"model.dropout", "train.learning_rate", "train.optimizer"}


def test_what_is_declared_is_the_space_and_what_is_built_is_the_candidate() -> None:
    model = SpecHyperModel("resnet20", input_shape=(32, 32, 3), classes=7)
    hp = keras_tuner.HyperParameters()
    built = model.build(hp)
    assert hp.values == {"model.dropout": 0.0, "model.options.order": "post_no_bn", "train.learning_rate": 1e-4}
    assert built.output_shape == (None, 7)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in built.layers)
    assert float(built.optimizer.learning_rate) == pytest.approx(1e-4)
    hp.values.update({"model.options.order": "post"})
    assert any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.build(hp).layers)


def test_the_seed_gives_the_initial_weights_of_a_run() -> None:
    def kernel(seed: int) -> np.ndarray:
        model = SpecHyperModel("lenet5", input_shape=SHAPE, classes=10, space=space(), seed=seed)
        built = model.build(keras_tuner.HyperParameters())
        return keras.ops.convert_to_numpy(built.get_layer("conv1").kernel)

    assert np.array_equal(kernel(1), kernel(1))
    assert not np.array_equal(kernel(1), kernel(2))


def test_lists_of_lists_and_fixed_fields_reach_the_network() -> None:
    heads = Choice(values=([4, 4], [6, 6]))
    varied = space_for("alexnet", optimizer="adam", changes={"model.options.head": heads, "model.options.width": 0.1})
    hp = keras_tuner.HyperParameters()
    model = SpecHyperModel("alexnet", input_shape=(32, 32, 3), classes=10, space=varied)
    model.build(hp)
    hp.values["model.options.head"] = "[6,6]"
    built = model.build(hp)
    assert built.get_layer("dense1").units == 6
    assert isinstance(built.optimizer, keras.optimizers.Adam)


@pytest.mark.parametrize(
    ("varied", "sentence"),
    [
        (lambda: space_for("alexnet"), "a space of lenet5 is needed, received one of alexnet"),
        (
            lambda: space_for("lenet5", changes={"train.batch_size": Range(min=16, max=64, step=16)}),
            r"a hypermodel varies the network and train\.optimizer, .* received train\.batch_size",
        ),
    ],
)
def test_a_space_that_no_hypermodel_can_follow_is_refused(varied: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        SpecHyperModel("lenet5", input_shape=SHAPE, classes=10, space=varied())


def test_a_network_knows_the_images_of_its_own_dataset(tmp_path: Path) -> None:
    model = SpecHyperModel("alexnet")
    assert (model.input_shape, model.classes) == ((32, 32, 3), 10)
    file = tmp_path / "space.toml"
    file.write_text('[data]\nname = "cifar100"')
    assert SpecHyperModel("alexnet", space=file).classes == 100
    file.write_text("[model]\ndropout = [0.1, 0.5]")
    assert SpecHyperModel("lenet5", space=file).space.hyperparameters["model.dropout"].points() == (0.1, 0.5)


def test_a_function_is_answered_with_what_takes_it() -> None:
    with pytest.raises(UsageError, match=r"name of a network, .*, received space: keras-tuner's own tuners, such as"):
        SpecHyperModel(space)
    with pytest.raises(UsageError, match="space should be a Space or the name of a space file, received function"):
        SpecHyperModel("lenet5", space=space)
