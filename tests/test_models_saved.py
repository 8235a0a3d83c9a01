"""A saved network loads again, also where nothing but kbnd.models was imported before."""

import os
import subprocess
import sys

import numpy as np
import pytest

from kbnd.models import lenet5, resnet

pytestmark = pytest.mark.backend

SHAPE = (28, 28, 1)
IMAGES = np.random.default_rng(0).random((3, *SHAPE)).astype("float32")


def lenet():
    model = lenet5(SHAPE, 10, batch_norm="before_activation", dropout=0.5)
    model.get_layer("conv1_bn").moving_mean.assign(np.full(6, 0.25, "float32"))
    model.get_layer("dense1_dropout").rate.assign(0.125)
    return model


def residual():
    model = resnet(SHAPE, 10, depth=8, order="conv_relu_ic", shortcut="zero_pad", dropout=0.5, width=0.25)
    model.get_layer("stage2_block1_conv2_bn").moving_mean.assign(np.full(8, 0.25, "float32"))
    model.get_layer("stage1_block1_conv1_dropout").rate.assign(0.125)
    return model


@pytest.fixture(scope="module", params=[lenet, residual], ids=lambda made: made.__name__)
def model(request):
    return request.param()


def test_weights_statistics_and_rates_survive_a_round_trip(model, tmp_path):
    import keras

    model.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    for old, new in zip(model.weights, loaded.weights, strict=True):
        assert old.path == new.path
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(old), keras.ops.convert_to_numpy(new))
    np.testing.assert_array_equal(model.predict_on_batch(IMAGES), loaded.predict_on_batch(IMAGES))


def test_a_fresh_process_loads_it_after_importing_the_networks(tmp_path):
    model = residual()  # it has both layers of kbnd's own
    model.save(tmp_path / "network.keras")
    np.save(tmp_path / "images.npy", IMAGES)
    code = (
        "import kbnd.models, keras, numpy as np\n"
        "model = keras.models.load_model('network.keras')\n"
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
