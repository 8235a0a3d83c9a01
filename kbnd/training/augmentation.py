"""`crop_flip`, the usual augmentation of small images, drawn for each image from (seed, epoch, index).

Each training image is padded by 4 black pixels, cut back to its size at one of 9 x 9 places, and mirrored left to right
with probability 1/2. Word i of a PCG64 stream belongs to image i, whatever the batches and their order: the image
is the same in every arm and on every backend. Padding comes before standardisation.

Reference: Lee et al., "Deeply-supervised nets" (2015), section 4; He et al. (2016), section 4.2.
Differs: a mirror of a digit is no digit; that is for the study to know.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kbnd.seeds import subseed

PAD = 4
N_SHIFTS = 2 * PAD + 1


@dataclass(frozen=True)
class CropFlip:
    """What happens to each image of a split in one epoch.

    Attributes:
        top: first row of the crop in the padded image, in 0 ... 8, shape (n,).
        left: first column, likewise.
        is_mirrored: bool, shape (n,).
    """

    top: np.ndarray
    left: np.ndarray
    is_mirrored: np.ndarray

    @classmethod
    def for_epoch(cls, n: int, *, seed: int, epoch: int) -> CropFlip:
        """Draw for n images; what an image gets depends on neither n nor the other images."""
        words = np.random.PCG64(subseed(seed, "augmentation", epoch)).random_raw(n)
        # One bit mirrors, the other 63 are the place: 2**63 is no multiple of 81, which shifts odds by 1e-17.
        top, left = np.divmod((words >> np.uint64(1)) % np.uint64(N_SHIFTS**2), np.uint64(N_SHIFTS))
        return cls(top.astype(np.intp), left.astype(np.intp), (words & np.uint64(1)).astype(bool))

    def apply(self, images: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Return the images after crop and flip.

        Args:
            images: uint8 (b, h, w, c).
            indices: their places in the split, shape (b,).

        Returns:
            A new array of the same shape.
        """
        n, height, width, channels = images.shape
        padded = np.zeros((n, height + 2 * PAD, width + 2 * PAD, channels), images.dtype)
        padded[:, PAD:-PAD, PAD:-PAD] = images
        # Every run of `width` pixels within a row as one element, so that a crop is `height` copies and no arithmetic.
        runs = np.lib.stride_tricks.as_strided(
            padded, (n, height + 2 * PAD, N_SHIFTS, width * channels), padded.strides[:3] + padded.strides[3:],
            writeable=False,
        )  # fmt: skip
        rows = self.top[indices, None] + np.arange(height)
        cropped = runs[np.arange(n)[:, None], rows, self.left[indices, None]].reshape(images.shape)
        is_mirrored = self.is_mirrored[indices]
        cropped[is_mirrored] = cropped[is_mirrored, :, ::-1]
        return cropped
