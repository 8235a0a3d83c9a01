"""VariableDropout: the right fraction, the right scale, one graph for every rate."""

import copy

import numpy as np
import pytest

from kbnd.errors import UsageError

pytestmark = pytest.mark.backend

N = 200_000


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


@pytest.fixture(scope="module")
def dropout():
    from kbnd.layers import VariableDropout

    return VariableDropout


def arrays(keras, layer, ones, **options):
    return keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(ones), **options))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("seed", [None, 7])
def test_it_keeps_the_right_fraction_and_scales_it_to_the_same_mean(keras, dropout, rate, seed):
    out = arrays(keras, dropout(rate, seed=seed), np.ones((N // 100, 100), "float32"), training=True)
    kept = out != 0
    tolerance = 5 * np.sqrt(rate * (1 - rate) / N)  # 5 standard errors: fails by chance once in a million
    assert abs(kept.mean() - (1 - rate)) < tolerance
    np.testing.assert_allclose(out[kept], 1 / (1 - rate), rtol=1e-6)


def test_elements_are_dropped_independently_of_their_neighbours(keras, dropout):
    kept = arrays(keras, dropout(0.5), np.ones((400, 500), "float32"), training=True) != 0
    for shifted in (kept[1:] & kept[:-1], kept[:, 1:] & kept[:, :-1]):
        assert abs(shifted.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / shifted.size) * np.sqrt(2)


def test_at_rate_zero_it_is_the_identity(keras, dropout):
    x = np.random.default_rng(0).normal(size=(5, 7)).astype("float32")
    np.testing.assert_array_equal(arrays(keras, dropout(0.0), x, training=True), x)


@pytest.mark.parametrize("training", [False, None])
def test_in_eval_mode_it_is_the_identity(keras, dropout, training):
    x = np.random.default_rng(0).normal(size=(5, 7)).astype("float32")
    np.testing.assert_array_equal(arrays(keras, dropout(0.9), x, training=training), x)


def test_each_call_draws_a_new_mask(keras, dropout):
    layer, ones = dropout(0.5), np.ones((10, 100), "float32")
    assert (arrays(keras, layer, ones, training=True) != arrays(keras, layer, ones, training=True)).any()


@pytest.mark.parametrize("seed", [None, 7])
def test_an_assigned_rate_holds_from_the_next_call(keras, dropout, seed):
    layer, ones = dropout(0.5, seed=seed), np.ones((100, 1000), "float32")
    layer.build(ones.shape)
    for rate in (0.5, 0.1, 0.9, 0.0):
        layer.rate.assign(rate)
        assert np.mean(arrays(keras, layer, ones, training=True) == 0) == pytest.approx(rate, abs=0.01)


def test_a_rate_set_with_the_weights_holds_as_well(keras, dropout):
    layer, ones = dropout(0.5), np.ones((100, 1000), "float32")
    arrays(keras, layer, ones, training=True)
    layer.set_weights([np.float32(0.1)])
    assert np.mean(arrays(keras, layer, ones, training=True) == 0) == pytest.approx(0.1, abs=0.01)


def test_a_stateless_call_takes_the_rate_it_is_given(keras, dropout):
    layer, ones = dropout(0.5), np.ones((100, 1000), "float32")
    arrays(keras, layer, ones, training=True)
    state = [
        keras.ops.convert_to_tensor(np.float32(0.1)) if variable is layer.rate else variable.value
        for variable in layer.non_trainable_variables
    ]
    out, _ = layer.stateless_call([], state, keras.ops.convert_to_tensor(ones), training=True)
    assert np.mean(keras.ops.convert_to_numpy(out) == 0) == pytest.approx(0.1, abs=0.01)


def test_a_new_rate_serves_in_fit_without_a_new_trace(keras, dropout):
    calls = []

    class Counted(dropout):
        def call(self, inputs, training=False):
            calls.append(training)
            return super().call(inputs, training=training)

    class Raise(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.get_layer("drop").rate.assign((0.0, 0.75)[epoch])

    # with a gain of 1 and a step of 0, the loss mean((dropout(1) * gain)**2) is 1 / (1 - rate) on average
    image = keras.Input((1000,))
    gain = keras.layers.Dense(1000, use_bias=False, kernel_initializer="identity")
    model = keras.Model(image, gain(Counted(0.5, name="drop")(image)))
    model.compile(keras.optimizers.SGD(0.0), lambda _, y: keras.ops.mean(keras.ops.square(y), axis=-1))
    ones = np.ones((64, 1000), "float32")
    losses = model.fit(ones, ones, batch_size=16, epochs=2, verbose=0, callbacks=[Raise()]).history["loss"]
    assert [float(loss) for loss in losses] == pytest.approx([1.0, 4.0], rel=0.05)
    if keras.backend.backend() != "torch":  # which runs step by step and traces nothing
        assert calls.count(True) <= 2


def test_masks_are_a_function_of_the_seed_state(keras, dropout):
    layer, ones = dropout(0.5, seed=3), np.ones((10, 100), "float32")
    first = arrays(keras, layer, ones, training=True)
    second = arrays(keras, layer, ones, training=True)
    layer.seed_generator.state.assign(np.array([3, 0], dtype=layer.seed_generator.state.dtype))
    np.testing.assert_array_equal(arrays(keras, layer, ones, training=True), first)
    np.testing.assert_array_equal(arrays(keras, layer, ones, training=True), second)
    np.testing.assert_array_equal(arrays(keras, dropout(0.5, seed=3), ones, training=True), first)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_gradient_passes_where_the_mask_let_the_value_pass(keras, dropout, dtype):
    layer = dropout(0.5, seed=1, dtype=dtype)
    out = arrays(keras, layer, np.arange(1, 101, dtype=dtype), training=True)
    assert out.dtype == dtype
    np.testing.assert_allclose(out[out != 0], 2 * np.arange(1, 101)[out != 0], rtol=1e-3)


def test_a_copy_has_the_current_rate_and_then_its_own(keras, dropout):
    layer, ones = dropout(0.5), np.ones((100, 1000), "float32")
    arrays(keras, layer, ones, training=True)
    layer.rate.assign(0.1)
    twin = copy.deepcopy(layer)
    twin_zeros = np.mean(arrays(keras, twin, ones, training=True) == 0)
    twin.rate.assign(0.9)
    assert twin_zeros == pytest.approx(0.1, abs=0.01)
    assert np.mean(arrays(keras, twin, ones, training=True) == 0) == pytest.approx(0.9, abs=0.01)
    assert np.mean(arrays(keras, layer, ones, training=True) == 0) == pytest.approx(0.1, abs=0.01)


def test_its_config_makes_it_again(keras, dropout):
    layer = dropout(0.3, seed=5, name="drop")
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert isinstance(again, dropout)
    assert again.get_config() == layer.get_config()
    assert layer.get_config()["rate"] == 0.3


@pytest.mark.parametrize("rate", [1.0, -0.1, float("nan"), "0.5", True, None])
def test_a_rate_outside_zero_to_one_is_refused(dropout, rate):
    with pytest.raises(UsageError, match=r"dropout should lie in \[0, 1\)"):
        dropout(rate)


def test_the_rate_is_one_weight_that_is_not_trained(keras, dropout):
    layer = dropout(0.5)
    layer.build((None, 3))
    assert [weight.name for weight in layer.non_trainable_weights] == ["rate"]
    assert layer.trainable_weights == []
    assert layer.compute_output_shape((None, 3)) == (None, 3)
