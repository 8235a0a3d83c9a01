"""The `[[claims]]` of a study: what can be claimed, and what is refused before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from study_files import GROUPED, grouped, write_tiny

from kbnd.errors import UsageError
from kbnd.study.claims import Claim, Test, unmet
from kbnd.study.definition import read

BETTER = {"metric": "test_accuracy", "rule": "superiority", "contrast": {"bn": 1, "plain": -1}, "margin": 0.001}


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
        {"rule": "trend", "contrast": {}, "ordered": ["plain", "bn", "long"]},
        {"rule": "time", "metric": "epoch_s", "margin": 0.05},
        {"rule": "time_equivalence", "metric": "fit_s", "margin": 0.05},
        {"rule": "at_most", "metric": "best_epoch", "contrast": {"bn": 1}, "value": 3},
        {"rule": "at_least", "metric": "epochs_to_0.98", "value": 2.5},
    ],
)
def test_every_rule_can_be_written_and_comes_back_from_json(fields: dict[str, Any]) -> None:
    test = comparison(**fields)
    assert Test.model_validate_json(test.model_dump_json()) == test


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"metric": "accuracy"}, "unknown metric 'accuracy'"),
        ({"rule": "better"}, "rule should be 'superiority', 'equivalence', 'trend'"),
        ({"contrast": {"bn": 1, "plain": -0.5}}, "needs weights that add up to 0, received a sum of 0.5"),
        ({"contrast": {"bn": 0, "plain": 0}}, "needs a contrast, arm -> weight"),
        ({"contrast": {}}, "needs a contrast"),
        ({"ordered": ["plain", "bn", "long"]}, "needs a contrast, arm -> weight, and no `ordered`"),
        ({"rule": "trend"}, "needs `ordered` with 3 or more different arms"),
        ({"rule": "trend", "contrast": {}, "ordered": ["bn", "plain"]}, "needs `ordered` with 3 or more"),
        ({"rule": "trend", "contrast": {}, "ordered": ["bn", "plain", "bn"]}, "needs `ordered` with 3 or more"),
        ({"rule": "equivalence", "margin": 0}, "needs a margin above 0"),
        ({"margin": -0.1}, "margin should be greater than or equal to 0"),
        ({"rule": "time"}, "the rules time, time_equivalence and the times epoch_s, fit_s belong together"),
        ({"metric": "epoch_s"}, "belong together"),
        ({"rule": "at_most"}, "the rules at_most, at_least need a `value`"),
        ({"value": 0.5}, "the others have none"),
        ({"contrst": {}}, "unknown field 'contrst' (did you mean 'contrast'?)"),
    ],
)
def test_a_comparison_that_nobody_could_decide_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as error:
        comparison(**fields)
    assert said in str(error.value)


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
    ("fields", "said"),
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
def test_a_claim_without_its_evidence_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as error:
        claim(**fields)
    assert said in str(error.value)


def test_a_claim_knows_the_arms_it_stands_on() -> None:
    more = {"metric": "aulc", "rule": "trend", "ordered": ["plain", "long", "tanh"]}
    assert claim(tests=[BETTER, more]).arms == ("bn", "plain", "long", "tanh")


def test_a_study_holds_its_claims_and_names_the_one_that_is_wrong() -> None:
    one = {"id": "one", "statement": "BN is better", "tests": [BETTER]}
    assert grouped(claims=[one]).claims[0].tests[0].margin == 0.001
    for wrong, said in (
        ([one, one], "two claims are called 'one'"),
        ([one, {**one, "id": "two", "tests": [{**BETTER, "metric": "x"}]}], "claim 'two': unknown metric 'x'"),
        (
            [{**one, "tests": [{**BETTER, "contrast": {"bn": 1, "palin": -1}}]}],
            "unknown arm 'palin' (did you mean 'plain'",
        ),
    ):
        with pytest.raises(UsageError) as error:
            grouped(claims=wrong)
        assert said in str(error.value)


def test_claims_on_curves_need_the_curves() -> None:
    gain = {**BETTER, "metric": "aulc"}
    claims = [{"id": "one", "statement": "BN learns faster", "tests": [gain]}]
    assert unmet(grouped(claims=claims)) == []
    without = grouped(claims=claims, train={"epochs": 5})
    assert unmet(without) == [
        "claim 'one' looks at aulc of arm 'bn': for that [train] needs test_curve = true",
        "claim 'one' looks at aulc of arm 'plain': for that [train] needs test_curve = true",
    ]
    in_preset = grouped(claims=claims, train={}, presets={"faithful": {"train": {"test_curve": True}}})
    assert unmet(in_preset) == []
    of_one_arm = [*GROUPED["arms"][:1], {**GROUPED["arms"][1], "train": {"test_curve": False}}, *GROUPED["arms"][2:]]
    assert len(unmet(grouped(claims=claims, arms=of_one_arm))) == 1


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
