"""Numbers of a test curve a_1...a_E, the test accuracy after each epoch: an array in, a number out.

What a curve is too short for is nan, never 0; `kbnd.analysis.metrics` has the definitions.

Differs: `epochs_to` is 1 where the first epoch already reaches the accuracy, because there is no accuracy of epoch 0
to start a line from. `plateau_epoch` is nan where the plateau lies below 0.5 and less than 0.05 above a_1: a run that
never learns, or unlearns, is as level as one that converged at once. How many classes there are is not known here, so
the bound is what no guess among three or more alike can reach; of two classes such a run still reads 1.
"""

from __future__ import annotations

import math

import numpy as np

LEAST_FOR_SPREAD = 3
"""Values of a curve below which the spread of its differences says nothing."""

N_PLATEAU, WITHIN_PLATEAU = 5, 0.01
"""Last epochs whose median is the plateau, so that none of them decides alone; and how far from it counts as there."""

LEAST_RISE, SURELY_LEARNED = 0.05, 0.5
"""Rise from the first epoch to the plateau that shows learning; plateau above which none has to be shown."""


def running_median(curve: np.ndarray) -> np.ndarray:
    """Return the median of each epoch and its two neighbours; the first and the last epoch stay as they are.

    A first crossing rewards noise: of two curves of one shape the one that jumps more crosses earlier. The median of
    three ignores a single jump.

    Reference: Tukey (1977), Exploratory Data Analysis, chapter 7.
    """
    if len(curve) < 3:
        return curve
    middle = np.median(np.stack([curve[:-2], curve[1:-1], curve[2:]]), axis=0)
    return np.concatenate([curve[:1], middle, curve[-1:]])


def epochs_to(curve: np.ndarray, accuracy: float) -> float:
    """Return the first epoch that reaches an accuracy, linear between epochs; E + 1 where none does: a bound."""
    reached = np.flatnonzero(curve >= accuracy)
    if not len(reached):
        return len(curve) + 1
    first = int(reached[0])
    if first == 0:
        return 1
    before, after = curve[first - 1], curve[first]
    return first + (accuracy - before) / (after - before)


def plateau_epoch(curve: np.ndarray) -> float:
    """Return the first epoch within `WITHIN_PLATEAU` of the plateau."""
    if len(curve) < N_PLATEAU:
        return math.nan
    plateau = np.median(curve[-N_PLATEAU:])
    if plateau < SURELY_LEARNED and plateau - curve[0] < LEAST_RISE:
        return math.nan
    return int(np.argmax(running_median(curve) >= plateau - WITHIN_PLATEAU)) + 1


def instability(curve: np.ndarray, n_epochs: float) -> float:
    """Return the standard deviation of the first differences of the last epochs over sqrt(2)."""
    if len(curve) < n_epochs:  # fewer epochs are another quantity, with the steep beginning in it
        return math.nan
    return float(np.diff(curve[-int(n_epochs) :]).std(ddof=1)) / math.sqrt(2)


def accuracy_at(curve: np.ndarray, epoch: float) -> float:
    """Return the accuracy after an epoch."""
    return curve[int(epoch) - 1] if len(curve) >= epoch else math.nan


def median_last(curve: np.ndarray, n_epochs: float) -> float:
    """Return the median of the last epochs."""
    return float(np.median(curve[-int(n_epochs) :])) if len(curve) >= n_epochs else math.nan
