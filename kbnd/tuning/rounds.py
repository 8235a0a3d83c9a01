"""How many candidates an oracle draws, and for how many epochs each is trained, before keras-tuner is loaded."""

from __future__ import annotations

import math

from kbnd.errors import UsageError
from kbnd.tuning.space import Space

LEAST_EPOCHS = 3
"""Epochs below which Hyperband would stop nothing early."""

FACTOR = 3
"""Of Hyperband: how much fewer candidates, and more epochs, each round of a bracket has."""


def n_random_first(space: Space) -> int:
    """Return how many candidates `bayesian` draws at random before it learns: three for each hyperparameter."""
    return max(3, 3 * len(space.hyperparameters))


def hyperband_rounds(max_epochs: int) -> list[tuple[int, int]]:
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


def check_rounds(space: Space, *, oracle: str, max_epochs: int) -> None:
    """Refuse what Hyperband could not search; other oracles take everything.

    Raises:
        UsageError: too few epochs, fewer points than a bracket draws, or a round of epochs that no run can have.
    """
    if oracle != "hyperband":
        return
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
