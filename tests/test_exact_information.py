"""What dropout does to the mutual information of two units, summed exactly over values and masks.

Chen et al. (2019), theorem 1, says I(x m; y m') = keep^2 I(x; y). That needs units that are never 0 themselves, so
that a 0 behind the dropout is known to come from it: true behind BN, false behind ReLU.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

# Two units of four values each, as likely together as this says; the units lean towards the same value.
JOINT = np.array([[4, 1, 1, 0], [1, 3, 1, 1], [0, 1, 3, 1], [1, 0, 1, 5]]) / 24
WITHOUT_ZERO = np.array([-1.5, -0.5, 0.5, 1.5])
WITH_ZERO = np.array([0.0, 0.5, 1.0, 2.0])

JOINTS = arrays.arrays(float, (4, 4), elements=st.floats(0.01, 1.0)).map(lambda table: table / table.sum())
KEEPS = st.floats(0.05, 1.0)


def entropy(chances):
    positive = chances[chances > 0]
    return -np.sum(positive * np.log(positive))


def information(joint):
    return entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1)) - entropy(joint.ravel())


def behind_dropout(joint, values, keep):
    """The joint chances of both units behind dropout, which sends each of them to 0 on its own."""
    outcomes = np.unique(np.append(values, 0.0))
    send = (1 - keep) * (outcomes == 0.0) + keep * (values[:, None] == outcomes)  # from value to outcome
    return send.T @ joint @ send


@pytest.mark.parametrize("keep", [0.95, 0.5])
def test_dropout_multiplies_information_by_keep_squared_where_no_unit_is_zero(keep):
    after = behind_dropout(JOINT, WITHOUT_ZERO, keep)
    assert information(after) == pytest.approx(keep**2 * information(JOINT), rel=1e-12)


@pytest.mark.parametrize("keep", [0.95, 0.5])
def test_an_atom_at_zero_loses_more_information_than_keep_squared(keep):
    after = behind_dropout(JOINT, WITH_ZERO, keep)
    assert information(after) < 0.99 * keep**2 * information(JOINT)


@given(JOINTS, KEEPS)
def test_information_falls_at_least_by_keep_squared_whatever_the_values(joint, keep):
    bound = keep**2 * information(joint)
    assert information(behind_dropout(joint, WITHOUT_ZERO, keep)) == pytest.approx(bound, abs=1e-12)
    assert information(behind_dropout(joint, WITH_ZERO, keep)) <= bound + 1e-12


@given(JOINTS, KEEPS)
def test_the_entropy_of_a_unit_becomes_keep_of_it_and_that_of_its_mask(joint, keep):
    unit, mask = joint.sum(axis=1), np.array([keep, 1 - keep])
    after = behind_dropout(joint, WITHOUT_ZERO, keep).sum(axis=1)
    assert entropy(after) == pytest.approx(keep * entropy(unit) + entropy(mask), abs=1e-12)


def test_batch_norm_in_front_moves_the_atom_away_from_zero():
    chances = JOINT.sum(axis=1)
    mean = chances @ WITH_ZERO
    normalised = (WITH_ZERO - mean) / np.sqrt(chances @ (WITH_ZERO - mean) ** 2)
    assert (normalised != 0).all()
    assert information(behind_dropout(JOINT, normalised, 0.5)) == pytest.approx(0.25 * information(JOINT))
