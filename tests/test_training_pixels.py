"""Pixels as a network sees them: scaled to [0, 1], standardised by the training images where asked for."""

from __future__ import annotations

import numpy as np
import pytest

from kbnd.spec import DataSpec
from kbnd.training import pixels
from kbnd.training.pixels import Pixels, pixels_for

STANDARDISED = DataSpec(standardise="per_channel")
RNG = np.random.default_rng(1)
IMAGES = np.stack([RNG.integers(0, top, (40, 6, 5), np.uint8) for top in (256, 40, 3)], axis=-1)


def test_without_standardising_pixels_are_scaled_to_0_and_1_alone() -> None:
    scaling = pixels_for(DataSpec(), IMAGES)
    assert scaling == Pixels()
    expected = np.multiply(IMAGES, np.float32(1 / 255), dtype=np.float32)
    np.testing.assert_array_equal(scaling.scaled(IMAGES), expected)


def test_mean_and_deviation_are_those_of_each_channel_in_float64() -> None:
    scaling = pixels_for(STANDARDISED, IMAGES)
    unit = IMAGES.astype(np.float64) / 255
    np.testing.assert_allclose(scaling.mean, unit.mean(axis=(0, 1, 2)), rtol=1e-13)
    np.testing.assert_allclose(scaling.sd, unit.std(axis=(0, 1, 2)), rtol=1e-13)


def test_what_is_standardised_has_mean_0_and_deviation_1() -> None:
    scaled = pixels_for(STANDARDISED, IMAGES).scaled(IMAGES)
    assert scaled.dtype == np.float32
    assert scaled.shape == IMAGES.shape
    np.testing.assert_allclose(scaled.mean(axis=(0, 1, 2), dtype=np.float64), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=(0, 1, 2), dtype=np.float64), 1, atol=1e-6)


def test_other_images_are_scaled_by_the_training_images() -> None:
    scaling = pixels_for(STANDARDISED, IMAGES)
    other = RNG.integers(0, 256, (7, 6, 5, 3), np.uint8)
    expected = (other / 255 - np.array(scaling.mean)) / np.array(scaling.sd)
    # float32 of numbers up to 255 / 0.8 in size
    np.testing.assert_allclose(scaling.scaled(other), expected, rtol=1e-6, atol=2e-5)


def test_the_size_of_the_chunks_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pixels_for(STANDARDISED, IMAGES)
    for chunk in (1, 7 * IMAGES[0].size):
        monkeypatch.setattr(pixels, "CHUNK", chunk)
        assert pixels_for(STANDARDISED, IMAGES) == whole


def test_the_images_of_a_dataset_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    histogram = pixels._histogram
    monkeypatch.setattr(pixels, "_COUNTED", {})
    monkeypatch.setattr(pixels, "_histogram", lambda images: counted.append(len(images)) or histogram(images))
    few = STANDARDISED.model_copy(update={"n_train": 10})
    runs = [(STANDARDISED, IMAGES, "a"), (few, IMAGES[:10], "a"), (STANDARDISED, IMAGES[20:], "b")]
    first = [pixels_for(spec, images, fingerprint=fingerprint) for spec, images, fingerprint in runs]
    again = [pixels_for(spec, images, fingerprint=fingerprint) for spec, images, fingerprint in runs]
    assert counted == [40, 10, 20]
    assert again == first == [pixels_for(STANDARDISED, images) for _, images, _ in runs]


@pytest.mark.parametrize("value", range(0, 256, 15))
def test_a_constant_channel_becomes_0_and_never_infinite(value: int) -> None:
    images = IMAGES.copy()
    images[..., 1] = value
    scaling = pixels_for(STANDARDISED, images)
    assert scaling.sd[1] == 1.0
    np.testing.assert_allclose(scaling.scaled(images)[..., 1], 0, atol=1e-7)


def test_mapped_images_are_read_in_place(tmp_path) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert pixels_for(STANDARDISED, mapped) == pixels_for(STANDARDISED, IMAGES)
