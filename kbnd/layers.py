"""The layers of kbnd: dropout whose rate is a weight, BN and dropout as one layer, BN from its equations.

| layer                         | train mode                                        | eval mode                    |
|-------------------------------|---------------------------------------------------|------------------------------|
| `VariableDropout`             | y = x * m / (1 - rate), m ~ Bernoulli(1 - rate)   | y = x                        |
| `IndependentComponent`        | y = dropout(BN(x))                                | y = BN(x)                    |
| `ReferenceBatchNormalization` | y = gamma (x - mu) / sqrt(var + epsilon) + beta   | the same with moving mu, var |

Each element has its own m; mu and var are those of its channel, over the batch and all other axes.

Keras' own Dropout holds its rate as a Python float that ends up inside the compiled graph, so a new rate means a new
graph (keras-team/keras#8826); and `keras.random.dropout` refuses a tensor. `VariableDropout` reads its rate from a
variable: one compiled graph serves every rate, and a callback can move it while the model trains.

References: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15 (2014);
Ioffe & Szegedy, "Batch Normalization", ICML 2015, algorithms 1 and 2; Chen et al., "Rethinking the usage of Batch
Normalization and Dropout in the training of deep neural networks", arXiv 1905.05928 (2019).
Differs: dropout's scaling stands in train mode ("inverted"), as in Keras and PyTorch, not in eval mode.
"""

from __future__ import annotations

import weakref
from typing import Any

import keras
from keras import ops

from kbnd.errors import check_batch_norm, checked_rate


@keras.saving.register_keras_serializable("kbnd")
class VariableDropout(keras.layers.Layer):
    """Dropout whose rate is the scalar, non-trainable weight `rate`; `layer.rate.assign(0.3)` changes it.

    On TensorFlow and JAX the mask comes from the layer's `seed_generator`. On PyTorch a layer without `seed` takes
    `torch.nn.functional.dropout`, several times faster, and draws from PyTorch's global generator; one with `seed`
    uses its own generator there too.

    Args:
        rate: fraction of the elements set to 0, in [0, 1); where the weight starts.
        seed: whole number for the mask; None draws one.
        **kwargs: of `keras.layers.Layer` (name, dtype, ...).

    Raises:
        UsageError: a rate outside [0, 1).
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial_rate = checked_rate(rate)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True
        self._last_read: tuple[Any, int, float] | None = None

    def build(self, input_shape: tuple[int | None, ...]) -> None:  # noqa: ARG002
        """Create the weight `rate`."""
        self.rate = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.initial_rate),
            dtype="float32",
            trainable=False,
            autocast=False,
            name="rate",
        )

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        """Return the inputs with a fraction `rate` of them zeroed and the rest scaled, or as they are."""
        if not training:
            return inputs
        if keras.backend.backend() == "torch" and self.seed is None:
            return self._torch_dropout(inputs)
        is_kept = keras.random.uniform(ops.shape(inputs), seed=self.seed_generator) >= self.rate
        return _scaled(inputs, is_kept, self.rate)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer; the current rate is saved with the weights."""
        return {**super().get_config(), "rate": self.initial_rate, "seed": self.seed}

    def _torch_dropout(self, inputs: Any) -> Any:
        import torch

        rate = self.rate.value
        if torch.compiler.is_compiling():  # a Python float would be burnt into the compiled graph
            return _scaled(inputs, torch.rand_like(inputs) >= rate, rate)
        if inputs.is_meta:  # only the shape is asked for; there is no rate to read
            return inputs
        return torch.nn.functional.dropout(inputs, p=self._read(rate))

    def _read(self, rate: Any) -> float:
        """Return the rate as a float, read from the device only after it changed.

        Reading at every step would make the host wait for a GPU. PyTorch counts the in-place writes to a tensor in
        `_version`; the weak reference tells another tensor, as in a stateless call, from the one read last.
        """
        if self._last_read is not None:
            tensor, version, number = self._last_read
            if tensor() is rate and version == rate._version:
                return number
        number = float(rate)
        self._last_read = (weakref.ref(rate), rate._version, number)
        return number


@keras.saving.register_keras_serializable("kbnd")
class IndependentComponent(keras.layers.Layer):
    """Batch Normalization and then dropout as one layer, the IC layer of Chen et al. (2019).

    It is `keras.layers.BatchNormalization` over the last axis (`layer.batch_norm`) followed by `VariableDropout`
    (`layer.dropout`, so that `layer.dropout.rate.assign(0.1)` changes the rate); the paper puts it before each weight
    layer. `trainable = False` has BN use its moving statistics also in train mode; the dropout stays.

    Args:
        rate: fraction of the elements set to 0, in [0, 1).
        momentum: weight of the old moving statistics in their update, in [0, 1).
        epsilon: added to the variance, positive.
        seed: whole number for the mask; None draws one.
        **kwargs: of `keras.layers.Layer` (name, dtype, ...).

    Raises:
        UsageError: a rate, momentum or epsilon out of range.

    Differs: the defaults of BN are those of PyTorch, 0.9 and 1e-5 (Keras: 0.99 and 1e-3).
    """

    def __init__(
        self, rate: float, *, momentum: float = 0.9, epsilon: float = 1e-5, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_batch_norm(momentum, epsilon)
        self.batch_norm = keras.layers.BatchNormalization(
            axis=-1, momentum=momentum, epsilon=epsilon, dtype=self.dtype_policy, name="batch_norm"
        )
        self.dropout = VariableDropout(rate, seed=seed, dtype=self.dtype_policy, name="dropout")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights of both parts."""
        self.batch_norm.build(input_shape)
        self.dropout.build(input_shape)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        """Return the inputs normalised over all axes but the last, and in train mode a fraction of them zeroed."""
        return self.dropout(self.batch_norm(inputs, training=training), training=training)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer; the current rate is saved with the weights."""
        parts = {"momentum": self.batch_norm.momentum, "epsilon": self.batch_norm.epsilon, "seed": self.dropout.seed}
        return {**super().get_config(), "rate": self.dropout.initial_rate, **parts}


@keras.saving.register_keras_serializable("kbnd")
class ReferenceBatchNormalization(keras.layers.Layer):
    """Batch Normalization written from its equations, to read and to check Keras' layer against.

    With mu and var of each channel (the last axis) over the batch B and all other axes, n numbers in all:

        mu = sum(x) / n,    var = sum((x - mu)^2) / n,    y = gamma (x - mu) / sqrt(var + epsilon) + beta
        moving <- momentum * moving + (1 - momentum) * (mu, var)

    In eval mode, and while `trainable` is False, the moving statistics stand for mu and var, and stay as they are.

    Args:
        momentum: weight of the old moving statistics in their update, in [0, 1).
        epsilon: added to the variance, positive.
        **kwargs: of `keras.layers.Layer` (name, dtype, ...).

    Raises:
        UsageError: a momentum or epsilon out of range.

    Reference: Ioffe & Szegedy (2015), algorithm 1 for train mode, algorithm 2 for eval mode.
    Differs: the moving variance averages var as it is, as Keras' does; algorithm 2 and PyTorch take n/(n - 1) var.
    Differs from Keras on PyTorch: it computes var as E[x^2] - mu^2, which loses digits where mu is large.
    """

    def __init__(self, *, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_batch_norm(momentum, epsilon)
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create gamma, beta and the moving statistics, one of each for a channel."""

        def weight(name: str, start: str, *, trainable: bool) -> Any:
            shape = (input_shape[-1],)
            return self.add_weight(shape=shape, initializer=start, trainable=trainable, autocast=False, name=name)

        self.gamma = weight("gamma", "ones", trainable=True)
        self.beta = weight("beta", "zeros", trainable=True)
        self.moving_mean = weight("moving_mean", "zeros", trainable=False)
        self.moving_variance = weight("moving_variance", "ones", trainable=False)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        """Return the inputs normalised; in train mode the moving statistics take a step."""
        x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))  # sums overflow in half precision
        if training and self.trainable:
            axes = list(range(len(x.shape) - 1))
            mean = ops.mean(x, axis=axes)
            variance = ops.mean(ops.square(x - mean), axis=axes)
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        normalised = (x - mean) / ops.sqrt(variance + self.epsilon)
        return ops.cast(self.gamma * normalised + self.beta, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer."""
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}

    def _move(self, moving: Any, of_batch: Any) -> None:
        moving.assign(self.momentum * moving + (1.0 - self.momentum) * of_batch)


def _scaled(inputs: Any, is_kept: Any, rate: Any) -> Any:
    return ops.where(is_kept, inputs * ops.cast(1.0 / (1.0 - rate), inputs.dtype), 0.0)
