"""Batches in the order that a seed fixes: the same images in the same steps on every backend and in every arm.

Keras calls a `PyDataset`'s own epoch hooks at different moments on each backend, so the feed never counts
epochs: a callback tells it the epoch (`EpochStart`) and the order is a function of (seed, epoch) alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kbnd.data import Split, epoch_order


class OrderedBatches(keras.utils.PyDataset):
    """Batches of one split, (images float32 in [0, 1] of shape (b, h, w, c), labels int64 of shape (b,)).

    The last, smaller batch is kept.

    Args:
        split: images uint8 (n, h, w, c) and labels (n,).
        batch_size: images per batch.
        seed: with the epoch, fixes the order.
    """

    def __init__(self, split: Split, *, batch_size: int, seed: int) -> None:
        super().__init__()
        self._split = split
        self._batch_size = batch_size
        self._seed = seed
        self.set_epoch(1)

    def __len__(self) -> int:
        return math.ceil(len(self._split.labels) / self._batch_size)

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self._order[step * self._batch_size : (step + 1) * self._batch_size]
        return scaled(self._split.images[chosen]), self._split.labels[chosen]

    def set_epoch(self, epoch: int) -> None:
        """Take the order of this epoch (from 1)."""
        self._order = epoch_order(len(self._split.labels), seed=self._seed, epoch=epoch)


class EpochStart(keras.callbacks.Callback):
    """Calls a function with the number of each epoch (from 1) before the epoch begins."""

    def __init__(self, start: Callable[[int], None]) -> None:
        super().__init__()
        self._start = start

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002 (Keras' signature)
        """Pass on the epoch."""
        self._start(epoch + 1)


def scaled(images: np.ndarray) -> np.ndarray:
    """Return uint8 pixels as float32 in [0, 1]."""
    return np.multiply(images, np.float32(1 / 255), dtype=np.float32)
