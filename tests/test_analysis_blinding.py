"""Whose test results are hidden: the rule, for frames, records, fields and metrics."""

from __future__ import annotations

import pandas as pd
import pytest
from ledger_records import epoch, record

from kbnd.analysis.blinding import (
    METRICS,
    TEST_COLUMNS,
    accuracy_shown,
    blind_experiment,
    blind_fields,
    blind_ledger,
    blind_record,
    is_of_test,
    metrics_shown,
)
from kbnd.errors import UsageError
from kbnd.records import FRESH

RUNS = pd.DataFrame(
    {
        "study": ["hunt", "hunt", "nets", None],
        "arm": ["trial001", FRESH, "plain", None],
        "run_id": ["a", "b", "c", "d"],
        "test_accuracy": [0.1, 0.2, 0.3, 0.4],
        "test_loss": [1.0, 2.0, 3.0, 4.0],
        "val_accuracy": [0.5, 0.6, 0.7, 0.8],
    }
)


def hidden(frame: pd.DataFrame) -> list[bool]:
    """Whether each row's test results are hidden, all of them, and nothing else."""
    is_hidden = frame[list(TEST_COLUMNS)].isna()
    assert (is_hidden.all(axis=1) == is_hidden.any(axis=1)).all()
    pd.testing.assert_series_equal(frame["val_accuracy"], RUNS["val_accuracy"])
    return is_hidden.all(axis=1).tolist()


def test_of_a_search_only_the_fresh_seeds_of_the_best_recipe_show_test_results() -> None:
    assert hidden(blind_experiment(RUNS, is_search=True)) == [True, False, True, True]


def test_where_something_is_to_be_chosen_every_arm_is_hidden() -> None:
    assert hidden(blind_experiment(RUNS)) == [True] * 4
    assert hidden(RUNS) == [False] * 4  # the frame itself stays as it was


def test_of_a_ledger_the_candidates_are_hidden_under_any_name() -> None:
    assert hidden(blind_ledger(RUNS, searches=["hunt"], candidates=[])) == [True, False, False, False]
    assert hidden(blind_ledger(RUNS, searches=[], candidates={"d"})) == [False, False, False, True]


def test_a_record_loses_every_trace_of_test_images() -> None:
    run = record(test_accuracy=0.9, val_accuracy=0.8, test_correct=b"\xff", epochs=(epoch(1),))
    blind = blind_record(run)
    assert (blind.test_accuracy, blind.test_loss, blind.test_correct) == (None, None, None)
    assert all(entry.test_accuracy is entry.test_loss is None for entry in blind.epochs)
    assert blind.val_accuracy == 0.8
    assert accuracy_shown(run, is_blind=False) == ("test", 0.9)
    assert accuracy_shown(run, is_blind=True) == ("validation", 0.8)


def test_validation_takes_the_place_of_test_and_times_stay() -> None:
    assert blind_fields(["test_accuracy", "val_loss", "test_loss", "energy_j"]) == ["val_loss", "energy_j"]
    assert metrics_shown(is_blind=False) == METRICS
    assert metrics_shown(is_blind=True) == tuple(name.replace("test_", "val_") for name in METRICS)


@pytest.mark.parametrize("metric", ["test_loss", "aulc", "accuracy_gap"])
def test_metrics_that_look_at_test_images(metric: str) -> None:
    assert is_of_test(metric)
    assert not is_of_test("train_eval_accuracy")
    with pytest.raises(UsageError, match="unknown metric 'speed'"):
        is_of_test("speed")
