"""What a study's tables say, also where there is little to say."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_runs import ARMS, TABLES, make_runs, with_status

from kbnd.analysis.compare import compare
from kbnd.analysis.timing import noise_floor, time_ratios
from kbnd.errors import UsageError
from kbnd.report.numbers import interval, plus_minus, quantity_of, signed
from kbnd.report.table import DASH, MINUS, PLUS_MINUS, Table, to_text
from kbnd.report.tables.study import NO_TIMES, comparison_table, published_table, report_tables, time_table

TIMES, ACCURACIES = TABLES


FOUR = ("baseline", "dropout0.5", "bn", "bn+dropout0.5")
ROOTS = {"bn": "bn", "bn+dropout0.5": "bn"}


def two_sessions(*, is_repeated: bool) -> pd.DataFrame:
    """Two roots, each with an arm 20 % slower: a quiet session, and a noisy one where the control may be missing."""
    times = dict(zip(FOUR, (5.0, 6.0, 5.0, 6.0), strict=True))
    quiet = make_runs(seeds=4, arms=FOUR[:2], epoch_s=times, noise=0.001)
    noisy = make_runs(seeds=4, arms=FOUR[2:], epoch_s=times, noise=0.001, control=is_repeated).assign(session="s2")
    noisy.loc[noisy["replicate"] == 1, "epoch_s"] *= 1.3
    return pd.concat([quiet, noisy], ignore_index=True)


@cache
def whole() -> tuple[Table, ...]:
    """The tables of a study that lacks nothing."""
    return tuple(tables(make_runs()))


def tables(runs: pd.DataFrame, **options: str) -> list[Table]:
    comparison = compare(runs, baseline="baseline", arms=ARMS, metrics=("test_accuracy", "fit_s"))
    return report_tables(comparison, time_ratios(runs, baseline="baseline", arms=ARMS), published=TABLES, **options)


def row(table: Table, name: str) -> tuple[str, ...]:
    return next(row for row in table.rows if row[0] == name)


def test_a_student_sees_both_report_tables_then_differences_then_times() -> None:
    titles = [table.title for table in whole()]
    assert titles[0].startswith("Table 1: training time, s")
    assert titles[1].startswith("Table 2: test accuracy, %")
    assert titles[2].startswith("Test accuracy: arms against baseline")
    assert titles[3].startswith("Training time of an epoch: ratio to baseline")


@pytest.mark.parametrize("seeds", [1, 2, 10])
def test_every_table_fits_a_hundred_columns(seeds: int) -> None:
    for table in tables(make_runs(seeds=seeds)):
        assert max(map(len, to_text(table).splitlines())) <= 100


def test_the_published_number_stands_below_the_measured_one() -> None:
    table = whole()[1]
    names = [row[0] for row in table.rows]
    assert names == [part for name in ("Baseline", "BN", "Dropout", "BN + Dropout") for part in (name, "  published")]
    dropout = names.index("Dropout")
    assert all(PLUS_MINUS in cell for cell in table.rows[dropout][1:])
    assert table.rows[dropout + 1] == ("  published", "98.64", "98.76", "98.63", "96.14")


def test_one_arm_in_four_columns_is_shown_once() -> None:
    for table in whole()[:2]:
        assert row(table, "Baseline")[2:] == ("same",) * 3
        assert row(table, "Dropout").count("same") == 0
        assert any(note.startswith("same:") for note in table.notes)


def test_equal_published_numbers_of_different_arms_are_not_merged() -> None:
    table = published_table(
        TIMES.__class__("t", "test_accuracy", ("a", "b"), (TIMES.rows[0].__class__("r", ARMS[2:4], (0.9, 0.9)),)),
        compare(make_runs(), baseline="baseline"),
    )
    assert row(table, "  published") == ("  published", "90.00", "90.00")


def test_a_row_with_fewer_runs_prints_its_own_n() -> None:
    runs = with_status(make_runs(seeds=3), "dropout0.2", 1, "failed")
    table = tables(runs)[1]
    names = [row[0] for row in table.rows]
    assert names.count("  n") == 1
    assert row(table, "  n") == ("  n", "3", "2", "3", "3")
    assert any("Not finished, left out: dropout0.2 1" in note for note in table.notes)


def test_a_diverged_arm_is_named_and_counted_in_every_table_of_accuracy() -> None:
    runs = make_runs(seeds=2)
    for seed in (1, 2):
        runs = with_status(runs, "dropout0.8", seed, "diverged")
    _, published, differences, times = tables(runs)
    assert row(published, "Dropout")[-1] == "diverged"
    assert row(differences, "dropout0.8")[1:] == (DASH, DASH, DASH, "0", "2 diverged")
    assert row(times, "dropout0.8")[2:] == (DASH, DASH, "0", "no blocks")
    assert any("dropout0.8 2" in note for note in differences.notes)


def test_an_arm_that_partly_diverged_says_so_beside_its_difference() -> None:
    differences = tables(with_status(make_runs(seeds=3), "bn", 1, "diverged"))[2]
    assert row(differences, "bn")[-1].endswith(", 1 diverged")


def test_one_seed_has_no_interval_and_the_tables_say_so() -> None:
    _, published, differences, times = tables(make_runs(seeds=1))
    assert PLUS_MINUS not in row(published, "BN")[1]
    assert any("n = 1 seed" in note and "no interval" in note for note in published.notes)
    assert row(differences, "bn")[3:] == (DASH, "1", "one pair, no interval")
    assert row(times, "bn")[3:] == (DASH, "1", "one block, no interval")


def test_an_arm_that_was_not_run_is_seen_to_be_missing() -> None:
    runs = make_runs(seeds=2)
    _, published, differences, _ = tables(runs[runs["arm"] != "bn"])
    assert row(published, "BN")[1] == "none done"
    assert row(differences, "bn")[-2:] == ("0", "no pairs")


@pytest.mark.parametrize(("seeds", "smallest_p"), [(2, "0.5"), (5, "0.0625"), (6, None)])
def test_fewer_than_six_pairs_cannot_give_a_nonparametric_better(seeds: int, smallest_p: str | None) -> None:
    notes = [note for note in tables(make_runs(seeds=seeds))[2].notes if "nonparametric" in note]
    assert len(notes) == (smallest_p is not None)
    assert all(f"p is {smallest_p};" in note for note in notes)


def test_words_follow_the_interval_of_the_difference() -> None:
    comparison = compare(make_runs(), baseline="baseline", metrics=("test_accuracy",))
    for limits, words in (((0.1, 0.2), "higher"), ((-0.2, -0.1), "lower"), ((-0.1, 0.2), "no clear difference")):
        comparison.loc[comparison["arm"] == "bn", ["diff_ci_low", "diff_ci_high"]] = limits
        assert row(comparison_table(comparison), "bn")[-1] == words


def ratios_with(bn: tuple[float, float, float], control: tuple[float, float, float]) -> pd.DataFrame:
    ratios = time_ratios(make_runs(seeds=3, arms=("baseline", "bn")), baseline="baseline")
    for arm, values in (("bn", bn), ("baseline (A/A)", control)):
        ratios.loc[ratios["arm"] == arm, ["ratio", "ci_low", "ci_high"]] = values
    return ratios


@pytest.mark.parametrize(
    ("bn", "words"),
    [
        ((1.10, 1.06, 1.14), "slower"),
        ((0.90, 0.86, 0.94), "faster"),
        ((1.03, 1.01, 1.05), "within the noise floor"),
        # The control missed 1 on the slow side only; its floor holds on both sides.
        ((0.97, 0.96, 0.98), "within the noise floor"),
        ((1.10, 0.99, 1.22), "no clear difference"),
    ],
)
def test_a_ratio_counts_only_beyond_its_interval_and_the_noise_floor(bn: tuple, words: str) -> None:
    ratios = ratios_with(bn, (1.02, 0.99, 1.05))
    assert noise_floor(ratios) == pytest.approx(1.05)
    table = time_table(ratios)
    assert row(table, "bn")[-1] == words
    assert any("0.952 to 1.050" in note for note in table.notes)


def test_the_noise_floor_is_the_wider_side_of_the_control() -> None:
    assert noise_floor(ratios_with((1.1, 1.0, 1.2), (0.98, 0.95, 1.01))) == pytest.approx(1 / 0.95)


def test_without_a_control_no_ratio_is_called_slower_or_faster() -> None:
    table = tables(make_runs(control=False, noise=0.001))[3]
    assert any("No noise floor was measured" in note for note in table.notes)
    name, _, ratio, limits, _, words = row(table, "bn")
    assert (name, words) == ("bn", "no noise floor")
    assert float(ratio) > 1.05
    assert limits.startswith("[1.")


def test_another_arms_control_is_named_and_no_baseline_of_any_arm() -> None:
    runs = make_runs(noise=0.01)
    table = time_table(time_ratios(runs, baseline="bn"))
    assert table.title.endswith("ratio to bn, paired by block")
    assert "Against" not in table.columns
    assert row(table, "baseline (A/A)")[-1] == "noise floor"
    assert row(table, "baseline")[-1] == "faster"
    assert any(note.startswith("Noise floor: baseline against itself in 5 blocks") for note in table.notes)
    assert any(note.startswith("baseline was run twice: ratios to other baselines are held") for note in table.notes)
    assert not any("interruption" in note for note in table.notes)


def test_without_a_second_epoch_a_line_says_why_there_is_no_table_of_times() -> None:
    found = tables(make_runs(n_epochs=1))
    assert [table for table in found if not table.rows] == []
    assert not [table for table in found if "ratio" in table.title]
    assert found[-1].notes[-1] == NO_TIMES
    runs = make_runs(n_epochs=1)
    runs.loc[0, "epoch_s"] = 1.0  # of one run, whose graph was compiled before it
    assert tables(runs)[-1].notes[-1] == NO_TIMES
    assert not [table for table in whole() if NO_TIMES in table.notes]


def test_times_that_no_block_has_in_common_are_listed_and_not_compared() -> None:
    runs = make_runs()
    found = tables(runs.assign(block=pd.array([pd.NA] * len(runs), dtype="Int64")))
    (times,) = (table for table in found if table.title == "Training time of an epoch: not compared")
    assert times.columns == ("Arm", "Median, s")
    assert not [cells for cells in times.rows if "A/A" in cells[0]]
    assert "No times can be compared: none shares machine, session and block" in " ".join(times.notes)


def test_times_measured_beside_other_runs_are_marked_where_they_are_shown() -> None:
    runs = make_runs(seeds=2)
    runs.loc[runs["arm"] == "bn", "is_concurrent"] = True
    times = tables(runs)[0]
    assert any("only shown: bn 2" in note for note in times.notes)


def test_another_experiment_is_labelled_in_every_title_and_note() -> None:
    for table in tables(make_runs(seeds=2), difference="dataset digits instead of mnist"):
        assert table.title.endswith("(a different experiment)")
        assert table.notes[0] == "A different experiment: dataset digits instead of mnist."


def test_what_must_be_said_of_the_data_is_said_below_every_table() -> None:
    for table in tables(make_runs(seeds=2), data_note="Data: CIFAR-10 (JPEG)."):
        assert table.notes[0] == "Data: CIFAR-10 (JPEG)."
        assert "different" not in table.title


def test_arms_with_baselines_of_their_own_say_which() -> None:
    runs = make_runs(seeds=3)
    against = {"baseline": "baseline", "baselines": {arm: "bn" for arm in ARMS if arm.startswith("bn+")}, "arms": ARMS}
    differences, times = report_tables(compare(runs, **against), time_ratios(runs, **against))
    for table in (differences, times):
        assert "their own baselines" in table.title
        assert table.columns[:2] == ("Arm", "Against")
        assert row(table, "bn+dropout0.5")[1] == "bn"
        assert row(table, "dropout0.5")[1] == "baseline"
        assert row(table, "baseline")[1] == DASH
        assert row(table, "baseline")[-1] == "reference"
        assert max(map(len, to_text(table).splitlines())) <= 100
    assert row(times, "baseline (A/A)")[1] == "baseline"
    assert any(note.startswith("Diff: arm minus the arm it stands against,") for note in differences.notes)


def test_every_root_is_a_reference_and_shares_the_one_noise_floor() -> None:
    runs = make_runs(seeds=3)
    roots = {arm: "bn" if arm.startswith("bn") else "baseline" for arm in ARMS}
    against = {"baseline": "baseline", "baselines": roots, "arms": ARMS}
    differences, times = report_tables(compare(runs, **against), time_ratios(runs, **against))
    for table in (differences, times):
        assert [cells[0] for cells in table.rows if cells[-1] == "reference"] == ["baseline", "bn"]
        assert row(table, "bn")[1] == DASH
    shared = "baseline was run twice: ratios to other baselines are held against its noise floor, as logarithms."
    assert shared in times.notes
    assert shared not in time_table(time_ratios(runs, baseline="baseline", arms=ARMS)).notes


@pytest.mark.parametrize("is_repeated", [True, False])
def test_a_root_of_another_session_is_held_against_its_own_floor_or_none(is_repeated: bool) -> None:
    runs = two_sessions(is_repeated=is_repeated)
    table = time_table(time_ratios(runs, baseline="baseline", baselines=ROOTS, arms=FOUR))
    said = " ".join(table.notes)
    assert "run twice:" not in said
    assert row(table, "dropout0.5")[-1] == "slower"
    if is_repeated:
        assert row(table, "bn (A/A)")[-1] == "noise floor"
        assert row(table, "bn+dropout0.5")[-1] == "within the noise floor"
        assert "Noise floor of ratios to baseline: baseline against itself in 4 blocks" in said
        assert "Noise floor of ratios to bn: bn against itself in 4 blocks" in said
    else:
        assert row(table, "bn+dropout0.5")[-1] == "no noise floor"
        assert "No noise floor for ratios to bn:" in said
        assert [cells[0] for cells in table.rows] == ["baseline", "baseline (A/A)", *FOUR[1:]]


def test_a_difference_without_a_unit_of_its_own_has_no_stray_comma() -> None:
    against = {"baseline": "baseline", "baselines": {"bn+dropout0.5": "bn"}, "metrics": ("test_accuracy", "test_loss")}
    comparison = compare(make_runs(seeds=3), **against)
    pp, nats = (comparison_table(comparison, metric).notes[0] for metric in against["metrics"])
    assert pp.startswith("Diff: arm minus the arm it stands against, in percentage points (pp); mean")
    assert nats.startswith("Diff: arm minus the arm it stands against; mean")


def test_a_single_baseline_needs_no_column() -> None:
    runs = make_runs(seeds=3)
    against = {"baseline": "baseline", "baselines": dict.fromkeys(ARMS, "baseline"), "arms": ARMS}
    same = report_tables(compare(runs, **against), time_ratios(runs, **against))
    assert same == tables(runs)[2:]


def test_a_metric_that_was_not_compared_is_refused() -> None:
    with pytest.raises(UsageError, match="no metric 'val_loss': choose from test_accuracy"):
        comparison_table(compare(make_runs(seeds=2, arms=FOUR), baseline="baseline"), "val_loss")


def test_numbers_carry_signs_scales_and_decimals_of_their_metric() -> None:
    accuracy, time = quantity_of("test_accuracy"), quantity_of("fit_s", [0.213, np.nan])
    assert signed(accuracy, -0.0123) == f"{MINUS}1.23"
    assert signed(accuracy, 0.00001) == "0.00"
    assert interval(accuracy, -0.001, 0.002) == f"[{MINUS}0.10, +0.20]"
    assert plus_minus(accuracy, 0.984, 0.98, 0.988) == f"98.40 {PLUS_MINUS} 0.40"
    assert plus_minus(time, 0.213, np.nan, np.nan) == "0.213"
    assert quantity_of("epoch_s", [84.17]).number(84.1743) == "84.2"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_value_prints_as_a_number_or_a_dash(value: float) -> None:
    text = signed(quantity_of("test_loss"), value)
    assert text == DASH or float(text.replace(MINUS, "-")) == pytest.approx(value, abs=6e-5, rel=1e-9)
