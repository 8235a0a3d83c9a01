"""Searches end with the same table however often they are killed, and never count what did not end."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
from scripted_search import EPOCHS, Killed, Scripted, minimize_quickly, oracle_scores, searched

from kbnd import recipe
from kbnd.analysis import importance
from kbnd.errors import ResumeMismatchError, UsageError
from kbnd.execution.settings import Settings
from kbnd.ledger import Ledger, Reader
from kbnd.report.comparison import compare_ledger
from kbnd.report.runs import run_table, stored_run, stored_runs
from kbnd.spec import RunSpec
from kbnd.tuning.held import LogSummary, log_summary
from kbnd.tuning.result import TuneResult

pytestmark = pytest.mark.backend
__test__ = os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"  # nothing is trained: one backend is enough

GRID = {"oracle": "grid", "lr": "0.001,0.03,1", "dropout": "0,0.4", "max_trials": None}
ORACLES = {
    "random": {"oracle": "random"},
    "grid": GRID,
    "bayesian": {"oracle": "bayesian", "max_trials": 11},
    "hyperband": {"oracle": "hyperband", "max_trials": None},
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scipy.optimize, "minimize", minimize_quickly)
    monkeypatch.setattr(importance, "N_TREES", 10)
    monkeypatch.setattr(importance, "N_REPEATS", 1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TuneResult]:
    """A search of four candidates that ended: the folder of its ledger, which no test changes, and its result."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, searched(folder, Scripted(), max_trials=4)


@pytest.mark.parametrize(
    ("oracle", "objective"), [*((name, "val_accuracy") for name in ORACLES), ("bayesian", "val_loss")]
)
def test_a_search_killed_again_and_again_ends_with_the_table_of_one_that_never_was(
    tmp_path: Path, oracle: str, objective: str
) -> None:
    options = {**ORACLES[oracle], "looked_for": objective}
    whole = searched(tmp_path / "whole", Scripted(), **options)
    engines, result = [], None
    while result is None:
        engines.append(Scripted(kill_after=11 + 17 * len(engines)))
        try:
            result = searched(tmp_path / "killed", engines[-1], **options)
        except Killed:
            assert len(engines) < 30
    assert len(engines) > 1
    pd.testing.assert_frame_equal(result.trials, whole.trials)
    assert result.best == whole.best
    trained = [run for engine in engines for run in engine.trained]
    assert len(trained) == len(set(trained)), "a finished run was trained again"
    for folder in ("whole", "killed"):
        with Reader.open(tmp_path / folder / "kbnd.sqlite") as ledger:
            assert ledger.verify() == [], "its runs deny what an honest search logged"


def test_a_search_whose_runs_deny_its_log_is_not_continued(tmp_path: Path) -> None:
    result = searched(tmp_path, Scripted(), max_trials=3)
    right = float(result.trials["score"][1])
    with Ledger.open(tmp_path / "kbnd.sqlite") as ledger:
        (event,) = (e for e in ledger.search_events(ledger.search(result.name)) if (e.kind, e.ordinal) == ("end", 2))
        body = json.dumps(event.body | {"score": 0.999, "told": 0.999})
        ledger._db.execute("UPDATE search_events SET body = ? WHERE event = ?", (body, event.event))
    with pytest.raises(ResumeMismatchError, match=f"candidate 2: its score is 0.999 in the log, by its runs {right}"):
        searched(tmp_path, Scripted(), max_trials=3)


def test_what_is_asked_for_later_is_said_where_it_is_not_what_it_seems(tmp_path: Path) -> None:
    few = searched(tmp_path, Scripted(), max_trials=2)
    assert few.n_tested == 1
    assert "tried on test so far" not in " ".join(few.tables()[-1].notes)
    more = searched(tmp_path, Scripted(), max_trials=12)
    assert more.best_trial != few.best_trial
    assert "2 recipes of tune.lenet5.digits.random.tensorflow were tried on test so far" in more.tables()[-1].notes[-1]
    fewer = searched(tmp_path, Scripted(), max_trials=2)
    assert len(fewer.trials) == 12
    assert "All 12 trials of before are kept, though only 2 are asked for." in fewer.tables()[0].notes
    assert "only shown" not in " ".join(fewer.tables()[0].notes)
    runs = fewer.runs.assign(is_concurrent=[True, True, *[False] * (len(fewer.runs) - 2)])
    assert "only shown: 2 of 25 runs." in replace(fewer, runs=runs).tables()[0].notes[-1]


def test_more_trials_can_be_asked_for_later(tmp_path: Path) -> None:
    whole = searched(tmp_path / "whole", Scripted(), max_trials=9)
    searched(tmp_path / "more", Scripted(), max_trials=4)
    more = searched(tmp_path / "more", Scripted(), max_trials=9)
    pd.testing.assert_frame_equal(more.trials, whole.trials)


def test_other_settings_under_one_name_are_refused_with_what_differs(tmp_path: Path) -> None:
    searched(tmp_path, Scripted(), max_trials=3)
    with pytest.raises(ResumeMismatchError, match=r"seeds: stored 2, asked 3.*--fresh") as refused:
        searched(tmp_path, Scripted(), max_trials=3, seeds=3)
    assert refused.value.exit_code == 5
    engine = Scripted()
    result = searched(tmp_path, engine, max_trials=3, seeds=3, is_fresh=True)
    n_candidate_runs = int((result.runs["arm"] != "best_fresh_seeds").sum())
    assert len(result.trials) == 3
    assert len(engine.trained) < n_candidate_runs + 2, "what the ledger held was trained again"


def test_a_candidate_with_a_diverged_run_has_no_score_and_is_never_the_best(tmp_path: Path) -> None:
    options = {**GRID, "lr": "0.03,1"}
    result = searched(tmp_path, Scripted(), **options)
    diverged = result.trials[result.trials["status"] == "diverged"]
    assert set(diverged["learning_rate"]) == {1.0}
    assert diverged["score"].isna().all()
    assert (diverged["n_seeds"] == 0).all()
    assert result.best.train.learning_rate == 0.03
    scores = oracle_scores(tmp_path, result.name)
    assert all(np.isfinite(list(scores.values())))


def test_where_every_candidate_diverges_nothing_is_called_the_best(tmp_path: Path) -> None:
    engine = Scripted(diverges=lambda spec: True)
    result = searched(tmp_path, engine, max_trials=4)
    assert result.best is None
    assert result.recipe() == ""
    assert (result.trials["status"] == "diverged").all()
    assert "none has a score" in result.tables()[0].title


def test_a_pruned_run_is_marked_and_enters_no_statistic(tmp_path: Path) -> None:
    options = {"lr": "0.001..0.5", "max_trials": 20}
    whole = searched(tmp_path / "whole", Scripted(), **options)
    engine = Scripted()
    result = searched(tmp_path / "pruned", engine, is_pruned=True, **options)
    pruned = result.trials[result.trials["status"] == "pruned"]
    assert 0 < len(pruned) < 15
    assert pruned["score"].isna().all()
    assert result.best == whole.best, "the best candidate was given up"
    with Reader.open(tmp_path / "pruned" / "kbnd.sqlite") as ledger:
        runs = ledger.runs()
    lost = runs[runs["status"] == "pruned"]
    assert len(lost) >= len(pruned)
    assert lost["test_accuracy"].isna().all()
    assert (lost["epochs"] < EPOCHS).all()
    with Reader.open(tmp_path / "pruned" / "kbnd.sqlite") as ledger:
        assert ledger.verify() == []


def test_a_pruned_search_that_is_killed_ends_with_the_same_table(tmp_path: Path) -> None:
    options = {"lr": "0.001..0.5", "max_trials": 14, "is_pruned": True}
    whole = searched(tmp_path / "whole", Scripted(), **options)
    for n_epochs in (20, 30):
        with pytest.raises(Killed):
            searched(tmp_path / "cut", Scripted(kill_after=n_epochs), **options)
    result = searched(tmp_path / "cut", Scripted(), **options)
    pd.testing.assert_frame_equal(result.trials, whole.trials)


def test_what_candidates_reach_on_test_images_is_not_shown(finished: tuple[Path, TuneResult]) -> None:
    _, result = finished
    is_fresh = result.runs["arm"] == "best_fresh_seeds"
    assert result.runs.loc[~is_fresh, "test_accuracy"].isna().all()
    assert result.runs.loc[is_fresh, "test_accuracy"].notna().all()
    assert set(result.runs.loc[is_fresh, "seed"]) == {3, 4}


def test_the_best_recipe_is_a_file_that_makes_the_same_run(tmp_path: Path) -> None:
    result = searched(tmp_path, Scripted(), max_trials=3, seeds=1)
    (tmp_path / "best.toml").write_text(result.recipe())
    read = recipe.read(tmp_path / "best.toml")
    assert RunSpec(model=read.model, data=read.data, train=read.train).recipe_id == result.best.recipe_id
    assert read.seed == 4  # 1 chose it, 2 and 3 tested it
    assert "mean over 1 seed." in result.recipe().splitlines()[0]
    assert 'name = "digits"' in result.recipe()


def test_of_equal_scores_that_of_the_most_epochs_and_then_the_first_is_the_best(tmp_path: Path) -> None:
    result = searched(tmp_path, Scripted(equal=0.8), oracle="hyperband", max_trials=None)
    scored = result.trials[result.trials["score"].notna()]
    longest = scored[scored["epochs"] == scored["epochs"].max()]
    assert len(scored) > len(longest)
    assert result.best_trial == longest["trial"].min()


def test_hours_or_more_trials_go_beyond_one_sweep_of_hyperband(tmp_path: Path) -> None:
    once = searched(tmp_path, Scripted(), oracle="hyperband", max_trials=None)
    more = searched(tmp_path, Scripted(), oracle="hyperband", max_trials=len(once.trials) + 4)
    assert len(more.trials) == len(once.trials) + 4
    pd.testing.assert_frame_equal(more.trials.head(len(once.trials)), once.trials)
    # Nobody has to say again how many: it goes on to the end of the sweep that was begun.
    rest = searched(tmp_path, Scripted(), oracle="hyperband", max_trials=None)
    assert len(rest.trials) == 2 * len(once.trials)
    pd.testing.assert_frame_equal(rest.trials.head(len(more.trials)), more.trials)


def test_a_search_that_is_stopped_before_its_first_run_is_a_search_without_trials(tmp_path: Path) -> None:
    result = searched(tmp_path, Scripted(), should_stop=lambda: True)
    assert result.trials.empty
    assert result.best is None
    assert not result.is_complete


def test_a_driver_that_logs_first_leaves_the_other_with_a_whole_log(tmp_path: Path) -> None:
    """Two drivers of one search, whose events interleave in every way that a second one can cut in."""
    first = Scripted(places=3)
    second_turns = []

    def cut_in(spec: RunSpec) -> bool:
        if len(second_turns) < 3:  # another process takes part now, up to its own end or a kill
            second_turns.append(spec)
            with contextlib.suppress(Killed):
                searched(tmp_path, Scripted(places=3, kill_after=4), max_trials=8)
        return False

    first.diverges = cut_in
    result = searched(tmp_path, first, max_trials=8)
    assert len(result.trials) == 8
    assert (result.trials["status"] == "done").all()
    with Reader.open(tmp_path / "kbnd.sqlite") as ledger:
        assert not ledger.verify()


def test_a_result_says_itself_in_a_line_and_writes_what_the_command_does(
    finished: tuple[Path, TuneResult], tmp_path: Path
) -> None:
    _, result = finished
    assert repr(result).startswith("<TuneResult tune.lenet5.digits.random.")
    assert f"4 trials: 4 done; best: trial {result.best_trial}, val_accuracy 0." in repr(result)
    names = {str(path.relative_to(tmp_path / "out")) for path in result.write(tmp_path / "out")}
    files = {"runs.csv", "epochs.csv", "comparison.csv", "claims.csv", "tables.md", "tables.tex", "report.html"}
    assert files | {"trials.csv", "best.toml", "environment.json", "figures/marginals.svg"} <= names
    runs = pd.read_csv(tmp_path / "out" / "runs.csv")
    best = result.trials.set_index("trial").loc[result.best_trial]
    of_best = runs[runs["trial"] == result.best_trial]
    assert list(of_best["arm"]).count("best_fresh_seeds") == 2
    assert set(of_best["learning_rate"]) == {best["learning_rate"]}
    assert runs["dropout"].notna().all()


def test_what_a_ledger_holds_of_a_search_is_known_before_it_goes_on(
    finished: tuple[Path, TuneResult], tmp_path: Path
) -> None:
    folder, whole = finished
    settings = Settings(ledger=folder / "kbnd.sqlite")
    with Reader.open(settings.ledger) as ledger:
        expected = LogSummary(4, 4, n_epochs=4 * 2 * EPOCHS, n_threads=ledger.first_n_threads(whole.name))
    assert log_summary(whole.plan, settings) == expected
    other = replace(whole.plan, seeds=3)
    with pytest.raises(ResumeMismatchError, match="seeds: stored 2, asked 3"):
        log_summary(other, settings)
    assert log_summary(other, settings, is_fresh=True) is not None
    assert log_summary(replace(whole.plan, name="another"), settings) is None
    assert log_summary(whole.plan, Settings(ledger=tmp_path / "none.sqlite")) is None
    (tmp_path / "empty.sqlite").touch()  # as that of a driver that is just making it
    assert log_summary(whole.plan, Settings(ledger=tmp_path / "empty.sqlite")) is None


def test_only_what_finished_is_compared_with_the_best(tmp_path: Path) -> None:
    engine = Scripted(diverges=lambda spec: spec.train.learning_rate == 1 and spec.seed == 2)
    result = searched(tmp_path / "some", engine, **GRID)
    result.write(tmp_path / "out")
    finished = result.trials.loc[result.trials["status"] == "done", "trial"]
    compared = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert set(compared["arm"]) == {f"trial{number:03d}" for number in finished}
    assert set(compared["baseline"]) == {f"trial{result.best_trial:03d}"}
    nothing = searched(tmp_path / "none", Scripted(diverges=lambda spec: True), max_trials=3)
    nothing.write(tmp_path / "out")
    assert pd.read_csv(tmp_path / "out" / "comparison.csv").empty
    assert not (tmp_path / "out" / "best.toml").exists()


def test_hours_are_those_of_training_not_of_points_that_came_again(tmp_path: Path) -> None:
    engine = Scripted()
    options = {"oracle": "hyperband", "lr": "0.001,0.01,0.03", "dropout": "0,0.4", "max_trials": 40}
    result = searched(tmp_path, engine, **options)
    assert result.trials[["learning_rate", "dropout", "batch_norm", "epochs"]].duplicated().any()
    of_candidates = result.runs[result.runs["arm"] != "best_fresh_seeds"].drop_duplicates("run_id")
    assert result.trials["wall_s"].sum() == pytest.approx(of_candidates["wall_s"].sum())
    assert not result.is_out_of_hours


def test_no_list_of_a_ledger_shows_what_candidates_reach_on_test(
    finished: tuple[Path, TuneResult], tmp_path: Path
) -> None:
    folder, _ = finished
    runs = stored_runs(folder / "kbnd.sqlite")
    is_fresh = runs["arm"] == "best_fresh_seeds"
    assert runs.loc[is_fresh, ["test_accuracy", "test_loss"]].notna().all(axis=None)
    assert runs.loc[~is_fresh, ["test_accuracy", "test_loss"]].isna().all(axis=None)
    killed = tmp_path / "killed"
    with pytest.raises(Killed):
        searched(killed, Scripted(kill_after=4 * EPOCHS), max_trials=3)
    runs = stored_runs(killed / "kbnd.sqlite").query("status == 'done'")
    assert len(runs) == 3
    assert runs["test_accuracy"].isna().all()
    run = stored_run(killed / "kbnd.sqlite", runs["run_id"].iloc[0])
    assert (run.status, run.test_accuracy, run.val_accuracy is None) == ("done", None, False)
    assert "what it reaches on test images is not shown" in " ".join(run_table(run).notes)


def test_a_search_that_was_stopped_says_so(tmp_path: Path) -> None:
    engine = Scripted()
    stop = {"should_stop": lambda: engine.n_epochs > 3 * EPOCHS}
    result = searched(tmp_path, engine, max_trials=5, **stop)
    assert "Stopped before its end: the same search, called again, goes on." in result.tables()[0].notes
    assert "Stopped before its end" in result.recipe()
    assert "unfinished" in set(result.trials["status"])
    whole = searched(tmp_path, Scripted(), max_trials=5)
    assert "Stopped" not in " ".join(whole.tables()[0].notes)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"oracle": "hyperband", "lr": "0.1", "dropout": "0.4"}, "hyperband draws 3 candidates at once"),
        ({"search_seed": 2**32}, "search_seed should be at most 4,294,967,295"),
        ({"seeds": 2.5}, "seeds should be a whole number from 1, received 2.5"),
        ({"oracle": "hyperband", "looked_for": "time_to_accuracy:0.5"}, "trains candidates for 1"),
    ],
)
def test_what_is_refused_takes_no_name_and_no_place(tmp_path: Path, options: dict, sentence: str) -> None:
    usual = {"name": "mine", "oracle": "random", "max_trials": 2}
    searched(tmp_path, Scripted(), **usual)
    with pytest.raises(UsageError, match=sentence):
        searched(tmp_path, Scripted(), is_fresh=True, **usual | {"max_trials": None} | options)
    assert len(searched(tmp_path, Scripted(), **usual).trials) == 2


def test_fresh_runs_of_an_earlier_best_are_not_those_of_the_best(tmp_path: Path) -> None:
    few = searched(tmp_path, Scripted(), max_trials=1)
    many = searched(tmp_path, Scripted(), max_trials=12)
    assert few.best_trial != many.best_trial
    fresh = stored_runs(tmp_path / "kbnd.sqlite", study=many.name).query("arm == 'best_fresh_seeds'")
    assert set(fresh["recipe_id"]) == {many.best.recipe_id}
    assert compare_ledger(tmp_path / "kbnd.sqlite", study=many.name).comparison["baseline"].iloc[0] == (
        f"trial{many.best_trial:03d}"
    )


def test_the_seed_of_the_best_recipe_was_never_tested(tmp_path: Path) -> None:
    options = {"max_trials": 2, "seeds": 1}
    many = searched(tmp_path, Scripted(), test_seeds=5, **options)
    assert many.unused_seed == 7
    few = searched(tmp_path, Scripted(), test_seeds=1, **options)
    assert few.unused_seed == 7
    assert recipe.to_toml(few.best, seed=7).splitlines()[0] in few.recipe()


def test_hours_do_not_end_what_has_ended(tmp_path: Path) -> None:
    options = {**GRID, "lr": "0.03", "dropout": "0.1", "seeds": 1}
    assert searched(tmp_path, Scripted(), max_hours=1e-9, **options).is_out_of_hours
    two = searched(tmp_path, Scripted(), max_hours=1.0, **options)
    assert len(two.trials) == 2
    assert not searched(tmp_path, Scripted(), max_hours=1e-9, **options).is_out_of_hours
