"""Learning curves as small multiples: one panel for each arm, with the arm it is compared with behind it in grey.

Ten lines in one panel cannot be told apart where they matter, at the end; a panel each with the same axes can, and
every panel holds the one comparison that is asked for. More panels than a page can hold are joined: arms that differ in
a trailing number alone (`conv0.1`, `conv0.5`) share one, each in a shade that the title writes its number in.

| highest accuracy  | axis                                                                        |
|-------------------|-----------------------------------------------------------------------------|
| at least 90 %     | logarithm of the error (`kbnd.report.figures.error_axis`)                   |
| below             | linear                                                                      |
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from kbnd.analysis.selection import first_replicates, own_arms
from kbnd.analysis.stats import mean_interval
from kbnd.report.figures.error_axis import HIGH, space_by_error
from kbnd.report.figures.style import GREY, coloured_title, colours, shades, short_label, title_size
from kbnd.report.numbers import in_unit, quantity_of
from kbnd.report.tables.notes import NO_INTERVAL

METRICS = ("test_accuracy", "val_accuracy", "train_accuracy")
"""What a curve may show: the first that was measured."""

MOST_PANELS = 12
"""Arms that get a panel each; more are joined by family."""

N_FOR_BAND = 4
"""Seeds from which an interval is drawn as a band; of fewer it is wider than the panel, and each seed is drawn."""

PANEL = (2.4, 1.75)
"""Width and height of a panel in inches."""


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        name: an arm, or a family of arms.
        reference: the arm behind it; None where it is its own.
        members: arm -> the number that tells it from the others of its family; empty for an arm on its own.
    """

    name: str
    reference: str | None
    members: dict[str, str]


def curves_figure(runs: pd.DataFrame, epochs: pd.DataFrame, *, references: Mapping[str, str]) -> Figure | None:
    """Draw the mean over seeds and its interval, epoch by epoch; None where no epoch was measured.

    Args:
        runs: columns of runs.csv; only done runs are drawn, of each seed the first replicate.
        epochs: columns of epochs.csv.
        references: arm -> the arm behind its panel, in the order of the panels; an arm that is its own reference has
            a panel only where it stands behind none.
    """
    first = first_replicates(runs)
    done = own_arms(epochs[epochs["run_id"].isin(first.loc[first["status"] == "done", "run_id"])])
    metric = next((name for name in METRICS if name in done and done[name].notna().any()), None)
    if metric is None:
        return None
    curves = {arm: _curve(done[done["arm"] == arm], metric) for arm in references}
    panels = panels_of(references)
    figure, grid = _grid(len(panels))
    means = pd.concat([curve.mean(axis=1) for curve in curves.values()])
    is_high = bool(means.max() >= HIGH)
    if is_high:
        space_by_error(grid[0], means)
    colour = colours(references, next(iter(references.values())))
    counts = {arm: _counted(first[first["arm"] == arm]) for arm in references}
    is_joined = any(len(panel.members) > 1 for panel in panels)
    for axes, panel in zip(grid, panels, strict=False):
        if panel.reference is not None:
            _line(axes, curves[panel.reference], GREY, has_spread=not is_joined)
        for arm, tint in _tints(panel, colour).items():
            _line(axes, curves[arm], tint, is_front=True, has_spread=not is_joined)
        _title(axes, panel, counts, colour, usual=_usual(counts) if is_joined else "")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5, min_n_ticks=1))
        axes.set_xlim(0.5, done["epoch"].max() + 0.5)
    _caption(figure, panels, curves, grid)
    quantity = quantity_of(metric)
    figure.supylabel(in_unit(quantity.label, quantity.unit) + " (log of the error)" * is_high, fontsize=9)
    return figure


def panels_of(references: Mapping[str, str]) -> list[Panel]:
    """Return the panels: one for each arm with a reference, or for each family of them where that is too many."""
    behind_others = {reference for arm, reference in references.items() if arm != reference}
    arms = [arm for arm in references if arm != references[arm] or arm not in behind_others]
    behind = {arm: references[arm] if references[arm] != arm else None for arm in arms}
    if len(arms) <= MOST_PANELS:
        return [Panel(arm, behind[arm], {arm: ""}) for arm in arms]
    families: dict[tuple[str, str | None], list[str]] = {}
    for arm in arms:
        families.setdefault((short_label(arm)[0], behind[arm]), []).append(arm)
    return [
        Panel(name, reference, {arm: short_label(arm)[1] for arm in sorted(members, key=_number)})
        if len(members) > 1
        else Panel(members[0], reference, {members[0]: ""})
        for (name, reference), members in families.items()
    ]


def _grid(n: int) -> tuple[Figure, NDArray[Any]]:
    """A figure of n panels with the same axes, their numbers below the lowest panel of each column."""
    n_columns = math.ceil(math.sqrt(n))
    n_rows = math.ceil(n / n_columns)
    figure = Figure(figsize=(max(0.8 + PANEL[0] * n_columns, 4.5), 1.0 + PANEL[1] * n_rows))
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).ravel()
    for i, axes in enumerate(grid):
        if i >= n:
            axes.set_axis_off()
        elif i + n_columns >= n:
            axes.tick_params(labelbottom=True)
    return figure, grid


def _number(arm: str) -> float:
    """The number an arm ends in, to sort by; an arm without one comes first."""
    number = short_label(arm)[1]
    return float(number) if number.count(".") < 2 and number.strip(".") else -math.inf


def _tints(panel: Panel, colour: Mapping[str, str]) -> dict[str, str]:
    """Arm -> its colour within a panel: its family's, or a shade where the panel holds the family."""
    arms = list(panel.members)
    return {arms[0]: colour[arms[0]]} if len(arms) == 1 else dict(zip(arms, shades(len(arms)), strict=True))


def _title(axes: Axes, panel: Panel, counts: Mapping[str, str], colour: Mapping[str, str], *, usual: str) -> None:
    """Name a panel's arms in their colours, with how many runs each has where that is not the usual."""
    if len(panel.members) == 1:
        title = panel.name if counts[panel.name] == usual else f"{panel.name}  {counts[panel.name]}"
        axes.set_title(title, fontsize=title_size(title))
        return
    parts = []
    for arm, tint in _tints(panel, colour).items():
        number = panel.members[arm] or "plain"
        parts.append((number if counts[arm] == usual else f"{number} ({counts[arm]})", tint))
    coloured_title(axes, panel.name, parts)


def _caption(figure: Figure, panels: Sequence[Panel], curves: Mapping[str, pd.DataFrame], grid: Iterable[Axes]) -> None:
    """Write what the lines are: below the picture, and in each panel where baselines differ."""
    behind = list(dict.fromkeys(panel.reference for panel in panels if panel.reference is not None))
    for axes, panel in zip(grid, panels, strict=False):
        if len(behind) > 1 and panel.reference is not None:
            place: Any = {"ha": "right", "va": "bottom", "transform": axes.transAxes}
            axes.text(0.99, 0.02, f"grey: {panel.reference}", fontsize=7, color=GREY, **place)
    n = max(curve.shape[1] for curve in curves.values())
    around = "mean over seeds, " + ("thin: each seed" if n < N_FOR_BAND else "95 % interval")
    if any(len(panel.members) > 1 for panel in panels):
        around = f"mean over seeds, n = {n} where no other is given"
    dashed = "" if not behind else f"grey, dashed: {behind[0] if len(behind) == 1 else 'as named'};  "
    figure.supxlabel(f"epoch    ({dashed}{around if n > 1 else NO_INTERVAL})", fontsize=9)


def _usual(counts: Mapping[str, str]) -> str:
    values = list(counts.values())
    return max(dict.fromkeys(values), key=values.count)


def _counted(runs: pd.DataFrame) -> str:
    """How many runs are in a curve and how many diverged."""
    counts = runs["status"].value_counts()
    lost = f", {counts['diverged']} diverged" if "diverged" in counts else ""
    return f"n={counts.get('done', 0)}{lost}" if len(runs) else "not run"


def _curve(epochs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Percent by epoch (rows) and seed (columns)."""
    return 100 * epochs.dropna(subset=[metric]).pivot_table(index="epoch", columns="seed", values=metric)


def _line(axes: Axes, curve: pd.DataFrame, colour: Any, *, is_front: bool = False, has_spread: bool = True) -> None:
    """The mean over seeds, with a band for its interval or, for few seeds, a thin line for each."""
    if curve.empty:
        return
    epoch, mean = curve.index.to_numpy(dtype=float), curve.mean(axis=1)
    style: dict[str, Any] = {"lw": 1.8, "zorder": 3} if is_front else {"lw": 1.2, "ls": (0, (4, 2)), "zorder": 2}
    axes.plot(epoch, mean, color=colour, marker="o" if len(epoch) < 8 else "", ms=3, **style)
    if not has_spread:
        return
    if curve.shape[1] < N_FOR_BAND:
        for seed in curve:
            axes.plot(epoch, curve[seed], color=colour, lw=0.6, alpha=0.6 if is_front else 0.35)
        return
    limits = [mean_interval(row.dropna()) for _, row in curve.iterrows()]
    low, high = [limit.low for limit in limits], [limit.high for limit in limits]
    axes.fill_between(epoch, low, high, color=colour, alpha=0.22 if is_front else 0.12, lw=0)
