"""Dot plots: a row for each arm, its interval as a line, and the arm it is compared with where there are several.

The pictures grow with the number of arms, so that names never touch; a name stands to the left of its row, the
baseline of that row, where arms have their own, to the right.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kbnd.analysis.compare import pairs_of
from kbnd.analysis.selection import measured
from kbnd.analysis.timing import is_control, noise_floor
from kbnd.report.figures.style import GREY, INK, colours
from kbnd.report.frames import Frames
from kbnd.report.numbers import in_unit, quantity_of
from kbnd.report.tables.notes import NO_INTERVAL

Limits = tuple[float, float]

ONE_BLOCK = "one block: no interval, no noise floor"


def accuracy_figure(frames: Frames, metric: str) -> Figure | None:
    """Draw every seed, mean and interval of each arm beside its paired difference from its baseline."""
    rows = frames.compared(metric)
    if not any(row["n"] for row in rows):
        return None
    quantity, colour = quantity_of(metric), colours(frames.arms, frames.baseline)
    figure = Figure(figsize=(8.4 + 0.9 * frames.has_many_baselines, 1.3 + 0.36 * len(rows)))
    left, right = figure.subplots(1, 2, sharey=True)
    seeds = measured(frames.runs, metric)
    pairs = {name: pairs_of(frames.runs, metric, baseline=name) for name in set(frames.references.values())}
    for y, row in enumerate(rows):
        tint = colour[row["arm"]]
        mine = seeds.loc[seeds["arm"] == row["arm"], metric]
        _row(left, y, mine, row["mean"], possible(row), scale=quantity.scale, colour=tint)
        if np.isfinite(row["published"]):
            left.plot(row["published"] * quantity.scale, y - 0.28, "D", mfc="white", mec=INK, ms=4.5, zorder=4)
        own = pairs[row["baseline"]]
        own = own[own["arm"] == row["arm"]]
        limits = (row["diff_ci_low"], row["diff_ci_high"])
        _row(right, y, own["value"] - own["reference"], row["diff"], limits, scale=quantity.scale, colour=tint)
    right.axvline(0, color=INK, lw=0.8)
    _name_rows(left, [_with_n(row) for row in rows])
    left.set(xlabel=in_unit(quantity.label, quantity.unit), title="Each arm")
    against = _name_baselines(right, rows)
    right.set(xlabel=in_unit(f"arm minus {against}", quantity.difference_unit), title="Difference, paired by seed")
    has_intervals = any(np.isfinite(row["ci_low"]) for row in rows)
    marks = "small: one seed    large: mean with 95 % interval" if has_intervals else NO_INTERVAL
    has_published = any(np.isfinite(row["published"]) for row in rows)
    figure.supxlabel(marks + ("    diamond: published" if has_published else ""), fontsize=8, color=GREY)
    return figure


def time_figure(ratios: pd.DataFrame) -> Figure | None:
    """Draw each arm's time ratio with its interval over the band that the A/A control of its baseline cannot resolve.

    Each row has its own band: of a baseline timed in other blocks it is another one, or none.
    """
    rows = ratios[ratios["n"] > 0].to_dict("records")
    if len(rows) < 2:
        return None
    baseline, quantity = str(ratios["baseline"].iloc[0]), quantity_of(str(ratios["metric"].iloc[0]))
    controls = set(ratios.loc[is_control(ratios), "arm"])
    colour = colours([row["arm"] for row in rows if row["arm"] not in controls], baseline)
    colour |= dict.fromkeys(controls, GREY)
    has_many = ratios.loc[~is_control(ratios), "baseline"].nunique() > 1
    figure = Figure(figsize=(6.4 + 0.9 * has_many, 1.3 + 0.33 * len(rows)))
    axes = figure.subplots()
    band = _bands(axes, rows, ratios)
    has_intervals = any(np.isfinite(row["ci_low"]) for row in rows)
    marks = f"large: geometric mean over blocks with 95 % interval    {band}" if has_intervals else ONE_BLOCK
    figure.supxlabel(marks, fontsize=8, color=GREY)
    axes.axvline(1, color=INK, lw=0.8)
    for y, row in enumerate(rows):
        _row(axes, y, pd.Series(dtype=float), row["ratio"], (row["ci_low"], row["ci_high"]), colour=colour[row["arm"]])
    _name_rows(axes, [f"{row['arm']}  n={row['n']}" for row in rows])
    against = _name_baselines(axes, rows, controls=controls)
    axes.set(xlabel=f"ratio to {against}, paired by block", title=quantity.label)
    return figure


def possible(row: dict[Any, Any]) -> Limits:
    """Return the interval of a mean without what no accuracy can be, below 0 or above 1."""
    return (max(row["ci_low"], 0.0), min(row["ci_high"], 1.0)) if row["n"] > 1 else (np.nan, np.nan)


def _bands(axes: Axes, rows: Sequence[dict[Any, Any]], ratios: pd.DataFrame) -> str:
    """Lay behind each row what its noise floor does not resolve; return in words whose floor that is."""
    floors = {control: noise_floor(ratios, control) for control in ratios["control"].unique()}
    for y, row in enumerate(rows):
        if np.isfinite(floor := floors[row["control"]]):
            axes.fill_betweenx([y - 0.5, y + 0.5], 1 / floor, floor, color=GREY, alpha=0.15, lw=0)
    controls = [str(control) for control, floor in floors.items() if np.isfinite(floor)]
    return f"grey: noise floor of {', '.join(controls)}" if controls else "no noise floor was measured"


def _row(
    axes: Axes, y: int, points: pd.Series, centre: float, limits: Limits, *, colour: str, scale: float = 1.0
) -> None:
    """One arm: its values in small, their mean in large, the interval as a line."""
    below = y + 0.2 + 0.05 * (np.arange(len(points)) % 3)
    axes.plot(points.to_numpy() * scale, below, "o", color=colour, ms=2.8, alpha=0.6, mew=0)
    axes.plot(np.array(limits) * scale, [y, y], color=colour, lw=2, solid_capstyle="round")
    axes.plot(centre * scale, y, "o", color=colour, ms=6.5, mec="white", mew=0.8, zorder=3)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Write the names of the rows, the first on top, with the same margin however many there are."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _name_baselines(axes: Axes, rows: Sequence[dict[Any, Any]], *, controls: Collection[str] = ()) -> str:
    """Write beside each row what it is compared with, where that differs; return what an axis calls it.

    A control, which may be another arm's, is named after what it is compared with.
    """
    baselines = list(dict.fromkeys(str(row["baseline"]) for row in rows if row["arm"] not in controls))
    if len(baselines) == 1:
        return baselines[0]
    place: Any = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 7.5, "color": GREY}
    for y, row in enumerate(rows):
        if row["arm"] != row["baseline"]:
            axes.text(1.01, y, f"to {row['baseline']}", **place)
    return "the arm named at the right"


def _with_n(row: dict[Any, Any]) -> str:
    lost = f", {row['n_diverged']} diverged" if row["n_diverged"] else ""
    return f"{row['arm']}  n={row['n']}{lost}"
