"""What docstrings, comments and README say a claim needs, `--arms` and presets, is enough and no more than needed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from study_files import FOLDER
from study_files import study as read

from kbnd.study.choices import Choices, decide
from kbnd.study.decidable import decidable

CLAIM = re.compile(r"\bS\d-C\d+[abc]?\b")
N_SEEDS = 10  # as many as every claim advises or more than it needs: arms alone are asked about

Advice = tuple[str, str, str, str]
"""(study, claim, option, what stands behind it)."""


def decided_by(name: str, option: str, chosen: str) -> tuple[str, ...]:
    choices = {"arms": tuple(chosen.split(","))} if option == "arms" else {option: chosen}
    return decidable(read(name), decide(read(name), Choices(seeds=N_SEEDS, **choices))).ids


def in_docstrings() -> Iterator[Advice]:
    for file in sorted(FOLDER.glob("[a-z]*.py")):
        for chosen, why in re.findall(r"--arms (\S+) +\((.*)\)", file.read_text()):
            yield from ((file.stem, claim, "arms", chosen) for claim in CLAIM.findall(why))


def in_comments() -> Iterator[Advice]:
    for file in sorted(FOLDER.glob("*.toml")):
        for option, chosen, claim in re.findall(
            r'For it: --(arms|preset) (\S+)\.\n\[\[claims\]\]\nid = "(.*)"', file.read_text()
        ):
            yield file.stem, claim, option, chosen


def in_readme() -> Iterator[Advice]:
    """Rows of the table of groups: each claim of a group, with the groups of its row and those beside it."""
    lines = (FOLDER / "README.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    start = next(i for i, row in enumerate(rows) if row[:2] == ["study", "group"])
    study = ""
    for row in rows[start + 2 :]:
        if len(row) < 4:
            return
        study = row[0].strip("`") or study
        claims, _, beside = row[3].partition("(")
        groups = re.findall(r"`(\w+)`", row[1] + beside)
        yield from ((study, claim, "arms", ",".join(groups)) for claim in CLAIM.findall(claims))


ADVICE = [*in_docstrings(), *in_comments(), *in_readme()]


def test_all_three_places_say_what_claims_need() -> None:
    assert [len(list(place)) for place in (in_docstrings(), in_comments(), in_readme())] == [3, 3, 17]


@pytest.mark.parametrize(("name", "claim", "option", "chosen"), ADVICE)
def test_what_a_claim_is_said_to_need_is_enough(name: str, claim: str, option: str, chosen: str) -> None:
    assert claim in decided_by(name, option, chosen)


@pytest.mark.parametrize("name", sorted({name for name, *_ in ADVICE}))
def test_every_claim_that_the_core_cannot_decide_is_in_the_readme(name: str) -> None:
    study = read(name)
    in_table = {claim for of, claim, *_ in in_readme() if of == name}
    assert in_table == {claim.id for claim in study.claims if claim.needs == "arms"} - set(
        decided_by(name, "arms", "core")
    )


@pytest.mark.parametrize("name", sorted({name for name, *_ in ADVICE}))
def test_groups_that_stand_beside_are_needed(name: str) -> None:
    for of, claim, _, chosen in in_readme():
        groups = chosen.split(",")
        if of == name and "core" in groups:
            groups.remove("core")
            assert claim not in decided_by(name, "arms", ",".join(groups)), claim
