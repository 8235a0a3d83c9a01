"""What is true of Batch Normalization without any training, checked on two layers: Keras' and kbnd's own."""

import numpy as np
import pytest
from scipy import stats

from kbnd.theory import linearity_index

pytestmark = pytest.mark.backend

STATISTICS = ("gamma", "beta", "moving_mean", "moving_variance")
EPSILON = 1e-3
INPUTS = {
    "rows": np.random.default_rng(0).normal(1.0, 2.0, (256, 5)).astype("float32"),
    "maps": np.random.default_rng(1).normal(-1.0, 0.5, (32, 6, 6, 4)).astype("float32"),
}


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


@pytest.fixture(params=["keras", "kbnd"])
def batch_norm(request, keras):
    from kbnd.layers import ReferenceBatchNormalization

    kind = {"keras": keras.layers.BatchNormalization, "kbnd": ReferenceBatchNormalization}[request.param]
    return lambda: kind(momentum=0.9, epsilon=EPSILON)


def array(keras, value):
    return keras.ops.convert_to_numpy(value).astype(float)


def with_weights(layer, shape, **values):
    layer.build(shape)
    for name, value in values.items():
        getattr(layer, name).assign(np.broadcast_to(np.asarray(value, "float32"), shape[-1:]))
    return layer


def over_channels(x):
    return x.astype(float).reshape(-1, x.shape[-1])


@pytest.mark.parametrize("x", INPUTS.values(), ids=INPUTS)
def test_in_eval_mode_it_is_an_affine_map_of_each_channel(keras, batch_norm, x):
    rng, channels = np.random.default_rng(2), x.shape[-1]
    gamma, beta, mean = rng.normal(size=(3, channels))
    variance = rng.uniform(0.5, 2.0, channels)
    layer = with_weights(batch_norm(), x.shape, gamma=gamma, beta=beta, moving_mean=mean, moving_variance=variance)
    slope = gamma / np.sqrt(variance + EPSILON)
    out = array(keras, layer(x, training=False))
    np.testing.assert_allclose(out, slope * x + (beta - slope * mean), atol=1e-5)  # float32 beside double precision
    np.testing.assert_allclose(array(keras, layer(x[3:4], training=False)), out[3:4], atol=1e-6)  # whatever the batch


@pytest.mark.parametrize("x", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("training", [True, False])
def test_gamma_and_beta_can_make_it_the_identity(keras, batch_norm, x, training):
    mean, variance = over_channels(x).mean(axis=0), over_channels(x).var(axis=0)
    layer = with_weights(
        batch_norm(), x.shape, gamma=np.sqrt(variance + EPSILON), beta=mean, moving_mean=mean, moving_variance=variance
    )
    out = array(keras, layer(x, training=training))
    np.testing.assert_allclose(out, x, atol=1e-5)  # values of up to 10 in 24 bits, four roundings
    plain = array(keras, batch_norm()(x, training=True))
    assert np.abs(plain - x).max() > 0.1  # with gamma 1 and beta 0 it is none


@pytest.fixture(scope="module")
def activations(keras):
    """Inputs of a network's BN layers on real digits, by name, and the layers."""
    from kbnd.data import load
    from kbnd.models import lenet5
    from kbnd.spec import DataSpec
    from kbnd.training.initial import initialise

    images = load(DataSpec(name="digits")).train.images[:200].astype("float32") / 255
    model = lenet5((28, 28, 1), 10, batch_norm="before_activation", batch_norm_epsilon=EPSILON)
    initialise(model, seed=1)
    names = [layer.name for layer in model.layers if layer.name.endswith("_bn")]
    inner = keras.Model(model.input, [model.get_layer(name).input for name in names])
    return dict(zip(names, (keras.ops.convert_to_numpy(x) for x in inner(images)), strict=True))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["conv1_bn", "conv2_bn", "conv3_bn"])
def test_batch_norm_leaves_correlations_unchanged(keras, batch_norm, activations, name, training):
    x = activations[name]
    channels = x.shape[-1]
    rng = np.random.default_rng(3)
    gamma = rng.uniform(0.5, 2.0, channels) * rng.choice([-1, 1], channels)
    moving = {"moving_mean": rng.normal(size=channels), "moving_variance": rng.uniform(0.5, 2.0, channels)}
    layer = with_weights(batch_norm(), x.shape, gamma=gamma, beta=rng.normal(size=channels), **moving)
    before = np.corrcoef(over_channels(x).T)
    after = np.corrcoef(over_channels(array(keras, layer(x, training=training))).T)
    is_pair = ~np.eye(channels, dtype=bool)
    assert np.abs(before[is_pair]).mean() > 0.1  # there is correlation that whitening would remove
    # The sign of a gamma turns a channel round; beyond that only rounding, of 24 bits against a standard deviation.
    np.testing.assert_allclose(after, before * np.outer(np.sign(gamma), np.sign(gamma)), atol=1e-4)
    assert np.abs(after[is_pair]).mean() == pytest.approx(np.abs(before[is_pair]).mean(), rel=1e-4)


@pytest.mark.parametrize("gamma", [1.0, 3.0])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_behind_it_an_activation_is_as_linear_as_the_integral_says(keras, batch_norm, activation, gamma):
    x = np.random.default_rng(4).normal(5.0, 7.0, (200_000, 1)).astype("float32")
    layer = with_weights(batch_norm(), x.shape, gamma=gamma)
    u = layer(x, training=True)
    f = keras.layers.Activation(activation)(u)
    r_squared = stats.linregress(array(keras, u).ravel(), array(keras, f).ravel()).rvalue ** 2
    assert r_squared == pytest.approx(linearity_index(activation, gamma), abs=0.005)  # 5 standard errors or more


@pytest.mark.parametrize(("gamma", "beta"), [(1.0, 0.0), (2.0, 1.0), (-0.5, -1.0)])
def test_the_share_of_positive_outputs_is_phi_of_beta_over_gamma(keras, batch_norm, gamma, beta):
    n = 200_000
    x = np.random.default_rng(5).normal(5.0, 7.0, (n, 1)).astype("float32")
    out = array(keras, with_weights(batch_norm(), x.shape, gamma=gamma, beta=beta)(x, training=True))
    expected = stats.norm.cdf(beta / abs(gamma))
    assert np.mean(out > 0) == pytest.approx(expected, abs=5 * np.sqrt(0.25 / n))  # 5 standard errors
