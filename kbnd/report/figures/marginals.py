"""The picture of a search: its score against each hyperparameter, one panel each, the most important first.

| in a panel             | is                                                                                     |
|------------------------|----------------------------------------------------------------------------------------|
| mark with a thin line  | a finished trial: mean over seeds and its SD; open and small where it had fewer epochs  |
| colour and shape       | the category that mattered most, the same in every panel                               |
| black line             | the score that the forest expects; only where it predicts held-out trials              |
| cross in the grey band | a diverged trial, which has no score                                                   |

How the axes are spaced: `kbnd.report.figures.scales`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kbnd.analysis.hyperparameters import numbers_of
from kbnd.analysis.importance import Importances, partial_dependence
from kbnd.report.figures.captions import absent_notes, cut_notes, filled, search_caption
from kbnd.report.figures.formats import contents_of
from kbnd.report.figures.scales import PLAIN, add_band, category, levels_of, places_of, scale_scores, scale_values
from kbnd.report.figures.style import GREY, INK, STYLE, coloured_title, colours
from kbnd.report.frames import SearchFrames
from kbnd.report.numbers import Quantity, in_unit
from kbnd.report.tables.hyperparameters import IMPORTANCE
from kbnd.report.tables.notes import data_notes

MARKS = {"o": 5.5, "s": 5.0, "^": 6.5, "D": 4.6, "v": 6.5, "P": 6.0}
"""Shapes of the categories, told apart where colours are not, with sizes that look alike."""

MOST_COLUMNS = 4
"""Panels in one row; more are set in a square."""

PANEL = (2.9, 2.6)
"""Width and height of a panel in inches."""


@dataclass(frozen=True)
class _Look:
    """How the trials of each category look.

    Attributes:
        name: the hyperparameter whose category decides; empty where none does.
        colour: category -> colour.
        mark: category -> shape.
    """

    name: str
    colour: dict[str, str]
    mark: dict[str, str]


def draw_marginals(search: SearchFrames) -> dict[str, dict[str, bytes]]:
    """Return the contents of the picture by name and format (`svg`, `png`); nothing where no trial finished."""
    with mpl.rc_context(STYLE):
        figure = marginals_figure(search)
        return {} if figure is None else {"marginals": contents_of(figure, data_notes(search.data_note))}


def marginals_figure(search: SearchFrames) -> Figure | None:
    """Draw the score against each hyperparameter; None where no trial finished."""
    done, diverged = search.scored, search.ranked[search.ranked["status"] == "diverged"]
    if done.empty:
        return None
    importances = search.importances if search.importances is not None and not search.importances.reason else None
    names = list(search.names) if importances is None else [*importances.rows["name"]]
    lines = None
    if importances is not None:
        options: dict[str, Any] = {"direction": search.score.direction, "log_scaled": search.log_scaled}
        lines = partial_dependence(search.trials, search.names, **options)
    quantity, look = search.score.quantity_of(done["score"]), _look(pd.concat([done, diverged]), names)
    figure, grid = _grid(len(names))
    spacing = scale_scores(grid[0], quantity.scale * done["score"], quantity)
    places = {
        name: places_of(pd.concat([done[name], diverged[name]]), is_log=name in search.log_scaled) for name in names
    }
    for axes, name in zip(grid, names, strict=False):
        values = search.ranked.loc[places[name].index, name]
        scale_values(axes, values, look.colour if name == look.name else {}, is_log=name in search.log_scaled)
        _points(axes, places[name], done, quantity, look)
        if lines is not None:
            _line(axes, lines[lines["name"] == name], values, quantity)
        _title(axes, name, importances)
    if len(diverged):
        band = add_band(grid[0])
        for axes, name in zip(grid, names, strict=False):
            _crosses(axes, places[name], diverged, band, look)
    better = "higher" if search.score.direction == "max" else "lower"
    figure.supylabel(f"{in_unit(quantity.label, quantity.unit)} ({better} is better)", fontsize=9)
    axis_notes = [f"scores on an axis that is {spacing}"] if spacing else []
    axis_notes += [*cut_notes(done, quantity, grid[0].get_ylim()), *absent_notes(done, names)]
    parts = search_caption(search.ranked, importances, axis_notes=axis_notes, category=look.name)
    figure.supxlabel(filled(parts, int(14 * figure.get_figwidth())), fontsize=8, color=GREY)
    return figure


def _look(trials: pd.DataFrame, names: Sequence[str]) -> _Look:
    """The first, most important category with a few levels decides how a trial looks."""
    for name in names:
        levels = levels_of(trials[name])
        if numbers_of(trials[name]) is None and 1 < len(levels) <= len(MARKS):
            baseline = levels[0] if levels[0] in PLAIN else ""
            return _Look(name, colours(levels, baseline), dict(zip(levels, MARKS, strict=False)))
    return _Look("", colours([""], baseline="none"), {"": "o"})


def _grid(n: int) -> tuple[Figure, NDArray[Any]]:
    n_columns = n if n <= MOST_COLUMNS else math.ceil(math.sqrt(n))
    n_rows = math.ceil(n / n_columns)
    figure = Figure(figsize=(max(0.8 + PANEL[0] * n_columns, 5.0), 1.1 + PANEL[1] * n_rows))
    grid = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False).ravel()
    for axes in grid[n:]:
        axes.set_axis_off()
    return figure, grid


def _points(axes: Axes, places: pd.Series, done: pd.DataFrame, quantity: Quantity, look: _Look) -> None:
    for number in done.index.intersection(places.index):
        trial, x = done.loc[number], places[number]
        kind = category(trial[look.name]) if look.name else ""
        y, tint = trial["score"] * quantity.scale, look.colour[kind]
        is_full = trial["epochs"] == done["epochs"].max()
        if is_full and np.isfinite(trial["score_sd"]):
            half = trial["score_sd"] * quantity.scale
            axes.plot([x, x], [y - half, y + half], color=tint, lw=1, alpha=0.6, zorder=2)
        mark = look.mark[kind]
        face: dict[str, Any] = {"mfc": tint, "mec": "white", "mew": 0.6, "ms": MARKS[mark]}
        if not is_full:
            face = {"mfc": "white", "mec": tint, "mew": 0.8, "ms": 0.65 * MARKS[mark]}
        axes.plot(x, y, mark, **face, zorder=3)


def _line(axes: Axes, line: pd.DataFrame, values: pd.Series, quantity: Quantity) -> None:
    score = line["score"].to_numpy() * quantity.scale
    style: dict[str, Any] = {"color": INK, "lw": 1.8, "zorder": 4}
    if numbers_of(values) is not None:
        axes.plot(line["value"].astype(float), score, **style)
        return
    for value, y in zip(line["value"], score, strict=True):
        x = levels_of(values).index(value)
        axes.plot([x - 0.36, x + 0.36], [y, y], **style)


def _crosses(axes: Axes, places: pd.Series, diverged: pd.DataFrame, y: float, look: _Look) -> None:
    for number in diverged.index.intersection(places.index):
        kind = category(diverged.loc[number, look.name]) if look.name else ""
        axes.plot(places[number], y, "x", color=look.colour[kind], ms=5, mew=1.5, zorder=3)


def _title(axes: Axes, name: str, importances: Importances | None) -> None:
    rows = None if importances is None else importances.rows.set_index("name")["importance"]
    importance = np.nan if rows is None else float(rows.get(name, np.nan))
    if np.isfinite(importance):
        coloured_title(axes, name, [(f"importance {IMPORTANCE.number(importance)}", GREY)])
    else:
        axes.set_title(name)
