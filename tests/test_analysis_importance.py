"""What a search's trials tell about its hyperparameters, and what they must not pretend to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic_trials import NAMES, make_trials, with_status

from kbnd.analysis import importance
from kbnd.analysis.divergence import diverged_shares
from kbnd.analysis.importance import N_TRIALS_NEEDED, importances, partial_dependence
from kbnd.errors import UsageError


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small forests, for what does not hang on their quality."""
    monkeypatch.setattr(importance, "N_TREES", 10)
    monkeypatch.setattr(importance, "N_REPEATS", 1)


def test_a_strong_a_weak_and_no_effect_are_found_in_this_order() -> None:
    found = importances(make_trials(40), NAMES, direction="max")
    assert found.reason == ""
    assert list(found.rows["name"]) == ["learning_rate", "dropout", "batch_norm"]
    strong, weak, none = found.rows.to_dict("records")
    assert strong["ci_low"] > weak["ci_high"] > weak["ci_low"] > 0
    assert none["ci_low"] < 0.01
    assert abs(none["importance"]) < 0.02
    assert found.quality.low > 0.4
    assert set(found.rows["n"]) == {40}


def test_noise_is_not_ranked_even_where_the_forest_seems_to_predict_it() -> None:
    trials = make_trials(20, learning_rate=0, dropout=0, batch_norm=0, rng=101)
    found = importances(trials, NAMES, direction="max")
    assert found.quality.estimate > 0  # by luck, as in one search of noise in six
    assert found.rows.empty
    assert found.reason.startswith("Too few trials to tell")
    assert found.quality.n == 20


@pytest.mark.parametrize("n", [0, 1, 5, N_TRIALS_NEEDED - 1])
def test_few_trials_are_not_ranked_however_clear_they_look(n: int) -> None:
    found = importances(make_trials(20, noise=0).head(n), NAMES, direction="max")
    assert found.rows.empty
    assert found.reason == f"Too few trials to tell: {n or 'none'} finished with a score, 10 are needed."
    assert np.isnan(found.quality.estimate)


def test_equal_scores_cannot_tell() -> None:
    found = importances(make_trials(20).assign(score=0.5), NAMES, direction="max")
    assert found.reason == "The trials cannot tell: all of them have the same score."


@pytest.mark.usefixtures("quick")
def test_only_the_order_of_scores_matters_so_that_one_exploded_loss_decides_nothing() -> None:
    trials = make_trials(30)
    found = importances(trials, NAMES, direction="max").rows
    loss = trials.assign(score=np.where(trials["score"] == trials["score"].min(), 1e9, 1 - trials["score"]))
    pd.testing.assert_frame_equal(importances(loss, NAMES, direction="min").rows, found)


@pytest.mark.usefixtures("quick")
def test_what_did_not_finish_is_never_a_number() -> None:
    trials = make_trials(30)
    lost = {"diverged": [1, 2], "pruned": [3], "failed": [4], "running": [5]}
    for status, numbers in lost.items():
        trials = with_status(trials, numbers, status)
    wild = trials.assign(score=trials["score"].fillna(1e6))
    found = importances(wild, NAMES, direction="max")
    assert found.quality.n == 25
    expected = importances(trials[trials["status"] == "done"], NAMES, direction="max")
    pd.testing.assert_frame_equal(found.rows, expected.rows)


def rungs(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials after 2 epochs, and again after 8, where every score is higher."""
    return pd.concat([trials.assign(epochs=2, score=0.5 * trials["score"]), trials.assign(epochs=8)], ignore_index=True)


@pytest.mark.usefixtures("quick")
def test_a_candidate_trained_longer_is_no_second_witness_and_its_epochs_are_not_ranked() -> None:
    found = importances(rungs(make_trials(24)), NAMES, direction="max")
    assert set(found.rows["name"]) == set(NAMES)
    assert set(found.rows["n"]) == {24}
    assert importances(rungs(make_trials(9)), NAMES, direction="max").rows.empty


def test_a_small_grid_shows_its_second_effect_too() -> None:
    accuracy = {
        ("before_activation", 0.0): (0.793, 0.937, 0.900),
        ("before_activation", 0.3): (0.793, 0.910, 0.950),
        ("none", 0.0): (0.133, 0.363, 0.240),
        ("none", 0.3): (0.107, 0.337, 0.147),
    }  # LeNet-5 on digits, 2 epochs: of the ranks' variance 76 % go with BN, 18 with the learning rate, 0 with dropout
    rows = [
        {"batch_norm": bn, "dropout": rate, "learning_rate": lr, "score": score, "status": "done", "epochs": 2}
        for (bn, rate), scores in accuracy.items()
        for lr, score in zip((0.01, 0.1, 0.5), scores, strict=True)
    ]
    found = importances(pd.DataFrame(rows), ["batch_norm", "dropout", "learning_rate"], direction="max").rows
    assert found["name"].tolist() == ["batch_norm", "learning_rate", "dropout"]
    assert found["importance"].tolist() == pytest.approx([0.61, 0.07, -0.01], abs=0.05)
    assert (found["ci_low"] > 0).tolist() == [True, True, False]


@pytest.mark.usefixtures("quick")
def test_where_only_epochs_decide_no_hyperparameter_matters() -> None:
    trials = make_trials(30, learning_rate=0, dropout=0, batch_norm=0)
    found = importances(rungs(trials), NAMES, direction="max")
    assert found.quality.estimate > 0.5
    assert (found.rows["importance"] < 0.05).all()  # half of what is said to matter


@pytest.mark.usefixtures("quick")
def test_a_hyperparameter_of_one_value_has_no_importance() -> None:
    found = importances(make_trials(30).assign(dropout=0.5), NAMES, direction="max").rows
    assert found["name"].iloc[-1] == "dropout"
    assert np.isnan(found["importance"].iloc[-1])


def test_an_unknown_hyperparameter_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown hyperparameter 'momentum'"):
        importances(make_trials(5), ["momentum"], direction="max")
    with pytest.raises(UsageError, match="at least one"):
        importances(make_trials(5), [], direction="max")


@pytest.mark.usefixtures("quick")
def test_the_forest_expects_the_best_score_near_the_best_value() -> None:
    lines = partial_dependence(make_trials(60), NAMES, direction="max", log_scaled=["learning_rate"])
    rate = lines[lines["name"] == "learning_rate"]
    best = float(rate.loc[rate["score"].idxmax(), "value"])
    assert 0.02 < best < 0.15  # the truth is 0.05
    assert sorted(lines.loc[lines["name"] == "batch_norm", "value"]) == [
        "after_activation",
        "before_activation",
        "none",
    ]
    assert lines["score"].between(make_trials(60)["score"].min(), make_trials(60)["score"].max()).all()


@pytest.mark.usefixtures("quick")
def test_the_expected_score_is_that_of_the_longest_training() -> None:
    lines = partial_dependence(rungs(make_trials(30)), NAMES, direction="max")
    assert lines["score"].min() > 0.5


def test_diverged_trials_are_counted_where_they_are() -> None:
    shares = diverged_shares(make_trials(40, n_diverged=6), NAMES)
    rate = shares[shares["name"] == "learning_rate"]
    assert list(rate["n_diverged"]) == [0, 0, 0, 6]
    assert list(rate["n"]) == [10, 10, 10, 10]
    none, most = rate.iloc[0], rate.iloc[3]
    assert (none["ci_low"], none["ci_high"]) == (0.0, pytest.approx(0.3085, abs=5e-5))  # 1 - 0.025 ** (1 / 10)
    assert (most["ci_low"], most["ci_high"]) == pytest.approx((0.2624, 0.8784), abs=5e-5)  # binom.test(6, 10) of R
    placement = shares[shares["name"] == "batch_norm"]
    assert placement["n_diverged"].sum() == 6
    assert list(placement["low"]) == list(placement["high"]) == ["after_activation", "before_activation", "none"]


def test_what_failed_says_nothing_about_divergence() -> None:
    trials = with_status(make_trials(40, n_diverged=6), [1, 2, 3], "failed")
    assert (diverged_shares(trials, NAMES).groupby("name")["n"].sum() == 37).all()


@pytest.mark.usefixtures("quick")
def test_a_hyperparameter_that_some_candidates_do_without_hides_none_of_them() -> None:
    trials = make_trials(40)
    trials["momentum"] = np.where(np.arange(40) % 2, np.linspace(0, 0.9, 40), np.nan)
    found = importances(trials, [*NAMES, "momentum"], direction="max")
    assert not found.reason
    assert found.quality.n == 40
    assert "momentum" in set(found.rows["name"])
    line = partial_dependence(trials, [*NAMES, "momentum"], direction="max")
    assert line.loc[line["name"] == "momentum", "value"].notna().all()
