"""The pictures of a study, drawn from the same frames as its tables.

| figure     | shows                                                                                   |
|------------|-----------------------------------------------------------------------------------------|
| `curves`   | one small panel for each arm: mean over seeds with its interval, the baseline in grey   |
| `accuracy` | every seed, mean, interval and published number; difference from the baseline           |
| `time`     | time as a ratio to the baseline with interval, the A/A noise floor as a band            |
| `cost`     | accuracy against time: up and to the left is better                                     |

A picture that has nothing to show is left out. The same frames give the same bytes: no dates, no random ids.
Colours are Okabe and Ito's, told apart by colour-blind readers, and doubled by position or label.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kbnd.analysis.compare import pairs_of
from kbnd.analysis.selection import measured
from kbnd.analysis.timing import control_name
from kbnd.report.curves import curves_figure
from kbnd.report.notes import data_notes, difference_notes
from kbnd.report.numbers import quantity
from kbnd.report.style import GREY, INK, STYLE, colours, label_points, markers, short_label
from kbnd.report.tables import noise_floor

FORMATS = {"svg": {"Date": None}, "png": {"Software": None}}
"""Formats with the metadata that would make two equal pictures differ, switched off."""

FEW_FAMILIES = 6
"""Families of arms whose legend fits among the points; a longer one stands beside them."""


@dataclass(frozen=True)
class Frames:
    """What the pictures are drawn from."""

    runs: pd.DataFrame
    epochs: pd.DataFrame
    comparison: pd.DataFrame
    ratios: pd.DataFrame

    @property
    def baseline(self) -> str:
        """Name of the reference arm."""
        return str(self.comparison["baseline"].iloc[0])

    @property
    def arms(self) -> list[str]:
        """Every arm once, in the order of the comparison."""
        return list(dict.fromkeys(self.comparison["arm"]))

    @property
    def references(self) -> dict[str, str]:
        """Arm -> the arm it is compared with."""
        return dict(zip(self.comparison["arm"], self.comparison["baseline"], strict=True))

    @property
    def against(self) -> str:
        """What the arms are compared with, in words."""
        return self.baseline if len(set(self.references.values())) == 1 else "its baseline"

    def compared(self, metric: str) -> list[dict]:
        """Rows of the comparison for one metric, in the order of the arms."""
        return self.comparison[self.comparison["metric"] == metric].to_dict("records")


FIGURES: dict[str, Callable[[Frames, str], Figure | None]] = {
    "curves": lambda frames, _: curves_figure(frames.runs, frames.epochs, references=frames.references),
    "accuracy": lambda frames, metric: accuracy_figure(frames, metric),
    "time": lambda frames, _: time_figure(frames.ratios),
    "cost": lambda frames, metric: cost_figure(frames, metric),
}
"""What draws each picture from the frames and a metric; None where there is nothing to show."""


def draw(
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    comparison: pd.DataFrame,
    ratios: pd.DataFrame,
    *,
    metric: str = "test_accuracy",
    difference: str = "",
    data_note: str = "",
) -> dict[str, dict[str, bytes]]:
    """Return the contents of every picture by name and format (`svg`, `png`).

    Args:
        runs: columns of runs.csv.
        epochs: columns of epochs.csv.
        comparison: what `kbnd.analysis.compare.compare` returns of them.
        ratios: what `kbnd.analysis.timing.time_ratios` returns of them.
        metric: an accuracy, for `accuracy` and `cost`.
        difference: in words, what makes this another experiment than the report's; empty where nothing does.
        data_note: what must be said beside results on these images; usually nothing.
    """
    frames = Frames(runs, epochs, comparison, ratios)
    with mpl.rc_context(STYLE):
        figures = {name: drawn(frames, metric) for name, drawn in FIGURES.items()}
        said = [*difference_notes(difference), *data_notes(data_note)]
        return {name: _contents(figure, said) for name, figure in figures.items() if figure is not None}


def accuracy_figure(frames: Frames, metric: str) -> Figure | None:
    """Draw every seed, mean and interval of each arm beside the paired difference from the baseline."""
    rows = frames.compared(metric)
    if not any(row["n"] for row in rows):
        return None
    shown, colour = quantity(metric), colours([row["arm"] for row in rows], frames.baseline)
    figure = Figure(figsize=(8.4, 1.3 + 0.36 * len(rows)))
    left, right = figure.subplots(1, 2, sharey=True)
    seeds = measured(frames.runs, metric)
    pairs = {name: pairs_of(frames.runs, metric, baseline=name) for name in set(frames.references.values())}
    for y, row in enumerate(rows):
        mine = seeds.loc[seeds["arm"] == row["arm"], metric]
        limits = _possible(row)
        _row(left, y, mine, row["mean"], limits, scale=shown.scale, colour=colour[row["arm"]])
        if np.isfinite(row["published"]):
            left.plot(row["published"] * shown.scale, y - 0.28, "D", mfc="white", mec=INK, ms=4.5, zorder=4)
        own = pairs[row["baseline"]]
        own = own[own["arm"] == row["arm"]]
        mine = own["value"] - own["reference"]
        limits = (row["diff_ci_low"], row["diff_ci_high"])
        _row(right, y, mine, row["diff"], limits, scale=shown.scale, colour=colour[row["arm"]])
    right.axvline(0, color=INK, lw=0.8)
    left.set_yticks(range(len(rows)), [_with_n(row) for row in rows])
    left.invert_yaxis()
    left.set(xlabel=f"{shown.label}, {shown.unit}", title="Each arm")
    right.set(xlabel=f"arm minus {frames.against}, {shown.difference_unit}", title="Difference, paired by seed")
    has_intervals = any(np.isfinite(row["ci_low"]) for row in rows)
    marks = "small: one seed    large: mean" + (" with 95 % interval" if has_intervals else ", n = 1: no interval")
    has_published = any(np.isfinite(row["published"]) for row in rows)
    figure.supxlabel(marks + ("    diamond: published" if has_published else ""), fontsize=8, color=GREY)
    return figure


def time_figure(ratios: pd.DataFrame) -> Figure | None:
    """Draw each arm's time ratio with its interval over the band that the A/A control cannot resolve."""
    rows = ratios[ratios["n"] > 0].to_dict("records")
    if len(rows) < 2:
        return None
    baseline, shown = rows[0]["baseline"], quantity(rows[0]["metric"])
    control = control_name(baseline)
    colour = colours([row["arm"] for row in rows if row["arm"] != control], baseline) | {control: GREY}
    figure = Figure(figsize=(6.4, 1.3 + 0.33 * len(rows)))
    axes = figure.subplots()
    floor, band = noise_floor(ratios), "noise floor unknown"
    if np.isfinite(floor):
        axes.axvspan(1 / floor, floor, color=GREY, alpha=0.15, lw=0)
        band = f"grey: noise floor of {control}"
    figure.supxlabel(f"large: geometric mean over blocks with 95 % interval    {band}", fontsize=8, color=GREY)
    axes.axvline(1, color=INK, lw=0.8)
    for y, row in enumerate(rows):
        _row(axes, y, pd.Series(dtype=float), row["ratio"], (row["ci_low"], row["ci_high"]), colour=colour[row["arm"]])
    axes.set_yticks(range(len(rows)), [f"{row['arm']}  n={row['n']}" for row in rows])
    axes.invert_yaxis()
    against = baseline if ratios["baseline"].nunique() == 1 else "its baseline"
    axes.set(xlabel=f"ratio to {against}, paired by block", title=shown.label)
    return figure


def cost_figure(frames: Frames, metric: str) -> Figure | None:
    """Draw accuracy against time; both with intervals, time as a ratio to the baseline."""
    times = {row["arm"]: row for row in frames.ratios[frames.ratios["n"] > 0].to_dict("records")}
    rows = [row for row in frames.compared(metric) if row["n"] and row["arm"] in times]
    if len(rows) < 2:
        return None
    shown, colour = quantity(metric), colours([row["arm"] for row in rows], frames.baseline)
    arms = [row["arm"] for row in rows]
    shape, n_families = markers(arms), len({short_label(arm)[0] for arm in arms})
    has_room = n_families <= FEW_FAMILIES
    figure = Figure(figsize=(6.4, 4.4) if has_room else (8.4, max(4.4, 0.9 + 0.2 * n_families)))
    axes = figure.subplots()
    points = []
    for row in rows:
        time, tint = times[row["arm"]], colour[row["arm"]]
        x, y = time["ratio"], row["mean"] * shown.scale
        axes.plot([time["ci_low"], time["ci_high"]], [y, y], color=tint, lw=1, alpha=0.5)
        axes.plot([x, x], np.array(_possible(row)) * shown.scale, color=tint, lw=1, alpha=0.5)
        family = short_label(row["arm"])[0]
        axes.plot(x, y, shape[row["arm"]], color=tint, ms=6, mec="white", mew=0.6, label=family, zorder=3)
        points.append((x, y, short_label(row["arm"])[1], tint))
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    beside: dict = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
    axes.legend(unique.values(), unique.keys(), frameon=False, **({"loc": "best"} if has_room else beside))
    time_label = quantity(str(frames.ratios["metric"].iloc[0])).label.lower()
    axes.set(xlabel=f"{time_label}, ratio to {frames.against}", ylabel=f"{shown.label}, {shown.unit}")
    axes.set_title("Accuracy against time, 95 % intervals")
    _frame(axes, np.array([(x, y) for x, y, _, _ in points]))
    label_points(figure, axes, points)
    return figure


def _row(
    axes: Axes,
    y: int,
    points: pd.Series,
    centre: float,
    limits: tuple[float, float],
    *,
    colour: str,
    scale: float = 1.0,
) -> None:
    """One arm of a dot plot: its values in small, their mean in large, the interval as a line."""
    below = y + 0.2 + 0.05 * (np.arange(len(points)) % 3)
    axes.plot(points.to_numpy() * scale, below, "o", color=colour, ms=2.8, alpha=0.6, mew=0)
    axes.plot(np.array(limits) * scale, [y, y], color=colour, lw=2, solid_capstyle="round")
    axes.plot(centre * scale, y, "o", color=colour, ms=6.5, mec="white", mew=0.8, zorder=3)


def _possible(row: dict) -> tuple[float, float]:
    """The interval of a mean without what no accuracy can be, below 0 or above 1."""
    return (max(row["ci_low"], 0.0), min(row["ci_high"], 1.0)) if row["n"] > 1 else (np.nan, np.nan)


def _frame(axes: Axes, points: NDArray[np.float64]) -> None:
    """Keep the view on the points; the intervals of a few seeds may leave it."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.6 * np.maximum(high - low, [0.02, 0.2])
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    axes.set_xlim(max(left, low[0] - margin[0]), min(right, high[0] + margin[0]))
    axes.set_ylim(max(bottom, low[1] - margin[1]), min(top, high[1] + margin[1]))


def _with_n(row: dict) -> str:
    lost = f", {row['n_diverged']} diverged" if row["n_diverged"] else ""
    return f"{row['arm']}  n={row['n']}{lost}"


def _contents(figure: Figure, said: Sequence[str]) -> dict[str, bytes]:
    """The bytes of a figure in every format, with what must be said beside its numbers above it."""
    if said:
        lines = [textwrap.fill(note, int(14 * figure.get_figwidth())) for note in said]
        figure.suptitle("\n".join(lines), fontsize=8, color=GREY)
    FigureCanvasAgg(figure)
    contents = {}
    for suffix, metadata in FORMATS.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, metadata=metadata)
        contents[suffix] = buffer.getvalue()
    return contents
