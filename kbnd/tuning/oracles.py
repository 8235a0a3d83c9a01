"""The table of oracles: everything in which they differ, known before keras-tuner is loaded.

| oracle      | candidates of a sweep          | ends by itself            | of a range | default   | may prune |
|-------------|--------------------------------|---------------------------|------------|-----------|-----------|
| `random`    | points at random               | when it had every point   | numbers    | 20        | yes       |
| `grid`      | points in order                | when it had every point   | 10 points  | all       | yes       |
| `bayesian`  | random first, then by a model  | when it had every point   | numbers    | 20        | yes       |
| `hyperband` | rounds, the best third goes on | after a sweep             | numbers    | one sweep | no        |

Whoever needs to know more of an oracle than its name asks its row; what keras-tuner's classes are told besides stands
in `kbnd.tuning.keras_oracles.KINDS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from kbnd.errors import UsageError, unknown
from kbnd.tuning.parameters import Choice, Hyperparameter
from kbnd.tuning.space import Space

N_TRIALS = 20
"""Candidates of an oracle that would never end by itself."""

MOST_CANDIDATES = 100_000
"""Candidates of a search that only `--max-hours` ends."""

LEAST_EPOCHS = 3
"""Epochs below which Hyperband would stop nothing early."""

FACTOR = 3
"""Of Hyperband: how much fewer candidates, and more epochs, each round of a bracket has."""

Rounds = list[tuple[int, int]]
"""(candidates, epochs) of each round, in their order."""


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """One row of the table.

    Attributes:
        name: as a user says it.
        sweep: from a space and the most epochs to the rounds of one sweep, were all candidates equally good.
        check: refuses a space and epochs that it could not search.
        in_words: what it does that its name does not tell, of a space and so many candidates at most (None is no
            limit); empty for nothing.
        n_trials: candidates where a user gives neither their number nor hours; None is until it ends by itself.
        has_points: whether it takes the listed points of a range, and not every number.
        has_rungs: whether it gives up candidates itself and trains the others anew for more epochs; then it begins
            another sweep where a number of candidates or hours ask for more than one.
        can_prune: whether runs may be given up besides.
    """

    name: str
    sweep: Callable[[Space, int], Rounds]
    check: Callable[[Space, int], None] = lambda space, epochs: None  # noqa: ARG005 (one signature for all)
    in_words: Callable[[Space, int | None], str] = lambda space, n_trials: ""  # noqa: ARG005
    n_trials: int | None = N_TRIALS
    has_points: bool = False
    has_rungs: bool = False
    can_prune: bool = True

    def n_points(self, space: Space) -> int | None:
        """Return how many candidates it can choose from; None where a range holds more than anybody counts."""
        return space.size if self.has_points or space.is_finite else None

    def has_end(self, space: Space) -> bool:
        """Return whether it has no more to propose when every point of the space was a candidate."""
        return not self.has_rungs and self.n_points(space) is not None

    def parameters(self, space: Space) -> dict[str, Hyperparameter]:
        """Return what it is told of a space: for a grid every range is the list of its points."""
        varied = space.hyperparameters
        return (
            {path: Choice(values=parameter.points()) for path, parameter in varied.items()}
            if self.has_points
            else dict(varied)
        )


def oracle_named(name: str) -> Oracle:
    """Return the row of an oracle.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in ORACLES:
        raise unknown("oracle", name, ORACLES)
    return ORACLES[name]


def n_random_first(space: Space) -> int:
    """Return how many candidates `bayesian` draws at random before it learns: three for each hyperparameter."""
    return max(3, 3 * len(space.hyperparameters))


def hyperband_rounds(max_epochs: int) -> Rounds:
    """Return (candidates, epochs) of each round of a sweep of Hyperband, in their order, without loading anything.

    With R epochs at most and s + 1 rounds in a bracket, s = floor(log3 R), ..., 0, round r of it has
    ceil(ceil(1 + log3 R) / (s + 1) * 3**(s - r)) candidates of ceil(R / 3**(s - r)) epochs, as keras-tuner counts them.

    Reference: Li et al., "Hyperband: a novel bandit-based approach to hyperparameter optimization", JMLR 18 (2018).
    """
    n_brackets, epochs = 0, float(max_epochs)
    while epochs >= 1.0:
        n_brackets, epochs = n_brackets + 1, epochs / FACTOR
    last = math.ceil(1 + math.log(max_epochs, FACTOR))
    return [
        (math.ceil(last / (s + 1) * FACTOR ** (s - r)), math.ceil(max_epochs / FACTOR ** (s - r)))
        for s in reversed(range(n_brackets))
        for r in range(s + 1)
    ]


def _check_rounds(space: Space, max_epochs: int) -> None:
    """Refuse too few epochs, fewer points than a bracket draws, or a round of epochs that no run can have."""
    if max_epochs < LEAST_EPOCHS:
        raise UsageError(f"hyperband needs at least {LEAST_EPOCHS} epochs to stop some early, received {max_epochs}")
    rounds = hyperband_rounds(max_epochs)
    most = max(n for n, _ in rounds)
    if space.is_finite and space.size < most:
        raise UsageError(
            f"hyperband draws {most} candidates at once, the space has {space.size}: use the oracle grid, or a range "
            "for a list"
        )
    for epochs in sorted({epochs for _, epochs in rounds}):
        space.run_spec(space.usual, seed=1, epochs=epochs)


def _points_at_random(space: Space, epochs: int) -> Rounds:
    return [(space.size if space.is_finite else MOST_CANDIDATES, epochs)]


def _points_in_order(space: Space, epochs: int) -> Rounds:
    return [(space.size, epochs)]


def _brackets(_space: Space, epochs: int) -> Rounds:
    return hyperband_rounds(epochs)


def _first_points(space: Space, n_trials: int | None) -> str:
    if n_trials is None or n_trials >= space.size:
        return ""
    return f"the first {n_trials} of {space.size:,} points, in order: what is listed last varies first"


def _random_first(space: Space, n_trials: int | None) -> str:
    n_random = n_random_first(space)
    if n_trials is not None and n_trials <= n_random:
        return "all candidates are random: it learns from more"
    return f"the first {n_random} at random"


ORACLES: dict[str, Oracle] = {
    oracle.name: oracle
    for oracle in (
        Oracle(name="random", sweep=_points_at_random),
        Oracle(name="grid", sweep=_points_in_order, in_words=_first_points, n_trials=None, has_points=True),
        Oracle(name="bayesian", sweep=_points_at_random, in_words=_random_first),
        Oracle(name="hyperband", sweep=_brackets, check=_check_rounds, n_trials=None, has_rungs=True, can_prune=False),
    )
}
