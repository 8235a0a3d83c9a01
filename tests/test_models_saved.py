"""The layers and networks of kbnd in a file: configs make them again, a saved model loads wherever kbnd.models is."""

import os
import subprocess
import sys

import numpy as np
import pytest

from kbnd.models import lenet5, resnet

pytestmark = pytest.mark.backend

LAYERS = {
    "VariableDropout": {"rate": 0.3, "seed": 5},
    "IndependentComponent": {"rate": 0.25, "momentum": 0.8, "epsilon": 1e-4, "seed": 5},
    "ReferenceBatchNormalization": {"momentum": 0.8, "epsilon": 1e-4},
}
RNG = np.random.default_rng(0)
MAPS = RNG.normal(2.0, 3.0, (8, 6, 6, 3)).astype("float32")
IMAGES = RNG.random((3, 28, 28, 1)).astype("float32")


def layer(name):
    import kbnd.layers

    return getattr(kbnd.layers, name)(**LAYERS[name], name="one")


def with_layer(name):
    """A model with the layer; its weights, statistics and rate are no initial ones."""
    import keras

    image = keras.Input((6, 6, 3))
    x = layer(name)(keras.layers.Conv2D(4, 3)(image))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    model.set_weights([weight + 0.125 for weight in model.get_weights()])
    return model


def lenet():
    model = lenet5((28, 28, 1), 10, batch_norm="before_activation", dropout=0.5)
    model.get_layer("conv1_bn").moving_mean.assign(np.full(6, 0.25, "float32"))
    model.get_layer("dense1_dropout").rate.assign(0.125)
    return model


def residual():
    """Both layers that networks have of kbnd's own."""
    model = resnet((28, 28, 1), 10, depth=8, order="conv_relu_ic", shortcut="zero_pad", dropout=0.5, width=0.25)
    model.get_layer("stage2_block1_conv2_bn").moving_mean.assign(np.full(8, 0.25, "float32"))
    model.get_layer("stage1_block1_conv1_dropout").rate.assign(0.125)
    return model


NETWORKS = {"lenet5": lenet, "resnet": residual}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models with their inputs and the files they are saved in."""
    folder = tmp_path_factory.mktemp("saved")
    saved = {name: (with_layer(name), MAPS) for name in LAYERS}
    saved |= {name: (network(), IMAGES) for name, network in NETWORKS.items()}
    for name, (model, _) in saved.items():
        model.save(folder / f"{name}.keras")
    return {name: (model, inputs, folder / f"{name}.keras") for name, (model, inputs) in saved.items()}


@pytest.mark.parametrize("name", [*LAYERS, *NETWORKS])
def test_a_saved_model_loads_with_its_weights_statistics_and_rates(name, models):
    import keras

    model, inputs, file = models[name]
    loaded = keras.models.load_model(file)
    assert [type(one) for one in loaded.layers] == [type(one) for one in model.layers]
    for old, new in zip(model.weights, loaded.weights, strict=True):
        assert old.path == new.path
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(old.value), keras.ops.convert_to_numpy(new.value))
    np.testing.assert_array_equal(loaded.predict_on_batch(inputs), model.predict_on_batch(inputs))


def test_a_fresh_process_loads_them_whichever_of_keras_and_the_networks_it_imported_first(models, tmp_path):
    import keras

    np.savez(tmp_path / "inputs.npz", **{name: inputs for name, (_, inputs, _) in models.items()})
    files = {name: str(file) for name, (*_, file) in models.items()}
    code = (
        "import kbnd.models, sys; assert 'keras' not in sys.modules\n"
        "import keras, numpy as np\n"
        f"for name, file in {files}.items():\n"
        "    logits = keras.models.load_model(file)(np.load('inputs.npz')[name], training=False)\n"
        "    np.save(f'{name}.npy', keras.ops.convert_to_numpy(logits))\n"
        "registered = set(keras.saving.get_custom_objects())\n"
        "keras.saving.get_custom_objects().clear()\n"
        "for name in [name for name in sys.modules if name.partition('.')[0] == 'kbnd']: del sys.modules[name]\n"
        "import kbnd.models\n"
        "assert set(keras.saving.get_custom_objects()) == registered >= {'kbnd>ZeroPadShortcut'}"
    )
    environment = os.environ | {"KERAS_BACKEND": keras.backend.backend(), "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    for name, (model, inputs, _) in models.items():
        logits = keras.ops.convert_to_numpy(model(inputs, training=False))
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), logits, err_msg=name)


@pytest.mark.parametrize("name", LAYERS)
def test_its_config_makes_a_layer_again(name):
    import keras

    one = layer(name)
    again = keras.layers.deserialize(keras.layers.serialize(one))
    assert type(again) is type(one)
    assert again.get_config() == one.get_config()
    assert LAYERS[name].items() <= one.get_config().items()


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_registered_under_the_name_of_the_package(name):
    import keras

    assert keras.saving.get_registered_name(type(layer(name))) == f"kbnd>{name}"
