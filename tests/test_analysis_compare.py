"""Arms against the baseline: who is paired with whom, who is left out, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic_runs import ACCURACY, ARMS, make_runs, with_status

from kbnd.analysis.compare import COMPARISON_COLUMNS, compare
from kbnd.errors import UsageError

PROMISED = [
    *("arm", "metric", "n", "mean", "ci_low", "ci_high", "published"),
    *("baseline", "diff", "diff_ci_low", "diff_ci_high", "p", "p_adjusted", "verdict"),
]


def row(comparison: pd.DataFrame, arm: str, metric: str = "test_accuracy") -> pd.Series:
    found = comparison[(comparison["arm"] == arm) & (comparison["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0]


def test_the_promised_columns_come_first_and_verdicts_stay_empty() -> None:
    comparison = compare(make_runs(), baseline="baseline")
    assert list(comparison)[: len(PROMISED)] == PROMISED
    assert tuple(comparison) == COMPARISON_COLUMNS
    assert comparison[["p", "p_adjusted", "verdict"]].isna().all(axis=None)


def test_differences_pair_by_seed_and_agree_with_scipy() -> None:
    runs = make_runs(seeds=7).sample(frac=1, random_state=1)
    found = row(compare(runs, baseline="baseline"), "bn")
    first = runs[runs["replicate"] == 0].sort_values("seed")
    a, b = (first.loc[first["arm"] == arm, "test_accuracy"].to_numpy() for arm in ("bn", "baseline"))
    expected = stats.ttest_rel(a, b).confidence_interval()
    assert (found["n"], found["n_pairs"]) == (7, 7)
    assert found["mean"] == pytest.approx(a.mean())
    assert found["sd"] == pytest.approx(a.std(ddof=1))
    assert (found["diff_ci_low"], found["diff_ci_high"]) == pytest.approx((expected.low, expected.high))


def test_every_difference_is_found_where_it_is_true() -> None:
    """400 seeds give intervals of 0.04 points; twice as far from the truth happens once in 10,000."""
    comparison = compare(make_runs(seeds=400), baseline="baseline", metrics=("test_accuracy",))
    for arm in ARMS[1:]:
        found, truth = row(comparison, arm), ACCURACY[arm] - ACCURACY["baseline"]
        half = (found["diff_ci_high"] - found["diff_ci_low"]) / 2
        assert half < 0.0006
        assert found["diff"] == pytest.approx(truth, abs=2 * half)


def test_only_seeds_that_both_arms_have_are_paired() -> None:
    runs = make_runs(seeds=5)
    runs = runs[~((runs["arm"] == "bn") & (runs["seed"] <= 2))]
    runs = runs[~((runs["arm"] == "baseline") & (runs["seed"] == 5))]
    found = row(compare(runs, baseline="baseline"), "bn")
    assert (found["n"], found["n_pairs"]) == (3, 2)


@pytest.mark.parametrize("status", ["failed", "oom", "pruned", "interrupted", "running"])
def test_a_run_that_did_not_finish_never_enters(status: str) -> None:
    runs = make_runs(seeds=3)
    runs.loc[(runs["arm"] == "bn") & (runs["seed"] == 2), "status"] = status
    found = row(compare(runs, baseline="baseline"), "bn")
    assert (found["n"], found["n_pairs"], found["n_unfinished"], found["n_diverged"]) == (2, 2, 1, 0)


def test_a_diverged_run_is_counted_and_never_a_number() -> None:
    runs = with_status(make_runs(seeds=3), "bn", 2, "diverged")
    # A run may diverge after an epoch that still had an accuracy; it must not count either.
    runs.loc[(runs["arm"] == "bn") & (runs["seed"] == 2), "test_accuracy"] = 0.1
    found = row(compare(runs, baseline="baseline"), "bn")
    assert (found["n"], found["n_diverged"]) == (2, 1)
    assert found["mean"] > 0.9


def test_an_arm_that_always_diverged_has_a_row_and_no_number() -> None:
    runs = make_runs(seeds=2)
    for seed in (1, 2):
        runs = with_status(runs, "dropout0.8", seed, "diverged")
    found = row(compare(runs, baseline="baseline"), "dropout0.8")
    assert (found["n"], found["n_pairs"], found["n_diverged"]) == (0, 0, 2)
    assert found[["mean", "ci_low", "diff", "diff_ci_low"]].isna().all()


def test_one_seed_gives_a_difference_without_interval() -> None:
    found = row(compare(make_runs(seeds=1), baseline="baseline"), "bn")
    assert np.isfinite(found["diff"])
    assert np.isnan(found["diff_ci_low"])


def test_the_second_replicate_of_the_baseline_is_no_second_seed() -> None:
    with_control, without = (make_runs(seeds=3, control=control) for control in (True, False))
    assert (with_control["replicate"] == 1).any()
    assert row(compare(with_control, baseline="baseline"), "baseline")["n"] == 3
    assert row(compare(without, baseline="baseline"), "baseline")["n"] == 3


def test_the_baseline_has_no_difference_from_itself() -> None:
    found = row(compare(make_runs(), baseline="baseline"), "baseline")
    assert found[["diff", "diff_ci_low", "diff_ci_high"]].isna().all()


def test_times_pair_by_block_and_shared_times_are_shown_but_not_compared() -> None:
    runs = make_runs(seeds=4)
    runs.loc[(runs["arm"] == "bn") & (runs["seed"] == 1), "is_concurrent"] = True
    runs.loc[(runs["arm"] == "bn") & (runs["seed"] == 2), "session"] = "another day"
    found = row(compare(runs, baseline="baseline"), "bn", "fit_s")
    assert (found["n"], found["n_pairs"], found["n_concurrent"]) == (4, 2, 1)
    assert row(compare(runs, baseline="baseline"), "bn")["n_pairs"] == 4


def test_rows_follow_the_order_asked_for_and_keep_arms_without_runs() -> None:
    runs = make_runs(arms=("baseline", "bn"))
    comparison = compare(runs, baseline="baseline", arms=["bn", "baseline", "dropout0.1"])
    assert list(dict.fromkeys(comparison["arm"])) == ["bn", "baseline", "dropout0.1"]
    assert row(comparison, "dropout0.1")["n"] == 0


def test_published_numbers_stand_beside_their_arm_and_metric_only() -> None:
    comparison = compare(make_runs(), baseline="baseline", published={("bn", "test_accuracy"): 0.9883})
    assert row(comparison, "bn")["published"] == 0.9883
    assert comparison["published"].notna().sum() == 1


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("backend", "torch", "backends tensorflow and torch"),
        ("study", "other", "studies lenet_grid.mnist and other"),
        ("recipe_id", "other", "'bn' mixes 2 recipes"),
    ],
)
def test_unlike_runs_are_refused(column: str, value: str, said: str) -> None:
    runs = make_runs()
    runs.loc[(runs["arm"] == "bn") & (runs["seed"] == 1), column] = value
    with pytest.raises(UsageError, match=said):
        compare(runs, baseline="baseline")


def test_the_same_seed_twice_is_refused() -> None:
    runs = make_runs()
    with pytest.raises(UsageError, match="twice"):
        compare(pd.concat([runs, runs.iloc[:1]]), baseline="baseline")


def test_unknown_names_and_no_runs_are_refused() -> None:
    runs = make_runs()
    with pytest.raises(UsageError, match="did you mean 'baseline'"):
        compare(runs, baseline="basline")
    with pytest.raises(UsageError, match="unknown column 'accuracy'"):
        compare(runs, baseline="baseline", metrics=("accuracy",))
    with pytest.raises(UsageError, match="no runs"):
        compare(runs.iloc[:0], baseline="baseline")


def test_an_arm_with_a_baseline_of_its_own_is_paired_with_that_one() -> None:
    runs = make_runs(arms=("baseline", "bn", "dropout0.5"))
    shared = compare(runs, baseline="baseline").set_index(["arm", "metric"])
    own = compare(runs, baseline="baseline", baselines={"dropout0.5": "bn"}).set_index(["arm", "metric"])
    both = ("test_accuracy", "test_loss")
    for metric in both:
        by_hand = shared.loc[("dropout0.5", metric), "mean"] - shared.loc[("bn", metric), "mean"]
        assert own.loc[("dropout0.5", metric), "diff"] == pytest.approx(by_hand, abs=1e-12)
        assert own.loc[("bn", metric), "diff"] == shared.loc[("bn", metric), "diff"]
    assert list(own.xs("test_accuracy", level="metric")["baseline"]) == ["baseline", "baseline", "bn"]


def test_a_baseline_of_its_own_must_be_an_arm() -> None:
    with pytest.raises(UsageError, match="unknown baseline arm 'bm'"):
        compare(make_runs(arms=("baseline", "bn")), baseline="baseline", baselines={"bn": "bm"})
