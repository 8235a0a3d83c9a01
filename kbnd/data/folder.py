"""A folder of class folders as a dataset: `folder:PATH`, read with Pillow.

| layout                       | split                                                      |
|------------------------------|------------------------------------------------------------|
| `PATH/train/CLASS/*.png` ... | as given, where `PATH/test` is there too                   |
| `PATH/CLASS/*.png` ...       | a stratified sixth becomes the test part, always the same  |

Classes are numbered in the order of their names. Images are grey where all of them are, else RGB.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from kbnd.data.sizes import stack
from kbnd.data.splits import Arrays, Split, arrange
from kbnd.errors import UsageError

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
GREY_MODES = frozenset({"1", "L", "LA"})
DEEP_MODES = ("I", "F")
"""How Pillow's names of modes beyond 8 bits a channel begin."""


def state_of(path: Path) -> str:
    """Return a token that changes when an image is added, removed or rewritten; it reads no image."""
    token = hashlib.sha256()
    for image in sorted(path.rglob("*")):
        if _is_image(image):
            stat = image.stat()
            token.update(f"{image.relative_to(path)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return token.hexdigest()


def decode(path: Path, *, size: tuple[int, int] | None, how: str) -> tuple[Arrays, bool]:
    """Return the images of a folder, and whether they had one size on disk.

    Args:
        path: the folder.
        size: (height, width) for images that differ; images of one size stay as they are.
        how: `pad` or `bilinear`.

    Raises:
        UsageError: fewer than two classes, a class of the test part that training lacks, a broken image, or
            images of several sizes and no size given.
    """
    has_parts = (path / "train").is_dir() and (path / "test").is_dir()
    roots = [path / "train", path / "test"] if has_parts else [path]
    classes = _classes(roots[0])
    strangers = sorted(set(_classes(roots[-1])) - set(classes))
    if strangers:
        raise UsageError(f"folder {str(roots[-1])!r} has classes that {str(roots[0])!r} lacks: {', '.join(strangers)}")
    files = [_files(root, classes) for root in roots]
    mode = "L" if all(_mode(file) in GREY_MODES for part in files for file, _ in part) else "RGB"
    pixels = [[_pixels(file, mode) for file, _ in part] for part in files]
    images, is_uniform = stack(pixels, name=f"folder:{path}", size=size, how=how)
    labels = [np.array([label for _, label in part], np.int64) for part in files]
    splits = [Split(*pair) for pair in zip(images, labels, strict=True)]
    return arrange(splits[0], splits[1] if has_parts else None, classes=len(classes)), is_uniform


def _classes(root: Path) -> list[str]:
    names = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(names) < 2:
        raise UsageError(
            f"folder {str(root)!r} should hold one folder of images for each of 2 or more classes, "
            f"received {len(names)}"
        )
    return names


def _files(root: Path, classes: list[str]) -> list[tuple[Path, int]]:
    files = [
        (file, label)
        for label, name in enumerate(classes)
        for file in sorted((root / name).rglob("*"))
        if _is_image(file)
    ]
    if not files:
        raise UsageError(f"folder {str(root)!r} holds no image: files should end in {', '.join(sorted(SUFFIXES))}")
    return files


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()


def _mode(file: Path) -> str:
    """Return Pillow's mode, which it reads from the first bytes of a file."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            mode = image.mode
    except (OSError, ValueError) as error:
        raise UsageError(f"{str(file)!r} is no image that Pillow can read") from error
    if mode.startswith(DEEP_MODES):
        raise UsageError(f"image {str(file)!r} has mode {mode}, allowed are images of 8 bits a channel")
    return mode


def _pixels(file: Path, mode: str) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(file) as image:
            pixels = np.asarray(image.convert(mode))
    except (OSError, ValueError) as error:
        raise UsageError(f"image {str(file)!r} is damaged") from error
    return pixels if mode == "RGB" else pixels[..., np.newaxis]
