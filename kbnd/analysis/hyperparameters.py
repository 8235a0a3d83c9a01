"""The values of a hyperparameter over the trials of a search: numbers, or categories such as texts and switches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kbnd.errors import UsageError, unknown

FEW_VALUES = 6
"""Different numbers up to which each is looked at by itself, as in a grid."""


def check_names(trials: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse hyperparameters that the trials do not have.

    Raises:
        UsageError: no name, or one that is no column.
    """
    if not names:
        raise UsageError("a search has at least one hyperparameter, received none")
    for name in names:
        if name not in trials:
            raise unknown("hyperparameter", name, trials.columns)


def numbers_of(values: pd.Series) -> pd.Series | None:
    """Return the values as numbers, or None where they are categories (texts, switches)."""
    present = values.dropna()
    if present.map(lambda value: isinstance(value, (bool, np.bool_))).any():
        return None
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    return numbers if numbers[present.index].notna().all() else None


def encoded(values: pd.Series) -> tuple[NDArray[np.float64], list[str] | None]:
    """Return a column for a forest, and the sorted categories that its numbers mean, None where they are themselves.

    Numbers stay as they are, since trees see only their order; of a category it is the place among the sorted ones.
    """
    numbers = numbers_of(values)
    if numbers is not None:
        return numbers.to_numpy(), None
    codes, levels = pd.factorize(values.astype(str).where(values.notna()), sort=True)
    return np.where(codes < 0, np.nan, codes), [str(level) for level in levels]
