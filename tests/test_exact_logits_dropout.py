"""Dropout on the logits: loss floor and accuracy ceiling by adding up all 2^10 masks of ten classes."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kbnd.models.logits_dropout import logits_dropout_ceiling, logits_dropout_floor

CLASSES = 10
MASKS = np.array(list(itertools.product((0.0, 1.0), repeat=CLASSES)))
PERFECT = np.where(np.arange(CLASSES) == 0, 200.0, -200.0)  # class 0 is the true one; exp(-400) is nothing


def weights(rate):
    return np.prod(np.where(MASKS, 1 - rate, rate), axis=1)


def mean_loss(logits, rate, true=0):
    z = logits * MASKS / (1 - rate)
    top = z.max(axis=1)
    return weights(rate) @ (top + np.log(np.exp(z - top[:, None]).sum(axis=1)) - z[:, true])


def mean_accuracy(logits, rate, true=0):
    """Ties are broken at random: a class that ties with K others is right in one case of 1 + K."""
    z = logits * MASKS / (1 - rate)
    is_top = z == z.max(axis=1, keepdims=True)
    return weights(rate) @ (is_top[:, true] / is_top.sum(axis=1))


@pytest.mark.parametrize(
    ("rate", "floor", "ceiling"),
    [(0.5, 0.831232, 0.599902), (0.1, 0.0533, 0.9651), (0.2, 0.1854, 0.8893), (0.8, 1.674, 0.3000)],
)
def test_all_masks_add_up_to_floor_and_ceiling(rate, floor, ceiling):
    assert mean_loss(PERFECT, rate) == pytest.approx(logits_dropout_floor(rate, CLASSES), abs=1e-12)
    assert mean_accuracy(PERFECT, rate) == pytest.approx(logits_dropout_ceiling(rate, CLASSES), abs=1e-12)
    decimals = 5e-7 if rate == 0.5 else 5e-4
    assert logits_dropout_floor(rate, CLASSES) == pytest.approx(floor, abs=decimals)
    assert logits_dropout_ceiling(rate, CLASSES) == pytest.approx(ceiling, abs=decimals)


LOGITS = arrays.arrays(float, CLASSES, elements=st.floats(-100, 100))


@given(LOGITS, st.sampled_from([0.1, 0.5, 0.8]))
def test_no_logits_pass_the_floor_or_the_ceiling(logits, rate):
    assert mean_loss(logits, rate) >= logits_dropout_floor(rate, CLASSES) - 1e-9
    assert mean_accuracy(logits, rate) <= logits_dropout_ceiling(rate, CLASSES) + 1e-9


def test_where_the_first_of_tied_classes_wins_the_ceiling_depends_on_the_class():
    accuracies = []
    for true in range(CLASSES):
        logits = np.where(np.arange(CLASSES) == true, 1.0, -1.0)
        accuracies.append(weights(0.5) @ (np.argmax(logits * MASKS, axis=1) == true))
    assert accuracies == pytest.approx(0.5 + 0.5 * 0.5 ** np.arange(CLASSES), abs=1e-12)
    assert np.mean(accuracies) == pytest.approx(logits_dropout_ceiling(0.5, CLASSES), abs=1e-12)


@given(st.floats(0.01, 0.99), st.integers(2, 100))
def test_the_ceiling_lies_between_guessing_and_certainty_and_rises_with_fewer_drops(rate, classes):
    ceiling = logits_dropout_ceiling(rate, classes)
    assert 1 / classes < ceiling < 1
    assert ceiling > logits_dropout_ceiling(rate + 0.005, classes)


@given(LOGITS)
def test_a_log_softmax_in_front_of_the_loss_changes_nothing(logits):
    def log_softmax(z):
        return z - z.max() - np.log(np.exp(z - z.max()).sum())

    np.testing.assert_allclose(log_softmax(log_softmax(logits)), log_softmax(logits), atol=1e-12)
