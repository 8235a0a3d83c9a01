"""Initial weights and masks are functions of seed and name, the same in every arm and on every backend."""

import math

import numpy as np
import pytest

from kbnd.errors import UsageError
from kbnd.models import lenet5
from kbnd.seeds import generator
from kbnd.training.initial import SCHEMES, initialise, seed_dropout, seed_global_dropout

pytestmark = pytest.mark.backend

MNIST = (28, 28, 1)
ARMS = {
    "bn": {"batch_norm": "before_activation"},
    "bn after": {"batch_norm": "after_activation", "batch_norm_sites": ("conv", "dense")},
    "bn before weight": {"batch_norm": "before_weight", "dropout": 0.2},
    "dropout": {"dropout": 0.5},
    "bn+dropout": {"batch_norm": "before_activation", "dropout": {"conv": 0.1, "dense": 0.5}},
}


def weights(model):
    import keras

    return {weight.path: keras.ops.convert_to_numpy(weight.value) for weight in model.weights}


def initial(*, seed=1, scheme="torch_default", gain=1.0, **options):
    model = lenet5(MNIST, 10, **options)
    initialise(model, seed=seed, scheme=scheme, gain=gain)
    return weights(model)


@pytest.fixture(scope="module")
def baseline():
    return initial()


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_starts_from_the_weights_of_the_baseline_in_the_layers_they_share(arm, baseline):
    of_arm = initial(**ARMS[arm])
    assert set(baseline) < set(of_arm)
    for path, value in baseline.items():
        np.testing.assert_array_equal(of_arm[path], value, err_msg=path)


def test_another_seed_gives_other_weights(baseline):
    other = initial(seed=2)
    assert all((other[path] != value).any() for path, value in baseline.items())


def test_no_two_weights_share_their_numbers(baseline):
    firsts = [value.ravel()[0] / np.abs(value).max() for value in baseline.values()]
    assert len(set(firsts)) == len(firsts)


def test_the_torch_scheme_fills_its_interval_and_no_more(baseline):
    fan_in = {"conv1": 25, "conv2": 150, "conv3": 400, "dense1": 120, "logits": 84}
    for path, value in baseline.items():
        scaled = value * math.sqrt(fan_in[path.split("/")[0]])
        assert np.abs(scaled).max() <= 1 + 1e-6, path
        if value.size > 100:  # mean 0 and variance 1/3, within 5 standard errors
            assert abs(scaled.mean()) < 5 / math.sqrt(3 * value.size), path
            assert np.var(scaled) == pytest.approx(1 / 3, abs=5 * math.sqrt(4 / 45 / value.size)), path


VARIANCES = {
    "glorot_uniform": 2 / (400 + 3000),
    "glorot_normal": 2 / (400 + 3000),
    "he_uniform": 2 / 400,
    "he_normal": 2 / 400,
    "d2l_gaussian": 0.01**2,
}


@pytest.mark.parametrize(("scheme", "variance"), VARIANCES.items())
def test_the_schemes_without_a_bias_have_their_variance(scheme, variance):
    of_scheme = initial(scheme=scheme)
    assert np.var(of_scheme["conv3/kernel"]) == pytest.approx(variance, rel=0.04)  # 48,000 numbers
    assert not any(value.any() for path, value in of_scheme.items() if path.endswith("bias"))


def test_a_uniform_scheme_ends_at_its_bound_and_a_normal_one_does_not():
    for scheme, is_bounded in {"he_uniform": True, "he_normal": False, "glorot_normal": False}.items():
        kernel = initial(scheme=scheme)["conv3/kernel"]
        assert (np.abs(kernel).max() <= math.sqrt(3 * VARIANCES[scheme]) + 1e-7) == is_bounded


def test_a_gain_multiplies_the_kernels_alone(baseline):
    wide = initial(gain=3.0)
    for path, value in baseline.items():
        factor = np.float32(3 if path.endswith("kernel") else 1)
        np.testing.assert_allclose(wide[path], factor * value, rtol=1e-6, err_msg=path)


def test_the_draw_is_the_named_stream_of_the_seed(baseline):
    drawn = generator(1, "weights", "logits/kernel").uniform(-1, 1, (84, 10)) / math.sqrt(84)
    np.testing.assert_allclose(baseline["logits/kernel"], drawn, rtol=1e-6)


def test_initialising_again_undoes_a_training_and_leaves_the_rate_alone():
    import keras

    model = lenet5(MNIST, 10, batch_norm="before_activation", dropout=0.5)
    initialise(model, seed=1)
    fresh = weights(model)
    model.get_layer("dense1_dropout").rate.assign(0.25)
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(np.random.default_rng(0).random((4, *MNIST)).astype("float32"), np.arange(4))
    trained = weights(model)
    assert (trained["conv1_bn/moving_mean"] != fresh["conv1_bn/moving_mean"]).any()
    initialise(model, seed=1)
    again = weights(model)
    assert again.pop("dense1_dropout/rate") == 0.25
    for path, value in again.items():
        np.testing.assert_array_equal(value, fresh[path], err_msg=path)


def test_batch_norm_starts_as_the_identity():
    of_arm = initial(batch_norm="before_activation")
    for name, value in {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}.items():
        assert (of_arm[f"conv2_bn/{name}"] == value).all()


def test_an_unknown_scheme_is_refused():
    with pytest.raises(UsageError, match=r"unknown initial_weights scheme 'torch'.*torch_default"):
        initial(scheme="torch")
    assert {"torch_default", "glorot_uniform", "he_normal"} <= set(SCHEMES)


def test_a_weight_that_no_scheme_covers_is_refused():
    import keras

    image = keras.Input((4, 4))
    model = keras.Model(image, keras.layers.LSTM(2, name="lstm")(image))
    with pytest.raises(UsageError, match="no scheme of initial weights covers 'recurrent_kernel'"):
        initialise(model, seed=1)


def masks(model, seed):
    import keras

    seed_dropout(model, seed=seed)
    seed_global_dropout(seed=seed, epoch=1)
    ones = keras.ops.ones((50, 40))
    layers = [layer for layer in model.layers if layer.name.endswith("_dropout")]
    return {layer.name: keras.ops.convert_to_numpy(layer(ones, training=True)) for layer in layers}


def test_masks_are_a_function_of_the_seed():
    import keras

    model = lenet5(MNIST, 10, dropout={"conv": 0.5, "dense": 0.5})
    first, second, other = masks(model, 1), masks(model, 1), masks(model, 2)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
        assert (first[name] != other[name]).any()
    assert (first["conv1_dropout"] != first["conv2_dropout"]).any()
    if keras.backend.backend() != "torch":  # whose layers share one generator
        alone = masks(lenet5(MNIST, 10, dropout=0.5), 1)
        np.testing.assert_array_equal(alone["dense1_dropout"], first["dense1_dropout"])
