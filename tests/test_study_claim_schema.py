"""The `[[claims]]` of a study: what can be claimed, and what is refused before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from study_files import GROUPED, grouped, write_tiny

from kbnd.errors import UsageError
from kbnd.study.claims import Claim
from kbnd.study.definition import Study, read
from kbnd.study.protocol import unmet
from kbnd.study.rules import Test

BETTER = {"metric": "test_accuracy", "rule": "superiority", "contrast": {"bn": 1, "plain": -1}, "margin": 0.001}

TREND = {"rule": "trend", "contrast": {}, "margin": 0}
DIFFERENCES = [{"bn": 1, "plain": -1}, {"tanh+bn": 1, "tanh": -1}, {"long": 1, "plain": -1}]
SPREAD = {"contrast": {}, "statistic": "sd", "more": ["plain", "long"], "less": ["bn", "tanh+bn"]}


def problems_of(study: Study) -> list[str]:
    return unmet(study.claims, training=study.faithful_training(), seeds=study.seeds)


def claim(**fields: Any) -> Claim:
    return Claim(**{"id": "mine", "statement": "BN is better", "tests": [BETTER], **fields})


def comparison(**fields: Any) -> Test:
    return Test(**{**BETTER, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"contrast": {"both": 1, "bn": -1, "dropout": -1, "plain": 1}},
        {"contrast": {"bn": 0.5, "tanh+bn": 0.5, "plain": -1}},
        {"rule": "equivalence"},
        {**TREND, "ordered": ["plain", "bn", "long"]},
        {**TREND, "ordered": ["plain", "bn", "long"], "metric": "epochs_to_0.98"},
        {**TREND, "ordered": DIFFERENCES},
        {**TREND, "ordered": DIFFERENCES, "margin": 0.01},
        {**TREND, "ordered": ["plain", "bn", "long"], "metric": "epoch_s", "margin": 0.05},
        SPREAD,
        {**SPREAD, "rule": "equivalence", "less": ["bn", "plain"]},
        {**SPREAD, "rule": "at_least", "value": 0.0, "margin": 0},
        {"rule": "ranks", "metric": "epochs_to_0.98", "margin": 0.25},
        {"rule": "ranks", "metric": "instability_5"},
        {"rule": "time", "metric": "epoch_s", "margin": 0.05},
        {"rule": "time_equivalence", "metric": "fit_s", "margin": 0.05},
        {"rule": "at_most", "metric": "best_epoch", "contrast": {"bn": 1}, "value": 3, "margin": 0},
        {"rule": "at_least", "metric": "aulc", "value": -0.01, "margin": 0},
    ],
)
def test_every_rule_can_be_written_and_comes_back_from_json(fields: dict[str, Any]) -> None:
    test = comparison(**fields)
    assert Test.model_validate_json(test.model_dump_json()) == test


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"metric": "accuracy"}, "unknown metric 'accuracy'"),
        ({"rule": "better"}, "rule should be 'superiority', 'equivalence', 'ranks', 'trend'"),
        ({"contrast": {"bn": 1, "plain": -0.5}}, "needs weights that add up to 0, received a sum of 0.5"),
        ({"contrast": {"bn": 0, "plain": 0}}, "needs weights, received zeros alone"),
        ({"contrast": {}}, "needs a contrast, arm -> weight"),
        ({"ordered": ["plain", "bn", "long"]}, "needs a contrast, arm -> weight, or `statistic`"),
        ({"rule": "trend", "margin": 0}, "needs `ordered` with 3 or more different arms"),
        ({**TREND, "ordered": ["bn", "plain"]}, "needs `ordered` with 3 or more"),
        ({**TREND, "ordered": ["bn", "plain", "bn"]}, "needs `ordered` with 3 or more"),
        ({**TREND, "ordered": ["bn", "plain", {"long": 1, "plain": -1}]}, "or as many different contrasts"),
        ({**TREND, "ordered": [*DIFFERENCES[:2], DIFFERENCES[0]]}, "or as many different contrasts"),
        ({**TREND, "ordered": [*DIFFERENCES[:2], {"long": 1}]}, "needs weights that add up to 0, received a sum of 1"),
        ({**TREND, "ordered": [*DIFFERENCES[:2], {"long": 0}]}, "needs weights, received zeros alone"),
        (
            {**TREND, "ordered": ["plain", "bn", "long"], "metric": "epochs_to_0.9", "margin": 0.1},
            "has no margin of runs that may never get there, received 0.1",
        ),
        ({"rule": "at_most", "value": 0.5}, "has no margin, received 0.001"),
        ({**SPREAD, "contrast": {"bn": 1, "plain": -1}}, "and nothing beside it"),
        ({**SPREAD, "ordered": ["plain", "bn", "long"]}, "and nothing beside it"),
        ({"more": ["plain", "long"]}, "and nothing beside it"),
        ({**SPREAD, "more": ["plain"], "less": ["bn"]}, "each 2 or more different arms and equally many"),
        ({**SPREAD, "more": ["plain", "long", "tanh"]}, "each 2 or more different arms and equally many"),
        ({**SPREAD, "more": ["plain", "plain"]}, "each 2 or more different arms and equally many"),
        ({**SPREAD, "statistic": None}, "needs a contrast, arm -> weight, or `statistic` with `more` and `less`"),
        ({**SPREAD, "statistic": "variance"}, "statistic should be 'sd' or 'range'"),
        ({**SPREAD, "rule": "ranks"}, "needs a contrast, arm -> weight, and nothing beside it"),
        ({"rule": "ranks", "contrast": {"bn": 0.5, "tanh": 0.5, "plain": -1}}, "needs two arms, weights 1 and -1"),
        ({"rule": "equivalence", "margin": 0}, "needs a margin above 0"),
        ({"margin": -0.1}, "margin should be greater than or equal to 0"),
        ({"rule": "time"}, "the rules time, time_equivalence and the times epoch_s, fit_s belong together"),
        ({"metric": "epoch_s"}, "belong together"),
        ({"rule": "at_most", "margin": 0}, "the rules at_most, at_least need a `value`"),
        ({"rule": "ranks", "metric": "epoch_s"}, "belong together"),
        ({"value": 0.5}, "the others have none"),
        ({"contrst": {}}, "unknown field 'contrst' (did you mean 'contrast'?)"),
    ],
)
def test_a_comparison_that_nobody_could_decide_is_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        comparison(**fields)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"rule": "equivalence"},
        {"rule": "at_least", "value": 2.5, "margin": 0},
        SPREAD,
        {**TREND, "ordered": DIFFERENCES},
    ],
)
def test_a_number_that_may_be_only_a_bound_is_compared_by_ranks_alone(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as error:
        comparison(**{"metric": "epochs_to_0.98", **fields})
    assert "cannot be: runs that never get there have a rank and no number: take `ranks`, or `trend`" in str(
        error.value
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "S0-C12"},
        {"id": "S3-C3a", "core": True, "prior": "supported", "seeds": 20, "place": "table 2"},
        {"needs": "exact", "tests": [], "test": "tests/test_models_counts.py::test_parameters"},
        {"needs": "probe", "tests": [], "probe": "P4: largest stable learning rate"},
        {"tests": [BETTER, {**BETTER, "metric": "val_accuracy"}]},
    ],
)
def test_a_claim_says_what_decides_it(fields: dict[str, Any]) -> None:
    assert claim(**fields).statement == "BN is better"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"id": "S0-12"}, "ids of the source reports read like S0-C12"),
        ({"id": "S4-C3d"}, "ids of the source reports read like S0-C12"),
        ({"id": "a b"}, "id should be 1 to 64 letters"),
        ({"statement": ""}, "statement should have at least 1 character"),
        (
            {"tests": []},
            "a claim that needs 'arms' should say `tests` and nothing else of tests, test, probe, received none",
        ),
        ({"needs": "exact"}, "should say `test` and nothing else of tests, test, probe, received tests"),
        (
            {"needs": "exact", "tests": [], "test": "test_x"},
            "a test reads tests/test_x.py::test_name, received 'test_x'",
        ),
        ({"needs": "probe", "probe": "P4"}, "received tests, probe"),
        ({"needs": "luck"}, "needs should be 'arms', 'exact' or 'probe'"),
        ({"seeds": 0}, "seeds should be greater than or equal to 1"),
    ],
)
def test_a_claim_without_its_evidence_is_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        claim(**fields)
    assert sentence in str(error.value)


def test_a_claim_knows_the_arms_it_stands_on() -> None:
    more = {"metric": "aulc", "rule": "trend", "ordered": ["plain", "long", "tanh"]}
    assert claim(tests=[BETTER, more]).arms == ("bn", "plain", "long", "tanh")
    assert comparison(**TREND, ordered=DIFFERENCES).arms == ("bn", "plain", "tanh+bn", "tanh", "long")
    assert comparison(**SPREAD).arms == ("plain", "long", "bn", "tanh+bn")


def test_a_study_holds_its_claims_and_names_the_one_that_is_wrong() -> None:
    one = {"id": "one", "statement": "BN is better", "tests": [BETTER]}
    assert grouped(claims=[one]).claims[0].tests[0].margin == 0.001
    for wrong, sentence in (
        ([one, one], "two claims are called 'one'"),
        ([one, {**one, "id": "two", "tests": [{**BETTER, "metric": "x"}]}], "claim 'two': unknown metric 'x'"),
        (
            [{**one, "tests": [{**BETTER, "contrast": {"bn": 1, "palin": -1}}]}],
            "unknown arm 'palin' (did you mean 'plain'",
        ),
    ):
        with pytest.raises(UsageError) as error:
            grouped(claims=wrong)
        assert sentence in str(error.value)


def test_every_form_names_arms_that_the_study_has() -> None:
    for fields, unknown in (
        ({**TREND, "ordered": [*DIFFERENCES[:2], {"long": 1, "plan": -1}]}, "plan"),
        ({**SPREAD, "less": ["bn", "bm"]}, "bm"),
    ):
        one = {"id": "one", "statement": "BN is better", "tests": [{**BETTER, **fields}]}
        with pytest.raises(UsageError, match=f"unknown arm '{unknown}'"):
            grouped(claims=[one])


def test_ranks_need_seeds_enough_to_tell_arms_apart() -> None:
    one = {"id": "one", "statement": "BN is better", "tests": [{**BETTER, "rule": "ranks"}]}
    assert problems_of(grouped(claims=[one], seeds=6)) == []
    assert problems_of(grouped(claims=[{**one, "seeds": 6}], seeds=3)) == []
    sentences = ["claim 'one' is decided by ranks, which needs 6 or more seeds, has 5"]
    assert problems_of(grouped(claims=[one], seeds=5)) == sentences
    assert problems_of(grouped(claims=[{**one, "seeds": 5}], seeds=10)) == sentences


def test_every_form_needs_the_curves_of_all_its_arms() -> None:
    one = {"id": "one", "statement": "BN learns faster", "tests": [{**BETTER, **SPREAD, "metric": "aulc"}]}
    without = {"epochs": 5}
    assert len(problems_of(grouped(claims=[one], train=without))) == 4
    one["tests"] = [{**BETTER, **TREND, "ordered": DIFFERENCES, "metric": "aulc"}]
    assert len(problems_of(grouped(claims=[one], train=without))) == 5


def test_claims_on_curves_need_the_curves() -> None:
    gain = {**BETTER, "metric": "aulc"}
    claims = [{"id": "one", "statement": "BN learns faster", "tests": [gain]}]
    assert problems_of(grouped(claims=claims)) == []
    without = grouped(claims=claims, train={"epochs": 5})
    assert problems_of(without) == [
        "claim 'one' looks at aulc of arm 'bn': for that [train] needs test_curve = true",
        "claim 'one' looks at aulc of arm 'plain': for that [train] needs test_curve = true",
    ]
    in_preset = grouped(claims=claims, train={}, presets={"faithful": {"train": {"test_curve": True}}})
    assert problems_of(in_preset) == []
    of_one_arm = [*GROUPED["arms"][:1], {**GROUPED["arms"][1], "train": {"test_curve": False}}, *GROUPED["arms"][2:]]
    assert len(problems_of(grouped(claims=claims, arms=of_one_arm))) == 1


def test_a_users_file_with_such_a_claim_is_refused_in_one_sentence(tmp_path: Path) -> None:
    file = write_tiny(tmp_path)
    lines = """
[[claims]]
id = "faster"
statement = "BN learns faster"
tests = [{ metric = "aulc", rule = "superiority", contrast = { bn = 1, plain = -1 } }]
"""
    file.write_text(file.read_text() + lines)
    with pytest.raises(UsageError) as error:
        read(file)
    assert str(error.value) == (
        f"the study {file}: claim 'faster' looks at aulc of arm 'bn': for that [train] needs test_curve = true"
    )
    file.write_text(file.read_text().replace("epochs = 2", "epochs = 2\ntest_curve = true"))
    assert read(file).claims[0].id == "faster"
