"""The order of the images is a permutation of (seed, epoch) and of nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kbnd.data import epoch_order

epochs = st.integers(0, 500)


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(0, 300), st.integers(1, 2**31), epochs)
def test_every_image_is_visited_exactly_once(n, seed, epoch):
    order = epoch_order(n, seed=seed, epoch=epoch)
    assert order.dtype == np.int64
    assert sorted(order) == list(range(n))


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(1, 2**31), epochs)
def test_the_same_seed_and_epoch_give_the_same_order(seed, epoch):
    first = epoch_order(100, seed=seed, epoch=epoch)
    np.testing.assert_array_equal(first, epoch_order(100, seed=seed, epoch=epoch))


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(1, 2**31), epochs)
def test_another_epoch_or_seed_gives_another_order(seed, epoch):
    order = epoch_order(100, seed=seed, epoch=epoch)
    assert (order != epoch_order(100, seed=seed, epoch=epoch + 1)).any()
    assert (order != epoch_order(100, seed=seed + 1, epoch=epoch)).any()


def test_the_order_of_a_stored_seed_never_changes():
    assert epoch_order(8, seed=1, epoch=0).tolist() == [2, 5, 4, 6, 0, 1, 7, 3]


def test_positions_are_uniform_over_seeds():
    first = np.array([epoch_order(10, seed=seed, epoch=1)[0] for seed in range(1, 2001)])
    # 2,000 draws of 10 values: each count is 200 with a standard deviation of 13.4; 6 of them are allowed
    assert np.abs(np.bincount(first, minlength=10) - 200).max() < 80
