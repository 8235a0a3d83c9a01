"""Learning curves as small multiples: one panel for each arm, with the baseline behind it in grey.

Ten lines in one panel cannot be told apart where they matter, at the end; a panel each with the same axes can, and
every panel holds the one comparison that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from kbnd.analysis.stats import mean_interval
from kbnd.report.numbers import quantity
from kbnd.report.style import GREY, colours

METRICS = ("test_accuracy", "val_accuracy", "train_accuracy")
"""What a curve may show: the first that was measured."""

N_FOR_BAND = 4
"""Seeds from which an interval is drawn as a band; of fewer it is wider than the panel, and each seed is drawn."""

SMALLEST_ERROR = 0.02
"""Percent of error below which the axis ends; on a logarithmic axis an arm without errors has no place."""

HIGH = 90.0
"""Percent that some arm must reach for a logarithmic axis of the error; below, a linear one shows more."""

_TICKS = (0, 20, 40, 60, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95)


def curves_figure(runs: pd.DataFrame, epochs: pd.DataFrame, *, references: Mapping[str, str]) -> Figure | None:
    """Draw the mean over seeds and its interval, epoch by epoch; None where no epoch was measured.

    Args:
        runs: columns of runs.csv; only done runs of replicate 0 are drawn.
        epochs: columns of epochs.csv.
        references: arm -> the arm behind its panel, in the order of the panels; an arm that is its own reference has
            no panel unless no other has one.
    """
    first = runs[runs["replicate"] == 0]
    chosen = epochs[epochs["run_id"].isin(first.loc[first["status"] == "done", "run_id"])]
    metric = next((name for name in METRICS if name in chosen and chosen[name].notna().any()), None)
    if metric is None:
        return None
    arms, baseline = list(references), next(iter(references.values()))
    curves = {arm: _curve(chosen[chosen["arm"] == arm], metric) for arm in arms}
    panels = [arm for arm in arms if arm != references[arm]] or arms
    n_columns = math.ceil(math.sqrt(len(panels)))
    n_rows = math.ceil(len(panels) / n_columns)
    figure = Figure(figsize=(max(0.8 + 2.4 * n_columns, 4.5), 1.0 + 1.75 * n_rows))
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).ravel()
    colour, shown = colours(arms, baseline), quantity(metric)
    means = pd.concat([curve.mean(axis=1) for curve in curves.values()])
    is_high = bool(means.max() >= HIGH)
    if is_high:
        _space_by_error(grid[0], means)
    for axes, arm in zip(grid, panels, strict=False):
        if arm != references[arm]:
            _line(axes, curves[references[arm]], GREY)
        _line(axes, curves[arm], colour[arm], is_front=True)
        axes.set_title(_counted(first[first["arm"] == arm]))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5, min_n_ticks=1))
        axes.set_xlim(0.5, chosen["epoch"].max() + 0.5)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    behind = ", ".join(dict.fromkeys(references[arm] for arm in panels if arm != references[arm]))
    behind = f"grey, dashed: {behind if behind.count(',') < 3 else 'its baseline'};  " if behind else ""
    is_few = max(curve.shape[1] for curve in curves.values()) < N_FOR_BAND
    around = "thin: each seed" if is_few else "95 % interval"
    figure.supxlabel(f"epoch    ({behind}mean over seeds, {around})", fontsize=9)
    figure.supylabel(f"{shown.label}, {shown.unit}" + " (log of the error)" * is_high, fontsize=9)
    return figure


def _space_by_error(axes: Axes, means: pd.Series) -> None:
    """Space accuracies by the logarithm of the error: 98 to 99 % is as long as 80 to 90 %.

    A linear axis spends itself on the first epoch and shows the end, which decides, as one flat line.
    The means alone set the limits, or the interval of a few seeds would.
    """

    def forward(percent: NDArray[np.float64]) -> NDArray[np.float64]:
        return -np.log10(np.maximum(100 - np.asarray(percent, dtype=float), SMALLEST_ERROR))

    def inverse(place: NDArray[np.float64]) -> NDArray[np.float64]:
        return 100 - 10 ** -np.asarray(place, dtype=float)

    low, high = forward(np.array([means.min(), means.max()])) + np.array([-0.12, 0.12])
    axes.set_yscale("function", functions=(forward, inverse))
    axes.set_ylim(float(inverse(low)), float(inverse(min(high, -np.log10(SMALLEST_ERROR)))))
    inside = [tick for tick in _TICKS if low <= forward(np.array(tick)) <= high]
    axes.set_yticks(inside, [f"{tick:g}" for tick in inside])


def _counted(runs: pd.DataFrame) -> str:
    """Title of a panel: the arm, how many runs are in it and how many diverged."""
    counts = runs["status"].value_counts()
    lost = f", {counts['diverged']} diverged" if "diverged" in counts else ""
    return f"{runs['arm'].iloc[0]}  n={counts.get('done', 0)}{lost}" if len(runs) else "not run"


def _curve(epochs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Percent by epoch (rows) and seed (columns)."""
    return 100 * epochs.dropna(subset=[metric]).pivot_table(index="epoch", columns="seed", values=metric)


def _line(axes: Axes, curve: pd.DataFrame, colour: str, *, is_front: bool = False) -> None:
    """The mean over seeds, with a band for its interval or, for few seeds, a thin line for each."""
    if curve.empty:
        return
    epoch, mean = curve.index.to_numpy(dtype=float), curve.mean(axis=1)
    style: dict[str, Any] = {"lw": 1.8, "zorder": 3} if is_front else {"lw": 1.2, "ls": (0, (4, 2)), "zorder": 2}
    axes.plot(epoch, mean, color=colour, marker="o" if len(epoch) < 8 else "", ms=3, **style)
    if curve.shape[1] < N_FOR_BAND:
        for seed in curve:
            axes.plot(epoch, curve[seed], color=colour, lw=0.6, alpha=0.6 if is_front else 0.35)
        return
    limits = [mean_interval(row.dropna()) for _, row in curve.iterrows()]
    low, high = [limit.low for limit in limits], [limit.high for limit in limits]
    axes.fill_between(epoch, low, high, color=colour, alpha=0.22 if is_front else 0.12, lw=0)
