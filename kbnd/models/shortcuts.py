"""The shortcut without weights: fewer positions and more channels, both by zeros (option A of He et al. 2016).

Reference: He et al., "Deep residual learning for image recognition", CVPR 2016, section 3.3.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kbnd")
class ZeroPadShortcut(keras.layers.Layer):
    """Keeps every `stride`-th row and column and puts channels of zeros behind those there are.

    Where the zeros stand changes nothing but the numbering of the channels, since all weights around are drawn alike.

    Args:
        width: channels of the output, at least those of the input.
        stride: distance of the rows and columns that are kept.
        **kwargs: of `keras.layers.Layer` (name, dtype, ...).
    """

    def __init__(self, width: int, stride: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.stride = stride

    def call(self, inputs: Any) -> Any:
        """Return the maps (n, ceil(height / stride), ceil(width / stride), channels of the output)."""
        kept = inputs[:, :: self.stride, :: self.stride, :]
        return ops.pad(kept, [[0, 0], [0, 0], [0, 0], [0, self.width - inputs.shape[-1]]])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of what `call` returns."""
        n, *sides, _ = input_shape
        return (n, *(None if side is None else -(-side // self.stride) for side in sides), self.width)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer."""
        return {**super().get_config(), "width": self.width, "stride": self.stride}
