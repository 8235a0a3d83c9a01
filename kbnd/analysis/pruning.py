"""The median stopping rule: a run that lags behind what half of the candidates had by now is given up.

    stop after epoch e  if  the best value up to e  is worse than  the median over finished candidates of
                            the mean of their values up to e

A run is compared only with runs of its own seed, so that both saw the same initial weights and batches, and only
with candidates of the same search that trained to their end. A run that is given up is `pruned`: no statistic of an
arm ever holds it.

Reference: Golovin et al., "Google Vizier: a service for black-box optimization", KDD 2017, section 3.2.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

from kbnd.analysis.objectives import Objective
from kbnd.records import EpochRecord

LEAST_FINISHED = 5
"""Finished candidates below which nothing is given up."""


class MedianRule:
    """Remembers the curves of finished candidates by seed, and says which runs to give up.

    Args:
        objective: says which number of an epoch is compared.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._finished: dict[int, list[list[float]]] = {}

    def learn(self, seed: int, epochs: Sequence[EpochRecord]) -> None:
        """Remember a run of a candidate that trained to its end."""
        curve = self._curve(epochs)
        if curve is not None:
            self._finished.setdefault(seed, []).append(curve)

    def n_finished(self, seed: int) -> int:
        """Return how many curves of a seed it remembers."""
        return len(self._finished.get(seed, []))

    def is_hopeless(self, seed: int, epochs: Sequence[EpochRecord], *, n_finished: int | None = None) -> bool:
        """Return whether a run is given up.

        Args:
            seed: of the run.
            epochs: from the first to the one that has just ended.
            n_finished: of the curves of its seed only the first so many are compared with; None is all.
        """
        curve = self._curve(epochs)
        if curve is None:
            return False
        others = [
            other[: len(curve)] for other in self._finished.get(seed, [])[:n_finished] if len(other) >= len(curve)
        ]
        if len(others) < LEAST_FINISHED:
            return False
        typical = median(fmean(other) for other in others)
        return max(curve) < typical if self._objective.epoch_direction == "max" else min(curve) > typical

    def _curve(self, epochs: Sequence[EpochRecord]) -> list[float] | None:
        values = [self._objective.of_epoch(epoch) for epoch in epochs]
        numbers = [value for value in values if value is not None]
        return numbers if numbers and len(numbers) == len(values) else None
