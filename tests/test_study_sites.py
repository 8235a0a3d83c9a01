"""Sites in a study and in plans: shared by all arms, named by one, and moved by a placement; nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from study_files import GROUPED, grouped, study

from kbnd.errors import UsageError
from kbnd.execution.settings import Settings
from kbnd.report.table import to_text
from kbnd.spec import ModelSpec
from kbnd.study.choices import Choices, decide
from kbnd.study.preview import preview
from kbnd.study.preview_tables import preview_tables
from kbnd.tuning import space_for
from kbnd.tuning.budget import budget
from kbnd.tuning.plan import plan_search
from kbnd.tuning.plan_tables import plan_table

DEFINITIONS = {
    "lenet_grid": "0f969fb628036c39",
    "lenet_placement": "f80f58994973bba6",
    "lenet_factorial": "700749b467b15918",
    "cnn_depth": "ef6a6d621ae9362d",
    "alexnet_bn": "6ad3e071dfb9f842",
    "ic_resnet": "e4408b7163af3e54",
}
"""Digest of the faithful experiment of each source: of its data and of every recipe, which run ids are made from."""

MOVED = "dropout stand before the weight layer of their unit"


def arm(name: str = "bn", **model: Any) -> dict[str, Any]:
    return {"name": name, "model": model}


def models_of(*arms: dict[str, Any], **shared: Any) -> dict[str, ModelSpec]:
    experiment = decide(grouped(model={"name": "lenet5", **shared}, arms=[{"name": "plain"}, *arms]), Choices())
    return {name: model for name, (model, _) in experiment.arms.items()}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_studies_train_what_they_always_trained(name: str) -> None:
    assert decide(study(name), Choices()).definition == DEFINITIONS[name]


def test_sites_that_all_arms_share_are_for_those_that_have_something_to_place() -> None:
    models = models_of(
        arm(batch_norm="before_activation"),
        arm("dropout", dropout=0.2),
        batch_norm_sites=["conv1"],
        batch_norm_momentum=0.5,
        dropout_sites=["conv2"],
    )
    assert models == {
        "plain": ModelSpec(name="lenet5"),
        "bn": ModelSpec(
            name="lenet5", batch_norm="before_activation", batch_norm_sites=["conv1"], batch_norm_momentum=0.5
        ),
        "dropout": ModelSpec(name="lenet5", dropout=0.2, dropout_sites=["conv2"]),
    }


@pytest.mark.parametrize(
    ("named", "shared", "sentence"),
    [
        ({"batch_norm_sites": ["conv1"]}, {}, "arm 'bn' of study 'grouped': batch_norm_sites conv1 would change"),
        ({"dropout_sites": ["conv1"]}, {}, "dropout_sites conv1 would change nothing: say a dropout rate too"),
        ({"batch_norm": "before_activation"}, {"dropout_sites": ["conv"]}, "dropout_sites conv would change nothing"),
        ({"batch_norm": "before_weight"}, {"batch_norm_sites": ["conv1", "conv2"]}, "choose from conv, dense, logits"),
    ],
)
def test_sites_that_no_arm_can_have_are_refused(named: dict, shared: dict, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        models_of(arm(**named), **shared)


@pytest.mark.parametrize("placement", ["before_activation", "before_weight"])
def test_a_plan_says_that_before_weight_moves_dropout_too(tmp_path: Path, placement: str) -> None:
    settings = Settings(ledger=tmp_path / "none.sqlite")
    arms = [*GROUPED["arms"][:1], arm(batch_norm=placement, dropout=0.5)]
    of_study = preview_tables(preview(decide(grouped(data={"name": "digits"}, arms=arms), Choices()), settings))
    search = plan_search(space_for("lenet5", dataset="digits", batch_norm=f"none,{placement}"), settings)
    of_search = [plan_table(search, budget(search, settings, test_seeds=0))]
    for tables in (of_study, of_search):
        assert (MOVED in " ".join("".join(map(to_text, tables)).split())) == (placement == "before_weight")
