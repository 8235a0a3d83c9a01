"""Two sources of chance: a difference over seeds on *these* test images need not be one on *new* images.

D_ij in {-1, 0, 1} is what arm A gained on arm B with seed i on image j: right against wrong, from the stored
correctness of each image. Seeds and images are crossed, D_ij = mu + a_i + b_j + e_ij, and the mean over all of them
has the variance

    V = (MS_seeds + max(0, MS_images - MS_rest)) / (n N) = s_d^2 / n + max(0, MS_images - MS_rest) / (n N)

The first part is what a t-interval over seeds knows: these images, other seeds. The second is that other images would
have been other questions. Its degrees of freedom are Satterthwaite's, of the mean squares that V is made of.

Reference: Satterthwaite (1946), Biometrics Bulletin 2; Cornfield and Tukey (1956), Annals of Mathematical
    Statistics 27.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Spread:
    """Where the variance of a mean difference comes from.

    Attributes:
        mean: difference of the accuracies, over all seeds and images.
        seeds: its variance over seeds, on these images.
        images: what new images add to it, 0 or more.
        df: degrees of freedom of the sum.
        n_seeds: seeds.
        n_images: test images.
    """

    mean: float
    seeds: float
    images: float
    df: float
    n_seeds: int
    n_images: int


def spread(d: ArrayLike) -> Spread:
    """Return the parts of the variance of a mean difference of accuracies.

    Args:
        d: (n, N), what seed i gained on test image j; of arms with weights, the weighted sum of correctness.
    """
    d = np.asarray(d, dtype=np.float64)
    n, n_images = d.shape
    mean, of_seeds, of_images = float(d.mean()), d.mean(axis=1), d.mean(axis=0)
    ss_seeds = n_images * float(np.square(of_seeds - mean).sum())
    ss_images = n * float(np.square(of_images - mean).sum())
    ss_rest = float(np.square(d).sum()) - d.size * mean**2 - ss_seeds - ss_images
    df = np.array([n - 1, n_images - 1, (n - 1) * (n_images - 1)], dtype=np.float64)
    squares = np.array([ss_seeds, ss_images, max(0.0, ss_rest)]) / df
    return _combined(mean, squares, df, n=n, n_images=n_images)


def _combined(mean: float, squares: NDArray[np.float64], df: NDArray[np.float64], *, n: int, n_images: int) -> Spread:
    """The variance of the mean from mean squares of seeds, images and rest, with Satterthwaite's degrees of freedom."""
    seeds, images, rest = squares
    added = max(0.0, images - rest)
    used = squares if added else np.array([seeds, 0.0, 0.0])
    total = seeds + added
    weight = float((np.square(used) / df).sum())
    return Spread(
        mean, seeds / (n * n_images), added / (n * n_images), total**2 / weight if weight else 0.0, n, n_images
    )
