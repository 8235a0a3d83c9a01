"""Learning rates and dropout factors by epoch, as numbers."""

from __future__ import annotations

import math

import pytest

from kbnd.errors import UsageError
from kbnd.spec import DropoutScheduleName, LearningRateSchedule, TrainSpec
from kbnd.training.schedules import (
    DROPOUT_FACTORS,
    LEARNING_RATES,
    dropout_factor_at,
    learning_rate_at,
)


def rates(train: TrainSpec, *epochs: int) -> list[float]:
    return [learning_rate_at(train, epoch) for epoch in epochs]


def test_a_constant_rate_never_moves() -> None:
    assert rates(TrainSpec(learning_rate=0.3), 1, 2, 500) == [0.3, 0.3, 0.3]


def test_a_step_comes_in_the_epoch_after_its_milestone_and_multiplies_the_base_rate() -> None:
    train = TrainSpec(epochs=6, learning_rate=0.1, schedule="step", milestones=[2, 4], multipliers=[0.5, 0.25])
    assert rates(train, 1, 2, 3, 4, 5, 6) == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025, 0.025])


def test_the_residual_example_of_keras_can_be_said() -> None:
    train = TrainSpec(
        epochs=200,
        optimizer="adam",
        learning_rate=1e-3,
        schedule="step",
        milestones=[80, 120, 160, 180],
        multipliers=[0.1, 0.01, 0.001, 0.0005],
    )
    assert rates(train, 1, 80) == pytest.approx([1e-3, 1e-3])
    assert rates(train, 81, 120) == pytest.approx([1e-4, 1e-4])
    assert rates(train, 121, 160) == pytest.approx([1e-5, 1e-5])
    assert rates(train, 161, 180) == pytest.approx([1e-6, 1e-6])
    assert rates(train, 181, 200) == pytest.approx([5e-7, 5e-7])


def test_a_cosine_starts_at_the_rate_is_half_way_in_the_middle_and_never_reaches_0() -> None:
    train = TrainSpec(epochs=10, learning_rate=0.4, schedule="cosine")
    assert rates(train, 1, 6) == pytest.approx([0.4, 0.2])
    assert rates(train, 10)[0] == pytest.approx(0.2 * (1 + math.cos(0.9 * math.pi)))
    curve = rates(train, *range(1, 11))
    assert curve == sorted(curve, reverse=True)
    assert curve[-1] > 0


@pytest.mark.parametrize(
    ("kind", "factors"),
    [
        ("constant", [1, 1, 1, 1, 1, 1]),
        ("early", [1, 1, 1, 1, 0, 0]),
        ("late", [0, 0, 0, 0, 1, 1]),
        ("linear", [1, 0.75, 0.5, 0.25, 0, 0]),
    ],
)
def test_dropout_factors_over_a_cutoff_of_four_epochs(kind: str, factors: list[float]) -> None:
    assert [dropout_factor_at(kind, epoch, 4) for epoch in range(1, 7)] == factors


def test_an_unknown_dropout_schedule_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown dropout_schedule 'erly'.*early"):
        dropout_factor_at("erly", 1, 4)


def test_every_schedule_that_a_spec_allows_has_its_rule() -> None:
    assert set(LEARNING_RATES) == set(LearningRateSchedule.__args__)
    assert set(DROPOUT_FACTORS) == set(DropoutScheduleName.__args__)
