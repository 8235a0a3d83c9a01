"""Accuracy against time: up and to the left is better.

Points of all arms share one axis of time, so all times are ratios to the study's one baseline here, also where the
tables compare an arm with a baseline of its own; a study of several networks gets a logarithmic one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from kbnd.analysis.timing import time_ratios
from kbnd.report.figures.arms import possible
from kbnd.report.figures.style import colours, label_points, markers, short_label
from kbnd.report.frames import Frames
from kbnd.report.numbers import in_unit, quantity_of
from kbnd.report.tables.notes import NO_INTERVAL

FEW_FAMILIES = 6
"""Families of arms whose legend fits among the points; a longer one stands beside them."""

WIDE = 4.0
"""Slowest over fastest from which the axis of time is logarithmic."""


def cost_figure(frames: Frames, metric: str) -> Figure | None:
    """Draw accuracy against time; both with intervals, time as a ratio to the study's baseline."""
    ratios = _to_one_baseline(frames)
    times = {row["arm"]: row for row in ratios[ratios["n"] > 0].to_dict("records")}
    rows = [row for row in frames.compared(metric) if row["n"] and row["arm"] in times]
    if len(rows) < 2:
        return None
    arms = [row["arm"] for row in rows]
    quantity, colour, shape = quantity_of(metric), colours(arms, frames.baseline), markers(arms)
    n_families = len({short_label(arm)[0] for arm in arms})
    has_room = n_families <= FEW_FAMILIES
    figure = Figure(figsize=(6.4, 4.4) if has_room else (8.4, max(4.4, 0.9 + 0.2 * n_families)))
    axes = figure.subplots()
    points = []
    for row in rows:
        time, tint = times[row["arm"]], colour[row["arm"]]
        family, number = short_label(row["arm"])
        x, y = time["ratio"], row["mean"] * quantity.scale
        axes.plot([time["ci_low"], time["ci_high"]], [y, y], color=tint, lw=1, alpha=0.5)
        axes.plot([x, x], np.array(possible(row)) * quantity.scale, color=tint, lw=1, alpha=0.5)
        axes.plot(x, y, shape[row["arm"]], color=tint, ms=6, mec="white", mew=0.6, label=family, zorder=3)
        points.append((x, y, number, tint))
    _legend(axes, is_beside=not has_room)
    time_label = quantity_of(str(ratios["metric"].iloc[0])).label.lower()
    axes.set(xlabel=f"{time_label}, ratio to {frames.baseline}", ylabel=in_unit(quantity.label, quantity.unit))
    has_intervals = any(row["n"] > 1 or times[row["arm"]]["n"] > 1 for row in rows)
    axes.set_title(f"Accuracy against time, {'95 % intervals' if has_intervals else NO_INTERVAL}")
    _frame(axes, np.array([(x, y) for x, y, _, _ in points]))
    label_points(figure, axes, points)
    return figure


def _to_one_baseline(frames: Frames) -> pd.DataFrame:
    """The ratios, all to the study's baseline."""
    if not frames.has_many_baselines:
        return frames.ratios
    metric = str(frames.ratios["metric"].iloc[0])
    return time_ratios(frames.runs, baseline=frames.baseline, metric=metric, arms=frames.arms)


def _legend(axes: Axes, *, is_beside: bool) -> None:
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if is_beside else {"loc": "best"}
    axes.legend(unique.values(), unique.keys(), frameon=False, **place)


def _frame(axes: Axes, points: NDArray[np.float64]) -> None:
    """Keep the view on the points; the intervals of a few seeds may leave it."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.6 * np.maximum(high - low, [0.02, 0.2])
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, low[1] - margin[1]), min(top, high[1] + margin[1]))
    if high[0] / low[0] <= WIDE:
        axes.set_xlim(max(left, low[0] - margin[0]), min(right, high[0] + margin[0]))
        return
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(low[0] / 1.3, high[0] * 1.3)
