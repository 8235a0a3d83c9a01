"""Bringing images to the size a network sees.

| `fit`      | what happens                                                                  | keeps pixels |
|------------|-------------------------------------------------------------------------------|--------------|
| `pad`      | enlarged by the largest whole factor (nearest), then zeros around, centred    | yes          |
| `bilinear` | resampled by Pillow, with antialiasing where images shrink                    | no           |

`pad` makes 28x28 of the 8x8 digits: three times 8 is 24, and 2 rows of zeros on each side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from kbnd.data.splits import Split
from kbnd.errors import UsageError
from kbnd.words import rough_size

Images = NDArray[np.uint8]

SHRINKING = "--fit bilinear (fit = 'bilinear' in a TOML file)"
"""What to ask for where images are larger than a network takes."""

MOST_KEPT_BYTES = 4 * 10**9
"""Images of one size that together take more than this are fitted before they are stored."""


def fit_images(images: Images, size: tuple[int, int], *, how: str) -> Images:
    """Return the images at the size asked for.

    Args:
        images: uint8, shape (n, height, width, channels).
        size: (height, width).
        how: `pad` or `bilinear`.

    Returns:
        uint8, shape (n, *size, channels); the same array where the size is right already.

    Raises:
        UsageError: `pad` was asked to shrink.
    """
    if images.shape[1:3] == tuple(size):
        return images
    return FITS[how](images, size)


def check_fit(stored: tuple[int, ...], size: tuple[int, int], *, how: str) -> None:
    """Refuse to pad images to less than they are.

    Raises:
        UsageError: `pad` was asked to shrink.
    """
    if how == "pad" and (size[0] < stored[0] or size[1] < stored[1]):
        raise UsageError(
            f"fit 'pad' cannot shrink {stored[0]}x{stored[1]} images: received image_size {size[0]}x{size[1]}, "
            f"choose at least {stored[0]}x{stored[1]} or {SHRINKING}"
        )


def pad(images: Images, size: tuple[int, int]) -> Images:
    """Enlarge by the largest whole factor and centre on zeros; an odd row goes to the bottom and right."""
    check_fit(images.shape[1:3], size, how="pad")
    channels = images.shape[3]
    factor = min(size[0] // images.shape[1], size[1] // images.shape[2])
    large = images.repeat(factor, axis=1).repeat(factor, axis=2)
    top, left = (size[0] - large.shape[1]) // 2, (size[1] - large.shape[2]) // 2
    canvas = np.zeros((len(images), *size, channels), np.uint8)
    canvas[:, top : top + large.shape[1], left : left + large.shape[2]] = large
    return canvas


def bilinear(images: Images, size: tuple[int, int]) -> Images:
    """Resample every channel of every image with Pillow's bilinear filter."""
    from PIL import Image

    fitted = np.empty((len(images), *size, images.shape[3]), np.uint8)
    for row, channel in np.ndindex(len(images), images.shape[3]):
        plane = Image.fromarray(np.ascontiguousarray(images[row, :, :, channel]))
        fitted[row, :, :, channel] = np.asarray(plane.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return fitted


def stack(
    parts: Sequence[Iterable[tuple[Images, int]]], *, name: str, size: tuple[int, int] | None, how: str
) -> tuple[list[Split], bool]:
    """Return each part's images as one array, and whether they stayed as they are.

    Images of one size stay as they are, up to `MOST_KEPT_BYTES` of them. All others are fitted one by one as they
    come, so that a folder of photos needs no more memory than what becomes of it.

    Args:
        parts: images of shape (height, width, channels) with their labels, such as training and test images.
        name: of the dataset, for the error.
        size: (height, width) that others are fitted to; None where none was asked for.
        how: `pad` or `bilinear`.

    Raises:
        UsageError: images differ in size or are too large to keep, and no size was given; or `pad` cannot do it.
    """
    rows: list[list[Images]] = [[] for _ in parts]
    labels: list[list[int]] = [[] for _ in parts]
    shape: tuple[int, ...] | None = None
    n_bytes, is_kept = 0, True
    for place, part in enumerate(parts):
        for image, label in part:
            shape, n_bytes = shape or image.shape, n_bytes + image.nbytes
            if is_kept and (image.shape != shape or n_bytes > MOST_KEPT_BYTES):
                if size is None:
                    raise differing(name, {shape[:2], image.shape[:2]})
                is_kept, rows = False, [[_fitted(one, size, how) for one in some] for some in rows]
            rows[place].append(image if is_kept or size is None else _fitted(image, size, how))
            labels[place].append(label)
    return [_split(*pair, shape or (0, 0, 0)) for pair in zip(rows, labels, strict=True)], is_kept


def differing(name: str, sizes: Iterable[tuple[int, ...]]) -> UsageError:
    """Return the error for images that no network can take as they are: of several sizes, or of one far too large."""
    texts = ["x".join(map(str, size[:2])) for size in sorted(sizes)]
    flaw = f"differ in size ({texts[0]} to {texts[-1]})"
    if len(texts) == 1:
        flaw = f"take more than {rough_size(MOST_KEPT_BYTES)} as they are ({texts[0]})"
    return UsageError(
        f"images of dataset {name!r} {flaw}: give --image-size HxW, such as --image-size 32x32, or "
        f"image_size = [32, 32] in the [data] of a study; {SHRINKING} where they are larger than that"
    )


def _fitted(image: Images, size: tuple[int, int], how: str) -> Images:
    fitted: Images = fit_images(image[None], size, how=how)[0]
    return fitted


def _split(images: list[Images], labels: list[int], shape: tuple[int, ...]) -> Split:
    stacked = np.stack(images) if images else np.empty((0, *shape), np.uint8)
    return Split(stacked, np.array(labels, np.int64))


FITS = {"pad": pad, "bilinear": bilinear}
