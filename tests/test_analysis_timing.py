"""Times: compared within a block, with the A/A control as the noise floor."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic_runs import EPOCH_S, make_runs

from kbnd.analysis.timing import control_name, control_of, time_pairs, time_ratios

CONTROL = control_name("baseline")


def row(ratios: pd.DataFrame, arm: str) -> pd.Series:
    found = ratios[ratios["arm"] == arm]
    assert len(found) == 1
    return found.iloc[0]


def test_a_drifting_clock_cancels_within_blocks() -> None:
    runs = make_runs(seeds=15, drift=1.0, noise=0.01)
    times = runs.loc[runs["arm"] == "bn", "epoch_s"]
    assert times.max() > 2 * times.min()
    found = row(time_ratios(runs, baseline="baseline"), "bn")
    assert found["n"] == 15
    assert found["ratio"] == pytest.approx(EPOCH_S["bn"] / EPOCH_S["baseline"], rel=0.02)
    assert found["ci_high"] - found["ci_low"] < 0.03


def test_every_ratio_is_found_where_it_is_true_and_the_control_at_one() -> None:
    """300 blocks; twice an interval away from the truth happens once in 10,000."""
    ratios = time_ratios(make_runs(seeds=300), baseline="baseline")
    for arm, truth in {**EPOCH_S, "baseline (A/A)": EPOCH_S["baseline"]}.items():
        if arm != "baseline":
            found = row(ratios, arm)
            half = (found["ci_high"] - found["ci_low"]) / 2
            assert half < 0.005
            assert found["ratio"] == pytest.approx(truth / EPOCH_S["baseline"], abs=2 * half)


@pytest.mark.parametrize(
    ("column", "value"),
    [("machine", "m2"), ("session", "s2"), ("block", 99), ("block", None), ("is_concurrent", True)],
)
def test_runs_that_do_not_share_a_clock_are_not_paired(column: str, value: object) -> None:
    runs = make_runs(seeds=3)
    runs = runs.astype({"block": object})
    runs.loc[(runs["arm"] == "bn") & (runs["seed"] == 1), column] = value
    assert row(time_ratios(runs, baseline="baseline"), "bn")["n"] == 2


def test_the_control_is_the_baselines_second_run_of_the_same_block() -> None:
    runs = make_runs(seeds=3)
    pairs = time_pairs(runs, baseline="baseline")
    control = pairs[pairs["arm"] == CONTROL].set_index("block")
    expected = runs[runs["arm"] == "baseline"].pivot(index="block", columns="replicate", values="epoch_s")
    assert control["value"].to_dict() == pytest.approx(expected[1].to_dict())
    assert control["reference"].to_dict() == pytest.approx(expected[0].to_dict())


def test_a_later_pass_pairs_with_the_baseline_of_its_own_block() -> None:
    """`--retime` adds replicates 2 (every arm) and 3 (the control) in blocks of their own."""
    runs = make_runs(seeds=3)
    again = runs.assign(replicate=runs["replicate"] + 2, block=runs["block"] + 3, epoch_s=runs["epoch_s"] * 2)
    ratios = time_ratios(pd.concat([runs, again]), baseline="baseline")
    assert row(ratios, "bn")["n"] == 6
    assert row(ratios, CONTROL)["n"] == 6
    once = time_ratios(runs, baseline="baseline")
    assert row(ratios, "bn")["ratio"] == pytest.approx(row(once, "bn")["ratio"])


def test_where_the_baseline_ran_once_the_control_is_another_arms_of_the_same_blocks() -> None:
    runs = make_runs(seeds=6)
    ratios = time_ratios(runs, baseline="bn")
    assert list(ratios["arm"][:2]) == ["bn", CONTROL]
    own = row(time_ratios(runs, baseline="baseline"), CONTROL)
    pd.testing.assert_series_equal(row(ratios, CONTROL), own, check_names=False)
    assert own["baseline"] == control_of(ratios)["baseline"] == "baseline"


def test_a_control_of_other_blocks_tells_nothing() -> None:
    runs = make_runs(seeds=6)
    elsewhere = runs["arm"].eq("bn") & (runs["seed"] > 3)
    found = control_of(time_ratios(runs[~elsewhere], baseline="bn"))
    assert (found["arm"], found["n"]) == (CONTROL, 3)
    lonely = runs["arm"].eq("bn") & (runs["seed"] > 1)
    found = control_of(time_ratios(runs[~lonely], baseline="bn"))
    assert (found["arm"], found["n"]) == ("bn (A/A)", 0)


def test_the_arm_that_ran_twice_most_often_is_the_control() -> None:
    runs = make_runs(seeds=4)
    again = runs[runs["arm"].eq("dropout0.5") & (runs["seed"] < 4)].assign(replicate=1)
    both = pd.concat([runs, again], ignore_index=True)
    assert control_of(time_ratios(both, baseline="bn"))["baseline"] == "baseline"
    fewer = both[~(both["arm"].eq("baseline") & both["replicate"].eq(1) & (both["seed"] < 3))]
    assert control_of(time_ratios(fewer, baseline="bn"))["baseline"] == "dropout0.5"
    assert control_of(time_ratios(both, baseline="dropout0.5"))["baseline"] == "dropout0.5"


def test_without_a_control_its_row_is_there_and_empty() -> None:
    found = row(time_ratios(make_runs(control=False), baseline="baseline"), CONTROL)
    assert found["n"] == 0
    assert np.isnan(found["ratio"])


def test_a_single_epoch_is_all_warm_up_and_gives_no_time() -> None:
    ratios = time_ratios(make_runs(n_epochs=1), baseline="baseline")
    assert (ratios["n"] == 0).all()
    assert ratios["median_s"].isna().all()


def test_one_block_gives_a_ratio_without_interval() -> None:
    found = row(time_ratios(make_runs(seeds=1), baseline="baseline"), "bn")
    assert found["n"] == 1
    assert np.isfinite(found["ratio"])
    assert np.isnan(found["ci_low"])


def test_times_that_cannot_be_compared_are_still_shown() -> None:
    runs = make_runs(seeds=3)
    runs["is_concurrent"] = True
    found = row(time_ratios(runs, baseline="baseline"), "bn")
    assert found["n"] == 0
    assert found["median_s"] > 0


def test_an_arm_with_a_baseline_of_its_own_is_timed_against_that_one() -> None:
    """The control stays the study's baseline's: another reference has no second run to be told from."""
    runs = make_runs(seeds=8)
    own = time_ratios(runs, baseline="baseline", baselines={"bn+dropout0.5": "bn"})
    shared = time_ratios(runs, baseline="baseline")
    found = row(own, "bn+dropout0.5")
    assert found["baseline"] == "bn"
    expected = row(shared, "bn+dropout0.5")["ratio"] / row(shared, "bn")["ratio"]
    assert found["ratio"] == pytest.approx(expected)
    same = ["baseline", CONTROL, "bn", "dropout0.5"]
    assert own[own["arm"].isin(same)].equals(shared[shared["arm"].isin(same)])


def test_each_root_has_the_control_of_its_own_blocks() -> None:
    runs = make_runs(seeds=6)
    roots = {"bn": "bn", "bn+dropout0.5": "bn"}
    is_second = runs["arm"].isin(roots)
    again = runs[runs["arm"].eq("bn")].assign(replicate=1, run_id="again")
    second = pd.concat([runs[is_second], again]).assign(session="s2")
    apart = pd.concat([runs[~is_second], second], ignore_index=True)
    ratios = time_ratios(apart, baseline="baseline", baselines=roots)
    assert row(ratios, "bn+dropout0.5")["control"] == row(ratios, "bn")["control"] == "bn (A/A)"
    assert row(ratios, "dropout0.5")["control"] == CONTROL == control_of(ratios)["arm"]
    borrowed = apart[apart["arm"].ne("bn+dropout0.5")].assign(session="s1")
    borrowed = borrowed[~(borrowed["run_id"].eq("again") | (borrowed["arm"].eq("bn") & (borrowed["seed"] > 4)))]
    ratios = time_ratios(borrowed, baseline="baseline", baselines={"bn": "bn"})
    found = row(ratios, "baseline (A/A, bn)")  # in the blocks of bn alone
    assert (found["n"], found["baseline"], row(ratios, "bn")["control"]) == (4, "baseline", found["arm"])
    assert row(ratios, CONTROL)["n"] == 6


def test_a_second_reference_that_is_its_own_baseline_has_ratio_one_and_no_control() -> None:
    runs = make_runs(seeds=4)
    ratios = time_ratios(runs, baseline="baseline", baselines={"bn": "bn", "bn+dropout0.5": "bn"})
    assert row(ratios, "bn")["ratio"] == 1
    assert np.isnan(row(ratios, "bn")["ci_low"])
    assert [arm for arm in ratios["arm"] if "A/A" in arm] == [CONTROL]


def test_a_reference_that_ran_twice_is_the_mean_of_both_so_that_ratios_are_reciprocal() -> None:
    runs = make_runs(seeds=4, arms=("baseline", "bn"), accuracy={"baseline": 0.9, "bn": 0.9})
    log = np.log(runs.set_index(["block", "arm", "replicate"])["epoch_s"])
    expected = [log[b, "bn", 0] - (log[b, "baseline", 0] + log[b, "baseline", 1]) / 2 for b in range(1, 5)]
    one, other = (time_ratios(runs, baseline=arm).set_index("arm") for arm in ("baseline", "bn"))
    assert one.loc["bn", "ratio"] == pytest.approx(np.exp(np.mean(expected)))
    assert one.loc["bn", "ratio"] == pytest.approx(1 / other.loc["baseline", "ratio"])
    assert one.loc["bn", "ci_low"] == pytest.approx(1 / other.loc["baseline", "ci_high"])
