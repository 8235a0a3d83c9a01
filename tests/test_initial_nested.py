"""Layers inside composite layers have keys of their own; those of the model keep the keys they had."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kbnd.errors import UsageError
from kbnd.layers import IndependentComponent
from kbnd.seeds import generator, subseed
from kbnd.training.initial import initialise, seed_dropout

pytestmark = pytest.mark.backend


class Composite(keras.layers.Layer):
    """BN, dropout and a dense layer under the same names wherever it stands."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.batch_norm = keras.layers.BatchNormalization(name="batch_normalization")
        self.dropout = keras.layers.Dropout(0.5, name="dropout")
        self.dense = keras.layers.Dense(4, use_bias=False, name="dense")

    def build(self, shape) -> None:
        for layer in (self.batch_norm, self.dropout, self.dense):
            layer.build(shape)

    def call(self, x, training=False):
        return self.dense(self.dropout(self.batch_norm(x, training=training), training=training))


def network() -> keras.Model:
    x = image = keras.Input((4,))
    x = Composite(name="first")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(keras.layers.Dense(4, name="dense")(x))
    return keras.Model(image, Composite(name="second")(x))


def kernels(model: keras.Model) -> dict[str, np.ndarray]:
    layers = {"dense": model.get_layer("dense")}
    layers |= {f"{name}/dense": model.get_layer(name).dense for name in ("first", "second")}
    return {key: keras.ops.convert_to_numpy(layer.kernel.value) for key, layer in layers.items()}


def test_each_weight_is_drawn_from_its_path_under_the_model() -> None:
    model = network()
    initialise(model, seed=1)
    for key, kernel in kernels(model).items():
        drawn = generator(1, "weights", f"{key}/kernel").uniform(-0.5, 0.5, (4, 4))
        np.testing.assert_allclose(kernel, drawn, rtol=1e-6, err_msg=key)


def test_moving_statistics_inside_a_composite_layer_are_reset() -> None:
    model = network()
    batch_norm = model.get_layer("first").batch_norm
    batch_norm.moving_variance.assign(np.full(4, 7, np.float32))
    initialise(model, seed=1)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(batch_norm.moving_variance.value), 1)


def test_masks_of_composite_layers_have_seeds_of_their_own() -> None:
    model = network()
    seed_dropout(model, seed=1)
    layers = {"dropout": model.get_layer("dropout")}
    layers |= {f"{name}/dropout": model.get_layer(name).dropout for name in ("first", "second")}
    states = {key: keras.ops.convert_to_numpy(layer.seed_generator.state.value) for key, layer in layers.items()}
    assert {key: int(state[0]) for key, state in states.items()} == {
        key: subseed(1, "dropout", key) >> 33 for key in layers
    }


def test_the_ic_layer_of_kbnd_is_covered() -> None:
    x = image = keras.Input((4,))
    for name in ("first", "second"):
        x = IndependentComponent(0.25, name=name)(x)
    model = keras.Model(image, x)
    initialise(model, seed=1)
    seed_dropout(model, seed=1)
    parts = [model.get_layer(name).dropout for name in ("first", "second")]
    first, second = (keras.ops.convert_to_numpy(part.seed_generator.state.value) for part in parts)
    assert (first != second).any()
    assert [float(part.rate.value) for part in parts] == [0.25, 0.25]


def test_a_weight_of_the_model_itself_is_not_passed_over() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="own")
            self.scale = self.add_weight(shape=(1,), name="scale")
            self.built = True

    with pytest.raises(UsageError, match="no scheme of initial weights covers 'scale' of layer 'own'"):
        initialise(Own(), seed=1)
