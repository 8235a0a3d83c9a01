"""From stored uint8 pixels to what a network sees: scaled to [0, 1] and, where asked for, standardised.

    x = pixel / 255          standardised: (x - mean) / sd, of each channel over the training images

Mean and standard deviation come from a histogram of each channel, exact for any number of images, and are counted once
in a process: half a second of CIFAR-10 that each run of a study would spend.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kbnd.spec import DataSpec

CHUNK = 2**22
"""Pixels counted at a time: a memory-mapped dataset is never in memory as a whole."""


@dataclass(frozen=True)
class Pixels:
    """How pixels are scaled; the default scales to [0, 1] alone.

    Attributes:
        mean: of each channel, of pixels in [0, 1]; empty for no standardisation.
        sd: standard deviation of each channel, above 0.
    """

    mean: tuple[float, ...] = ()
    sd: tuple[float, ...] = ()

    def scaled(self, images: np.ndarray) -> np.ndarray:
        """Return uint8 images (n, h, w, c) as float32 of the same shape."""
        if not self.mean:
            return np.multiply(images, np.float32(1 / 255), dtype=np.float32)
        mean, sd = np.array(self.mean), np.array(self.sd)
        # Whole rows at once: NumPy is slow where the last axis has but three elements.
        factor, offset = (np.tile(v, images.shape[2]).astype(np.float32) for v in (1 / (255 * sd), -mean / sd))
        rows = np.multiply(images.reshape(*images.shape[:2], -1), factor, dtype=np.float32)
        return np.add(rows, offset, out=rows).reshape(images.shape)


_COUNTED: dict[tuple[str, DataSpec], Pixels] = {}
"""What was counted in this process, by fingerprint and spec: the same two make the same training images."""


def pixels_for(spec: DataSpec, images: np.ndarray, *, fingerprint: str | None = None) -> Pixels:
    """Return the scaling of a dataset.

    Args:
        spec: its `standardise` says what is asked for.
        images: the training images that are used, uint8 (n, h, w, c).
        fingerprint: of the dataset they were taken from by the spec; None counts them whatever was counted before.

    Returns:
        The scaling of every split. A channel that is constant is shifted to 0 and divided by 1.
    """
    if spec.standardise == "none":
        return Pixels()
    if fingerprint is None:
        return _counted(images)
    key = (fingerprint, spec)
    if key not in _COUNTED:
        _COUNTED[key] = _counted(images)
    return _COUNTED[key]


def _counted(images: np.ndarray) -> Pixels:
    """Mean and standard deviation of each channel."""
    counts = _histogram(images)
    values, total = np.arange(256), counts.sum(axis=1)
    mean = counts @ values / total
    variance = [
        of_channel @ (values - center) ** 2 / of_channel.sum() for of_channel, center in zip(counts, mean, strict=True)
    ]
    sd = [np.sqrt(v) / 255 or 1.0 for v in variance]
    return Pixels(mean=tuple(float(m) / 255 for m in mean), sd=tuple(float(s) for s in sd))


def _histogram(images: np.ndarray) -> np.ndarray:
    """Count the 256 values of each channel of uint8 images (n, h, w, c): int64 (c, 256)."""
    counts = np.zeros((images.shape[-1], 256), np.int64)
    n_images = max(1, CHUNK // int(np.prod(images.shape[1:])))
    for start in range(0, len(images), n_images):
        chunk = np.asarray(images[start : start + n_images])
        for channel, count in enumerate(counts):
            count += np.bincount(chunk[..., channel].ravel(), minlength=256)
    return counts
