"""Searches end with the same table however often they are killed, and never count what did not end."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scripted_search import EPOCHS, Killed, Scripted, searched, told_scores

from kbnd import recipe
from kbnd.errors import ResumeMismatchError, UsageError
from kbnd.execution.settings import Settings
from kbnd.ledger import Reader
from kbnd.report.comparison import compare_ledger
from kbnd.report.runs import run_table, stored_run, stored_runs
from kbnd.spec import RunSpec
from kbnd.tuning.budget import expected
from kbnd.tuning.defaults import space_for
from kbnd.tuning.held import Stored, stored
from kbnd.tuning.plan import plan_search
from kbnd.tuning.report import plan_rows
from kbnd.tuning.tune import tune

pytestmark = pytest.mark.backend
__test__ = os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"  # nothing is trained: one backend is enough

GRID = {"oracle": "grid", "lr": "0.001,0.03,1", "dropout": "0,0.4", "max_trials": None}
ORACLES = {
    "random": {"oracle": "random"},
    "grid": GRID,
    "bayesian": {"oracle": "bayesian", "max_trials": 11},
    "hyperband": {"oracle": "hyperband", "max_trials": None},
}


@pytest.mark.parametrize(
    ("oracle", "objective"), [*((name, "val_accuracy") for name in ORACLES), ("bayesian", "val_loss")]
)
def test_a_search_killed_again_and_again_ends_with_the_table_of_one_that_never_was(
    tmp_path: Path, oracle: str, objective: str
) -> None:
    chosen = {**ORACLES[oracle], "looked_for": objective}
    whole = searched(tmp_path / "whole", Scripted(), **chosen)
    engines, result = [], None
    while result is None:
        engines.append(Scripted(kill_after=11 + 17 * len(engines)))
        try:
            result = searched(tmp_path / "killed", engines[-1], **chosen)
        except Killed:
            assert len(engines) < 30
    assert len(engines) > 1
    pd.testing.assert_frame_equal(result.trials, whole.trials)
    assert result.best == whole.best
    trained = [run for engine in engines for run in engine.trained]
    assert len(trained) == len(set(trained)), "a finished run was trained again"


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
    chosen = {**GRID, "lr": "0.03,1"}
    result = searched(tmp_path, Scripted(), **chosen)
    diverged = result.trials[result.trials["status"] == "diverged"]
    assert set(diverged["learning_rate"]) == {1.0}
    assert diverged["score"].isna().all()
    assert (diverged["n_seeds"] == 0).all()
    assert result.best.train.learning_rate == 0.03
    told = told_scores(tmp_path, result.name)
    assert all(np.isfinite(list(told.values())))


def test_where_every_candidate_diverges_nothing_is_called_the_best(tmp_path: Path) -> None:
    engine = Scripted(diverges=lambda spec: True)
    result = searched(tmp_path, engine, max_trials=4)
    assert result.best is None
    assert result.recipe() == ""
    assert (result.trials["status"] == "diverged").all()
    assert "none has a score" in result.tables()[0].title


def test_a_pruned_run_is_marked_and_enters_no_statistic(tmp_path: Path) -> None:
    chosen = {"lr": "0.001..0.5", "max_trials": 20}
    whole = searched(tmp_path / "whole", Scripted(), **chosen)
    engine = Scripted()
    result = searched(tmp_path / "pruned", engine, is_pruned=True, **chosen)
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


def test_a_pruned_search_that_is_killed_ends_with_the_same_table(tmp_path: Path) -> None:
    chosen = {"lr": "0.001..0.5", "max_trials": 14, "is_pruned": True}
    whole = searched(tmp_path / "whole", Scripted(), **chosen)
    for n_epochs in (20, 30):
        with pytest.raises(Killed):
            searched(tmp_path / "cut", Scripted(kill_after=n_epochs), **chosen)
    result = searched(tmp_path / "cut", Scripted(), **chosen)
    pd.testing.assert_frame_equal(result.trials, whole.trials)


def test_what_candidates_reach_on_test_images_is_not_shown(tmp_path: Path) -> None:
    result = searched(tmp_path, Scripted(), max_trials=3)
    is_fresh = result.runs["arm"] == "best_fresh_seeds"
    assert result.runs.loc[~is_fresh, "test_accuracy"].isna().all()
    assert result.runs.loc[is_fresh, "test_accuracy"].notna().all()
    assert set(result.runs.loc[is_fresh, "seed"]) == {3, 4}


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"max_trials": 0}, "max_trials should be 1 or more, received 0"),
        ({"seeds": 0}, "seeds should be 1 or more, received 0"),
        ({"max_hours": 0}, "max_hours should be above 0"),
        ({"oracle": "tpe"}, "unknown oracle 'tpe'"),
        ({"looked_for": "test_accuracy"}, "unknown objective 'test_accuracy'"),
        ({"looked_for": "accuracy_per_joule"}, "no run would have a score"),
        ({"oracle": "hyperband", "is_pruned": True}, "gives up candidates itself"),
        ({"name": "a/b"}, "name should be"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_sentence(tmp_path: Path, chosen: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        searched(tmp_path, Scripted(), **chosen)
    assert not (tmp_path / "kbnd.sqlite").exists()


def test_the_best_recipe_is_a_file_that_makes_the_same_run(tmp_path: Path) -> None:
    result = searched(tmp_path, Scripted(), max_trials=3, seeds=1)
    (tmp_path / "best.toml").write_text(result.recipe())
    read = recipe.read(tmp_path / "best.toml")
    assert RunSpec(model=read.model, data=read.data, train=read.train).recipe_id == result.best.recipe_id
    assert read.seed == 4  # 1 chose it, 2 and 3 tested it
    assert "mean over 1 seed." in result.recipe().splitlines()[0]
    assert 'name = "digits"' in result.recipe()


def test_fewer_candidates_than_a_sweep_of_hyperband_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"needs \d+ candidates for a sweep"):
        searched(tmp_path, Scripted(), oracle="hyperband", max_trials=2)


def test_a_huge_grid_wants_to_be_insisted_on(tmp_path: Path) -> None:
    many = ",".join(str(round(0.0005 * i, 4)) for i in range(1, 1200))
    with pytest.raises(UsageError, match=r"the grid has \d\d,\d{3} points, more than 10,000.*--yes"):
        searched(tmp_path, Scripted(), oracle="grid", max_trials=None, lr=many)


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


def test_a_space_says_everything_itself(tmp_path: Path) -> None:
    space = space_for("lenet5", dataset="digits", epochs=1)
    with pytest.raises(UsageError, match=r"a Space says lr itself: leave out lr = '0.1'"):
        tune(space=space, lr="0.1", ledger=tmp_path / "kbnd.sqlite")


def test_momentum_is_of_sgd_alone_where_the_optimizer_varies(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text('[train]\noptimizer = ["sgd", "adam"]\nmomentum = [0.0, 0.9]')
    space = space_for("lenet5", dataset="digits", file=file, lr="0.01", dropout="0.1", batch_norm="none")
    values = {"train.momentum": 0.9, "train.optimizer": "adam"}
    assert space.train_spec(values).momentum == 0.0
    assert space.train_spec({**values, "train.optimizer": "sgd"}).momentum == 0.9
    assert not space.applies("train.momentum", values)


def test_a_result_says_itself_in_a_line_and_writes_what_the_command_does(tmp_path: Path) -> None:
    result = searched(tmp_path, Scripted(), max_trials=4)
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


def test_what_a_ledger_holds_of_a_search_is_known_before_it_goes_on(tmp_path: Path) -> None:
    whole = searched(tmp_path, Scripted(), max_trials=4)
    settings = Settings(ledger=tmp_path / "kbnd.sqlite")
    assert stored(whole.plan, settings) == Stored(n_candidates=4, n_ended=4, n_epochs=4 * 2 * EPOCHS)
    other = replace(whole.plan, seeds=3)
    with pytest.raises(ResumeMismatchError, match="seeds: stored 2, asked 3"):
        stored(other, settings)
    assert stored(other, settings, is_fresh=True) is not None
    assert stored(replace(whole.plan, name="another"), settings) is None
    assert stored(whole.plan, Settings(ledger=tmp_path / "none.sqlite")) is None
    (tmp_path / "empty.sqlite").touch()  # as that of a driver that is just making it
    assert stored(whole.plan, Settings(ledger=tmp_path / "empty.sqlite")) is None


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
    chosen = {"oracle": "hyperband", "lr": "0.001,0.01,0.03", "dropout": "0,0.4", "max_trials": 40}
    result = searched(tmp_path, engine, **chosen)
    assert result.trials[["learning_rate", "dropout", "batch_norm", "epochs"]].duplicated().any()
    of_candidates = result.runs[result.runs["arm"] != "best_fresh_seeds"].drop_duplicates("run_id")
    assert result.trials["wall_s"].sum() == pytest.approx(of_candidates["wall_s"].sum())
    assert not result.is_out_of_hours


@pytest.mark.parametrize(
    ("oracle", "dropout", "is_endless"),
    [("random", "0..0.8", True), ("random", "0,0.4", False), ("grid", "0..0.8", False), ("hyperband", "0,0.4", True)],
)
def test_only_hours_end_what_has_no_other_end(oracle: str, dropout: str, is_endless: bool) -> None:
    space = space_for("lenet5", dataset="digits", dropout=dropout, lr="0.001,0.01,0.1", epochs=3)
    plan = plan_search(space, Settings(ledger=Path("none.sqlite")), oracle=oracle, max_hours=1.0)
    assert plan.is_endless == is_endless
    assert expected(plan)["n_runs"] == (0 if is_endless else 2 * space.size)
    assert not replace(plan, max_trials=30).is_endless


def test_no_list_of_a_ledger_shows_what_candidates_reach_on_test(tmp_path: Path) -> None:
    searched(tmp_path, Scripted(), max_trials=3)
    runs = stored_runs(tmp_path / "kbnd.sqlite")
    is_fresh = runs["arm"] == "best_fresh_seeds"
    assert runs.loc[is_fresh, ["test_accuracy", "test_loss"]].notna().all(axis=None)
    assert runs.loc[~is_fresh, ["test_accuracy", "test_loss"]].isna().all(axis=None)
    killed = tmp_path / "killed"
    with pytest.raises(Killed):
        searched(killed, Scripted(kill_after=4 * EPOCHS), max_trials=3)
    runs = stored_runs(killed / "kbnd.sqlite").query("status == 'done'")
    assert len(runs) == 3
    assert runs["test_accuracy"].isna().all()
    shown = stored_run(killed / "kbnd.sqlite", runs["run_id"].iloc[0])
    assert (shown.status, shown.test_accuracy, shown.val_accuracy is None) == ("done", None, False)
    assert "what it reaches on test images is not shown" in " ".join(run_table(shown).notes)


def test_a_search_that_was_stopped_says_so(tmp_path: Path) -> None:
    engine = Scripted()
    stop = {"should_stop": lambda: engine.n_epochs > 3 * EPOCHS}
    result = searched(tmp_path, engine, max_trials=5, **stop)
    assert "Stopped before its end: the same search, called again, goes on." in result.tables()[0].notes
    assert "Stopped before its end" in result.recipe()
    assert "unfinished" in set(result.trials["status"])
    whole = searched(tmp_path, Scripted(), max_trials=5)
    assert "Stopped" not in " ".join(whole.tables()[0].notes)


def test_what_is_fixed_by_site_is_said(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text("[model.dropout]\nconv = { min = 0.0, max = 0.5 }\ndense = 0.5")
    for options in ({"file": file}, {"dropout": "0.3"}):
        space = space_for("lenet5", dataset="digits", **options)
        plan = plan_search(space, Settings(ledger=Path("none.sqlite")))
        said = dict(plan_rows(plan))["Fixed"]
        assert ("dropout.dense 0.5" in said) == ("file" in options)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"oracle": "hyperband", "lr": "0.1", "dropout": "0.4"}, "hyperband draws 3 candidates at once"),
        ({"search_seed": 2**32}, "search_seed should be at most 4,294,967,295"),
        ({"seeds": 2.5}, "seeds should be a whole number, received 2.5"),
        ({"oracle": "hyperband", "looked_for": "time_to_accuracy:0.5"}, "trains candidates for 1"),
    ],
)
def test_what_is_refused_takes_no_name_and_no_place(tmp_path: Path, chosen: dict, said: str) -> None:
    usual = {"name": "mine", "oracle": "random", "max_trials": 2}
    searched(tmp_path, Scripted(), **usual)
    with pytest.raises(UsageError, match=said):
        searched(tmp_path, Scripted(), is_fresh=True, **usual | {"max_trials": None} | chosen)
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
    chosen = {"max_trials": 2, "seeds": 1}
    many = searched(tmp_path, Scripted(), test_seeds=5, **chosen)
    assert many.unused_seed == 7
    few = searched(tmp_path, Scripted(), test_seeds=1, **chosen)
    assert few.unused_seed == 7
    assert recipe.to_toml(few.best, seed=7).splitlines()[0] in few.recipe()


def test_hours_do_not_end_what_has_ended(tmp_path: Path) -> None:
    chosen = {**GRID, "lr": "0.03", "dropout": "0.1", "seeds": 1}
    assert searched(tmp_path, Scripted(), max_hours=1e-9, **chosen).is_out_of_hours
    two = searched(tmp_path, Scripted(), max_hours=1.0, **chosen)
    assert len(two.trials) == 2
    assert not searched(tmp_path, Scripted(), max_hours=1e-9, **chosen).is_out_of_hours
