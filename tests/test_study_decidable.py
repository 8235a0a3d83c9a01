"""Which claims a choice of arms could decide, and what the others lack; nothing is trained."""

from __future__ import annotations

from typing import Any

import pytest
from study_files import STUDIES, grouped
from study_files import study as read

from kbnd.study.choices import Choices, decide
from kbnd.study.decidable import Decidable, decidable


def compared(arm: str, other: str, metric: str = "test_accuracy", rule: str = "superiority") -> dict[str, Any]:
    return {"metric": metric, "rule": rule, "contrast": {arm: 1, other: -1}}


def claim(name: str, *tests: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "statement": "It helps", "tests": list(tests)}


def could_decide(*claims: dict[str, Any], study: dict[str, Any] | None = None, **choices: Any) -> Decidable:
    whole = grouped(claims=list(claims), **(study or {}))
    return decidable(whole, decide(whole, Choices(**choices)))


BN = claim("bn", compared("bn", "plain"))
TANH = claim("tanh", compared("tanh", "plain"))
LONG = claim("long", compared("long", "plain", "aulc"))
PROBE = {"id": "probe", "statement": "It shifts", "needs": "probe", "probe": "P3"}


def test_a_claim_can_be_decided_where_all_its_arms_are_trained() -> None:
    both = claim("both", compared("bn", "plain"), compared("tanh", "plain"))
    assert could_decide(BN, TANH, both).ids == ("bn",)
    assert could_decide(BN, TANH, both, arms=("bn", "tanh")).ids == ("bn", "tanh", "both")
    assert could_decide(BN, TANH, both, arms=("tanh",)).lacking == {"other arms": 2}


def test_what_no_run_decides_is_told_apart() -> None:
    assert could_decide(BN, PROBE, TANH).lacking == {"other arms": 1, "a unit test or probe": 1}


def test_arms_that_the_users_epochs_make_one_recipe_decide_nothing() -> None:
    assert could_decide(LONG, arms=("long",)).ids == ("long",)
    assert could_decide(LONG, arms=("long",), epochs=3).lacking == {"arms that differ": 1}


@pytest.mark.parametrize(
    ("metric", "train", "is_met"),
    [
        ("aulc", {}, True),
        ("loss_gap", {"n_train_eval": 100}, True),
        ("loss_gap", {}, False),
        ("median_last_4", {}, True),
        ("median_last_4", {"epochs": 3}, False),
        ("accuracy_at_4", {"epochs": 3}, False),
        ("epoch_cv", {"epochs": 2}, False),
        ("epoch_cv", {"epochs": 3}, True),
    ],
)
def test_a_metric_needs_its_curves_and_epochs(metric: str, train: dict[str, Any], is_met: bool) -> None:
    curve = claim("curve", compared("bn", "plain", metric))
    lack = could_decide(curve, study={"presets": {"other": {"train": train}}}, preset="other").lacking
    assert lack == ({} if is_met else {"curves or more epochs": 1})


def test_a_time_needs_two_epochs_and_the_control() -> None:
    slower = claim("slower", compared("bn", "plain", "epoch_s", "time"))
    assert could_decide(slower).ids == ("slower",)
    assert could_decide(slower, epochs=1).lacking == {"curves or more epochs": 1}
    assert could_decide(slower, study={"control": False}).lacking == {"the A/A control": 1}


def test_only_rules_that_hold_a_time_against_the_control_need_it() -> None:
    slowest = claim("slowest", {"metric": "epoch_s", "rule": "trend", "ordered": ["plain", "bn", "tanh"]})
    quick = claim("quick", {"metric": "epoch_s", "rule": "at_most", "contrast": {"bn": 1}, "value": 60.0})
    alike = claim("alike", compared("bn", "plain", "epoch_s", "time_equivalence") | {"margin": 0.05})
    result = could_decide(slowest, quick, alike, study={"control": False}, arms=("bn", "tanh"))
    assert (result.ids, result.lacking) == (("slowest", "quick"), {"the A/A control": 1})


def test_where_validation_chooses_a_claim_about_test_images_needs_them() -> None:
    curve, gap = (claim(metric, compared("bn", "plain", metric)) for metric in ("aulc", "accuracy_gap"))
    by_val = claim("by_val", compared("bn", "plain", "val_accuracy"))
    presets = {"validation": {"train": {"test_curve": False}}}
    result = could_decide(BN, curve, gap, by_val, study={"presets": presets}, preset="validation")
    assert (result.ids, result.lacking) == (("by_val",), {"test images": 3})


def test_one_seed_decides_nothing_and_ranks_need_six() -> None:
    ranked = claim("ranked", compared("bn", "plain", rule="ranks"))
    rises = claim("rises", {"metric": "test_accuracy", "rule": "trend", "ordered": ["plain", "bn", "tanh"]})
    arms = {"arms": ("bn", "tanh")}
    assert could_decide(BN, ranked, rises, seeds=1, **arms).lacking == {"more seeds": 3}
    assert could_decide(BN, ranked, rises, seeds=2, **arms).ids == ("bn",)
    assert could_decide(BN, ranked, rises, seeds=3, **arms).ids == ("bn", "rises")
    assert could_decide(BN, ranked, rises, seeds=6, **arms).lacking == {}


def test_one_line_says_it_to_a_person() -> None:
    few = Decidable(("S1-C12",), {"other arms": 8, "a unit test or probe": 3})
    assert few.in_words() == (
        "Claims that these arms can decide: S1-C12 (1 of 12; 8 need other arms, 3 need a unit test or probe)."
    )
    assert Decidable((), {"more seeds": 1}).in_words().endswith("decide: none (0 of 1; 1 needs more seeds).")
    assert Decidable(("a", "b")).in_words().endswith("decide: a, b (2 of 2).")
    assert Decidable().in_words() == ""


def test_an_experiment_carries_that_line() -> None:
    assert decide(grouped(), Choices()).claims == ""
    assert decide(grouped(claims=[BN]), Choices()).claims.endswith("bn (1 of 1).")


def test_the_decisive_preset_decides_what_it_is_for() -> None:
    study = read("ic_resnet")
    assert decidable(study, decide(study, Choices(preset="decisive"))).ids == ("S1-C12",)
    assert decidable(study, decide(study, Choices(preset="scaled"))).ids == ()


def test_every_claim_about_arms_can_be_decided_by_all_arms() -> None:
    for name in STUDIES:
        study = read(name)
        needed = tuple(claim.id for claim in study.claims if claim.needs == "arms")
        assert decidable(study, decide(study, Choices(arms=("all",), seeds=10))).ids == needed, name
