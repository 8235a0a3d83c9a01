"""Images reach the size of the network without losing a pixel (`pad`) or by resampling (`bilinear`)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbnd.data import sizes
from kbnd.data.sizes import fit_images, stack
from kbnd.errors import UsageError


def noise(*shape):
    return np.random.default_rng(0).integers(1, 256, shape, dtype=np.uint8)


def test_digits_become_28_by_28_by_three_times_eight_and_two_zeros_around():
    images = noise(2, 8, 8, 1)
    large = fit_images(images, (28, 28), how="pad")
    np.testing.assert_array_equal(large[:, 2:26:3, 2:26:3], images)
    np.testing.assert_array_equal(large[:, 4:26:3, 4:26:3], images)
    border = np.ones((28, 28), bool)
    border[2:26, 2:26] = False
    assert not large[:, border].any()


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 20), st.integers(0, 20), st.integers(1, 3))
def test_padding_keeps_every_pixel_equally_often(height, width, more_rows, more_columns, channels):
    images = noise(2, height, width, channels)
    large = fit_images(images, (height + more_rows, width + more_columns), how="pad")
    factor = min(large.shape[1] // height, large.shape[2] // width)
    assert large.sum() == images.sum() * factor**2
    assert np.count_nonzero(large) == images.size * factor**2


@pytest.mark.parametrize("how", ["pad", "bilinear"])
def test_the_right_size_is_left_alone(how):
    images = noise(2, 5, 6, 3)
    assert fit_images(images, (5, 6), how=how) is images


def test_padding_never_shrinks():
    with pytest.raises(UsageError, match=r"cannot shrink 8x8 .* received image_size 28x7"):
        fit_images(noise(1, 8, 8, 1), (28, 7), how="pad")


@pytest.mark.parametrize("size", [(4, 3), (20, 30)])
def test_bilinear_keeps_flat_images_flat_in_every_channel(size):
    images = np.broadcast_to(np.array([10, 20, 30], np.uint8), (2, 8, 8, 3))
    fitted = fit_images(images, size, how="bilinear")
    assert fitted.shape == (2, *size, 3)
    assert (fitted == [10, 20, 30]).all()


def labelled(parts):
    return [[(image, label) for label, image in enumerate(part)] for part in parts]


@pytest.mark.parametrize(
    "parts", [[[noise(4, 4, 1), noise(5, 6, 1)]], [[noise(4, 4, 1)], [noise(5, 6, 1)]]], ids=["within", "between"]
)
def test_images_of_several_sizes_need_a_size(parts):
    with pytest.raises(UsageError, match=r"'mixed' differ in size \(4x4 to 5x6\): give --image-size HxW, such as"):
        stack(labelled(parts), name="mixed", size=None, how="pad")
    splits, is_uniform = stack(labelled(parts), name="mixed", size=(8, 8), how="pad")
    assert {part.images.shape[1:] for part in splits} == {(8, 8, 1)}
    assert [part.labels.tolist() for part in splits] == [list(range(len(part))) for part in parts]
    for split, part in zip(splits, parts, strict=True):
        for image, original in zip(split.images, part, strict=True):
            np.testing.assert_array_equal(image, fit_images(original[None], (8, 8), how="pad")[0])
    assert not is_uniform


def test_images_of_one_size_are_stacked_as_they_are():
    parts = labelled([[noise(4, 4, 1)] * 3, [noise(4, 4, 1)]])
    splits, is_uniform = stack(parts, name="even", size=(8, 8), how="pad")
    assert [part.images.shape for part in splits] == [(3, 4, 4, 1), (1, 4, 4, 1)]
    assert is_uniform


def test_images_too_many_to_keep_are_fitted_as_they_come(monkeypatch):
    monkeypatch.setattr(sizes, "MOST_KEPT_BYTES", 40)
    parts = labelled([[noise(4, 4, 1)] * 3])
    (split,), is_kept = stack(parts, name="large", size=(2, 2), how="bilinear")
    assert (split.images.shape, is_kept) == ((3, 2, 2, 1), False)
    with pytest.raises(UsageError, match=r"'large' take more than .* as they are \(4x4\): give --image-size"):
        stack(parts, name="large", size=None, how="pad")
