"""One image file is seen as a person sees it, or refused by name."""

from __future__ import annotations

import os
import random
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_folders import pixels
from PIL import Image

from kbnd.data.pixels import FIRST_PICTURE, LAID_ON_WHITE, TURNED, UPPER_BITS, decoded, header, is_plain
from kbnd.data.pixels import UnreadableImageError as Unreadable

PHOTO = pixels(1, (4, 6), 3)
ORIENTATION = 0x0112

STORED = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}
"""EXIF orientation -> how a camera stores an upright picture (Exif 2.3, 4.6.4: 6 is turned clockwise to be seen)."""


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_a_photo_is_seen_upright(tmp_path, orientation, ending):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    file = tmp_path / f"photo.{ending}"
    stored = np.ascontiguousarray(STORED[orientation](PHOTO))
    Image.fromarray(stored).save(file, exif=exif, **({"lossless": True} if ending == "webp" else {}))
    picture = decoded(file, is_grey=False)
    np.testing.assert_array_equal(picture.pixels, PHOTO)
    if ending != "tif":  # which Pillow itself turns
        assert picture.remarks == ((TURNED,) if orientation != 1 else ())
        assert is_plain(file.read_bytes()) == (orientation == 1)


def test_a_photo_whose_exif_is_damaged_is_seen_as_it_is_stored(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "photo.png", exif=b"Exif\0\0MM\0*\0\0\xff\xff no exif at all")
    np.testing.assert_array_equal(decoded(tmp_path / "photo.png", is_grey=False).pixels, PHOTO)


def _rgba() -> Image.Image:
    image = Image.new("RGBA", (3, 1), (10, 20, 30, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))  # black below nothing
    image.putpixel((2, 0), (0, 100, 200, 51))  # a fifth of a colour on four fifths of white
    return image


def _grey_alpha() -> Image.Image:
    image = Image.new("LA", (3, 1), (10, 255))
    image.putpixel((1, 0), (0, 0))
    image.putpixel((2, 0), (100, 51))
    return image


def _palette(**options) -> tuple[Image.Image, dict]:
    image = Image.new("P", (3, 1), 0)
    image.putpalette([10, 20, 30, 0, 0, 0, 40, 50, 60])
    image.putpixel((1, 0), 1)
    image.putpixel((2, 0), 2)
    return image, options


WHITE = [255, 255, 255]
TRANSPARENT = {
    "rgba.png": (_rgba(), {}, [[10, 20, 30], WHITE, [204, 224, 244]]),
    "la.png": (_grey_alpha(), {}, [[10] * 3, WHITE, [224] * 3]),
    "palette.png": (*_palette(transparency=b"\xff\x00\xff"), [[10, 20, 30], WHITE, [40, 50, 60]]),
    "palette.gif": (*_palette(transparency=1), [[10, 20, 30], WHITE, [40, 50, 60]]),
    "colour.png": (_rgba().convert("RGB"), {"transparency": (0, 0, 0)}, [[10, 20, 30], WHITE, [0, 100, 200]]),
    "grey.png": (_grey_alpha().convert("L"), {"transparency": 0}, [[10] * 3, WHITE, [100] * 3]),
}
"""File -> image, how it is saved, and what is seen of it on white."""


@pytest.mark.parametrize("name", TRANSPARENT)
def test_what_is_transparent_is_laid_on_white(tmp_path, name):
    image, options, seen = TRANSPARENT[name]
    image.save(tmp_path / name, **options)
    picture = decoded(tmp_path / name, is_grey=False)
    assert picture.pixels.tolist() == [seen]
    assert picture.remarks == (LAID_ON_WHITE,)
    assert not is_plain((tmp_path / name).read_bytes())


def test_a_grey_image_stays_grey_on_white(tmp_path):
    _grey_alpha().save(tmp_path / "la.png")
    assert header(tmp_path / "la.png").is_grey
    assert decoded(tmp_path / "la.png", is_grey=True).pixels.tolist() == [[[10], [255], [224]]]


def test_an_alpha_that_hides_nothing_changes_nothing(tmp_path):
    Image.fromarray(PHOTO).convert("RGBA").save(tmp_path / "opaque.png")
    picture = decoded(tmp_path / "opaque.png", is_grey=False)
    np.testing.assert_array_equal(picture.pixels, PHOTO)
    assert picture.remarks == ()


def test_of_several_pictures_the_first_counts(tmp_path):
    first, second = Image.new("P", (2, 2), 0), Image.new("P", (2, 2), 1)
    for image in (first, second):
        image.putpalette([1, 2, 3, 200, 210, 220])
    for name in ("moves.gif", "pages.tif"):
        first.save(tmp_path / name, save_all=True, append_images=[second])
        picture = decoded(tmp_path / name, is_grey=False)
        assert (picture.pixels == [1, 2, 3]).all()
        assert picture.remarks == (FIRST_PICTURE,)


def test_one_bit_is_black_and_white_and_ink_is_colour(tmp_path):
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "fax.png")
    Image.new("CMYK", (1, 1), (255, 0, 0, 0)).save(tmp_path / "ink.tif")
    assert decoded(tmp_path / "fax.png", is_grey=True).pixels.tolist() == [[[255], [0]]]
    assert decoded(tmp_path / "ink.tif", is_grey=False).pixels.tolist() == [[[0, 255, 255]]]


def test_of_16_bits_of_colour_the_upper_8_count(tmp_path):
    _png(tmp_path / "deep.png", depth=16, colour=2, rows=[b"\0" + bytes([1, 99, 2, 99, 3, 99])])
    picture = decoded(tmp_path / "deep.png", is_grey=False)
    assert (picture.pixels.tolist(), picture.remarks) == ([[[1, 2, 3]]], (UPPER_BITS,))


def _png(file: Path, *, depth: int, colour: int, rows: list[bytes], size: tuple[int, int] = (1, 1)) -> None:
    """Write a PNG that Pillow would not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = b"".join(side.to_bytes(4, "big") for side in size) + bytes([depth, colour, 0, 0, 0])
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def _cut(file: Path) -> None:
    Image.fromarray(PHOTO).save(file)
    os.truncate(file, file.stat().st_size - 30)


REFUSED = {
    "no image that Pillow can read": lambda file: file.write_bytes(b"no image"),
    "no image that Pillow can read ": lambda file: file.write_bytes(b""),
    "no image that Pillow can read  ": lambda file: file.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    ),
    "damaged": _cut,
    "mode I;16, allowed are images of 8 bits a channel": lambda file: Image.fromarray(np.zeros((2, 2), np.uint16)).save(
        file
    ),
    "mode F, allowed": lambda file: Image.fromarray(np.zeros((2, 2), np.float32)).save(file, "TIFF"),
    "more than 178 megapixels: make it smaller": lambda file: _png(
        file, depth=1, colour=0, rows=[], size=(14_000, 14_000)
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_seen_is_refused_by_name(tmp_path, sentence):
    file = tmp_path / "\x1bbad.png"
    REFUSED[sentence](file)
    with pytest.raises(Unreadable) as refused:
        decoded(file, is_grey=False)
    assert sentence.strip() in str(refused.value)
    assert repr(str(file)) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def deny(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", deny)
    with pytest.raises(Unreadable, match=r"'.*a\.png' cannot be read \(Permission denied\)"):
        header(tmp_path / "a.png")


def test_a_file_that_went_away_is_named(tmp_path):
    with pytest.raises(Unreadable, match=r"'.*gone\.png' cannot be read \(No such file or directory\)"):
        decoded(tmp_path / "gone.png", is_grey=True)


def test_any_damage_is_a_sentence_or_an_image(tmp_path):
    random_ = random.Random(1)
    image = Image.fromarray(pixels(2, (20, 30), 3))
    contents = []
    for ending in ("png", "jpg", "gif", "bmp", "ppm", "webp"):
        image.save(tmp_path / f"whole.{ending}")
        contents.append((tmp_path / f"whole.{ending}").read_bytes())
    file, n_refused = tmp_path / "damaged", 0
    for _ in range(300):
        content = bytearray(random_.choice(contents))
        for _ in range(random_.choice((1, 5, 20))):
            content[random_.randrange(len(content))] = random_.randrange(256)
        file.write_bytes(content[: random_.choice((None, len(content) // 2))])
        try:
            assert decoded(file, is_grey=False).pixels.dtype == np.uint8
        except Unreadable:
            n_refused += 1
    assert 30 < n_refused < 300
