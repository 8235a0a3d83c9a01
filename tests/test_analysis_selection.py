"""Runs that repeat another: a name of their own for people, one arm for whatever is computed."""

from __future__ import annotations

import pandas as pd
from synthetic_runs import ACCURACY, make_epochs, make_runs

from kbnd.analysis.compare import COMPARISON_COLUMNS, compare, pairs_of
from kbnd.analysis.selection import own_arms, repeat_name, with_repeat_names
from kbnd.analysis.timing import time_ratios
from kbnd.records import FIRST_OWN_REPLICATE

ARMS = ("baseline", "bn")


def test_a_repetition_is_named_after_its_arm_and_a_search_by_the_clock_repeats_nothing() -> None:
    names = [repeat_name("bn", replicate) for replicate in (0, 1, 2, FIRST_OWN_REPLICATE)]
    assert names == ["bn", "bn (A/A)", "bn (A/A 2)", "bn"]


def test_own_names_come_back_also_where_there_is_none_and_in_an_empty_table() -> None:
    runs = make_runs(seeds=2, arms=ARMS)
    runs.loc[0, "arm"] = None
    pd.testing.assert_frame_equal(own_arms(with_repeat_names(runs)), runs)
    assert own_arms(with_repeat_names(runs.iloc[:0])).empty


def test_who_groups_by_arm_has_each_seed_once_and_the_mean_of_the_first_runs() -> None:
    runs = make_runs(seeds=4, arms=ARMS)
    first = runs[(runs["arm"] == "baseline") & (runs["replicate"] == 0)]
    groups = with_repeat_names(runs).groupby("arm")
    assert groups.size().to_dict() == {"baseline": 4, "baseline (A/A)": 4, "bn": 4}
    assert groups["test_accuracy"].mean()["baseline"] == first["test_accuracy"].mean()
    assert with_repeat_names(make_epochs(runs).assign(replicate=0))["arm"].nunique() == 2


def test_a_comparison_takes_both_names_for_one_arm() -> None:
    runs = make_runs(seeds=4, arms=tuple(ACCURACY)[:4])
    named = with_repeat_names(runs)
    assert set(named["arm"]) - set(runs["arm"]) == {"baseline (A/A)"}
    pd.testing.assert_frame_equal(compare(named, baseline="baseline"), compare(runs, baseline="baseline"))
    pd.testing.assert_frame_equal(time_ratios(named, baseline="baseline"), time_ratios(runs, baseline="baseline"))
    for metric in ("test_accuracy", "epoch_s"):
        pd.testing.assert_frame_equal(
            pairs_of(named, metric, baseline="baseline"), pairs_of(runs, metric, baseline="baseline")
        )
    assert list(compare(named, baseline="baseline").columns) == list(COMPARISON_COLUMNS)
