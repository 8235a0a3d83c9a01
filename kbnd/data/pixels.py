"""One image file as pixels, as a person sees it: upright, on white, 8 bits a channel.

| a file                                           | becomes                                                   |
|--------------------------------------------------|-----------------------------------------------------------|
| turned by its EXIF orientation                   | upright                                                   |
| transparent, by alpha, palette or a colour       | laid on white, so that no colour hidden below is trained  |
| animated, or of several pages                    | its first picture                                         |
| 16 bits a channel, in colour                     | its upper 8 bits                                          |
| palette, CMYK                                    | RGB                                                       |
| 1 bit                                            | 0 and 255                                                 |
| 16 or 32 bits of grey, floating point            | refused: which part of the range counts, nobody said      |
| damaged, cut off, of another kind, far too large | refused, by name                                          |

Only the formats of `FORMATS` are opened, whatever a file is called: Pillow would start a program for PostScript.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from kbnd.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
GREY_MODES = frozenset({"1", "L", "LA"})
DEEP_MODES = ("I", "F")
"""How Pillow's names of modes beyond 8 bits a channel begin."""

ALPHA_MODES = frozenset({"LA", "PA", "RGBA"})
GROUND = (255, 255, 255, 255)
"""White, on which what is transparent is laid: so browsers and viewers show it."""

ORIENTATION = 0x0112
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""EXIF orientation -> the `Transpose` of Pillow that makes the picture upright; 1 is upright. Pillow's own
`exif_transpose` writes the EXIF anew besides, and fails where the rest of it is damaged."""

TURNED, LAID_ON_WHITE = "turned upright as their EXIF orientation says", "transparent, laid on white"
FIRST_PICTURE, UPPER_BITS = (
    "of several pictures, the first of which counts",
    "of 16 bits a channel, the upper 8 of which count",
)

PILLOW_ERRORS = (
    OSError, ValueError, SyntaxError, TypeError, LookupError, EOFError, ArithmeticError, NotImplementedError,
    RuntimeError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's plugins raise where a file is not what it should be."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself before it is decoded: whether it is grey, and its size as it is stored."""

    is_grey: bool
    size: tuple[int, int]


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    Attributes:
        pixels: uint8, shape (height, width, channels).
        remarks: what was done to it that a person may want to know, of the constants of this module.
    """

    pixels: NDArray[np.uint8]
    remarks: tuple[str, ...]


class UnreadableImageError(UsageError):
    """An image file that cannot be used; its text names it."""


def header(file: Path) -> Header:
    """Return what the first bytes of a file tell.

    Raises:
        UnreadableImageError: it is no image, of more than 8 bits, or far too large.
    """
    with _opened(file, repr(str(file))) as image:
        return Header(image.mode in GREY_MODES, (image.height, image.width))


def decoded(file: Path | BinaryIO, *, is_grey: bool, name: str = "") -> Picture:
    """Return an image as 1 or 3 channels.

    Args:
        file: its path, or its content.
        is_grey: whether one channel is wanted.
        name: for errors; empty is the path.

    Raises:
        UnreadableImageError: as of `header`, or it is damaged.
    """
    from PIL import Image

    mode = "L" if is_grey else "RGB"
    with _opened(file, name or repr(str(file))) as image:
        is_first = getattr(image, "is_animated", False) and image.format != "MPO"  # a camera's: the rest are previews
        is_deep = any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))
        image.load()
        turn = TURNS.get(_orientation(image))
        upright = image if turn is None else image.transpose(Image.Transpose[turn])
        ground = _on_ground(upright)
        pixels = np.asarray((ground or upright).convert(mode))
    remarks = {
        TURNED: turn is not None,
        LAID_ON_WHITE: ground is not None,
        FIRST_PICTURE: is_first,
        UPPER_BITS: is_deep,
    }
    pixels = pixels[..., np.newaxis] if is_grey else pixels
    return Picture(pixels, tuple(remark for remark, is_so in remarks.items() if is_so))


def is_plain(content: bytes) -> bool:
    """Whether every decoder shows an encoded image as a person sees it: upright already, and nothing transparent."""
    try:
        with _opened(BytesIO(content), "") as image:
            return _orientation(image) not in TURNS and not _can_be_transparent(image)
    except UnreadableImageError:
        return True  # not Pillow's to read


@contextmanager
def _opened(file: Path | BinaryIO, name: str) -> Iterator[Image.Image]:
    """Open an image; whatever Pillow says of it becomes one sentence, or nothing where it only warns."""
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(file, formats=FORMATS) as image:
                if image.mode.startswith(DEEP_MODES):
                    raise UnreadableImageError(
                        f"image {name} has mode {image.mode}, allowed are images of 8 bits a channel: convert it, with "
                        "the range of values that counts"
                    )
                yield image
        except UnreadableImageError:
            raise
        except Image.DecompressionBombError:
            most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
            raise UnreadableImageError(f"image {name} has more than {most} megapixels: make it smaller") from None
        except UnidentifiedImageError:
            raise UnreadableImageError(f"{name} is no image that Pillow can read") from None
        except PILLOW_ERRORS as error:
            if isinstance(error, OSError) and error.errno is not None:  # the system's, not Pillow's
                raise UnreadableImageError(f"image {name} cannot be read ({error.strerror})") from error
            raise UnreadableImageError(f"image {name} is damaged ({type(error).__name__})") from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except PILLOW_ERRORS:
        return 1  # viewers too show a picture whose EXIF is damaged as it is stored


def _can_be_transparent(image: Image.Image) -> bool:
    return image.mode in ALPHA_MODES or "transparency" in image.info


def _on_ground(image: Image.Image) -> Image.Image | None:
    """The image on white; None where nothing of it is transparent."""
    from PIL import Image

    if not _can_be_transparent(image):
        return None
    layers = image.convert("RGBA")
    if layers.getchannel("A").getextrema()[0] == 255:
        return None
    return Image.alpha_composite(Image.new("RGBA", layers.size, GROUND), layers)
