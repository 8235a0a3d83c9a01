"""How a claim is tested: the comparisons of arms that it stands on, and the rules that decide them.

    test --> form: a number d for each seed --> rule, margin or value --> verdict

| form     | fields                      | d of a seed (of a time: of a block)                                        |
|----------|-----------------------------|----------------------------------------------------------------------------|
| contrast | `contrast`                  | sum of weight x arm: {a = 1, b = -1}, {both = 1, a = -1, b = -1, none = 1} |
| order    | `ordered`                   | one for each of 3 or more arms, or contrasts, in the order claimed         |
| spread   | `statistic`, `more`, `less` | SD (n - 1) or range over the arms `more`, minus that over the arms `less`  |

Weights add up to 0, so that what all arms share falls out; the rules with a `value` may also look at the level of one
arm. A seed in which an arm has no number, as of a run that diverged, is left out. Times are taken as logarithms by
their two rules and by `trend`, as seconds by the rules with a `value`.

| rule                  | form             | SUPPORTED                             | CONTRADICTED                   |
|-----------------------|------------------|---------------------------------------|--------------------------------|
| `superiority`         | contrast, spread | 95 % interval above 0, mean >= margin | 95 % interval below 0          |
| `time` (slower)       | contrast         | likewise, beyond the A/A control      | likewise                       |
| `equivalence`         | contrast, spread | 90 % interval within +-margin         | 95 % off 0, abs mean >= margin |
| `time_equivalence`    | contrast         | likewise                              | likewise, beyond the control   |
| `at_most`, `at_least` | contrast, spread | 90 % interval on that side of `value` | 95 % interval on the other     |
| `ranks`               | one arm - other  | above 0 by ranks, median >= margin    | below 0 by ranks               |
| `trend`               | order            | rises, mean of ends >= margin         | falls                          |

Intervals are t-intervals of d; a margin of times x is log(1 + x) in d. `ranks` is the exact two-sided Wilcoxon
signed-rank test at 0.05, zeros left out, ties sharing their mean rank; `trend` is Page's L with seeds as blocks, at
0.025 each way, its ends are last minus first. Censored metrics are for these two alone, and then a trend has no margin.

What is above 0, or rises, but misses the margin is "SUPPORTED, below practical size". `superiority`, `time` and
`trend` are EQUIVALENT where they are neither SUPPORTED nor CONTRADICTED and the 90 % interval, of a trend that of its
ends, lies within +-margin: an effect that is expected to be none needs a margin, or no measurement could say so.
`ranks` are never EQUIVALENT. The rest is UNDECIDED.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from kbnd.analysis.metrics import TIMES, is_censored, is_metric, is_time
from kbnd.spec import Name, Number, Spec

Rule = Literal["superiority", "equivalence", "ranks", "trend", "time", "time_equivalence", "at_most", "at_least"]

LEAST_ORDERED, LEAST_SPREAD = 3, 2
"""Entries that a trend needs (two are a contrast), and arms that a spread needs."""

FORMS: dict[str, str] = {
    "contrast": "a contrast, arm -> weight",
    "ordered": f"`ordered` with {LEAST_ORDERED} or more different arms, or as many different contrasts",
    "statistic": f"`statistic` with `more` and `less`, each {LEAST_SPREAD} or more different arms and equally many",
}
"""Field by which a form is known -> how a person is told what it needs."""


@dataclass(frozen=True)
class Demand:
    """What a rule looks at, and which numbers have to be said with it; rules by ranks take censored metrics."""

    forms: tuple[str, ...]
    margin: Literal["none", "optional", "needed"] = "none"
    has_value: bool = False
    times: Literal["never", "only", "any"] = "never"
    is_by_ranks: bool = False


RULES: dict[str, Demand] = {
    "superiority": Demand(("contrast", "statistic"), "optional"),
    "equivalence": Demand(("contrast", "statistic"), "needed"),
    "ranks": Demand(("contrast",), "optional", is_by_ranks=True),
    "trend": Demand(("ordered",), "optional", times="any", is_by_ranks=True),
    "time": Demand(("contrast",), "optional", times="only"),
    "time_equivalence": Demand(("contrast",), "needed", times="only"),
    "at_most": Demand(("contrast", "statistic"), has_value=True, times="any"),
    "at_least": Demand(("contrast", "statistic"), has_value=True, times="any"),
}


class Test(Spec):
    """One comparison that a claim stands on: a metric, one of the three forms, and a rule.

    Attributes:
        metric: a name that `kbnd.analysis.metrics.is_metric` knows.
        rule: how it is decided, see the module.
        contrast: arm -> weight; the claim is that the weighted sum is above 0 (see `rule`).
        ordered: arms along which the metric is claimed to rise, or contrasts that are; for `trend`.
        statistic: `sd` or `range`, of the values that a set of arms has in one seed.
        more: the set of arms whose spread is claimed to be larger.
        less: the other set, of as many arms; an arm may be in both.
        margin: in the unit of the metric (an accuracy as a fraction: 0.001 is 0.10 pp); of times a fraction; of a
            trend, what its last and first differ by.
        value: what `at_most` and `at_least` compare with.
    """

    __test__: ClassVar[bool] = False  # pytest takes it for a test class otherwise

    metric: str
    rule: Rule
    contrast: dict[Name, Number] = {}
    ordered: tuple[Name | dict[Name, Number], ...] = ()
    statistic: Literal["sd", "range"] | None = None
    more: tuple[Name, ...] = ()
    less: tuple[Name, ...] = ()
    margin: Annotated[Number, Field(ge=0.0)] = 0.0
    value: Number | None = None

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that are looked at, each once."""
        ordered = [arm for entry in self.ordered for arm in ((entry,) if isinstance(entry, str) else entry)]
        return tuple(dict.fromkeys([*self.contrast, *ordered, *self.more, *self.less]))

    @model_validator(mode="after")
    def _can_be_decided(self) -> Test:
        if not is_metric(self.metric):
            raise ValueError(f"unknown metric {self.metric!r}")
        for problem in (self._wrong_form(), self._wrong_weights(), self._wrong_metric(), self._wrong_numbers()):
            if problem:
                raise ValueError(f"rule {self.rule!r} of metric {self.metric!r} {problem}")
        return self

    def _wrong_form(self) -> str:
        """What is wrong with the way arms are set against each other; empty where nothing is."""
        spread = self.statistic or self.more or self.less
        fields = {"contrast": self.contrast, "ordered": self.ordered, "statistic": spread}
        forms, allowed = [form for form in fields if fields[form]], RULES[self.rule].forms
        if len(forms) == 1 and forms[0] in allowed and self._is_complete():
            return ""
        return f"needs {', or '.join(FORMS[form] for form in allowed)}, and nothing beside it"

    def _is_complete(self) -> bool:
        """Whether an order or a spread has as many different arms as it needs; a contrast always has."""
        if self.ordered:
            is_repeated = any(entry in self.ordered[:i] for i, entry in enumerate(self.ordered))
            is_of_one_kind = len({type(entry) for entry in self.ordered}) == 1
            return is_of_one_kind and not is_repeated and len(self.ordered) >= LEAST_ORDERED
        n_more, n_less = len(set(self.more)), len(set(self.less))
        is_spread = bool(self.statistic) and n_more == len(self.more) == n_less == len(self.less) >= LEAST_SPREAD
        return is_spread or bool(self.contrast)

    def _wrong_weights(self) -> str:
        """What is wrong with the weights of its contrasts; empty where nothing is."""
        for weights in (self.contrast, *(entry for entry in self.ordered if isinstance(entry, dict))):
            total = sum(weights.values())
            if weights and not any(weights.values()):
                return "needs weights, received zeros alone"
            if self.rule == "ranks" and sorted(weights.values()) != [-1, 1]:
                return "needs two arms, weights 1 and -1: of more than two numbers that were ranked there is no sum"
            if not RULES[self.rule].has_value and abs(total) > 1e-9:
                return f"needs weights that add up to 0, received a sum of {total:g}"
        return ""

    def _wrong_metric(self) -> str:
        """What is wrong with the metric for this rule; empty where nothing is."""
        demand = RULES[self.rule]
        if demand.times != "any" and (demand.times == "only") != is_time(self.metric):
            rules = [rule for rule, other in RULES.items() if other.times == "only"]
            return f"cannot be: the rules {', '.join(rules)} and the times {', '.join(TIMES)} belong together"
        is_of_contrasts = any(isinstance(entry, dict) for entry in self.ordered)
        if is_censored(self.metric) and (not demand.is_by_ranks or is_of_contrasts):
            return "cannot be: runs that never get there have a rank and no number: take `ranks`, or `trend` along arms"
        return ""

    def _wrong_numbers(self) -> str:
        """What is wrong with margin and value; empty where nothing is."""
        demand = RULES[self.rule]
        if demand.has_value != (self.value is not None):
            rules = [rule for rule, other in RULES.items() if other.has_value]
            return f"cannot be: the rules {', '.join(rules)} need a `value`, the others have none"
        if demand.margin == "needed" and not self.margin:
            return "needs a margin above 0"
        if self.margin and self.rule == "trend" and is_censored(self.metric):
            return f"has no margin of runs that may never get there, received {self.margin:g}"
        return f"has no margin, received {self.margin:g}" if demand.margin == "none" and self.margin else ""
