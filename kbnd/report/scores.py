"""What a search looks for, as it is printed: a metric of its runs, a time or an energy.

| kind       | score of a trial                                                       | printed in | better |
|------------|------------------------------------------------------------------------|------------|--------|
| `accuracy` | validation accuracy                                                    | %          | higher |
| `loss`     | validation loss                                                        | nats       | lower  |
| `time`     | seconds until a validation accuracy, the target                        | s          | lower  |
| `energy`   | validation accuracy for each joule                                     | % per kJ   | higher |

How it is computed from a run says `kbnd.analysis.objectives`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from kbnd.analysis.objectives import Direction, Objective
from kbnd.report.numbers import Quantity, quantity_of

Kind = Literal["accuracy", "loss", "time", "energy"]


@dataclass(frozen=True, kw_only=True)
class Score:
    """What the score of a trial is.

    Attributes:
        name: as a user says it, such as `val_accuracy` or `time_to_accuracy:0.98`.
        kind: what it is a number of.
        direction: whether a high or a low score is good.
        quantity: how it is printed, but for the decimals of times and energies, which `quantity_of` decides.
        target: the accuracy whose time it is, nan for other kinds.
    """

    name: str
    kind: Kind
    direction: Direction
    quantity: Quantity
    target: float = np.nan

    @property
    def is_metric(self) -> bool:
        """Whether it is a column of runs.csv, which test images have too."""
        return self.kind in ("accuracy", "loss")

    def quantity_of(self, values: Iterable[float]) -> Quantity:
        """Return how to print these scores; of times and energies the smallest decides the decimals."""
        if self.is_metric:
            return self.quantity
        scaled = [value * self.quantity.scale for value in values]
        return replace(self.quantity, decimals=quantity_of("score_s", scaled).decimals)


VAL_ACCURACY = Score(name="val_accuracy", kind="accuracy", direction="max", quantity=quantity_of("val_accuracy"))
VAL_LOSS = Score(name="val_loss", kind="loss", direction="min", quantity=quantity_of("val_loss"))
ACCURACY_PER_JOULE = Score(
    name="accuracy_per_joule",
    kind="energy",
    direction="max",
    quantity=Quantity("Validation accuracy per energy", "% per kJ", "% per kJ", 100_000.0, short="Acc. per kJ"),
)


_METRICS_AND_ENERGY = {score.name: score for score in (VAL_ACCURACY, VAL_LOSS, ACCURACY_PER_JOULE)}


def score_of(objective: Objective) -> Score:
    """Return how the scores of an objective are printed."""
    score = _METRICS_AND_ENERGY.get(objective.name) or time_to_accuracy(objective.target, name=objective.name)
    return replace(score, direction=objective.direction)


def time_to_accuracy(target: float, *, name: str) -> Score:
    """Return the score of a search for the shortest time until a validation accuracy."""
    percent = f"{100 * target:g} %"
    quantity = Quantity(f"Time to {percent} validation accuracy", "s", "s", short=f"To {percent}")
    return Score(name=name, kind="time", direction="min", quantity=quantity, target=target)


def number(value: Any) -> float:
    """Return a number of a row, nan where it has none."""
    return np.nan if value is None else float(value)
