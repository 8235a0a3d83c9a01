"""The tables of a search: best first, honest where there is little or nothing to say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic_trials import NAMES, make_trials, with_status

from kbnd.analysis.importance import IMPORTANCE_COLUMNS, Importances, importances
from kbnd.analysis.stats import Interval
from kbnd.errors import UsageError
from kbnd.report.frames import SearchFrames
from kbnd.report.scores import ACCURACY_PER_JOULE, VAL_ACCURACY, VAL_LOSS, Score, time_to_accuracy
from kbnd.report.table import DASH, PLUS_MINUS, Table, to_latex, to_markdown, to_text
from kbnd.report.tables.best import best_table
from kbnd.report.tables.hyperparameters import value_text
from kbnd.report.tables.trials import MOST_ROWS, trial_tables

IMPORTANCES = Importances(
    pd.DataFrame(
        [
            ("learning_rate", 0.8, 0.6, 1.1, 30),
            ("dropout", 0.05, 0.01, 0.09, 30),
            ("batch_norm", 0.004, -0.01, 0.02, 30),
            ("optimizer", np.nan, np.nan, np.nan, 30),
        ],
        columns=list(IMPORTANCE_COLUMNS),
    ),
    Interval(0.7, 0.4, 1.2, 30),
)
"""What a search of 30 finished trials might have found."""


TIME = time_to_accuracy(0.98, name="time_to_accuracy:0.98")


def search(trials: pd.DataFrame, **options: Any) -> SearchFrames:
    return SearchFrames(**{"trials": trials, "names": NAMES, "score": VAL_ACCURACY, **options})


def tables(trials: pd.DataFrame, *, most_rows: int | None = MOST_ROWS, **options: Any) -> list[Table]:
    return trial_tables(search(trials, **options), most_rows=most_rows)


def titled(tables: list[Table], start: str) -> Table:
    return next(table for table in tables if table.title.startswith(start))


def fresh_seeds(*statuses: str) -> pd.DataFrame:
    n = len(statuses)
    accuracy = pd.Series(0.98 + 0.001 * np.arange(n)).where(pd.Series(statuses) == "done")
    return pd.DataFrame({"status": statuses, "val_accuracy": accuracy, "test_accuracy": accuracy - 0.01})


def test_trials_stand_best_first_with_spread_and_n() -> None:
    trials = make_trials(8)
    table = tables(trials)[0]
    assert table.title == "Trials by validation accuracy, best first"
    best = trials.loc[trials["score"].idxmax()]
    score = f"{100 * best['score']:.2f} {PLUS_MINUS} {100 * best['score_sd']:.2f}"
    number, *values, shown, seeds, _, status = table.rows[0]
    assert (number, shown, seeds, status) == (str(best["trial"]), score, "2", "done")
    assert values == [value_text(best[name]) for name in NAMES]
    shown_scores = [float(row[4].split()[0]) for row in table.rows]
    assert shown_scores == sorted(shown_scores, reverse=True)


def test_a_loss_is_best_where_it_is_lowest() -> None:
    table = tables(make_trials(8, objective="val_loss"), score=VAL_LOSS)[0]
    losses = [float(row[4].split()[0]) for row in table.rows]
    assert losses == sorted(losses)
    assert "Val. loss, nats" in table.columns


def test_what_did_not_finish_stands_last_and_has_no_score() -> None:
    trials = with_status(with_status(make_trials(9, n_diverged=2), [1], "failed"), [2], "pruned")
    # A number that such a trial left behind is no score.
    table = tables(trials.assign(score=trials["score"].fillna(0.999)))[0]
    assert [row[-1] for row in table.rows[5:]] == ["pruned", "diverged", "diverged", "failed"]
    assert {row[4] for row in table.rows[5:]} == {DASH}
    assert "9 trials: 5 done, 2 diverged, 1 pruned, 1 failed." in table.notes


def test_a_long_search_is_cut_and_says_so() -> None:
    table = tables(make_trials(MOST_ROWS + 12))[0]
    assert len(table.rows) == MOST_ROWS
    assert "12 more are in trials.csv." in table.notes
    whole = tables(make_trials(MOST_ROWS + 12), most_rows=None)[0]
    assert len(whole.rows) == MOST_ROWS + 12
    assert not any("more are in" in note for note in whole.notes)


def test_trials_of_fewer_epochs_say_how_many() -> None:
    trials = make_trials(6).assign(epochs=[2, 2, 2, 2, 6, 6])
    table = tables(trials)[0]
    assert "Epochs" in table.columns
    assert {row[table.columns.index("Epochs")] for row in table.rows} == {"2", "6"}
    assert any("other experiments" in note for note in table.notes)
    assert "Epochs" not in tables(make_trials(6))[0].columns


def test_nothing_finished_claims_no_best() -> None:
    trials = make_trials(12).assign(status="diverged")
    printed = tables(trials, importances=importances(trials, NAMES, direction="max"), fresh=fresh_seeds("done"))
    assert printed[0].title == "Trials: none has a score, so none is best"
    assert "No trial has a score, so no recipe is best." in printed[0].notes
    assert "12 trials: 12 diverged." in printed[0].notes
    importance = titled(printed, "Which hyperparameter")
    assert importance.rows == ()
    assert importance.notes[0].startswith("Too few trials to tell")
    assert not any(table.title.startswith("Best") for table in printed)


def test_no_trials_at_all_is_a_table_too() -> None:
    trials = pd.DataFrame([], columns=list(make_trials(1).columns))
    table, importance = tables(trials, importances=importances(trials, NAMES, direction="max"))
    assert table.rows == importance.rows == ()
    assert "No trials." in table.notes


def test_importance_is_said_in_words_that_fit_its_interval() -> None:
    table = titled(tables(make_trials(30), importances=IMPORTANCES), "Which hyperparameter mattered")
    assert [row[-1] for row in table.rows] == ["matters", "matters a little", "no clear effect", "one value only"]
    assert table.rows[0][1:3] == ("0.80", "[0.60, 1.00]")
    assert any("R2 = 0.70 [0.40, 1.00], n = 30 candidates" in note for note in table.notes)


def test_noise_prints_the_reason_and_no_ranking() -> None:
    noise = Importances(IMPORTANCES.rows.head(0), Interval(0.1, -0.2, 0.4, 30), reason="Too few to tell.")
    table = titled(tables(make_trials(30), importances=noise), "Which hyperparameter mattered: the trials cannot tell")
    assert table.rows == ()
    assert table.notes[0] == "Too few to tell."
    assert f"R2 = 0.10 [{chr(0x2212)}0.20, 0.40]" in table.notes[1]
    assert not any("Importance:" in note for note in table.notes)


def test_pruned_and_diverged_trials_are_named_where_they_are_missing() -> None:
    trials = with_status(make_trials(30, n_diverged=3), [1, 2], "pruned")
    printed = tables(trials, importances=IMPORTANCES)
    notes = titled(printed, "Which").notes
    pruned = trials["status"].eq("pruned").sum()
    assert any(f"{pruned} pruned" in note and "understated" in note for note in notes)
    assert any("diverged" in note for note in notes)
    shares = titled(printed, "Where trials diverged")
    assert any(row[0].startswith("learning_rate") and row[1].startswith("3 of") for row in shares.rows)
    assert not any(table.title.startswith("Where") for table in tables(make_trials(30)))


def test_the_best_recipe_stands_beside_what_fresh_seeds_reach() -> None:
    trials = make_trials(20)
    table = titled(tables(trials, fresh=fresh_seeds("done", "done", "done", "diverged")), "Best recipe")
    search, validation, test = table.rows
    assert search == ("Validation accuracy, search, %", f"{100 * trials['score'].max():.2f}", search[2], DASH, "2")
    assert validation[1:] == ("98.10", "0.10", "[97.85, 98.35]", "3")
    assert test[:2] == ("Test accuracy, fresh seeds, %", "97.10")
    assert "the highest of 20 and was chosen for that, so it is biased upwards" in table.notes[0]
    assert "no part in the choice" in table.notes[1]
    assert table.notes[2] == "Of 4 fresh seeds, counted and not averaged: 1 diverged."


@pytest.mark.parametrize("fresh", [None, fresh_seeds("done").head(0)])
def test_without_fresh_seeds_the_searchs_number_is_said_to_stand_alone(fresh: pd.DataFrame | None) -> None:
    table = titled(tables(make_trials(20), fresh=fresh), "Best recipe")
    assert len(table.rows) == 1
    assert "stands alone" in table.notes[-1]
    only = titled(tables(make_trials(1)), "Best recipe")
    assert only.notes[0] == "The only trial with a score: nothing was chosen."


def test_a_best_trial_that_is_not_the_highest_is_not_called_so() -> None:
    trials = make_trials(10)
    other = int(trials.loc[trials["score"].idxmin(), "trial"])
    table = titled(tables(trials, best=other), "Best recipe")
    assert table.title.startswith(f"Best recipe: trial {other} (learning_rate")
    assert table.notes[0] == "Chosen among 10 trials by validation accuracy, so that its score flatters."
    with pytest.raises(UsageError, match="unknown finished trial 99"):
        tables(trials, best=99)


def test_a_search_by_loss_shows_loss_and_accuracy() -> None:
    trials = make_trials(10, objective="val_loss")
    fresh = fresh_seeds("done", "done").assign(val_loss=0.1, test_loss=0.2)
    options: dict[str, Any] = {"score": VAL_LOSS, "fresh": fresh}
    table = titled(tables(trials, **options), "Best recipe")
    assert [row[0].split(",")[0] for row in table.rows] == [
        *("Validation accuracy", "Validation accuracy", "Test accuracy"),
        *("Validation loss", "Validation loss", "Test loss"),
    ]
    assert "the lowest of 10" in table.notes[0]


@pytest.mark.parametrize(
    ("score", "values", "label", "printed"),
    [
        (VAL_ACCURACY, [0.9876], "Validation accuracy", "98.76"),
        (TIME, [12.345, 99.0], "Time to 98 % validation accuracy", "12.3"),
        (ACCURACY_PER_JOULE, [0.0002], "Validation accuracy per energy", "20.0"),
    ],
)
def test_each_objective_is_printed_in_its_unit(score: Score, values: list, label: str, printed: str) -> None:
    quantity = score.quantity_of(pd.Series(values))
    assert quantity.label == label
    assert quantity.number(values[0]) == printed


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (0.000123456, "0.000123"),
        (1024, "1024"),
        (64.0, "64"),
        (0.0, "0"),
        (True, "True"),
        ("none", "none"),
        (None, DASH),
    ],
)
def test_values_are_printed_short(value: object, printed: str) -> None:
    assert value_text(value) == printed


def test_every_table_fits_a_hundred_columns_and_every_format() -> None:
    trials = make_trials(40, n_diverged=4)
    printed = tables(trials, importances=IMPORTANCES, fresh=fresh_seeds("done", "done"), data_note="Data: a copy.")
    assert len(printed) == 4
    for table in printed:
        assert table.notes[0] == "Data: a copy."
        assert max(map(len, to_text(table).splitlines())) <= 100
        assert to_markdown(table).count("\n| ") == len(table.rows) + 1
        assert "\\bottomrule" in to_latex(table)


def test_who_reaches_no_target_is_told_how_far_they_came() -> None:
    trials = make_trials(6).assign(score=np.nan, score_sd=np.nan, val_accuracy=[0.2, 0.5, 0.93, 0.7, 0.1, 0.4])
    table = tables(trials, score=TIME)[0]
    notes = " ".join(table.notes)
    assert "6 ended below 98 % without a time: not reached with every seed, or not timed alone in one session." in notes
    assert "Of these trial 3 ended highest, at 93.00 %" in notes
    assert table.title == "Trials: none has a score, so none is best"
    assert "without a time" not in " ".join(tables(make_trials(6))[0].notes)


def test_an_interval_of_an_accuracy_ends_at_a_hundred_percent() -> None:
    fresh = fresh_seeds("done", "done").assign(val_accuracy=[0.90, 0.99], test_accuracy=[0.05, 0.01])
    best = titled(tables(make_trials(12), fresh=fresh), "Best recipe")
    intervals = {row[0]: row[3] for row in best.rows}
    assert intervals["Validation accuracy, fresh seeds, %"].endswith("100.00]")
    assert intervals["Test accuracy, fresh seeds, %"].startswith("[0.00, ")


def test_who_reached_the_target_but_was_not_timed_is_not_said_to_have_missed_it() -> None:
    trials = make_trials(3).assign(score=np.nan, score_sd=np.nan, val_accuracy=[0.99, 0.985, 0.2])
    notes = " ".join(tables(trials, score=TIME)[0].notes)
    assert "2 ended above 98 % without a time: a run shared the machine, or two sessions trained it." in notes
    assert "1 ended below 98 % without a time" in notes
    notes = " ".join(tables(trials.head(2), score=TIME)[0].notes)
    assert "2 ended above 98 % without a time" in notes
    assert "ended below" not in notes


def test_a_score_that_is_no_accuracy_stands_beside_the_accuracy_at_the_end() -> None:
    trials = make_trials(4).assign(score=[3.0, 1.0, 2.0, np.nan], score_sd=0.1, val_accuracy=[0.99, 0.11, 0.985, 0.5])
    table = tables(trials, score=TIME)[0]
    column = table.columns.index("Val. acc., %")
    assert [row[0] for row in table.rows] == ["2", "3", "1", "4"]
    assert [row[column].split()[0] for row in table.rows] == ["11.00", "98.50", "99.00", "50.00"]
    assert "Reached 98 % and ended below it (the first touch counts): trial 2." in table.notes
    assert tables(trials)[0].columns.count("Val. acc., %") == 1


def test_equal_scores_are_said_to_be_equal() -> None:
    notes = best_table(search(make_trials(3).assign(score=[0.97, 0.98, 0.98]))).notes
    assert notes[0] == "2 trials have this score: the first of them was taken."
    assert "the highest of 3" in notes[1]


def test_epochs_too_short_for_the_counter_of_a_gpu_are_named_as_the_reason() -> None:
    trials = make_trials(3).assign(score=np.nan, score_sd=np.nan, epoch_s=[0.21, 0.22, 0.23])
    notes = " ".join(tables(trials, score=ACCURACY_PER_JOULE)[0].notes)
    assert "a GPU's counter tells nothing of epochs under 0.5 s, these take 0.22 s (median)" in notes
    notes = " ".join(tables(trials.assign(epoch_s=3.0), score=ACCURACY_PER_JOULE)[0].notes)
    assert "it could not be read, or a run shared the machine" in notes


def test_a_time_that_is_missing_has_its_reason_where_that_is_known() -> None:
    trials = make_trials(3).assign(score=np.nan, score_sd=np.nan, val_accuracy=[0.99, 0.5, 0.2])
    options = {"score": TIME}
    notes = " ".join(tables(trials, **options, is_timed_alone=True)[0].notes)
    assert "2 ended below 98 % without a time: not reached with every seed. Of these trial 2" in notes
    assert "timed alone" not in notes


def test_a_best_recipe_that_guesses_is_not_recommended() -> None:
    trials = make_trials(3).assign(score=[0.1, 0.12, 0.11], val_accuracy=[0.1, 0.12, 0.11])
    notes = " ".join(tables(trials, n_classes=10)[-1].notes)
    assert "Hardly better than guessing: guessing reaches 10 % with 10 classes. This is no good recipe." in notes
    assert "guessing" not in " ".join(tables(make_trials(3), n_classes=10)[-1].notes)
    assert "guessing" not in " ".join(tables(trials)[-1].notes)


def test_fresh_seeds_that_miss_the_target_are_counted() -> None:
    trials = make_trials(3).assign(score=[3.0, 1.0, 2.0])
    options = {"score": TIME, "fresh": fresh_seeds("done", "done")}
    assert "Reached 98 %, timed alone: 1 of 2 fresh seeds." in tables(trials, **options, fresh_scores=[2.0])[-1].notes
    assert "fresh seeds." not in tables(trials, **options, fresh_scores=[2.0, 3.0])[-1].notes[-1]
