"""A report's own table where not all of it was chosen, or measured."""

from __future__ import annotations

import pandas as pd
import pytest
from synthetic_runs import ARMS, Published, Row, make_epochs, make_runs

from kbnd.analysis.compare import compare
from kbnd.analysis.metrics import with_metrics
from kbnd.report.table import DASH, Table
from kbnd.report.tables.published import published_table
from kbnd.report.tables.study import report_tables

COLUMNS = ("plain", "dropout")


def published(metric: str, *rows: Row) -> Published:
    return Published("Theirs", metric, COLUMNS, rows)


def compared(chosen: tuple[str, ...], metrics: tuple[str, ...] = ("test_accuracy",)) -> pd.DataFrame:
    runs = make_runs(seeds=3, arms=chosen)
    epochs = make_epochs(runs).assign(test_accuracy=lambda frame: frame["val_accuracy"])
    return compare(with_metrics(runs, epochs, metrics), baseline=chosen[0], metrics=metrics, arms=chosen)


def made(table: Published, comparison: pd.DataFrame) -> Table:
    found = published_table(table, comparison)
    assert found is not None
    return found


def test_an_arm_that_was_not_chosen_is_a_dash_beside_its_published_number() -> None:
    rows = (Row("none", ("baseline", "dropout0.5"), (0.98, 0.97)), Row("BN", ("bn", "bn+dropout0.5"), (0.99, 0.98)))
    table = made(published("test_accuracy", *rows), compared(("baseline", "bn", "bn+dropout0.5")))
    assert [row[0] for row in table.rows] == ["none", "  published", "BN", "  published"]
    assert table.rows[0][2] == DASH
    assert table.rows[1][1:] == ("98.00", "97.00")
    assert DASH not in table.rows[2]


def test_dashes_are_no_repetition_and_change_no_n() -> None:
    table = made(
        published("test_accuracy", Row("none", ("baseline", "bn")), Row("D", ("dropout0.5", "dropout0.5"))),
        compared(("baseline", "dropout0.5")),
    )
    assert [row[0] for row in table.rows] == ["none", "D"]
    assert table.rows[0][2] == DASH
    assert table.rows[1][2] == "same"
    three = Published("Theirs", "test_accuracy", ("a", "b", "c"), (Row("s", ("bn", "bn", "baseline")),))
    assert made(three, compared(ARMS[:1])).rows[0][1:3] == (DASH, DASH)


def test_rows_and_tables_of_which_no_arm_was_chosen_are_left_out() -> None:
    comparison = compared(("baseline", "bn"))
    kept, lost = Row("none", ("baseline", "dropout0.5"), (0.9, 0.9)), Row("D", ("dropout0.1", "dropout0.2"), (0.9, 0.9))
    assert [row[0] for row in made(published("test_accuracy", kept, lost), comparison).rows] == ["none", "  published"]
    assert published_table(published("test_accuracy", lost), comparison) is None
    titles = [table.title for table in report_tables(comparison, published=[published("test_accuracy", lost)])]
    assert titles == ["Test accuracy: arms against baseline, paired by seed"]


@pytest.mark.parametrize(
    ("metric", "title"),
    [
        ("aulc", "Theirs, %"),
        ("accuracy_gain", "Theirs, pp"),
        ("epochs_to_0.98", "Theirs, epochs"),
        ("test_loss", "Theirs, nats"),
    ],
)
def test_a_table_of_another_metric_has_its_unit_and_numbers(metric: str, title: str) -> None:
    row = Row("none", ("baseline", "bn"), (0.5, None))
    comparison = compared(("baseline", "bn"), metrics=("test_accuracy", metric))
    table = made(published(metric, row), comparison)
    assert table.title == title
    mean = comparison.query("arm == 'bn' and metric == @metric")["mean"].item()
    scale = 100 if title.endswith(("%", "pp")) else 1
    assert float(table.rows[0][2].split()[0]) == pytest.approx(scale * mean, abs=0.0051)
    assert table.rows[1][1:] == (
        {"aulc": "50.00", "accuracy_gain": "50.00", "test_loss": "0.5000"}.get(metric, "0.50"),
        DASH,
    )


def test_what_was_not_recorded_says_so_beside_the_published_number() -> None:
    table = made(published("aulc", Row("none", ("baseline", "dropout0.5"), (0.9, 0.8))), compared(("baseline", "bn")))
    assert table.rows == (("none", "not measured", DASH), ("  published", "90.00", "80.00"))
    assert table.notes == ("Not measured: these runs do not record what it is made of.",)
