"""`digits`: 1,797 real handwritten digits of 8x8 pixels, bundled with scikit-learn, so that kbnd runs offline.

They are the test part of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998),
pixels 0 ... 16, here spread over 0 ... 255. They come with the installation and are never cached.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from kbnd.data.splits import Arrays, Split, arrange

N_TEST = 300


@lru_cache(maxsize=1)
def decode() -> Arrays:
    """Return the digits, 1,497 for training and validation and 300 for test."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = bunch.images[..., np.newaxis].astype(np.int64)
    images = ((pixels * 255 + 8) // 16).astype(np.uint8)
    return arrange(Split(images, bunch.target.astype(np.int64)), None, classes=10, n_test=N_TEST)
