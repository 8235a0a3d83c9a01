"""Initial weights and dropout seeds as functions of (seed, layer name, weight name), the same in every arm.

Weights are drawn in NumPy after a model is built, so that TensorFlow, JAX and PyTorch start from the same numbers.
The key is a name and never the order of calls: adding a Batch Normalization or Dropout layer shifts nothing else.
n is fan-in, m fan-out (receptive field times channels in, channels out):

| scheme           | kernel                                | bias                | source                        |
|------------------|---------------------------------------|---------------------|-------------------------------|
| `torch_default`  | U(-1/sqrt(n), 1/sqrt(n))              | the same            | PyTorch's Conv2d and Linear   |
| `glorot_uniform` | U(-sqrt(6/(n+m)), sqrt(6/(n+m)))      | 0                   | Glorot & Bengio (2010), eq. 16 |
| `he_normal`      | N(0, 2/n)                             | 0                   | He et al. (2015), eq. 10      |

Differs: Keras truncates `he_normal` at two standard deviations; here it is the normal distribution of the paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kbnd.errors import UsageError, unknown
from kbnd.seeds import generator, subseed

if TYPE_CHECKING:
    import keras

Draw = Callable[[np.random.Generator, tuple[int, ...], int, int], np.ndarray]
"""From (generator, shape, fan-in, fan-out) to an array of the shape."""


@dataclass(frozen=True)
class Scheme:
    """How the kernel and the bias of a weight layer are drawn; the fans are the kernel's for both."""

    kernel: Draw
    bias: Draw


def _uniform(bound: Callable[[int, int], float]) -> Draw:
    return lambda rng, shape, n, m: rng.uniform(-bound(n, m), bound(n, m), shape)


def _zeros(_rng: np.random.Generator, shape: tuple[int, ...], _n: int, _m: int) -> np.ndarray:
    return np.zeros(shape)


SCHEMES: dict[str, Scheme] = {  # named as `kbnd.spec.InitialWeights` allows, which a test compares
    "torch_default": Scheme(
        kernel=_uniform(lambda n, _: 1 / math.sqrt(n)), bias=_uniform(lambda n, _: 1 / math.sqrt(n))
    ),
    "glorot_uniform": Scheme(kernel=_uniform(lambda n, m: math.sqrt(6 / (n + m))), bias=_zeros),
    "he_normal": Scheme(kernel=lambda rng, shape, n, _: rng.normal(0.0, math.sqrt(2 / n), shape), bias=_zeros),
}

CONSTANTS = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}
"""Weights of Batch Normalization, by name."""

LEFT_ALONE = ("rate",)
"""Weights that a builder set on purpose: the rate of `VariableDropout`."""


def initialise(model: keras.Model, *, seed: int, scheme: str = "torch_default") -> None:
    """Set every weight of a built model: kernels and biases by scheme and seed, BN to its constants.

    Moving statistics are reset as well, so that a compiled model can be used for another run.

    Args:
        model: any built Keras model made of convolutions, dense layers, BN and Dropout.
        seed: of the run.
        scheme: key of `SCHEMES`.

    Raises:
        UsageError: an unknown scheme, or a weight that the schemes say nothing about.
    """
    if scheme not in SCHEMES:
        raise unknown("initial_weights scheme", scheme, SCHEMES)
    for layer, weights in _weights_by_layer(model):
        for name, variable in weights.items():
            if name in LEFT_ALONE:
                continue
            if name in CONSTANTS:
                value = np.full(variable.shape, CONSTANTS[name])
            elif name in ("kernel", "bias") and "kernel" in weights:
                rng = generator(seed, "weights", f"{layer}/{name}")
                draw = SCHEMES[scheme].kernel if name == "kernel" else SCHEMES[scheme].bias
                value = draw(rng, tuple(variable.shape), *_fans(weights["kernel"].shape))
            else:
                raise UsageError(f"no scheme of initial weights covers {name!r} of layer {layer!r}")
            variable.assign(value.astype("float32"))


def seed_dropout(model: keras.Model, *, seed: int) -> None:
    """Make the dropout masks of the next run a function of the seed.

    Each seed generator is set from (seed, layer name). On PyTorch the masks of unseeded layers come from the global
    generator instead (`seed_global_dropout`); so there an arm's masks depend on its other dropout layers.

    Args:
        model: any Keras model.
        seed: of the run.
    """
    for layer in _layers(model):
        state = getattr(getattr(layer, "seed_generator", None), "state", None)
        if state is not None:
            # 31 bits: what the seed types of all backends hold (int64 taken modulo 2**31 - 2, uint32)
            state.assign(np.array([subseed(seed, "dropout", layer.name) >> 33, 0], dtype=state.dtype))


def seed_global_dropout(*, seed: int, epoch: int) -> None:
    """Make PyTorch's dropout masks of an epoch a function of (seed, epoch); other backends have no global generator.

    Differs: seeded for each epoch and not once for each run, because Keras draws from the same generator whenever it
    makes a data loader, and how often it does so differs between a whole training and a resumed one.

    Args:
        seed: of the run.
        epoch: from 1.
    """
    import keras

    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(subseed(seed, "dropout", epoch))


def _weights_by_layer(model: keras.Model) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each layer that has weights of its own by name, with these weights by name."""
    layers: dict[str, dict[str, Any]] = {}
    for variable in model.weights:
        path, _, name = variable.path.rpartition("/")
        layers.setdefault(path, {})[name] = variable
    for path, weights in layers.items():
        yield path.rpartition("/")[2], weights


def _layers(model: keras.Model) -> list[Any]:
    """Return the model's layers with those inside composite layers, which no public attribute lists."""
    return model._flatten_layers(include_self=False, recursive=True)


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return fan-in and fan-out of a kernel (..., channels in, channels out)."""
    receptive_field = math.prod(shape[:-2])
    return receptive_field * shape[-2], receptive_field * shape[-1]
