"""Which claims of a study an experiment could decide, from its arms alone, before anything is trained.

A claim is counted once, under the first thing that it lacks:

| lacks                 | because                                                                                  |
|-----------------------|------------------------------------------------------------------------------------------|
| a unit test or probe  | no number of runs decides it                                                             |
| other arms            | an arm of one of its tests is not trained                                                |
| test images           | nothing is looked at on them, where something is to be chosen by validation images       |
| arms that differ      | two arms of a test are one recipe here, as those of 20 and 40 epochs under `--epochs 20` |
| curves or more epochs | a metric needs what these arms do not record, or an epoch that they do not reach         |
| the A/A control       | a rule that holds times against it (`time`, `time_equivalence`) has no noise floor       |
| more seeds            | one has no interval; ranks of fewer than 6, an order in fewer than 2 or 3, reach no p    |

Whether the runs then do decide it is for their intervals to say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from kbnd.analysis.blinding import is_of_test
from kbnd.analysis.curves import N_PLATEAU
from kbnd.analysis.metrics import PARAMETER, requirements
from kbnd.analysis.stats import N_NONPARAMETRIC
from kbnd.study.claims import Claim
from kbnd.study.definition import Study
from kbnd.study.experiment import Experiment
from kbnd.study.rules import RULES, Test

EVIDENCE, ARMS, TEST, SAME, TRAINING, CONTROL, SEEDS = (
    "a unit test or probe",
    "other arms",
    "test images",
    "arms that differ",
    "curves or more epochs",
    "the A/A control",
    "more seeds",
)

LEAST_SEEDS = 2
"""Of which a difference has an interval."""

TREND_P = 0.025
"""Below which an order is taken to be one; of n seeds and k places the smallest p is 1 / (k!)^n."""

LEAST_EPOCHS = {"epoch_s": 2, "epoch_cv": 3, "plateau_epoch": N_PLATEAU}
"""Metric -> epochs that it needs; the first one's time holds compilation."""

COUNTS_EPOCHS = ("accuracy_at", "median_last", "instability")
"""Metrics whose number is one of epochs."""


@dataclass(frozen=True)
class Decidable:
    """Which claims an experiment could decide, and what the others lack.

    Attributes:
        ids: of the claims whose every test these arms could decide, as the study orders them.
        lacking: what is needed -> how many claims lack it.
    """

    ids: tuple[str, ...] = ()
    lacking: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_claims(self) -> int:
        """All claims of the study."""
        return len(self.ids) + sum(self.lacking.values())

    def in_words(self) -> str:
        """Return one line for a person, empty where the study makes no claim."""
        if not self.n_claims:
            return ""
        rest = ", ".join(f"{n} {'needs' if n == 1 else 'need'} {what}" for what, n in self.lacking.items())
        count = f"{len(self.ids)} of {self.n_claims}" + (f"; {rest}" if rest else "")
        return f"Claims that these arms can decide: {', '.join(self.ids) or 'none'} ({count})."


def decidable(study: Study, experiment: Experiment) -> Decidable:
    """Return which claims of a study an experiment of it could decide.

    Args:
        study: whose claims are asked about.
        experiment: what would be trained; with another budget than the source's it decides them for that budget.
    """
    ids, lacking = [], dict.fromkeys((ARMS, TEST, SAME, TRAINING, CONTROL, SEEDS, EVIDENCE), 0)
    for claim in study.claims:
        lack = _lack(claim, study, experiment)
        if lack is None:
            ids.append(claim.id)
        else:
            lacking[lack] += 1
    return Decidable(tuple(ids), {what: n for what, n in lacking.items() if n})


def _lack(claim: Claim, study: Study, experiment: Experiment) -> str | None:
    """The first thing that a claim lacks; None where it could be decided."""
    if claim.needs != "arms":
        return EVIDENCE
    if not set(claim.arms) <= set(experiment.arms):
        return ARMS
    if experiment.is_by_validation and any(is_of_test(test.metric) for test in claim.tests):
        return TEST
    if any(_has_twins(test, experiment) for test in claim.tests):
        return SAME
    if not all(_is_recorded(test, experiment) for test in claim.tests):
        return TRAINING
    if not study.control and any(RULES[test.rule].times == "only" for test in claim.tests):
        return CONTROL
    return SEEDS if experiment.seeds < max(map(_least_seeds, claim.tests)) else None


def _has_twins(test: Test, experiment: Experiment) -> bool:
    """Whether two arms of a test are one recipe, so that their difference is 0 whatever is true."""
    recipes = [experiment.arms[arm] for arm in test.arms]
    return any(recipe in recipes[:i] for i, recipe in enumerate(recipes))


def _is_recorded(test: Test, experiment: Experiment) -> bool:
    """Whether the runs of all arms of a test will have its metric."""
    fields, n_epochs = requirements(test.metric), _least_epochs(test.metric)
    training = [experiment.arms[arm][1] for arm in test.arms]
    return all(train.epochs >= n_epochs and all(getattr(train, field) for field in fields) for train in training)


def _least_seeds(test: Test) -> int:
    """Seeds of which some result could decide a test."""
    if test.rule == "ranks":
        return N_NONPARAMETRIC
    if test.rule == "trend":
        return max(LEAST_SEEDS, 1 + math.floor(-math.log(TREND_P) / math.log(math.factorial(len(test.ordered)))))
    return LEAST_SEEDS


def _least_epochs(metric: str) -> float:
    match = PARAMETER.fullmatch(metric)
    if match is None or match["name"] not in COUNTS_EPOCHS:
        return LEAST_EPOCHS.get(metric, 1)
    return float(match["number"])
