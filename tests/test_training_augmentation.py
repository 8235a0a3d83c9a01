"""Crop and flip: one draw for each image and epoch, whatever the batches and their order."""

from __future__ import annotations

import numpy as np
import pytest

from kbnd.training.augmentation import CropFlip

IMAGES = np.random.default_rng(1).integers(1, 256, (50, 9, 7, 3), np.uint8)
ALL = np.arange(len(IMAGES))


def one_by_one(images: np.ndarray, crop_flip: CropFlip) -> np.ndarray:
    """Pad, crop and mirror, as one would by hand."""
    changed = []
    for image, top, left, is_mirrored in zip(images, crop_flip.top, crop_flip.left, crop_flip.is_mirrored, strict=True):
        padded = np.pad(image, ((4, 4), (4, 4), (0, 0)))
        cropped = padded[top : top + image.shape[0], left : left + image.shape[1]]
        changed.append(cropped[:, ::-1] if is_mirrored else cropped)
    return np.array(changed)


def test_it_is_pad_crop_and_mirror() -> None:
    crop_flip = CropFlip.for_epoch(50, seed=1, epoch=1)
    np.testing.assert_array_equal(crop_flip.apply(IMAGES, ALL), one_by_one(IMAGES, crop_flip))


def test_batches_and_their_order_do_not_matter() -> None:
    crop_flip = CropFlip.for_epoch(50, seed=1, epoch=2)
    whole = crop_flip.apply(IMAGES, ALL)
    shuffled = np.random.default_rng(2).permutation(50)
    for start in range(0, 50, 7):
        indices = shuffled[start : start + 7]
        np.testing.assert_array_equal(crop_flip.apply(IMAGES[indices], indices), whole[indices])


def test_an_image_gets_the_same_whatever_the_size_of_the_split() -> None:
    few, many = CropFlip.for_epoch(50, seed=1, epoch=1), CropFlip.for_epoch(900, seed=1, epoch=1)
    for mine, theirs in ((few.top, many.top), (few.left, many.left), (few.is_mirrored, many.is_mirrored)):
        np.testing.assert_array_equal(mine, theirs[:50])


def test_the_images_that_were_given_stay_as_they_are() -> None:
    images = IMAGES.copy()
    CropFlip.for_epoch(50, seed=1, epoch=1).apply(images, ALL)
    np.testing.assert_array_equal(images, IMAGES)


def test_seed_and_epoch_change_the_draw() -> None:
    places = [CropFlip.for_epoch(50, seed=seed, epoch=epoch).top.tobytes() for seed, epoch in ((1, 1), (1, 2), (2, 1))]
    assert len(set(places)) == 3


def test_every_place_is_as_likely_and_half_are_mirrored() -> None:
    n = 81_000
    crop_flip = CropFlip.for_epoch(n, seed=3, epoch=1)
    counts = np.bincount(9 * crop_flip.top + crop_flip.left, minlength=81)
    assert counts.shape == (81,)
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)  # 5 standard deviations
    assert abs(crop_flip.is_mirrored.mean() - 0.5) < 5 * 0.5 / np.sqrt(n)
    in_center = (crop_flip.top == 4) & (crop_flip.left == 4)
    assert 0.4 < crop_flip.is_mirrored[in_center].mean() < 0.6  # independent of the place


GOLDEN = {
    (1, 1): ([1, 7, 1, 7, 1, 2, 3, 3], [8, 2, 1, 3, 1, 5, 1, 0], [0, 1, 1, 1, 1, 1, 1, 0]),
    (1, 2): ([0, 4, 4, 1, 2, 7, 7, 2], [7, 1, 8, 8, 4, 0, 7, 2], [1, 1, 0, 1, 0, 0, 1, 1]),
    (20, 7): ([2, 0, 2, 2, 5, 0, 5, 1], [2, 0, 5, 3, 2, 8, 2, 0], [0, 0, 1, 0, 0, 1, 1, 1]),
}
"""First rows, first columns and mirrors of eight images by (seed, epoch), as they were when runs were first stored."""


@pytest.mark.parametrize(("seed", "epoch"), GOLDEN)
def test_the_draw_of_a_stored_seed_never_changes(seed: int, epoch: int) -> None:
    crop_flip = CropFlip.for_epoch(8, seed=seed, epoch=epoch)
    found = (crop_flip.top.tolist(), crop_flip.left.tolist(), crop_flip.is_mirrored.astype(int).tolist())
    assert found == GOLDEN[seed, epoch]


def test_the_pixels_of_a_stored_seed_never_change() -> None:
    images = np.arange(1, 37, dtype=np.uint8).reshape(2, 3, 6, 1)
    crop_flip = CropFlip.for_epoch(2, seed=832, epoch=3)
    assert (crop_flip.top.tolist(), crop_flip.left.tolist()) == ([5, 3], [2, 5])
    assert crop_flip.is_mirrored.tolist() == [False, True]
    one, other = crop_flip.apply(images, np.arange(2))[..., 0]
    assert one.tolist() == [
        [0, 0, 7, 8, 9, 10],
        [0, 0, 13, 14, 15, 16],
        [0, 0, 0, 0, 0, 0],
    ]
    assert other.tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 24, 23, 22, 21, 20],
        [0, 30, 29, 28, 27, 26],
    ]


@pytest.mark.parametrize("shape", [(3, 1, 1, 1), (2, 32, 32, 3), (1, 5, 40, 2)])
def test_any_size_of_image_will_do(shape: tuple[int, ...]) -> None:
    images = np.full(shape, 7, np.uint8)
    crop_flip = CropFlip.for_epoch(shape[0], seed=1, epoch=1)
    np.testing.assert_array_equal(crop_flip.apply(images, np.arange(shape[0])), one_by_one(images, crop_flip))
