"""The layers of kbnd in a file: configs make them again, a saved model loads wherever kbnd.models was imported."""

import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.backend

LAYERS = {
    "VariableDropout": {"rate": 0.3, "seed": 5},
    "IndependentComponent": {"rate": 0.25, "momentum": 0.8, "epsilon": 1e-4, "seed": 5},
    "ReferenceBatchNormalization": {"momentum": 0.8, "epsilon": 1e-4},
}
IMAGES = np.random.default_rng(0).normal(2.0, 3.0, (8, 6, 6, 3)).astype("float32")


def made(name):
    import kbnd.layers

    return getattr(kbnd.layers, name)(**LAYERS[name], name="one")


def trained(layer):
    """A model with the layer, after three steps: its weights and statistics are no initial ones."""
    import keras

    image = keras.Input((6, 6, 3))
    x = layer(keras.layers.Conv2D(4, 3)(image))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    model.compile(keras.optimizers.SGD(0.01), "mse")
    model.fit(IMAGES, np.zeros((8, 2)), batch_size=8, epochs=3, verbose=0)
    return model


@pytest.mark.parametrize("name", LAYERS)
def test_its_config_makes_it_again(name):
    import keras

    layer = made(name)
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert LAYERS[name].items() <= layer.get_config().items()


@pytest.fixture(scope="module")
def models():
    return {name: trained(made(name)) for name in LAYERS}


@pytest.mark.parametrize("name", LAYERS)
def test_a_saved_model_loads_with_its_weights(name, models, tmp_path):
    import keras

    model = models[name]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.get_layer("one")) is type(model.get_layer("one"))
    for old, new in zip(model.weights, loaded.weights, strict=True):
        assert old.path == new.path
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(old.value), keras.ops.convert_to_numpy(new.value))
    np.testing.assert_array_equal(loaded.predict_on_batch(IMAGES), model.predict_on_batch(IMAGES))


def test_a_fresh_process_loads_them_after_importing_the_networks(models, tmp_path):
    import keras

    for name, model in models.items():
        model.save(tmp_path / f"{name}.keras")
    np.save(tmp_path / "images.npy", IMAGES)
    code = (
        "import kbnd.models, keras, numpy as np\n"
        f"for name in {list(LAYERS)}:\n"
        "    model = keras.models.load_model(f'{name}.keras')\n"
        "    np.save(f'{name}.npy', model.predict_on_batch(np.load('images.npy')))"
    )
    environment = os.environ | {"KERAS_BACKEND": keras.backend.backend(), "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    for name, model in models.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), model.predict_on_batch(IMAGES), err_msg=name)


@pytest.mark.parametrize("name", LAYERS)
def test_it_is_registered_under_the_name_of_the_package(name):
    import keras

    assert keras.saving.get_registered_name(type(made(name))) == f"kbnd>{name}"
