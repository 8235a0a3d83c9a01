"""The claims of the five reports say what their protocol asks: metric, direction, rule, practical size and seeds.

The protocol is `data/claims_protocol.txt`. Where a study has something else, or more, the protocol's row says what kind
of thing and why, in words that stand in a comment of the study too; all other kinds are as asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from study_files import FOLDER
from study_files import study as read

from kbnd.study.claims import Claim
from kbnd.study.definition import Study
from kbnd.study.rules import Test

HERE = Path(__file__).parent
STUDIES = {"S0": "lenet_grid", "S1": "ic_resnet", "S2": "lenet_placement", "S3": "cnn_depth", "S4": "alexnet_bn"}
USUAL_SIZE = {"S0": 0.001, "S1": 0.01, "S2": 0.001, "S3": 0.01, "S4": 0.01}
"""Of accuracies: 0.10 points on MNIST, 1 point on CIFAR-10 at a constant learning rate. Others have none."""

KINDS = {
    "superiority": "SUP",
    "ranks": "SUP",
    "equivalence": "EQ",
    "trend": "MONO",
    "time": "TIME",
    "time_equivalence": "TIMEEQ",
    "at_most": "PROBE",
    "at_least": "PROBE",
}
EXCUSES = {"rule", "size", "seeds", "tests"}
UNITS = {"pp": 0.01, "%": 0.01, "epoch": 1.0}
NETS = ("r110", "r164", "r110b", "r164b")
ORDERS = ("relu_ic_conv", "ic_conv_relu", "conv_relu_ic")


class Row(NamedTuple):
    """What the protocol asks for, in how many seeds; the seeds and tests declared, what of them is other and why."""

    asked: str
    seeds_asked: int | None
    seeds: int | None
    tests: list[str]
    excused: set[str]
    why: str


def study(source: str) -> Study:
    return read(STUDIES[source])


@cache
def protocol() -> Mapping[str, Row]:
    text = re.sub(r"^#.*\n", "", (HERE / "data" / "claims_protocol.txt").read_text(), flags=re.MULTILINE)
    return {match["id"]: row(match["asked"], match["rest"]) for match in re.finditer(
        r"^(?P<id>S\d-C\w+): (?P<asked>.*)\n(?P<rest>(?: {4}.*\n)*)", text, re.MULTILINE
    )}  # fmt: skip


def row(asked: str, rest: str) -> Row:
    lines = [line.strip() for line in rest.splitlines()]
    values = {
        word: line.removeprefix(f"{word} ")
        for line in lines
        for word in ("seeds", "because")
        if line.startswith(f"{word} ")
    }
    tests = [test for line in lines if not line.startswith(("seeds ", "because ")) for test in expanded(line)]
    asked, _, n = asked.partition(", ")
    seeds = int(n) if n else None
    declared = int(values["seeds"]) if "seeds" in values else seeds
    kinds, _, why = values.get("because", "").partition(": ")
    return Row(asked, seeds, declared, sorted(tests), set(kinds.split(", ")) - {""}, why)


def expanded(line: str) -> list[str]:
    line = re.sub(r"mean\((\w+)\)", lambda m: f"0.25*({' + '.join(sorted(f'{net}-{m[1]}' for net in NETS))})", line)
    lines = [line.replace("{net}", net) for net in NETS] if "{net}" in line else [line]
    return [one.replace("{order}", order) for one in lines for order in (ORDERS if "{order}" in one else ORDERS[:1])]


def written(test: Test) -> str:
    """A declared test as the protocol writes it."""
    is_bare = test.rule == "trend" and not test.margin
    number = "" if is_bare else f"{test.margin if test.value is None else test.value:g} "
    head = f"{test.rule} {number}{test.metric}: "
    if test.ordered:
        return head + " < ".join(one if isinstance(one, str) else sides(one, " - ") for one in test.ordered)
    if test.statistic:
        return head + " > ".join(f"{test.statistic}({', '.join(arms)})" for arms in (test.more, test.less))
    return head + sides(test.contrast, " > ")


def sides(contrast: Mapping[str, float], sign: str) -> str:
    """Arms with a positive weight, then those with a negative one."""
    return sign.join(
        side([arm for arm in contrast if contrast[arm] * of > 0], {abs(w) for w in contrast.values() if w * of > 0})
        for of in (1, -1)
        if any(weight * of > 0 for weight in contrast.values())
    )


def side(arms: list[str], weights: set[float]) -> str:
    (weight,) = weights  # more than one would need another notation
    text = " + ".join(sorted(arms))
    return text if weight == 1 else f"{weight:g}*({text})"


def declared(claim: Claim) -> list[str]:
    probe = [claim.probe.partition(":")[0].partition("'")[0]] if claim.probe else []
    return sorted([*probe, *(written(test) for test in claim.tests)])


def comments(source: str) -> str:
    text = (FOLDER / f"{STUDIES[source]}.toml").read_text()
    return " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))


def size_asked(match: re.Match[str], test: Test, source: str) -> float:
    if match["size"]:
        return float(match["size"]) * UNITS[match["unit"]]
    is_accuracy = "accuracy" in test.metric or test.metric == "aulc"
    return USUAL_SIZE[source] if is_accuracy and match["kind"] == "SUP" else 0.0


@pytest.mark.parametrize("source", STUDIES)
def test_every_claim_is_declared_as_the_protocol_has_it(source: str) -> None:
    rows = {claim: row for claim, row in protocol().items() if claim.startswith(source)}
    claims = {claim.id: claim for claim in study(source).claims}
    assert list(rows) == list(claims)
    assert {claim: (row.seeds, row.tests) for claim, row in rows.items()} == {
        claim.id: (claim.seeds, declared(claim)) for claim in claims.values()
    }


@pytest.mark.parametrize("source", STUDIES)
def test_rule_size_and_seeds_are_those_asked_for_but_where_the_reason_is_about_them(source: str) -> None:
    for claim in study(source).claims:
        row = protocol()[claim.id]
        assert row.excused <= EXCUSES, claim.id
        matches = {m["kind"]: m for m in re.finditer(
            r"(?P<kind>[A-Z]+)(\((?P<size>[\d.]+) (?P<unit>\S+)\))?", row.asked
        )}  # fmt: skip
        kinds = {KINDS[test.rule] for test in claim.tests} or {claim.needs.upper()}
        wrong_sizes = [
            test
            for test in claim.tests
            if test.value is None
            and (asked := matches.get(KINDS[test.rule]))
            and test.margin != pytest.approx(size_asked(asked, test, source), abs=1e-12)
        ]
        other = {"seeds": row.seeds != row.seeds_asked, "rule": kinds != set(matches), "size": bool(wrong_sizes)}
        assert {kind for kind in other if other[kind]} == row.excused - {"tests"}, claim.id


@pytest.mark.parametrize("source", STUDIES)
def test_reasons_stand_in_the_study_too(source: str) -> None:
    text = comments(source)
    reasons = [row.why for claim, row in protocol().items() if claim.startswith(source) and row.why]
    assert reasons
    assert not [why for why in reasons if why not in text]
