"""ReferenceBatchNormalization and Keras' layer compute the same: outputs, gradients, statistics, inside fit too.

Both run in float32 on the same inputs, so they differ by rounding alone: 24 bits, 6e-8 relative to the numbers added
up. Keras' variance is E[x^2] - mu^2 on PyTorch (and for whole batches elsewhere), so inputs have means no larger than
their standard deviations here, which costs it one more bit or two: 1e-5 holds everything below with a factor of ten.
"""

import numpy as np
import pytest

from kbnd.errors import UsageError

pytestmark = pytest.mark.backend

RNG = np.random.default_rng(0)
SHAPES = {"rows": (64, 5), "maps": (16, 6, 5, 5)}
ATOL = 1e-5
SETTINGS = {"momentum": 0.8, "epsilon": 1e-3}
STATISTICS = ("gamma", "beta", "moving_mean", "moving_variance")


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


@pytest.fixture(scope="module")
def kinds(keras):
    from kbnd.layers import ReferenceBatchNormalization

    return ReferenceBatchNormalization, keras.layers.BatchNormalization


def sample(shape):
    """Inputs with a mean and a scale of their own in each channel."""
    channels = np.arange(shape[-1])
    return (RNG.normal(size=shape) * (0.5 + channels) + channels - 2).astype("float32")


def weights(keras, layer):
    return {name: keras.ops.convert_to_numpy(getattr(layer, name).value) for name in STATISTICS}


def with_random_weights(keras, layer, shape):
    """Give a layer gammas of both signs, betas and moving statistics that are not the initial ones."""
    rng = np.random.default_rng(1)
    if not layer.built:
        layer.build(shape)
    for name, low in {"gamma": -1.0, "beta": -1.0, "moving_mean": -1.0, "moving_variance": 0.5}.items():
        getattr(layer, name).assign(rng.uniform(low, 2.0, shape[-1:]).astype("float32"))
    return layer


def assert_close(ours, theirs):
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=ATOL, atol=ATOL, err_msg=name)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("training", [True, False])
def test_outputs_and_moving_statistics_agree(keras, kinds, shape, training):
    results = []
    x = sample(shape)
    for kind in kinds:
        layer = with_random_weights(keras, kind(**SETTINGS), shape)
        out = keras.ops.convert_to_numpy(layer(x, training=training))
        results.append({"outputs": out, **weights(keras, layer)})
    assert_close(*results)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_in_train_mode_it_is_the_equation_in_double_precision(keras, kinds, shape):
    x = sample(shape)
    layer = with_random_weights(keras, kinds[0](**SETTINGS), shape)
    before = weights(keras, layer)
    out = keras.ops.convert_to_numpy(layer(x, training=True))
    axes = tuple(range(len(shape) - 1))
    mean, variance = x.astype(float).mean(axes), x.astype(float).var(axes)
    expected = before["gamma"] * (x - mean) / np.sqrt(variance + 1e-3) + before["beta"]
    np.testing.assert_allclose(out, expected, rtol=ATOL, atol=ATOL)
    after = weights(keras, layer)
    np.testing.assert_allclose(after["moving_mean"], 0.8 * before["moving_mean"] + 0.2 * mean, atol=ATOL)
    np.testing.assert_allclose(after["moving_variance"], 0.8 * before["moving_variance"] + 0.2 * variance, rtol=ATOL)


def gradients(keras, kind, shape):
    """Gradients of sum(outputs * direction) by inputs, gamma and beta, out of one step of a compiled fit.

    A step of SGD with rate 1 subtracts the gradient from each weight; the inputs are made a weight to have theirs.
    """

    class InputsAsWeight(keras.layers.Layer):
        def build(self, _):
            self.inputs = self.add_weight(shape=shape, initializer="zeros", name="inputs")

        def call(self, _):
            return self.inputs + 0.0

    image, variable = keras.Input(shape[1:]), InputsAsWeight()
    layer = kind(**SETTINGS)
    model = keras.Model(image, layer(variable(image)))
    with_random_weights(keras, layer, shape)
    variable.inputs.assign(np.random.default_rng(2).normal(size=shape).astype("float32"))
    trained = {"inputs": variable.inputs, "gamma": layer.gamma, "beta": layer.beta}
    before = {name: keras.ops.convert_to_numpy(variable.value).copy() for name, variable in trained.items()}
    direction = np.random.default_rng(3).normal(size=shape).astype("float32")
    model.compile(keras.optimizers.SGD(1.0), lambda y, out: keras.ops.sum(y * out))
    model.fit(np.zeros(shape, "float32"), direction, batch_size=shape[0], epochs=1, shuffle=False, verbose=0)
    return {name: before[name] - keras.ops.convert_to_numpy(trained[name].value) for name in trained}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_gradients_agree(keras, kinds, shape):
    ours, theirs = (gradients(keras, kind, shape) for kind in kinds)
    assert_close(ours, theirs)
    assert min(np.abs(one).max() for one in ours.values()) > 0.1
    # A channel's outputs do not move with its mean nor, but for epsilon, with its scale: gradients that took mu and
    # var for constants would not add up to 0.
    np.testing.assert_allclose(ours["inputs"].sum(axis=tuple(range(len(shape) - 1))), 0.0, atol=1e-4)


def after_fit(keras, kind, *, frozen=False):
    rng = np.random.default_rng(4)
    images, targets = rng.normal(0.5, 1.0, (48, 6, 6, 2)).astype("float32"), rng.normal(size=(48, 3)).astype("float32")
    image = keras.Input((6, 6, 2))
    convolution, normalisation, dense = keras.layers.Conv2D(4, 3), kind(**SETTINGS), keras.layers.Dense(3)
    model = keras.Model(image, dense(keras.layers.Flatten()(keras.ops.tanh(normalisation(convolution(image))))))
    for variable in (convolution.kernel, dense.kernel):
        variable.assign(rng.normal(0.0, 0.2, variable.shape).astype("float32"))
    normalisation.trainable = not frozen
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    history = model.fit(
        images, targets, batch_size=16, epochs=2, shuffle=False, verbose=0, validation_data=(images, targets)
    ).history
    results = {name: np.array(history[name], dtype=float) for name in ("loss", "val_loss")}
    results |= {
        "convolution": convolution.kernel,
        "dense": dense.kernel,
        **{n: getattr(normalisation, n) for n in STATISTICS},
    }
    return {n: v if isinstance(v, np.ndarray) else keras.ops.convert_to_numpy(v.value) for n, v in results.items()}


def test_a_network_is_trained_to_the_same_weights_and_statistics(keras, kinds):
    ours, theirs = (after_fit(keras, kind) for kind in kinds)
    assert_close(ours, theirs)  # 6 steps; chaos has not begun
    assert min(np.abs(ours[name] - start).max() for name, start in zip(STATISTICS, (1, 0, 0, 1), strict=True)) > 0.01


def test_frozen_it_uses_its_moving_statistics_and_keeps_them_as_keras_does(keras, kinds):
    ours, theirs = (after_fit(keras, kind, frozen=True) for kind in kinds)
    assert_close(ours, theirs)
    for name, start in zip(STATISTICS, (1, 0, 0, 1), strict=True):
        assert (ours[name] == start).all()


def test_a_large_mean_costs_it_no_digits(keras, kinds):
    x = (np.random.default_rng(5).normal(size=(1000, 1)) + 300).astype("float32")
    exact = (x.astype(float) - x.astype(float).mean()) / x.astype(float).std()
    ours, theirs = (
        np.abs(keras.ops.convert_to_numpy(kind(momentum=0.9, epsilon=1e-7)(x, training=True)) - exact).max()
        for kind in kinds
    )
    assert ours < 1e-3  # inputs have 24 bits, of which a mean of 300 takes 8
    if keras.backend.backend() == "torch":  # E[x^2] - mu^2 has 24 - 16 bits left
        assert theirs > 3 * ours


def test_a_batch_of_one_value_has_no_variance(keras, kinds):
    layer = kinds[0](epsilon=1e-3)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(np.full((1, 3), 5.0, "float32"), training=True)), 0)


def test_it_takes_part_in_mixed_precision(keras, kinds):
    layer = kinds[0](dtype="mixed_float16")
    x = np.random.default_rng(6).normal(0, 200, (64, 8, 8, 2)).astype("float16")  # x^2 overflows in half precision
    out = keras.ops.convert_to_numpy(layer(x, training=True))
    assert out.dtype == np.float16
    assert out.std() == pytest.approx(1.0, abs=1e-2)
    assert {weight.dtype for weight in layer.weights} == {"float32"}


def test_it_keeps_shapes_and_names_its_weights_as_keras_does(keras, kinds):
    layer = kinds[0]()
    assert layer(keras.Input((8, 8, 3))).shape == (None, 8, 8, 3)
    assert layer.compute_output_shape((None, 8, 8, 3)) == (None, 8, 8, 3)
    assert [weight.name for weight in layer.weights] == list(STATISTICS)
    assert [weight.name for weight in layer.trainable_weights] == ["gamma", "beta"]


@pytest.mark.parametrize("settings", [{"momentum": -0.1}, {"momentum": 1}, {"epsilon": 0}, {"epsilon": float("inf")}])
def test_values_out_of_range_are_refused(kinds, settings):
    with pytest.raises(UsageError, match=f"{next(iter(settings))} should"):
        kinds[0](**settings)
