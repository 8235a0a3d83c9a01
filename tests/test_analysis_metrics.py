"""Metrics derived from the epochs of runs, against curves whose values are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kbnd.analysis import curves
from kbnd.analysis.metrics import is_censored, is_metric, requirements, with_metrics
from kbnd.errors import UsageError

CURVE = (0.50, 0.70, 0.90, 0.80)


def run_of(curve: tuple[float | None, ...] = CURVE, **columns: tuple[float, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One run with a test curve, and further columns of its epochs."""
    runs = pd.DataFrame([{"run_id": "r", "arm": "a", "status": "done", "test_accuracy": curve[-1], "test_loss": 0.7}])
    epochs = pd.DataFrame({"run_id": "r", "epoch": range(1, len(curve) + 1), "test_accuracy": curve, **columns})
    return runs, epochs


def value(metric: str, curve: tuple[float | None, ...] = CURVE, **columns: tuple[float, ...]) -> float:
    runs, epochs = run_of(curve, **columns)
    return float(with_metrics(runs, epochs.sample(frac=1, random_state=0), [metric])[metric].iloc[0])


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("first_epoch_accuracy", 0.5),
        ("accuracy_gain", 0.3),
        ("aulc", 0.725),
        ("best_epoch", 3),
        ("epochs_to_0.5", 1),
        ("epochs_to_0.45", 1),
        ("epochs_to_0.7", 2),
        ("epochs_to_0.75", 2.5),  # medians of three: 0.5, 0.7, 0.8, 0.8
        ("epochs_to_0.95", 5),  # never: the budget and one more
        ("accuracy_at_1", 0.5),
        ("accuracy_at_3", 0.9),
        ("median_last_3", 0.8),
        ("median_last_4", 0.75),
        ("instability_4", np.std([0.2, 0.2, -0.1], ddof=1) / np.sqrt(2)),
        ("instability_3", np.std([0.2, -0.1], ddof=1) / np.sqrt(2)),
    ],
)
def test_a_test_curve_gives_its_numbers(metric: str, expected: float) -> None:
    assert value(metric) == pytest.approx(expected, abs=1e-12)
    assert requirements(metric) == {"test_curve"}


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ((0.2, 0.6, 0.795, 0.80, 0.81, 0.80, 0.70), 3),  # one bad last epoch does not lower the plateau
        ((0.80, 0.80, 0.80, 0.80, 0.80), 1),
        ((0.1, 0.3, 0.5, 0.7, 0.9), 3),  # still rising: the median of what there is
        ((0.1, 0.3, 0.5, 0.7), np.nan),
        ((0.10, 0.10, 0.11, 0.10, 0.10), np.nan),  # guesses among ten: as level as converged, and nothing learned
        ((0.55, 0.70, 0.10, 0.10, 0.10, 0.10), np.nan),  # unlearned what it knew
        ((0.10, 0.14, 0.16, 0.16, 0.16), 3),  # little, but learned
        ((0.52, 0.52, 0.53, 0.52, 0.52), 1),  # too high for a guess: there at once
    ],
)
def test_the_plateau_is_where_the_last_epochs_stand(curve: tuple[float, ...], expected: float) -> None:
    assert value("plateau_epoch", curve) == pytest.approx(expected, nan_ok=True)
    assert requirements("plateau_epoch") == {"test_curve"}


def test_a_curve_that_jumps_does_not_cross_as_much_earlier_as_its_first_crossing() -> None:
    """One curve to 70 % that jumps by 3.4 and 9.6 points: first crossings come 3 and 8 epochs too early."""
    rng, smooth = np.random.default_rng(0), 0.70 * (1 - 0.8 * np.exp(-np.arange(40) / 9))
    for sd, too_early, less in ((0.034, 3.2, 1.3), (0.096, 8.5, 4.2)):
        jumping = [smooth + rng.normal(0, sd, 40) for _ in range(400)]
        true = curves.epochs_to(smooth, 0.65)
        first = np.mean([true - curves.epochs_to(curve, 0.65) for curve in jumping])
        median = np.mean([true - curves.epochs_to(curves.running_median(curve), 0.65) for curve in jumping])
        assert first == pytest.approx(too_early, abs=0.5)
        assert median == pytest.approx(less, abs=0.5)


def test_only_epochs_to_an_accuracy_are_censored() -> None:
    assert is_censored("epochs_to_0.98")
    for metric in ("test_accuracy", "epoch_s", "aulc", "best_epoch", "plateau_epoch", "accuracy_at_3", "instability_3"):
        assert not is_censored(metric), metric
    with pytest.raises(UsageError, match="unknown metric"):
        is_censored("epochs_to_98")


def test_the_first_epoch_has_one_value_under_two_names() -> None:
    assert value("first_epoch_accuracy") == value("accuracy_at_1")


def test_a_trend_alone_is_no_instability() -> None:
    assert value("instability_4", (0.1, 0.2, 0.3, 0.4)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("metric", ["aulc", "first_epoch_accuracy", "epochs_to_0.9", "instability_3", "best_epoch"])
def test_without_a_whole_curve_there_is_no_number(metric: str) -> None:
    assert np.isnan(value(metric, (None, None, None, 0.9)))


def test_too_few_epochs_have_no_number() -> None:
    assert np.isnan(value("instability_5"))
    assert np.isnan(value("accuracy_at_5"))
    assert np.isnan(value("median_last_5"))


def test_gaps_are_taken_in_eval_mode_at_the_last_epoch() -> None:
    measured = {"train_eval_accuracy": (0.6, 0.8, 0.95, 0.99), "train_eval_loss": (1.0, 0.6, 0.3, 0.1)}
    assert value("accuracy_gap", **measured) == pytest.approx(0.19)
    assert value("loss_gap", **measured) == pytest.approx(0.6)
    assert value("train_eval_accuracy", **measured) == 0.99
    assert requirements("accuracy_gap") == {"n_train_eval"}
    assert np.isnan(value("accuracy_gap"))


def test_the_variation_of_epochs_leaves_warm_up_out() -> None:
    times = {"train_s": (9.0, 1.0, 2.0, 3.0), "is_warmup": (True, False, False, False)}
    assert value("epoch_cv", **times) == pytest.approx(0.5)


def test_times_measured_beside_other_runs_have_no_variation() -> None:
    runs, epochs = run_of(train_s=(9.0, 1.0, 2.0, 3.0), is_warmup=(True, False, False, False))
    found = with_metrics(runs.assign(is_concurrent=True), epochs, ["epoch_cv"])
    assert np.isnan(found["epoch_cv"].iloc[0])


def test_a_run_without_epochs_has_no_derived_number() -> None:
    runs, epochs = run_of()
    found = with_metrics(runs, epochs.iloc[:0], ["aulc", "train_accuracy", "epoch_cv"])
    assert found[["aulc", "train_accuracy", "epoch_cv"]].isna().all(axis=None)


def test_stored_columns_stay_as_they_are() -> None:
    runs, epochs = run_of()
    found = with_metrics(runs, epochs, ["test_accuracy", "aulc"])
    assert found["test_accuracy"].iloc[0] == 0.8
    assert requirements("test_accuracy") == frozenset()
    assert "aulc" not in runs


@pytest.mark.parametrize(
    "name", ["acuracy", "epochs_to_98", "epochs_to_", "instability_2", "instability_2.5", "aulc_3"]
)
def test_what_is_no_metric_is_refused(name: str) -> None:
    assert not is_metric(name)
    with pytest.raises(UsageError, match="unknown metric"):
        requirements(name)
