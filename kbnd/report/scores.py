"""What a search's score is called and how it is printed: metrics of a run, and objectives that are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from kbnd.report.numbers import Quantity, quantity_of

OBJECTIVES: dict[str, Callable[[str], Quantity]] = {
    "time_to_accuracy": lambda target: Quantity(
        f"Time to {100 * float(target):g} % validation accuracy", "s", "s", short=f"To {100 * float(target):g} %"
    ),
    "accuracy_per_joule": lambda _: Quantity(
        "Validation accuracy per energy", "% per kJ", "% per kJ", 100_000.0, short="Acc. per kJ"
    ),
}
"""Objectives that are no metric of a run, by what stands before a colon."""


def score_quantity(objective: str, values: pd.Series) -> Quantity:
    """Return how to print an objective; `values` decide the decimals of times and energies."""
    stem, _, target = objective.partition(":")
    if stem not in OBJECTIVES:
        return quantity_of(objective, values)
    quantity = OBJECTIVES[stem](target)
    return replace(quantity, decimals=quantity_of("score_s", values * quantity.scale).decimals)


def number(value: Any) -> float:
    """Return a number of a row, nan where it has none."""
    return np.nan if value is None else float(value)
