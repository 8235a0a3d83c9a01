"""A saved network loads again, also where nothing but kbnd.models was imported before."""

import os
import subprocess
import sys

import numpy as np
import pytest

from kbnd.models import lenet5

pytestmark = pytest.mark.backend

IMAGES = np.random.default_rng(0).random((3, 28, 28, 1)).astype("float32")


@pytest.fixture
def model():
    model = lenet5((28, 28, 1), 10, batch_norm="before_activation", dropout=0.5)
    model.get_layer("conv1_bn").moving_mean.assign(np.full(6, 0.25, "float32"))
    model.get_layer("dense1_dropout").rate.assign(0.125)
    return model


def test_weights_statistics_and_rates_survive_a_round_trip(model, tmp_path):
    import keras

    model.save(tmp_path / "lenet.keras")
    loaded = keras.models.load_model(tmp_path / "lenet.keras")
    for old, new in zip(model.weights, loaded.weights, strict=True):
        assert old.path == new.path
        np.testing.assert_array_equal(old.numpy(), new.numpy())
    np.testing.assert_array_equal(model.predict_on_batch(IMAGES), loaded.predict_on_batch(IMAGES))


def test_a_fresh_process_loads_it_after_importing_the_networks(model, tmp_path):
    model.save(tmp_path / "lenet.keras")
    np.save(tmp_path / "images.npy", IMAGES)
    code = (
        "import kbnd.models, keras, numpy as np\n"
        "model = keras.models.load_model('lenet.keras')\n"
        "np.save('logits.npy', model.predict_on_batch(np.load('images.npy')))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=_environment(), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy"), model.predict_on_batch(IMAGES))


def _environment():
    import keras

    return os.environ | {"KERAS_BACKEND": keras.backend.backend(), "PYTHONPATH": os.pathsep.join(sys.path)}
