"""Initial weights and dropout seeds as functions of (seed, layer name, weight name), the same in every arm.

Weights are drawn in NumPy after a model is built, so that TensorFlow, JAX and PyTorch start from the same numbers.
The key is a name and never the order of calls: adding a Batch Normalization or Dropout layer shifts nothing else.
n is fan-in, m fan-out (receptive field times channels in, channels out):

| scheme           | kernel                           | bias     | source                                             |
|------------------|----------------------------------|----------|----------------------------------------------------|
| `torch_default`  | U(-1/sqrt(n), 1/sqrt(n))         | the same | PyTorch's Conv2d and Linear                        |
| `glorot_uniform` | U(-sqrt(6/(n+m)), sqrt(6/(n+m))) | 0        | Glorot & Bengio (2010), eq. 16                     |
| `glorot_normal`  | N(0, 2/(n+m))                    | 0        | their eq. 12, as a normal distribution             |
| `he_uniform`     | U(-sqrt(6/n), sqrt(6/n))         | 0        | He et al. (2015), eq. 10, as a uniform distribution |
| `he_normal`      | N(0, 2/n)                        | 0        | He et al. (2015), eq. 10                           |
| `d2l_gaussian`   | N(0, 0.01**2)                    | 0        | Zhang et al., "Dive into Deep Learning", MLPs |

A `gain` multiplies the kernels, never the biases.

A layer inside a composite layer is keyed by its path under the model (`stage1_ic/dropout`), every other by its name.

Differs: Keras truncates `glorot_normal` and `he_normal` at two standard deviations; here both are normal distributions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
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


def _normal(sd: Callable[[int, int], float]) -> Draw:
    return lambda rng, shape, n, m: rng.normal(0.0, sd(n, m), shape)


def _zeros(_rng: np.random.Generator, shape: tuple[int, ...], _n: int, _m: int) -> np.ndarray:
    return np.zeros(shape)


SCHEMES: dict[str, Scheme] = {  # named as `kbnd.spec.InitialWeights` allows, which a test compares
    "torch_default": Scheme(
        kernel=_uniform(lambda n, _: 1 / math.sqrt(n)), bias=_uniform(lambda n, _: 1 / math.sqrt(n))
    ),
    "glorot_uniform": Scheme(kernel=_uniform(lambda n, m: math.sqrt(6 / (n + m))), bias=_zeros),
    "glorot_normal": Scheme(kernel=_normal(lambda n, m: math.sqrt(2 / (n + m))), bias=_zeros),
    "he_uniform": Scheme(kernel=_uniform(lambda n, _: math.sqrt(6 / n)), bias=_zeros),
    "he_normal": Scheme(kernel=_normal(lambda n, _: math.sqrt(2 / n)), bias=_zeros),
    "d2l_gaussian": Scheme(kernel=_normal(lambda _n, _m: 0.01), bias=_zeros),
}

CONSTANTS = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}
"""Weights of Batch Normalization, by name."""

LEFT_ALONE = ("rate",)
"""Weights that a builder set on purpose, or `set_dropout`: the rate of `VariableDropout`."""


def initialise(model: keras.Model, *, seed: int, scheme: str = "torch_default", gain: float = 1.0) -> None:
    """Set every weight of a built model: kernels and biases by scheme and seed, BN to its constants.

    Moving statistics are reset as well, so that a compiled model can be used for another run.

    Args:
        model: any built Keras model made of convolutions, dense layers, BN and Dropout.
        seed: of the run.
        scheme: key of `SCHEMES`.
        gain: factor on every kernel.

    Raises:
        UsageError: an unknown scheme, or a weight that the schemes say nothing about.
    """
    if scheme not in SCHEMES:
        raise unknown("initial_weights scheme", scheme, SCHEMES)
    for key, layer in [(model.name, model), *_layers(model)]:
        weights = _own_weights(layer)
        for name, variable in weights.items():
            if name in LEFT_ALONE:
                continue
            if name in CONSTANTS:
                value = np.full(variable.shape, CONSTANTS[name])
            elif name in ("kernel", "bias") and "kernel" in weights:
                rng = generator(seed, "weights", f"{key}/{name}")
                draw = SCHEMES[scheme].kernel if name == "kernel" else SCHEMES[scheme].bias
                value = draw(rng, tuple(variable.shape), *_fans(weights["kernel"].shape))
                value = value * gain if name == "kernel" else value
            else:
                raise UsageError(f"no scheme of initial weights covers {name!r} of layer {key!r}")
            variable.assign(value.astype("float32"))


def set_dropout(model: keras.Model, rates: Mapping[str, float]) -> None:
    """Set every `kbnd.layers.VariableDropout` of a model as if it had been built with the rate given here.

    Args:
        model: any Keras model.
        rates: rate in [0, 1) by the key of each such layer, no more and no fewer.

    Raises:
        UsageError: other layers than those of the model.
    """
    from kbnd.layers import VariableDropout

    layers = {key: layer for key, layer in _layers(model) if isinstance(layer, VariableDropout)}
    if set(layers) != set(rates):
        raise UsageError(f"dropout rates should be for {sorted(layers)}, received {sorted(rates)}")
    for key, layer in layers.items():
        layer.initial_rate = rates[key]
        layer.rate.assign(rates[key])


def seed_dropout(model: keras.Model, *, seed: int) -> None:
    """Make the dropout masks of the next run a function of the seed.

    Each seed generator is set from (seed, layer name). On PyTorch the masks of unseeded layers come from the global
    generator instead (`seed_global_dropout`); so there an arm's masks depend on its other dropout layers.

    Args:
        model: any Keras model.
        seed: of the run.
    """
    for key, layer in _layers(model):
        state = getattr(getattr(layer, "seed_generator", None), "state", None)
        if state is not None:
            # 31 bits: what the seed types of all backends hold (int64 taken modulo 2**31 - 2, uint32)
            state.assign(np.array([subseed(seed, "dropout", key) >> 33, 0], dtype=state.dtype))


def seed_global_dropout(*, seed: int, epoch: int) -> None:
    """Make PyTorch's dropout masks of an epoch a function of (seed, epoch); other backends have no global generator.

    Differs: seeded for each epoch and not once for each run, because every iteration over a PyTorch data loader
    draws from the same generator (pytorch/pytorch#11062), and how often Keras begins one differs between a whole
    training and a resumed one.

    Args:
        seed: of the run.
        epoch: from 1.
    """
    import keras

    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(subseed(seed, "dropout", epoch))


def _layers(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """Yield every layer once with its path under the model; a layer of the model itself comes before those inside."""
    seen: set[int] = set()
    inside = [("", model)]
    while inside:
        level, inside = inside, []
        for path, outer in level:
            for layer in _sublayers(outer):
                if id(layer) not in seen:
                    seen.add(id(layer))
                    yield f"{path}{layer.name}", layer
                    inside.append((f"{path}{layer.name}/", layer))


def _own_weights(layer: Any) -> dict[str, Any]:
    """Return a layer's weights by name without those of the layers inside it."""
    of_others = {id(variable) for inner in _sublayers(layer) for variable in inner.weights}
    return {variable.name: variable for variable in layer.weights if id(variable) not in of_others}


def _sublayers(layer: Any) -> list[Any]:
    """Return the layers directly inside a layer or model, which no public attribute lists."""
    return layer._flatten_layers(include_self=False, recursive=False)


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return fan-in and fan-out of a kernel (..., channels in, channels out)."""
    receptive_field = math.prod(shape[:-2])
    return receptive_field * shape[-2], receptive_field * shape[-1]
