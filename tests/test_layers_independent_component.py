"""IndependentComponent: Batch Normalization and then dropout, one layer in a model."""

import numpy as np
import pytest

from kbnd.errors import UsageError

pytestmark = pytest.mark.backend

RNG = np.random.default_rng(0)
MAPS = RNG.normal(1.0, 2.0, (16, 5, 5, 3)).astype("float32")
ROWS = RNG.normal(1.0, 2.0, (64, 4)).astype("float32")


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


@pytest.fixture(scope="module")
def layers():
    import kbnd.layers

    return kbnd.layers


def array(keras, tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("inputs", [MAPS, ROWS], ids=["maps", "rows"])
def test_it_is_batch_norm_and_then_dropout(keras, layers, inputs):
    one = layers.IndependentComponent(0.3, momentum=0.8, epsilon=1e-4, seed=5)
    batch_norm = keras.layers.BatchNormalization(axis=-1, momentum=0.8, epsilon=1e-4)
    dropout = layers.VariableDropout(0.3, seed=5)
    x = keras.ops.convert_to_tensor(inputs)
    for training in (True, True, False):
        expected = dropout(batch_norm(x, training=training), training=training)
        np.testing.assert_array_equal(array(keras, one(x, training=training)), array(keras, expected))
    for ours, theirs in zip(one.batch_norm.weights, batch_norm.weights, strict=True):
        np.testing.assert_array_equal(array(keras, ours.value), array(keras, theirs.value))
    assert np.abs(array(keras, one.batch_norm.moving_mean.value)).min() > 0.1


def test_without_being_told_it_is_in_eval_mode(keras, layers):
    one = layers.IndependentComponent(0.5)
    np.testing.assert_allclose(array(keras, one(ROWS)), ROWS / np.sqrt(1 + 1e-5), rtol=1e-6)


def test_a_unit_of_rate_zero_is_batch_norm_alone(keras, layers):
    out = array(keras, layers.IndependentComponent(0.0)(ROWS, training=True))
    np.testing.assert_allclose(out.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(out.std(axis=0), 1.0, atol=1e-5)  # epsilon beside a variance of 4


def network(keras, layers, rate=0.5):
    image = keras.Input((5, 5, 3), name="image")
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv1")(image)
    x = layers.IndependentComponent(rate, name="conv2_ic")(x)
    return keras.Model(image, keras.layers.Dense(2, name="logits")(keras.layers.Flatten(name="flatten")(x)))


def test_it_is_initialised_by_its_path_in_the_model(keras, layers):
    from kbnd.training.initial import initialise, seed_dropout

    model = network(keras, layers)
    inner = model.get_layer("conv2_ic")
    for variable in inner.batch_norm.weights:
        variable.assign(np.full(variable.shape, 7.0, "float32"))
    inner.dropout.rate.assign(0.25)
    initialise(model, seed=1)
    seed_dropout(model, seed=1)
    for name, value in {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}.items():
        assert (array(keras, getattr(inner.batch_norm, name).value) == value).all()
    assert float(inner.dropout.rate.value) == 0.25
    state = array(keras, inner.dropout.seed_generator.state.value).tolist()
    seed_dropout(model, seed=2)
    assert array(keras, inner.dropout.seed_generator.state.value).tolist() != state


def test_it_trains_inside_fit_and_follows_a_schedule_without_a_new_trace(keras, layers):
    traced = []

    class Counted(layers.IndependentComponent):
        def call(self, inputs, training=False):
            traced.append(training)
            return super().call(inputs, training=training)

    class Late(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            dropout = self.model.get_layer("ic").dropout
            dropout.rate.assign(dropout.initial_rate * (0.0, 1.0)[epoch])

    # Behind BN the mean square of a channel is 1, so the loss is 1 / (1 - rate): 1 in the first epoch, 4 in the second.
    image = keras.Input((500,))
    model = keras.Model(image, Counted(0.75, name="ic")(image))
    model.compile(keras.optimizers.SGD(0.0), lambda _, y: keras.ops.mean(keras.ops.square(y), axis=-1))
    images = np.random.default_rng(1).normal(3.0, 2.0, (64, 500)).astype("float32")
    losses = model.fit(images, images, batch_size=32, epochs=2, verbose=0, callbacks=[Late()]).history["loss"]
    assert [float(loss) for loss in losses] == pytest.approx([1.0, 4.0], rel=0.05)
    assert model.get_layer("ic").dropout.initial_rate == 0.75
    moved = 1 - 0.9**4  # from 0, after 4 steps
    np.testing.assert_allclose(
        array(keras, model.get_layer("ic").batch_norm.moving_mean.value).mean(), 3 * moved, rtol=0.02
    )
    if keras.backend.backend() != "torch":  # which runs step by step and traces nothing
        assert traced.count(True) <= 2


def test_frozen_it_keeps_its_statistics_and_still_drops(keras, layers):
    one = layers.IndependentComponent(0.5, seed=1)
    one.build(ROWS.shape)
    one.trainable = False
    out = array(keras, one(ROWS, training=True))
    kept = out != 0
    assert 0.3 < kept.mean() < 0.7
    np.testing.assert_allclose(out[kept], 2 * ROWS[kept] / np.sqrt(1 + 1e-5), rtol=1e-6)
    assert not array(keras, one.batch_norm.moving_mean.value).any()
    assert one.trainable_weights == []


def test_it_takes_part_in_mixed_precision(keras, layers):
    one = layers.IndependentComponent(0.5, dtype="mixed_float16")
    assert array(keras, one(ROWS, training=True)).dtype == np.float16
    assert {weight.dtype for weight in one.weights} == {"float32"}


def test_it_keeps_shapes_and_has_two_trained_weights(keras, layers):
    one = layers.IndependentComponent(0.1)
    assert one.compute_output_shape((None, 8, 8, 3)) == (None, 8, 8, 3)
    assert one(keras.Input((8, 8, 3))).shape == (None, 8, 8, 3)
    assert [weight.name for weight in one.trainable_weights] == ["gamma", "beta"]
    assert sorted(weight.name for weight in one.non_trainable_weights) == ["moving_mean", "moving_variance", "rate"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"rate": 1.0}, r"dropout should lie in \[0, 1\), received 1.0"),
        ({"rate": 0.5, "momentum": 1.0}, r"momentum should lie in \[0, 1\), received 1.0"),
        ({"rate": 0.5, "epsilon": 0.0}, r"epsilon should be positive and finite, received 0.0"),
        ({"rate": 0.5, "epsilon": float("nan")}, r"epsilon should be positive and finite, received nan"),
    ],
)
def test_values_out_of_range_are_refused(layers, arguments, sentence):
    with pytest.raises(UsageError, match=sentence):
        layers.IndependentComponent(**arguments)
