"""The compact tables of the metrics that only claims look at."""

from __future__ import annotations

import pandas as pd
import pytest
from synthetic_runs import NETWORKS, make_epochs, make_many, make_runs, with_status

from kbnd.analysis.compare import compare
from kbnd.analysis.metrics import with_metrics
from kbnd.report.numbers import quantity_of
from kbnd.report.table import DASH, PLUS_MINUS, to_text
from kbnd.report.tables.claimed import MOST_COLUMNS, further_tables
from kbnd.report.tables.study import comparison_table, report_tables

METRICS = ("test_accuracy", "first_epoch_accuracy", "aulc", "epochs_to_0.98")
ARMS = ("baseline", "bn", "dropout0.5", "bn+dropout0.5")


def compared(runs: pd.DataFrame, metrics: tuple[str, ...] = METRICS, **more: object) -> pd.DataFrame:
    epochs = make_epochs(runs)
    epochs = epochs.assign(test_accuracy=epochs["val_accuracy"], train_eval_accuracy=0.99, train_eval_loss=0.1)
    options = {"baseline": "baseline", "arms": ARMS, **more}
    return compare(with_metrics(runs, epochs, metrics), metrics=metrics, **options)


def test_an_arm_has_its_mean_and_below_it_its_difference() -> None:
    comparison = compared(make_runs(seeds=4, arms=ARMS))
    (table,) = further_tables(comparison, {"aulc": ["bn", "baseline"], "epochs_to_0.98": ["bn", "baseline"]})
    assert table.columns == ("Arm", "AULC, %", "To 98 %, epochs")
    assert [row[0] for row in table.rows] == ["baseline", "bn", "  minus baseline"]
    found = comparison.query("arm == 'bn' and metric == 'aulc'").iloc[0]
    half = 100 * (found["diff_ci_high"] - found["diff_ci_low"]) / 2
    assert table.rows[2][1] == f"{100 * found['diff']:+.2f} {PLUS_MINUS} {half:.2f}"
    assert table.rows[1][1].startswith(f"{100 * found['mean']:.2f}")


def test_only_arms_of_these_claims_and_their_baselines_have_a_row() -> None:
    runs = make_many(NETWORKS, seeds=2)
    comparison = compared(runs, ("aulc",), baseline="r20-post", baselines=NETWORKS, arms=list(NETWORKS))
    (table,) = further_tables(comparison, {"aulc": ["r110b-pre", "r20-pre", "unchosen"]})
    names = [row[0] for row in table.rows]
    assert names == ["r20-post", "r20-pre", "  minus r20-post", *names[3:]]
    # The other network's baseline is itself a reference here.
    assert names[3:] == ["r110b-post", "r110b-pre", "  minus r110b-post"]


def test_notes_say_what_the_short_headings_mean_and_how_censoring_counts() -> None:
    comparison = compared(make_runs(seeds=4, arms=ARMS))
    (table,) = further_tables(comparison, {"first_epoch_accuracy": ["bn"], "epochs_to_0.98": ["bn"]})
    assert "Epoch 1: test accuracy after the first epoch" in table.notes[0]
    assert any("n = 4" in note for note in table.notes)
    assert any("never reaches it counts as its budget and one epoch more" in note for note in table.notes)
    (without,) = further_tables(comparison, {"aulc": ["bn"]})
    assert not any("never reaches" in note for note in without.notes)
    assert any("never reaches" in note for note in comparison_table(comparison, "epochs_to_0.98").notes)
    assert not any("never reaches" in note for note in comparison_table(comparison, "aulc").notes)


def test_another_n_stands_in_its_cell_and_a_diverged_arm_is_named() -> None:
    runs = with_status(make_runs(seeds=3, arms=ARMS), "bn", 1, "failed")
    for seed in (1, 2, 3):
        runs = with_status(runs, "dropout0.5", seed, "diverged")
    (table,) = further_tables(compared(runs), {"aulc": ["bn", "dropout0.5"]})
    cells = {row[0]: row[1] for row in table.rows}
    assert cells["bn"].endswith("(n=2)")
    assert cells["dropout0.5"] == "diverged"
    assert table.rows[-1] == ("  minus baseline", DASH)
    assert any("dropout0.5 3" in note for note in table.notes)


def test_metrics_that_do_not_exist_here_have_no_column() -> None:
    comparison = compared(make_runs(seeds=2, arms=ARMS))
    assert further_tables(comparison, {"loss_gap": ["bn"]}) == []
    assert further_tables(comparison, {}) == []
    assert further_tables(comparison, {"aulc": ["unchosen"]}) == []


def test_many_metrics_are_split_so_that_each_table_fits() -> None:
    metrics = (*METRICS[1:], "accuracy_gap", "loss_gap", "train_eval_accuracy", "instability_4")
    comparison = compared(make_runs(seeds=4, arms=ARMS), metrics)
    tables = further_tables(comparison, dict.fromkeys(metrics, ARMS))
    assert [len(table.columns) for table in tables] == [5, 4]
    assert len(metrics) > MOST_COLUMNS
    for table in tables:
        assert max(map(len, to_text(table).splitlines())) <= 100


def test_the_table_stands_between_differences_and_times() -> None:
    comparison = compared(make_runs(seeds=2, arms=ARMS))
    tables = report_tables(comparison, further={"aulc": ARMS}, difference="5 epochs", data_note="Data: a copy.")
    assert [table.title.split(":")[0] for table in tables] == [
        "Test accuracy",
        "Further metrics that claims look at (a different experiment)",
    ]
    for table in tables:
        assert table.notes[:2] == ("A different experiment: 5 epochs.", "Data: a copy.")


@pytest.mark.parametrize(
    ("metric", "value", "printed"),
    [
        ("accuracy_gap", 0.0123, "1.23"),
        ("accuracy_gap", -0.00001, "0.00"),
        ("first_epoch_accuracy", 0.9, "90.00"),
        ("aulc", 0.955, "95.50"),
        ("loss_gap", 0.25, "0.2500"),
        ("epochs_to_0.98", 2.25, "2.25"),
        ("best_epoch", 3.5, "3.5"),
        ("instability_20", 0.0031, "0.31"),
        ("epoch_cv", 0.05, "5.00"),
        ("train_eval_loss", 0.1, "0.1000"),
    ],
)
def test_each_metric_is_printed_in_its_unit(metric: str, value: float, printed: str) -> None:
    assert quantity_of(metric).number(value) == printed


def test_metrics_with_a_number_say_it() -> None:
    assert quantity_of("epochs_to_0.985").label == "Epochs to 98.5 % test accuracy"
    assert quantity_of("instability_20").label == "Instability of test accuracy over the last 20 epochs"
    assert quantity_of("instability_20").unit == quantity_of("instability_20").difference_unit == "pp"
