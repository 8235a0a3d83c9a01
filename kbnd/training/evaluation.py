"""Evaluation in eval mode from logits, with one formula for every backend and split.

Losses are means in float64 over all images; nothing is averaged over batches of unequal size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras
import numpy as np
from scipy.special import logsumexp

from kbnd.data import Split
from kbnd.training.pixels import Pixels

LARGEST_BATCH = 500
"""Images evaluated at a time; divides the usual 10,000 so that one graph serves a whole split. On a CPU, MNIST
is through LeNet-5 a tenth (TensorFlow) to a quarter (PyTorch) sooner than 1,000 at a time, whose maps leave its caches;
the logits are the same, bit for bit."""


@dataclass(frozen=True)
class Evaluation:
    """Eval-mode result on one split.

    Attributes:
        loss: mean cross-entropy in nats.
        accuracy: share of right predictions, in [0, 1].
        correct: bool (n,), per image.
    """

    loss: float
    accuracy: float
    correct: np.ndarray


def evaluate(model: keras.Model, split: Split, *, pixels: Pixels = Pixels()) -> Evaluation:  # noqa: B008 (frozen)
    """Evaluate a model that outputs logits, dropout off and moving statistics in BN.

    Args:
        model: maps float32 (b, h, w, c) to logits (b, classes).
        split: images uint8 (n, h, w, c), labels (n,).
        pixels: the scaling that the model was trained with.

    Returns:
        Loss, accuracy and correctness; the loss is NaN or inf where the logits are.
    """
    logits = predict_logits(model, split.images, pixels=pixels).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        of_label = logits[np.arange(len(logits)), split.labels]
        loss = float(np.mean(logsumexp(logits, axis=1) - of_label))
    correct = logits.argmax(axis=1) == split.labels
    return Evaluation(loss=loss, accuracy=float(correct.mean()), correct=correct)


def predict_logits(model: keras.Model, images: np.ndarray, *, pixels: Pixels = Pixels()) -> np.ndarray:  # noqa: B008
    """Return float32 logits (n, classes) of uint8 images (n, h, w, c), in eval mode."""
    n_batches = math.ceil(len(images) / LARGEST_BATCH)
    size = math.ceil(len(images) / n_batches)
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    return np.concatenate([np.asarray(model.predict_on_batch(pixels.scaled(batch))) for batch in batches])
