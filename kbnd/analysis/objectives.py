"""What a search looks for: a number of a finished run, the direction that is better, and what it needs.

| objective              | of a run                                                          | better | same each time |
|------------------------|-------------------------------------------------------------------|--------|----------------|
| `val_accuracy`         | validation accuracy after the last epoch                          | higher | yes            |
| `val_loss`             | validation loss after the last epoch                              | lower  | yes            |
| `time_to_accuracy:X`   | epochs until validation accuracy X x seconds of a steady epoch    | lower  | no             |
| `accuracy_per_joule`   | validation accuracy after the last epoch / energy of the epochs   | higher | no             |

A candidate's score is the mean over its seeds. Test images are no objective: nothing is ever selected on them.

Epochs until an accuracy are those of `kbnd.analysis.curves.epochs_to`, linear between two epochs; compilation is
no part of time or energy (an epoch's is the median of those without), because runs that share a compiled model have
none. A run that does not reach it has no number; nor has one that shared the machine or was continued in another
session, where the objective is a time or an energy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import median
from typing import Literal

import numpy as np

from kbnd.analysis import curves
from kbnd.errors import UsageError, unknown
from kbnd.records import EpochRecord, RunRecord

TIMED = re.compile(r"time_to_accuracy:(?P<accuracy>0?\.\d+|0|1(?:\.0*)?)")
Direction = Literal["max", "min"]
"""Which way is better."""

SCORE_DIGITS = 12
"""Significant digits of a score: what floats add beyond them decides nothing."""

TIMED_IN_WORDS = "time_to_accuracy:ACCURACY"


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a search looks for.

    Attributes:
        name: as the user says it.
        direction: which way is better.
        of: from a finished run to its number; None where the run has none.
        of_epoch: what can be compared before a run has ended, for pruning, and `epoch_direction` its better way.
        lost: what a candidate without a score counts as, at best, for an oracle.
        is_reproducible: whether the same search gives the same numbers again; no time or energy does.
        is_of_energy: whether it exists only where a GPU's energy can be read.
        target: the accuracy whose time it is, nan for others.
        formerly: other formulas that logs of before may have been scored by, the newest first.
    """

    name: str
    direction: Direction
    of: Callable[[RunRecord], float | None]
    of_epoch: Callable[[EpochRecord], float | None]
    epoch_direction: Direction
    lost: Callable[[Sequence[RunRecord], int], float]
    is_reproducible: bool = True
    is_of_energy: bool = False
    target: float = math.nan
    formerly: tuple[Callable[[RunRecord], float | None], ...] = ()

    @property
    def is_of_time(self) -> bool:
        """Whether it is a number of seconds."""
        return not math.isnan(self.target)

    def score(self, runs: Sequence[RunRecord]) -> float | None:
        """Return a candidate's score: the mean over its runs; None where one of them has no number.

        It is rounded to `SCORE_DIGITS`, so that as many right images in other seeds are the same score.
        """
        return _mean([self.of(run) for run in runs])

    def scores(self, runs: Sequence[RunRecord]) -> list[float | None]:
        """Return a candidate's score by every formula that a log may hold, the present one first."""
        return [_mean([of(run) for run in runs]) for of in (self.of, *self.formerly)]

    def worst(self, runs: Sequence[RunRecord], scores: Sequence[float], *, n_classes: int) -> float:
        """Return what an oracle is given for a candidate without a score: nothing better than it was given before.

        Oracles rank finite numbers only, and one that is given nothing would ask for the same region again.

        Args:
            runs: of the candidate, as far as there are any.
            scores: all that the oracle was given so far.
            n_classes: of the dataset.
        """
        numbers = [self.lost(runs, n_classes), *scores]
        return min(numbers) if self.direction == "max" else max(numbers)


def objective(text: str) -> Objective:
    """Return the objective that a text names.

    Raises:
        UsageError: it names none, or an accuracy outside (0, 1].
    """
    if text.partition(":")[0] == "time_to_accuracy":
        match = TIMED.fullmatch(text)
        if match is None or not float(match["accuracy"]):
            raise UsageError(f"{TIMED_IN_WORDS} takes an accuracy above 0 and up to 1, as 0.98, received {text!r}")
        return _time_to_accuracy(text, float(match["accuracy"]))
    if text not in OBJECTIVES:
        raise unknown("objective", text, [*OBJECTIVES, TIMED_IN_WORDS])
    return OBJECTIVES[text]


def _mean(of_runs: Sequence[float | None]) -> float | None:
    """The mean to `SCORE_DIGITS`; None where a run has no finite number."""
    numbers = [number for number in of_runs if number is not None and math.isfinite(number)]
    if not numbers or len(numbers) < len(of_runs):
        return None
    return float(f"{sum(numbers) / len(numbers):.{SCORE_DIGITS}g}")


def _time_to_accuracy(name: str, accuracy: float) -> Objective:
    def seconds(run: RunRecord) -> float | None:
        curve = _whole_curve(run.epochs)
        n_epochs = float(curves.epochs_to(curve, accuracy))
        return n_epochs * run.epoch_s if not n_epochs > len(curve) and run.epoch_s is not None else None

    return Objective(
        name=name,
        direction="min",
        of=lambda run: seconds(run) if is_measured_alone(run) else None,
        formerly=(lambda run: None if run.is_concurrent else seconds(run),),
        target=accuracy,
        of_epoch=lambda epoch: epoch.val_accuracy,
        epoch_direction="max",
        lost=lambda runs, n_classes: 2 * sum(run.fit_s or 0.0 for run in runs) / max(1, len(runs)),  # noqa: ARG005
        is_reproducible=False,
    )


def _whole_curve(epochs: Sequence[EpochRecord]) -> np.ndarray:
    """Validation accuracy after each epoch, as far as every one has it."""
    values = takewhile(lambda value: value is not None, (epoch.val_accuracy for epoch in epochs))
    return np.array(list(values), dtype=float)


def is_measured_alone(run: RunRecord) -> bool:
    """Whether time and energy of a run compare: it had the machine for itself, in one session from end to end."""
    return not run.is_concurrent and run.continued_from is None


def _accuracy_per_joule(run: RunRecord) -> float | None:
    energies = [epoch.energy_j for epoch in run.epochs if epoch.energy_j and not epoch.is_warmup]
    if run.val_accuracy is None or not energies or not is_measured_alone(run):
        return None
    return run.val_accuracy / (median(energies) * len(run.epochs))


def _accuracy_per_joule_of_all_training(run: RunRecord) -> float | None:
    return (
        None if run.val_accuracy is None or not run.energy_j or run.is_concurrent else run.val_accuracy / run.energy_j
    )


def _nothing(runs: Sequence[RunRecord], n_classes: int) -> float:  # noqa: ARG001
    return 0.0


def _worse_than_guessing(runs: Sequence[RunRecord], n_classes: int) -> float:  # noqa: ARG001
    return 2 * math.log(n_classes)


OBJECTIVES: dict[str, Objective] = {
    "val_accuracy": Objective(
        name="val_accuracy",
        direction="max",
        of=lambda run: run.val_accuracy,
        of_epoch=lambda epoch: epoch.val_accuracy,
        epoch_direction="max",
        lost=_nothing,
    ),
    "val_loss": Objective(
        name="val_loss",
        direction="min",
        of=lambda run: run.val_loss,
        of_epoch=lambda epoch: epoch.val_loss,
        epoch_direction="min",
        lost=_worse_than_guessing,
    ),
    "accuracy_per_joule": Objective(
        name="accuracy_per_joule",
        direction="max",
        of=_accuracy_per_joule,
        of_epoch=lambda epoch: epoch.val_accuracy,
        epoch_direction="max",
        lost=_nothing,
        is_reproducible=False,
        is_of_energy=True,
        formerly=(_accuracy_per_joule_of_all_training,),
    ),
}
