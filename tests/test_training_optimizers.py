"""Weight decay is PyTorch's, coupled and decoupled, and costs nothing where there is none."""

from __future__ import annotations

import copy
import functools
from typing import Any

import keras
import numpy as np
import pytest

from kbnd.spec import TrainSpec
from kbnd.training.optimizers import CoupledAdam, CoupledSGD, optimizer_for

pytestmark = pytest.mark.backend

RNG = np.random.default_rng(1)
IMAGES, LABELS = RNG.random((16, 6), np.float32), np.arange(16) % 3
KERNELS = [RNG.normal(0, 0.5, shape).astype(np.float32) for shape in ((6, 8), (8, 3))]
GAMMA, BETA, BIAS = (RNG.normal(0, 0.5, n).astype(np.float32) for n in (8, 8, 3))
N_STEPS = 20

RULES = {
    "sgd": {"learning_rate": 0.1, "weight_decay": 0.1},
    "momentum": {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.1},
    "adam": {"optimizer": "adam", "learning_rate": 0.01, "weight_decay": 0.1},
    "adamw": {"optimizer": "adam", "learning_rate": 0.01, "weight_decay": 0.5, "weight_decay_mode": "decoupled"},
}


def without_decay(rule: str) -> dict[str, Any]:
    """The fields of a rule but those of its decay."""
    return {key: value for key, value in RULES[rule].items() if not key.startswith("weight_decay")}


def compiled(optimizer: keras.optimizers.Optimizer) -> keras.Model:
    """A small network with every kind of weight, from fixed numbers.

    No bias before BN and no ReLU: gradients that are 0 but for rounding Adam makes whole steps of.
    """
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, use_bias=False),
            layers.BatchNormalization(epsilon=1e-5),
            layers.Activation("tanh"),
            layers.Dense(3),
        ]
    )
    for variable, value in zip(model.trainable_variables, [KERNELS[0], GAMMA, BETA, KERNELS[1], BIAS], strict=True):
        variable.assign(value)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@functools.cache
def trained(train: TrainSpec) -> tuple[list[np.ndarray], float]:
    """Trainable weights after the steps, and the loss before the first."""
    model = compiled(optimizer_for(train))
    settings = {"batch_size": len(IMAGES), "shuffle": False, "verbose": 0}
    (loss,) = model.fit(IMAGES, LABELS, **settings).history["loss"]
    model.fit(np.tile(IMAGES, (N_STEPS - 1, 1)), np.tile(LABELS, N_STEPS - 1), **settings)
    return [keras.ops.convert_to_numpy(v.value) for v in model.trainable_variables], loss


def trained_by_torch(rule: str) -> list[np.ndarray]:
    """The same network and steps by torch.optim."""
    torch = pytest.importorskip("torch")
    fields = RULES[rule]
    network = torch.nn.Sequential(
        torch.nn.Linear(6, 8, bias=False), torch.nn.BatchNorm1d(8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
    )
    with torch.no_grad():
        values = [KERNELS[0].T, GAMMA, BETA, KERNELS[1].T, BIAS]
        for parameter, value in zip(network.parameters(), values, strict=True):
            parameter.copy_(torch.tensor(value.copy()))
    options = {"lr": fields["learning_rate"], "weight_decay": fields["weight_decay"]}
    optimizer = {
        "sgd": lambda w: torch.optim.SGD(w, **options),
        "momentum": lambda w: torch.optim.SGD(w, momentum=0.9, **options),
        "adam": lambda w: torch.optim.Adam(w, **options),
        "adamw": lambda w: torch.optim.AdamW(w, **options),
    }[rule](network.parameters())
    for _ in range(N_STEPS):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(torch.tensor(IMAGES)), torch.tensor(LABELS)).backward()
        optimizer.step()
    return [p.detach().numpy().T for p in network.parameters()]


@pytest.mark.parametrize("rule", RULES)
def test_twenty_steps_end_where_torch_optim_ends(rule: str) -> None:
    ours, _ = trained(TrainSpec(**RULES[rule]))
    plain, _ = trained(TrainSpec(**without_decay(rule)))
    for mine, theirs, undecayed in zip(ours, trained_by_torch(rule), plain, strict=True):
        # float32 over 20 steps, and Keras' Adam adds epsilon elsewhere; the decay moves every array 100 times more
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-5)
        assert np.abs(mine - undecayed).max() > 2e-3


@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_the_reported_loss_does_not_hold_the_decay(rule: str) -> None:
    _, with_decay = trained(TrainSpec(**RULES[rule]))
    _, without = trained(TrainSpec(**without_decay(rule)))
    assert with_decay == without


def test_without_weight_decay_it_is_keras_own_optimizer() -> None:
    for name, own in (("sgd", keras.optimizers.SGD), ("adam", keras.optimizers.Adam)):
        optimizer = optimizer_for(TrainSpec(optimizer=name))
        assert type(optimizer) is type(own())
        assert optimizer.weight_decay is None


@pytest.mark.parametrize(("rule", "kind"), [("momentum", CoupledSGD), ("adam", CoupledAdam)])
def test_a_coupled_optimizer_takes_the_steps_of_the_class_that_this_backend_uses(rule: str, kind: type) -> None:
    optimizer = optimizer_for(TrainSpec(**RULES[rule]))
    host = keras.optimizers.SGD if kind is CoupledSGD else keras.optimizers.Adam
    assert type(optimizer) is kind
    assert isinstance(optimizer, type(host()))  # on PyTorch the one that updates all weights at once


@pytest.mark.parametrize("rule", ["momentum", "adam"])
def test_a_coupled_optimizer_survives_a_copy_and_its_own_config(rule: str) -> None:
    optimizer = optimizer_for(TrainSpec(**RULES[rule]))
    for other in (
        copy.deepcopy(optimizer),
        keras.optimizers.deserialize(keras.optimizers.serialize(optimizer)),
    ):
        assert type(other) is type(optimizer)
        assert other.get_config() == optimizer.get_config()
        assert other.coupled_decay == 0.1


def test_a_weight_without_a_gradient_is_left_alone() -> None:
    optimizer = optimizer_for(TrainSpec(learning_rate=1.0, weight_decay=0.5))
    used, unused = (keras.Variable(np.ones(2, np.float32)) for _ in range(2))
    optimizer.build([used, unused])
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        optimizer.apply([keras.ops.zeros(2), None], [used, unused])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(used.value), 0.5)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(unused.value), 1.0)
