"""The axis of accuracies by the logarithm of the error: 98 to 99 % is as long as 80 to 90 %.

A linear axis shows the end of a training, which decides, as one flat line. Below `HIGH` the logarithm would change
little and read badly.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

SMALLEST_ERROR = 0.02
"""Percent of error below which the axis ends; on a logarithmic axis an arm without errors has no place."""

HIGH = 90.0
"""Percent that some arm must reach for a logarithmic axis of the error."""

TICKS = (99.95, 99.9, 99.8, 99.5, 99, 98, 95, 90, 80, 60, 40, 20, 0)
"""Ticks of the logarithmic axis, those that must have room first."""

ENOUGH_TICKS = 4
"""Ticks below which round numbers between them are added."""

TICK_ROOM = 0.14
"""Part of the axis that a tick's label takes."""


def space_by_error(axes: Axes, means: pd.Series) -> None:
    """Space accuracies by the logarithm of the error: a linear axis shows the end, which decides, as one flat line.

    The means alone set the limits, or the interval of a few seeds would.
    """

    def forward(percent: Any) -> NDArray[np.float64]:
        return -np.log10(np.maximum(100 - np.asarray(percent, dtype=float), SMALLEST_ERROR))

    def inverse(place: Any) -> NDArray[np.float64]:
        return 100 - 10 ** -np.asarray(place, dtype=float)

    low, high = forward(np.array([means.min(), means.max()])) + np.array([-0.12, 0.12])
    high = min(high, -math.log10(SMALLEST_ERROR))
    axes.set_yscale("function", functions=(forward, inverse))
    axes.set_ylim(float(inverse(low)), float(inverse(high)))
    places: dict[float, float] = {}
    between = MaxNLocator(nbins=6, steps=[1, 2, 5, 10]).tick_values(*axes.get_ylim())
    for tick in (*TICKS, *between):
        place = float(forward(tick))
        has_room = all(abs(place - other) >= TICK_ROOM * (high - low) for other in places.values())
        is_wanted = tick in TICKS or len(places) < ENOUGH_TICKS
        if low <= place <= high and has_room and is_wanted:
            places[tick] = place
    axes.set_yticks(sorted(places), [f"{tick:g}" for tick in sorted(places)])
