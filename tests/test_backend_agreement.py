"""TensorFlow, JAX and PyTorch compute the same network: same weights in, same logits and same step out.

Each backend needs a process of its own, so this file starts one for every other installed backend, side by side, and
compares what they wrote. It says the same under each of them, so it holds tests only where the first installed one is
chosen.

A gradient jumps where a value before ReLU is so near to 0, or two values in a pooling window are so nearly equal, that
rounding decides: there no two backends need agree. Few and centred images (BN magnifies the rounding of a large mean)
keep clear of it; a failure that appears in one channel of one layer, after other images or weights, is such a jump.
"""

import importlib.util
import os
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest

INSTALLED = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]

# pytest collects nothing from a module whose __test__ is false
__test__ = len(INSTALLED) > 1 and os.environ.get("KERAS_BACKEND", INSTALLED[0]) == INSTALLED[0]

pytestmark = pytest.mark.backend

ARMS = {
    "baseline": {},
    "before_activation": {"batch_norm": "before_activation"},
    "after_activation": {"batch_norm": "after_activation"},
    "before_weight": {"batch_norm": "before_weight", "batch_norm_sites": ["conv", "dense"]},
}
TRAINED = ("baseline", "before_activation")  # a step takes seconds to compile on JAX


def computed() -> dict[str, np.ndarray]:
    """Logits, and weights after a step, of every arm on the backend of this process."""
    import keras

    from kbnd.models import lenet5
    from kbnd.training.initial import initialise

    rng = np.random.default_rng(0)
    images, labels = rng.uniform(-1, 1, (8, 28, 28, 1)).astype("float32"), np.arange(8)
    arrays = {}
    for arm, options in ARMS.items():
        model = lenet5((28, 28, 1), 10, **options)
        initialise(model, seed=1)
        for name in (weight.path for weight in model.weights if "moving_" in weight.path):
            layer, statistic = name.split("/")
            variable = getattr(model.get_layer(layer), statistic)
            variable.assign(rng.uniform(0.5, 1.5, variable.shape).astype("float32"))
        arrays[f"logits of {arm}"] = model.predict_on_batch(images)
        if arm in TRAINED:
            model.compile(keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
            model.fit(images, labels, batch_size=8, epochs=1, shuffle=False, verbose=0)
            for weight in model.weights:
                arrays[f"{weight.path} of {arm}"] = keras.ops.convert_to_numpy(weight.value)
    return arrays


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seen")
    with ExitStack() as stack:
        children = {backend: stack.enter_context(_started(backend, folder)) for backend in INSTALLED[1:]}
        arrays = {INSTALLED[0]: computed()}
        for backend, child in children.items():
            assert child.wait() == 0, (folder / f"{backend}.log").read_text()
            with np.load(folder / f"{backend}.npz") as stored:
                arrays[backend] = dict(stored)
    return arrays


@pytest.mark.parametrize("backend", INSTALLED[1:])
@pytest.mark.parametrize("arm", ARMS)
def test_logits_agree_on_identical_weights(seen, backend, arm):
    ours, theirs = seen[INSTALLED[0]][f"logits of {arm}"], seen[backend][f"logits of {arm}"]
    # relative to the largest logit: one that happens to be near 0 has no digits of its own
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(ours).max()


@pytest.mark.parametrize("backend", INSTALLED[1:])
@pytest.mark.parametrize("arm", TRAINED)
def test_weights_agree_after_one_step(seen, backend, arm):
    names = [name for name in seen[INSTALLED[0]] if name.endswith(f" of {arm}") and "/" in name]
    assert len(names) == (10 if arm == "baseline" else 22)
    for name in names:
        np.testing.assert_allclose(seen[backend][name], seen[INSTALLED[0]][name], rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("arm", TRAINED)
def test_the_step_moved_the_weights_by_more_than_the_tolerance(seen, arm):
    from kbnd.seeds import generator

    start = generator(1, "weights", "logits/kernel").uniform(-1, 1, (84, 10)) / np.sqrt(84)
    assert np.abs(seen[INSTALLED[0]][f"logits/kernel of {arm}"] - start).max() > 1e-3


def _started(backend, folder):
    """A process that computes the same on another backend."""
    environment = os.environ | {"KERAS_BACKEND": backend}
    with (folder / f"{backend}.log").open("wb") as log:
        command = [sys.executable, __file__, str(folder / f"{backend}.npz")]
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


if __name__ == "__main__":
    np.savez(sys.argv[1], **computed())
