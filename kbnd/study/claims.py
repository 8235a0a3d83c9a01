"""What a source claims, and how its tests make one verdict: the `[[claims]]` of a study.

    claim --> tests --> a verdict for each, by its rule (`kbnd.study.rules`) --> one verdict

All tests of a claim must hold. The first of these that is true is its verdict:

| verdict      | of its tests                                                                   |
|--------------|--------------------------------------------------------------------------------|
| CONTRADICTED | one is                                                                         |
| SUPPORTED    | all are; below practical size where one is                                     |
| EQUIVALENT   | all are SUPPORTED or EQUIVALENT: a part of what is claimed makes no difference |
| UNDECIDED    | otherwise                                                                      |

Every test's verdict is reported beside its claim's: where a source's own measure and an honest one disagree (S2-C13),
both are seen, and the sentence stands with both or not at all. The tests of one source are one family: beside the
verdicts stand p-values (of exact sign flips, or the rule's own) adjusted by Holm over all of them.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from kbnd.spec import Flag, Name, Positive, Spec
from kbnd.study.rules import Test

Needs = Literal["arms", "exact", "probe"]

SOURCE_ID = r"^S[0-4]-"
CLAIM_ID = r"^S[0-4]-C\d+[abc]?$"
TEST_PLACE = r"^[\w./-]+\.py::\w+$"

DECIDED_BY: dict[str, str] = {"arms": "tests", "exact": "test", "probe": "probe"}
"""Kind of evidence that a claim needs -> the one field that says what it is."""


class Claim(Spec):
    """One sentence of a source that can be true or false, and what decides it.

    Attributes:
        id: `S0-C12` for the sources of kbnd, any name in a user's own study.
        statement: what is claimed, in our words.
        place: where in the source: section, table, figure, slide.
        needs: `arms` (trained runs), `exact` (a unit test) or `probe` (a quantity that runs do not hold).
        core: whether it belongs to the core set.
        prior: what was predicted before measuring.
        seeds: paired seeds that are advised; None is the study's.
        test: the unit tests that decide it, each as `tests/test_x.py::test_name` (one may stand alone); for `exact`.
        passing: what it means for the claim that these tests pass.
        probe: what has to be measured; for `probe`.
        tests: comparisons that must all hold, see the module; for `arms`.
    """

    id: Name
    statement: Annotated[str, Field(min_length=1)]
    place: str = ""
    needs: Needs = "arms"
    core: Flag = False
    prior: str = "undecided"
    seeds: Positive | None = None
    test: tuple[str, ...] = ()
    passing: Literal["supports", "contradicts"] = "supports"
    probe: str = ""
    tests: tuple[Test, ...] = ()

    @property
    def arms(self) -> tuple[str, ...]:
        """Every arm that one of its tests looks at, once."""
        return tuple(dict.fromkeys(arm for test in self.tests for arm in test.arms))

    @field_validator("test", mode="before")
    @classmethod
    def _one_may_stand_alone(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _says_what_decides_it(self) -> Claim:
        if re.match(SOURCE_ID, self.id) and not re.match(CLAIM_ID, self.id):
            raise ValueError(f"ids of the source reports read like S0-C12 or S3-C3a, received {self.id!r}")
        evidence = [field for field in DECIDED_BY.values() if getattr(self, field)]
        if evidence != [DECIDED_BY[self.needs]]:
            raise ValueError(
                f"a claim that needs {self.needs!r} should say `{DECIDED_BY[self.needs]}` "
                f"and nothing else of {', '.join(DECIDED_BY.values())}, received {', '.join(evidence) or 'none'}"
            )
        for test in self.test:
            if not re.match(TEST_PLACE, test):
                raise ValueError(f"a test reads tests/test_x.py::test_name, received {test!r}")
        if self.passing != "supports" and not self.test:
            raise ValueError("passing belongs to a claim that needs 'exact'")
        return self
