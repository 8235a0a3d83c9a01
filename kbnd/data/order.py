"""The order of the training images: a permutation of (seed, epoch), the same on every backend and in every arm.

It sorts raw 64-bit words of PCG64, because NumPy promises that the words of a bit generator never change and
promises nothing of the kind for `Generator.permutation` (NEP 19): a stored seed keeps its meaning.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kbnd.seeds import subseed


def epoch_order(n: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order in which one epoch visits its images.

    Args:
        n: number of images.
        seed: the run's seed.
        epoch: its number; any counting will do, as long as it is the same everywhere.

    Returns:
        A permutation of 0 ... n - 1, shape (n,), int64.
    """
    words = np.random.PCG64(subseed(seed, "order", epoch)).random_raw(n)
    return np.argsort(words, kind="stable").astype(np.int64, copy=False)
