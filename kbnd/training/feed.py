"""Batches in the order that a seed fixes: the same images in the same steps on every backend and in every arm.

Keras calls a `PyDataset`'s own epoch hooks at different moments on each backend, and may take a batch before an epoch
begins (keras-team/keras#19749), so the feed never counts epochs: a callback tells it the epoch (`EpochStart`); order
and augmentation are functions of (seed, epoch) alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kbnd.data import Split, epoch_order
from kbnd.training.augmentation import CropFlip
from kbnd.training.pixels import Pixels


class OrderedBatches(keras.utils.PyDataset):
    """Batches of one split, (images float32 of shape (b, h, w, c), labels int64 of shape (b,)).

    The last, smaller batch is kept.

    Args:
        split: images uint8 (n, h, w, c) and labels (n,).
        batch_size: images per batch.
        seed: with the epoch, fixes the order and the augmentation.
        pixels: how pixels are scaled.
        is_augmented: whether each image is cropped and mirrored at random (`kbnd.training.augmentation`).
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        seed: int,
        pixels: Pixels = Pixels(),  # noqa: B008 (frozen)
        is_augmented: bool = False,
    ) -> None:
        super().__init__()
        self._split = split
        self._batch_size = batch_size
        self._seed = seed
        self._pixels = pixels
        self._is_augmented = is_augmented
        self.set_epoch(1)

    def __len__(self) -> int:
        return math.ceil(len(self._split.labels) / self._batch_size)

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        indices = self._order[step * self._batch_size : (step + 1) * self._batch_size]
        images = self._split.images[indices]
        if self._crop_flip is not None:
            images = self._crop_flip.apply(images, indices)
        return self._pixels.scaled(images), self._split.labels[indices]

    def set_epoch(self, epoch: int) -> None:
        """Take the order and the augmentation of this epoch (from 1)."""
        n_images = len(self._split.labels)
        self._order = epoch_order(n_images, seed=self._seed, epoch=epoch)
        self._crop_flip = CropFlip.for_epoch(n_images, seed=self._seed, epoch=epoch) if self._is_augmented else None


class EpochStart(keras.callbacks.Callback):
    """Calls a function with the number of each epoch (from 1) before the epoch begins."""

    def __init__(self, start: Callable[[int], None]) -> None:
        super().__init__()
        self._start = start

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002 (Keras' signature)
        """Pass on the epoch."""
        self._start(epoch + 1)
