"""What is true of dropout without any training, checked on layers: all masks where they can be counted, else a sample.

A sampled mean is compared within 5 standard errors, which chance breaks once in a million; seeds are fixed besides.
"""

import itertools

import numpy as np
import pytest

from kbnd.models.logits_dropout import logits_dropout_ceiling, logits_dropout_floor
from kbnd.theory import kappa, relu_gaussian

pytestmark = pytest.mark.backend

N_GROUPS, GROUP = 50, 20_000


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


@pytest.fixture(scope="module")
def layers():
    import kbnd.layers

    return kbnd.layers


def array(keras, value):
    return keras.ops.convert_to_numpy(value).astype(float)


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.8])
def test_every_pixel_of_every_channel_is_dropped_on_its_own(keras, layers, rate):
    ones = np.ones((50, 20, 20, 4), "float32")
    kept = array(keras, layers.VariableDropout(rate, seed=1)(ones, training=True)) != 0
    for axis, size in enumerate(kept.shape):  # of one image, one row, one column, one channel
        n = kept.size // size
        share = kept.mean(axis=tuple(other for other in range(4) if other != axis))
        assert np.abs(share - (1 - rate)).max() < 5 * np.sqrt(rate * (1 - rate) / n)


def test_the_values_kept_are_scaled_so_that_the_mean_over_masks_is_the_input(keras, layers):
    x = np.random.default_rng(0).normal(size=7).astype("float32")
    out = array(keras, layers.VariableDropout(0.2, seed=1)(np.tile(x, (100_000, 1)), training=True))
    np.testing.assert_allclose(np.unique(out[:, 0]), np.unique([0.0, x[0] / 0.8]), rtol=1e-6)
    assert (np.abs(out.mean(axis=0) - x) < 5 * np.abs(x) * np.sqrt(0.25 / 100_000)).all()


def test_dropout_before_relu_is_dropout_after_it(keras, layers):
    x = np.random.default_rng(0).normal(size=(64, 50)).astype("float32")
    relu = keras.layers.Activation("relu")
    before = relu(layers.VariableDropout(0.5, seed=3)(x, training=True))
    after = layers.VariableDropout(0.5, seed=3)(relu(x), training=True)
    np.testing.assert_array_equal(array(keras, before), array(keras, after))


def pairs(mean=0.0):
    """Two units with correlation 0.6, mean `mean` and variance 1."""
    z = np.random.default_rng(1).standard_normal((2, N_GROUPS * GROUP))
    return np.stack([z[0], 0.6 * z[0] + 0.8 * z[1]], axis=1).astype("float32") + np.float32(mean)


def correlations(x):
    """The correlation of the two units in each group of examples."""
    groups = x.astype(float).reshape(N_GROUPS, GROUP, 2)
    return np.array([np.corrcoef(group.T)[0, 1] for group in groups])


@pytest.mark.parametrize("rate", [0.05, 0.5])
@pytest.mark.parametrize("units", ["mean zero", "mean one", "relu", "relu and batch norm"])
def test_dropout_shrinks_correlation_by_kappa(keras, layers, units, rate):
    x = pairs(mean=1.0 if units == "mean one" else 0.0)
    mean, variance = {"mean one": (1.0, 1.0), "relu": relu_gaussian()}.get(units, (0.0, 1.0))
    if "relu" in units:
        x = keras.layers.Activation("relu")(x)
    layer = layers.VariableDropout(rate, seed=2)
    if "batch norm" in units:
        layer = layers.IndependentComponent(rate, seed=2)
    before, after = (correlations(keras.ops.convert_to_numpy(y)) for y in (x, layer(x, training=True)))
    ratios = after / before
    tolerance = 5 * ratios.std(ddof=1) / np.sqrt(N_GROUPS)
    assert tolerance < 0.015
    assert abs(ratios.mean() - kappa(1 - rate, mean, variance)) < tolerance


# h -> dropout -> logits, with d hidden units: all 2^d networks that dropout trains at once
D, CLASSES = 10, 4


def head(keras, layers, rate):
    x = keras.Input((6,))
    hidden = keras.layers.Dense(D, activation="relu", name="hidden")
    logits = keras.layers.Dense(CLASSES, name="logits")
    model = keras.Model(x, logits(layers.VariableDropout(rate, seed=4)(hidden(x))))
    rng = np.random.default_rng(6)
    for variable in model.trainable_weights:
        variable.assign(rng.normal(size=variable.shape).astype("float32"))
    return model


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("rate", [0.5, 0.2])
def test_weight_scaling_is_the_normalised_geometric_mean_of_all_masks(keras, layers, rate):
    model = head(keras, layers, rate)
    images = np.random.default_rng(7).normal(size=(5, 6)).astype("float32")
    masks = np.array(list(itertools.product((0.0, 1.0), repeat=D)))
    weights = np.prod(np.where(masks, 1 - rate, rate), axis=1)
    hidden = array(keras, model.get_layer("hidden")(images))
    thinned = (hidden[:, None, :] * masks / (1 - rate)).reshape(-1, D).astype("float32")
    predictions = softmax(array(keras, model.get_layer("logits")(thinned))).reshape(len(images), -1, CLASSES)
    geometric = np.exp(np.einsum("m,imc->ic", weights, np.log(predictions)))
    geometric /= geometric.sum(axis=1, keepdims=True)
    in_eval_mode = softmax(array(keras, model(images, training=False)))
    np.testing.assert_allclose(in_eval_mode, geometric, atol=1e-5)  # logits of up to 20 in float32
    arithmetic = np.einsum("m,imc->ic", weights, predictions)
    assert np.abs(in_eval_mode - arithmetic).max() > 0.01  # of the ordinary mean it is an approximation only


def test_the_layer_draws_those_masks_as_often_as_their_weights_say(keras, layers):
    n, d, rate = 200_000, 4, 0.2
    kept = array(keras, layers.VariableDropout(rate, seed=8)(np.ones((n, d), "float32"), training=True)) != 0
    counts = np.bincount(kept @ (2 ** np.arange(d)), minlength=2**d)
    masks = (np.arange(2**d)[:, None] >> np.arange(d)) % 2
    weights = np.prod(np.where(masks, 1 - rate, rate), axis=1)
    assert (np.abs(counts / n - weights) < 5 * np.sqrt(weights * (1 - weights) / n)).all()


@pytest.mark.parametrize("rate", [0.5, 0.1])
def test_a_perfect_classifier_with_dropped_logits_meets_its_floor_and_its_ceiling(keras, layers, rate):
    n = 100_000
    labels = np.arange(n) % 10  # all classes alike, so that who wins a tie does not matter
    perfect = np.where(labels[:, None] == np.arange(10), 50.0, -50.0).astype("float32")
    logits = layers.VariableDropout(rate, seed=9)(perfect, training=True)
    losses = array(keras, keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))
    correct = array(keras, keras.metrics.sparse_categorical_accuracy(labels, logits))
    assert abs(losses.mean() - logits_dropout_floor(rate, 10)) < 5 * losses.std() / np.sqrt(n)
    assert abs(correct.mean() - logits_dropout_ceiling(rate, 10)) < 5 * correct.std() / np.sqrt(n)
    in_eval_mode = array(keras, keras.metrics.sparse_categorical_accuracy(labels, perfect))
    assert in_eval_mode.mean() == 1
