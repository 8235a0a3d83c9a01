"""The one dropout layer of kbnd, whose rate is a weight.

Keras' own layer holds its rate as a Python float that ends up inside the compiled graph, so a new rate means a new
graph; and `keras.random.dropout` refuses a tensor. `VariableDropout` reads its rate from a variable: one compiled
graph serves every rate, and a callback can move it while the model trains. In train mode

    y = x * m / (1 - rate),   m ~ Bernoulli(1 - rate) for each element,

so that the mean is kept; in eval mode y = x.

Reference: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15 (2014).
Differs: the scaling stands in train mode ("inverted"), as in Keras and PyTorch, not in eval mode.
"""

from __future__ import annotations

import weakref
from typing import Any

import keras
from keras import ops

from kbnd.errors import UsageError


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
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0.0 <= rate < 1.0:
            raise UsageError(f"dropout should lie in [0, 1), received {rate!r}")
        self.initial_rate = float(rate)
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


def _scaled(inputs: Any, is_kept: Any, rate: Any) -> Any:
    return ops.where(is_kept, inputs * ops.cast(1.0 / (1.0 - rate), inputs.dtype), 0.0)
