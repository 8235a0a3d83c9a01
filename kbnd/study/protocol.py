"""Whether the training that a study declares can decide its claims: checked before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kbnd.analysis.metrics import requirements
from kbnd.analysis.stats import N_NONPARAMETRIC
from kbnd.errors import UsageError
from kbnd.spec import TrainSpec
from kbnd.study.claims import Claim

IN_WORDS = {
    "test_curve": "test_curve = true",
    "validation_curve": "validation_curve = true",
    "n_train_eval": "n_train_eval above 0",
}
"""Field of `TrainSpec` that a metric asks for -> how a person is told."""


def unmet(claims: Sequence[Claim], *, training: Mapping[str, TrainSpec], seeds: int) -> list[str]:
    """Return one sentence for each reason for which the faithful runs could not decide a claim.

    Args:
        claims: of the study; a preset that leaves curves away leaves them undecided, which is no mistake.
        training: arm -> how it is trained with the source's own budget.
        seeds: of the study.
    """
    return [*_missing_curves(claims, training), *_missing_seeds(claims, seeds)]


def check_claims(claims: Sequence[Claim], *, training: Mapping[str, TrainSpec], seeds: int) -> None:
    """Refuse claims that the study's own training could not decide; arguments as of `unmet`.

    Raises:
        UsageError: it names the claim and what is missing.
    """
    for problem in unmet(claims, training=training, seeds=seeds):
        raise UsageError(problem)


def _missing_curves(claims: Sequence[Claim], training: Mapping[str, TrainSpec]) -> Iterator[str]:
    for claim in claims:
        for test in claim.tests:
            for arm in test.arms:
                missing = [field for field in sorted(requirements(test.metric)) if not getattr(training[arm], field)]
                if missing:
                    needed = " and ".join(IN_WORDS[field] for field in missing)
                    yield f"claim {claim.id!r} looks at {test.metric} of arm {arm!r}: for that [train] needs {needed}"


def _missing_seeds(claims: Sequence[Claim], seeds: int) -> Iterator[str]:
    """Claims by ranks of so few seeds that no result whatever could decide them."""
    for claim in claims:
        n_seeds = claim.seeds or seeds
        if n_seeds < N_NONPARAMETRIC and any(test.rule == "ranks" for test in claim.tests):
            yield f"claim {claim.id!r} is decided by ranks, which needs {N_NONPARAMETRIC} or more seeds, has {n_seeds}"
