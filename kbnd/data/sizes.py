"""Bringing images to the size a network sees.

| `fit`      | what happens                                                                  | keeps pixels |
|------------|-------------------------------------------------------------------------------|--------------|
| `pad`      | enlarged by the largest whole factor (nearest), then zeros around, centred    | yes          |
| `bilinear` | resampled by Pillow, with antialiasing where images shrink                    | no           |

`pad` makes 28x28 of the 8x8 digits: three times 8 is 24, and 2 rows of zeros on each side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kbnd.errors import UsageError

Images = NDArray[np.uint8]


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
            f"choose at least {stored[0]}x{stored[1]} or fit 'bilinear'"
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


def stack(parts: list[list[Images]], *, name: str, size: tuple[int, int] | None, how: str) -> tuple[list[Images], bool]:
    """Return each part's images as one array, and whether all of them had one size.

    Args:
        parts: lists of images of shape (height, width, channels), such as training and test images.
        name: of the dataset, for the error.
        size: (height, width) for images that differ; images of one size stay as they are.
        how: `pad` or `bilinear`.

    Raises:
        UsageError: the sizes differ and no size was given.
    """
    shapes = sorted({image.shape for part in parts for image in part})
    if len(shapes) == 1:
        return [np.stack(part) for part in parts], True
    if size is None:
        raise UsageError(
            f"images of dataset {name!r} differ in size ({_by(shapes[0])} to {_by(shapes[-1])}): "
            f"give --image-size HxW, such as --image-size 32x32, or image_size = [32, 32] in the [data] of a study"
        )
    return [np.concatenate([fit_images(image[None], size, how=how) for image in part]) for part in parts], False


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape[:2]))


FITS = {"pad": pad, "bilinear": bilinear}
