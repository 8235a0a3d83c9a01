"""Splits are slices of one order in which every prefix holds the classes in proportion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbnd.data.splits import Split, arrange, fingerprint_of, split_sizes, stratified_order
from kbnd.errors import UsageError


def images_of(labels, *, seed=0):
    """Return distinct random 4x4 images with the labels given."""
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 4, 4, 1), dtype=np.uint8)
    return Split(pixels, np.asarray(labels, np.int64))


balanced = st.tuples(st.integers(2, 10), st.integers(1, 12)).map(lambda sizes: np.repeat(range(sizes[0]), sizes[1]))


@settings(deadline=None)  # a busy machine is no failure
@given(balanced)
def test_every_prefix_of_balanced_classes_differs_by_at_most_one_image(labels):
    ordered = labels[stratified_order(images_of(labels))]
    for n in range(1, len(ordered) + 1):
        counts = np.bincount(ordered[:n], minlength=labels.max() + 1)
        assert counts.max() - counts.min() <= 1


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.integers(1, 60), min_size=2, max_size=6))
def test_every_prefix_of_uneven_classes_keeps_their_proportions(counts):
    labels = np.repeat(range(len(counts)), counts)
    ordered = labels[stratified_order(images_of(labels))]
    for n in range(1, len(ordered) + 1):
        found = np.bincount(ordered[:n], minlength=len(counts))
        fair = n * np.array(counts) / len(labels)
        # each class rounds to the nearest count (1/2); the rounding of all K shifts the cut by at most K/2 images
        assert np.abs(found - fair).max() <= 0.5 + len(counts) / 2


def test_the_only_image_of_a_rare_class_stands_in_the_middle():
    labels = np.repeat([0, 1], [1, 60])
    assert labels[stratified_order(images_of(labels))].tolist().index(0) == 30


@settings(deadline=None)  # a busy machine is no failure
@given(balanced, st.randoms(use_true_random=False))
def test_the_order_of_arrival_is_forgotten(labels, random):
    split = images_of(labels)
    shuffled = split[np.array(random.sample(range(len(split)), len(split)))]
    first, second = (arrange(part, None, classes=10) for part in (split, shuffled))
    np.testing.assert_array_equal(first.train.images, second.train.images)
    np.testing.assert_array_equal(first.test.labels, second.test.labels)
    assert first.fingerprint == second.fingerprint


def test_a_test_part_is_carved_only_where_there_is_none():
    labels = np.repeat(range(3), 20)
    carved = arrange(images_of(labels), None, classes=3)
    assert (len(carved.train), len(carved.test)) == (50, 10)
    given_test = arrange(images_of(labels), images_of(labels[:6], seed=1), classes=3)
    assert (len(given_test.train), len(given_test.test)) == (60, 6)


def test_carving_loses_and_repeats_no_image():
    split = images_of(np.repeat(range(3), 20))
    carved = arrange(split, None, classes=3, n_test=9)
    found = [image.tobytes() for part in (carved.train, carved.test) for image in part.images]
    assert sorted(found) == sorted(image.tobytes() for image in split.images)


def test_one_changed_pixel_or_label_changes_the_fingerprint():
    train, test = images_of([0, 1, 0, 1]), images_of([0, 1], seed=1)
    before = fingerprint_of(train, test)
    train.images[2, 1, 1, 0] ^= 1
    changed = fingerprint_of(train, test)
    train.labels[2] = 1
    assert len({before, changed, fingerprint_of(train, test)}) == 3


def test_a_slice_copies_nothing():
    split = images_of([0, 1, 0, 1])
    assert split[1:3].images.base is split.images


@pytest.mark.parametrize(("n_train", "n_validation"), [(None, 100), (None, 101), (91, 10), (1, 100)])
def test_more_images_than_there_are_is_an_error(n_train, n_validation):
    with pytest.raises(UsageError, match="'tiny'"):
        split_sizes("tiny", 100, n_train=n_train, n_validation=n_validation)


def test_none_means_all_that_validation_leaves():
    assert split_sizes("tiny", 100, n_train=None, n_validation=10) == (90, 10)
    assert split_sizes("tiny", 100, n_train=90, n_validation=10) == (90, 10)
