"""Plans of searches: what cannot be searched is refused before anything is opened, and what ends a search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kbnd.errors import UsageError
from kbnd.execution.settings import Settings
from kbnd.models import lenet5
from kbnd.tuning import space_for
from kbnd.tuning.asker import Asker
from kbnd.tuning.budget import expected
from kbnd.tuning.oracles import ORACLES, hyperband_rounds
from kbnd.tuning.plan import SearchPlan, plan_search
from kbnd.tuning.plan_tables import plan_rows
from kbnd.tuning.tune import tune


def planned(
    folder: Path, *, executor: str = "inline", lr: str = "1e-3..1", dropout: str = "0..0.8", **options: Any
) -> SearchPlan:
    """A plan of three epochs; `options` are arguments of `plan_search`."""
    space = space_for("lenet5", dataset="digits", batch_norm="none,before_activation", dropout=dropout, lr=lr, epochs=3)
    settings = Settings(ledger=folder / "kbnd.sqlite", executor=executor)
    return plan_search(space, settings, **{"max_trials": 12, "oracle": "random", **options})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"max_trials": 0}, "max_trials should be a whole number from 1, received 0"),
        ({"seeds": 0}, "seeds should be a whole number from 1, received 0"),
        ({"max_hours": 0}, "max_hours should be a number above 0, received 0"),
        ({"oracle": "tpe"}, "unknown oracle 'tpe'"),
        ({"looked_for": "test_accuracy"}, "unknown objective 'test_accuracy'"),
        ({"looked_for": "accuracy_per_joule"}, "no run would have a score"),
        ({"oracle": "hyperband", "is_pruned": True}, "gives up candidates itself"),
        ({"name": "a/b"}, "name should be"),
        ({"oracle": "hyperband", "max_trials": 2}, r"needs \d+ candidates for a sweep"),
        ({"executor": "processes:2", "looked_for": "time_to_accuracy:0.5"}, "measured by the clock"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_sentence(tmp_path: Path, options: dict, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        planned(tmp_path, **options)
    assert not (tmp_path / "kbnd.sqlite").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"oracle": "bayes"}, r"unknown oracle 'bayes' \(did you mean 'bayesian'\?\)"),
        ({"seed": 0}, r"the seed of a search should be a whole number from 1, received 0"),
        ({"direction": "up"}, r"unknown direction 'up'"),
        ({"oracle": "hyperband", "max_epochs": 2}, r"hyperband needs at least 3 epochs"),
    ],
)
def test_an_oracle_that_cannot_be_meant_is_refused(options: dict[str, Any], sentence: str) -> None:
    space = space_for("lenet5", dataset="digits", batch_norm="none", epochs=9)
    with pytest.raises(UsageError, match=sentence):
        Asker(space, **{"oracle": "random", "direction": "max", "seed": 1, "max_epochs": 5, **options})


def test_hyperband_refuses_rounds_that_no_run_can_have() -> None:
    stepped = space_for(
        "lenet5",
        dataset="digits",
        epochs=9,
        changes={"train.schedule": "step", "train.milestones": [5], "train.multipliers": [0.1]},
    )
    with pytest.raises(UsageError, match="milestones should lie below the 1 epochs trained"):
        ORACLES["hyperband"].check(stepped, 9)


def test_a_huge_grid_wants_to_be_insisted_on(tmp_path: Path) -> None:
    many = ",".join(str(round(0.0005 * i, 4)) for i in range(1, 510))
    with pytest.raises(UsageError, match=r"the grid has \d\d,\d{3} points, more than 10,000.*--yes"):
        planned(tmp_path, oracle="grid", max_trials=None, lr=many)


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


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize(("max_trials", "max_hours"), [(None, None), (7, None), (40, None), (None, 1.0)])
def test_runs_and_epochs_of_a_budget_are_those_of_the_rounds(
    tmp_path: Path, oracle: str, max_trials: int | None, max_hours: float | None
) -> None:
    plan = planned(tmp_path, oracle=oracle, max_trials=max_trials, max_hours=max_hours)
    sweep = [epochs for n, epochs in hyperband_rounds(3) for _ in range(n)] if oracle == "hyperband" else [3] * 200
    n_trials = max_trials or {"grid": 200, "hyperband": len(sweep)}.get(oracle, 20)
    epochs = (sweep * 10)[:n_trials]
    is_endless = max_hours is not None and oracle != "grid"
    assert plan.is_endless == is_endless
    assert expected(plan) == (
        {"n_runs": 0, "n_epochs": 0} if is_endless else {"n_runs": 2 * n_trials, "n_epochs": 2 * sum(epochs)}
    )


def test_what_is_fixed_by_site_is_said(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text("[model.dropout]\nconv = { min = 0.0, max = 0.5 }\ndense = 0.5")
    for options in ({"file": file}, {"dropout": "0.3"}):
        space = space_for("lenet5", dataset="digits", **options)
        plan = plan_search(space, Settings(ledger=Path("none.sqlite")))
        fixed = dict(plan_rows(plan))["Fixed"]
        assert ("dropout.dense 0.5" in fixed) == ("file" in options)


def test_a_space_says_everything_itself(tmp_path: Path) -> None:
    space = space_for("lenet5", dataset="digits", epochs=1)
    with pytest.raises(UsageError, match=r"a Space says lr itself: leave out lr = '0.1'"):
        tune(space=space, lr="0.1", ledger=tmp_path / "kbnd.sqlite")


def build_model() -> None:
    """Stands for a person's own function."""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            (build_model,),
            r"^model should be the name of a network, lenet5, .*, received build_model: keras-tuner's",
        ),
        ((lenet5,), r"received lenet5 \(did you mean 'lenet5'\?\): keras-tuner's own tuners"),
        ((7,), r"received int: keras-tuner's own tuners, such as keras_tuner.RandomSearch"),
    ],
)
def test_what_is_no_name_of_a_network_is_answered_with_what_takes_it(
    tmp_path: Path, arguments: tuple, sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        tune(*arguments, ledger=tmp_path / "kbnd.sqlite")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"space": build_model}, "space should be a Space or the name of a space file, received function"),
        ({"changes": "data.n_train"}, "changes should be a mapping of paths to values, received 'data.n_train'"),
    ],
)
def test_a_space_of_another_kind_is_refused(tmp_path: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        tune("lenet5", **options, ledger=tmp_path / "kbnd.sqlite")
