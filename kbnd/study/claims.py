"""What a report claims, and the rule that decides it: the `[[claims]]` of a study.

    claim --> tests (all must hold) --> contrast of arms, or an ordered list of arms --> rule, margin

| rule               | holds where                                   | margin                | decided by            |
|--------------------|-----------------------------------------------|-----------------------|-----------------------|
| `superiority`      | contrast > 0                                  | practical size        | paired t-interval     |
| `equivalence`      | contrast within +-margin                      | in the metric         | two one-sided t-tests |
| `trend`            | the metric rises along `ordered`              | none                  | Page's L              |
| `time`             | slower: contrast of log times > 0             | practical, a fraction | blocks, A/A control   |
| `time_equivalence` | contrast of log times within +-log(1+margin)  | a fraction            | blocks, A/A control   |
| `at_most`          | contrast <= `value`                           | practical size        | t-interval            |
| `at_least`         | contrast >= `value`                           | practical size        | t-interval            |

A contrast gives each arm a weight: {a = 1, b = -1} is a difference, {both = 1, bn = -1, dropout = -1, none = 1} an
interaction. Weights add up to 0, so that what all arms share falls out; the two rules with a `value` may also look at
the level of one arm. What decides a claim is declared here, before anything is measured.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from kbnd.analysis.metrics import is_metric, requirements
from kbnd.errors import UsageError
from kbnd.spec import Name, Positive, Spec

if TYPE_CHECKING:
    from kbnd.study.definition import Study

Needs = Literal["arms", "exact", "probe"]
Rule = Literal["superiority", "equivalence", "trend", "time", "time_equivalence", "at_most", "at_least"]

TIMES = ("epoch_s", "fit_s")
TIME_RULES = ("time", "time_equivalence")
LEVEL_RULES = ("at_most", "at_least")
MARGIN_RULES = ("equivalence", "time_equivalence")
"""Rules of which nothing could be said without a margin."""

LEAST_ORDERED = 3
"""Arms that a trend needs; two are a contrast."""

REPORT_ID = r"^S[0-4]-"
CLAIM_ID = r"^S[0-4]-C\d+[abc]?$"
TEST_PLACE = r"^[\w./-]+\.py::\w+$"

DECIDED_BY: dict[str, str] = {"arms": "tests", "exact": "test", "probe": "probe"}
"""Kind of evidence that a claim needs -> the one field that says what it is."""

WANTED = {
    "test_curve": "test_curve = true",
    "validation_curve": "validation_curve = true",
    "n_train_eval": "n_train_eval above 0",
}
"""Field of `TrainSpec` that a metric asks for -> how a person is told."""


class Test(Spec):
    """One comparison that a claim stands on.

    Attributes:
        metric: a name that `kbnd.analysis.metrics.is_metric` knows.
        rule: how it is decided, see the module.
        contrast: arm -> weight; the claim is that the weighted sum is above 0 (see `rule`).
        ordered: arms along which the metric is claimed to rise; for `trend`.
        margin: in the unit of the metric (an accuracy as a fraction: 0.001 is 0.10 pp); of times a fraction.
        value: what `at_most` and `at_least` compare with.
    """

    __test__: ClassVar[bool] = False  # pytest takes it for a test class otherwise

    metric: str
    rule: Rule
    contrast: dict[Name, float] = {}
    ordered: tuple[Name, ...] = ()
    margin: Annotated[float, Field(ge=0.0)] = 0.0
    value: float | None = None

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that are looked at."""
        return self.ordered or tuple(self.contrast)

    @model_validator(mode="after")
    def _can_be_decided(self) -> Test:
        if not is_metric(self.metric):
            raise ValueError(f"unknown metric {self.metric!r}")
        for problem in (self._wrong_arms(), self._wrong_numbers()):
            if problem:
                raise ValueError(f"rule {self.rule!r} of metric {self.metric!r} {problem}")
        return self

    def _wrong_arms(self) -> str:
        """What is wrong with the arms and weights; empty where nothing is."""
        if self.rule == "trend":
            is_right = len(set(self.ordered)) == len(self.ordered) >= LEAST_ORDERED and not self.contrast
            return "" if is_right else f"needs `ordered` with {LEAST_ORDERED} or more different arms, and no contrast"
        if self.ordered or not any(self.contrast.values()):
            return "needs a contrast, arm -> weight, and no `ordered`"
        total = sum(self.contrast.values())
        if self.rule not in LEVEL_RULES and abs(total) > 1e-9:
            return f"needs weights that add up to 0, received a sum of {total:g}"
        return ""

    def _wrong_numbers(self) -> str:
        """What is wrong with metric, margin and value; empty where nothing is."""
        if (self.rule in TIME_RULES) != (self.metric in TIMES) and self.rule not in (*LEVEL_RULES, "trend"):
            return f"cannot be: the rules {', '.join(TIME_RULES)} and the times {', '.join(TIMES)} belong together"
        if (self.rule in LEVEL_RULES) != (self.value is not None):
            return f"cannot be: the rules {', '.join(LEVEL_RULES)} need a `value`, the others have none"
        if self.rule in MARGIN_RULES and not self.margin:
            return "needs a margin above 0"
        return ""


class Claim(Spec):
    """One sentence of a report that can be true or false, and what decides it.

    Attributes:
        id: `S0-C12` for the reports of kbnd, any name in a user's own study.
        statement: what is claimed, in our words.
        place: where in the source: section, table, figure, slide.
        needs: `arms` (trained runs), `exact` (a unit test) or `probe` (a quantity that runs do not hold).
        core: whether it belongs to the core set.
        prior: what was predicted before measuring.
        seeds: paired seeds that are advised; None is the study's.
        test: the unit tests that decide it, each as `tests/test_x.py::test_name` (one may stand alone); for `exact`.
        passing: what it means for the claim that these tests pass.
        probe: what has to be measured; for `probe`.
        tests: comparisons that must all hold; for `arms`.
    """

    id: Name
    statement: Annotated[str, Field(min_length=1)]
    place: str = ""
    needs: Needs = "arms"
    core: bool = False
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
        if re.match(REPORT_ID, self.id) and not re.match(CLAIM_ID, self.id):
            raise ValueError(f"ids of the source reports read like S0-C12 or S3-C3a, received {self.id!r}")
        given = [field for field in DECIDED_BY.values() if getattr(self, field)]
        if given != [DECIDED_BY[self.needs]]:
            raise ValueError(
                f"a claim that needs {self.needs!r} should say `{DECIDED_BY[self.needs]}` "
                f"and nothing else of {', '.join(DECIDED_BY.values())}, received {', '.join(given) or 'none'}"
            )
        for test in self.test:
            if not re.match(TEST_PLACE, test):
                raise ValueError(f"a test reads tests/test_x.py::test_name, received {test!r}")
        if self.passing != "supports" and not self.test:
            raise ValueError("passing belongs to a claim that needs 'exact'")
        return self


def unmet(study: Study) -> list[str]:
    """Return one sentence for each test whose metric the faithful runs of one of its arms would not have.

    Args:
        study: read from its file; a preset that leaves curves away leaves its claims undecided, which is no mistake.
    """
    training = study.faithful_training()
    problems = []
    for claim in study.claims:
        for test in claim.tests:
            for arm in test.arms:
                missing = [field for field in sorted(requirements(test.metric)) if not getattr(training[arm], field)]
                if missing:
                    needed = " and ".join(WANTED[field] for field in missing)
                    problems.append(
                        f"claim {claim.id!r} looks at {test.metric} of arm {arm!r}: for that [train] needs {needed}"
                    )
    return problems


def check_claims(study: Study) -> None:
    """Refuse claims that the study's own training could not decide.

    Raises:
        UsageError: it names claim, arm, metric and what is missing.
    """
    for problem in unmet(study):
        raise UsageError(problem)
