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
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kbnd.analysis.hyperparameters import numbers_of
from kbnd.analysis.importance import Direction, Importances, partial_dependence
from kbnd.report.figures.formats import contents_of
from kbnd.report.figures.scales import PLAIN, add_band, category, levels_of, places_of, scale_scores, scale_values
from kbnd.report.figures.style import GREY, INK, STYLE, coloured_title, colours
from kbnd.report.numbers import Quantity, in_unit
from kbnd.report.scores import score_quantity
from kbnd.report.table import PLUS_MINUS
from kbnd.report.tables.hyperparameters import IMPORTANCE, value_text
from kbnd.report.tables.notes import data_notes
from kbnd.report.tables.trials import ranked_trials

LOG_SCALED = ("learning_rate", "weight_decay")
"""Last parts of the names whose axis is logarithmic where nobody says which are."""

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


def draw_marginals(
    trials: pd.DataFrame,
    names: Sequence[str],
    *,
    objective: str,
    direction: Direction,
    found: Importances | None = None,
    log_scaled: Collection[str] | None = None,
    data_note: str = "",
) -> dict[str, dict[str, bytes]]:
    """Return the contents of the picture by name and format (`svg`, `png`); nothing where no trial finished.

    Args:
        trials: columns of trials.csv.
        names: its hyperparameters.
        objective: what the score is.
        direction: whether a high or a low score is good.
        found: what `kbnd.analysis.importance.importances` returns; None draws no line.
        log_scaled: hyperparameters with a logarithmic axis; None takes learning rates and weight decays.
        data_note: what must be said beside results on these images; usually nothing.
    """
    with mpl.rc_context(STYLE):
        options: dict[str, Any] = {"found": found, "log_scaled": log_scaled}
        figure = marginals_figure(trials, names, objective=objective, direction=direction, **options)
        return {} if figure is None else {"marginals": contents_of(figure, data_notes(data_note))}


def marginals_figure(
    trials: pd.DataFrame,
    names: Sequence[str],
    *,
    objective: str,
    direction: Direction,
    found: Importances | None = None,
    log_scaled: Collection[str] | None = None,
) -> Figure | None:
    """Draw the score against each hyperparameter; arguments as of `draw_marginals`, None where no trial finished."""
    ranked = ranked_trials(trials, direction)
    done, diverged = ranked[ranked["score"].notna()], ranked[ranked["status"] == "diverged"]
    if done.empty:
        return None
    if log_scaled is None:
        log_scaled = [name for name in names if name.rpartition(".")[2] in LOG_SCALED]
    has_line = found is not None and not found.reason
    ordered = [*found.rows["name"]] if found is not None and has_line else list(names)
    lines = partial_dependence(trials, names, direction=direction, log_scaled=log_scaled) if has_line else None
    shown, look = score_quantity(objective, done["score"]), _look(pd.concat([done, diverged]), ordered)
    figure, grid = _grid(len(ordered))
    spacing = scale_scores(grid[0], shown.scale * done["score"], shown)
    places = {name: places_of(pd.concat([done[name], diverged[name]]), is_log=name in log_scaled) for name in ordered}
    for axes, name in zip(grid, ordered, strict=False):
        values = ranked.loc[places[name].index, name]
        scale_values(axes, values, look.colour if name == look.name else {}, is_log=name in log_scaled)
        _points(axes, places[name], done, shown, look)
        if lines is not None:
            _line(axes, lines[lines["name"] == name], values, shown)
        _title(axes, name, found if has_line else None)
    if len(diverged):
        band = add_band(grid[0])
        for axes, name in zip(grid, ordered, strict=False):
            _crosses(axes, places[name], diverged, band, look)
    said = [f"scores on an axis that is {spacing}"] if spacing else []
    said += [*_cut(grid[0], done, shown), *_absent(done, ordered)]
    _say(figure, ranked, shown, look, found=found if has_line else None, direction=direction, said=said)
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


def _points(axes: Axes, places: pd.Series, done: pd.DataFrame, shown: Quantity, look: _Look) -> None:
    for number in done.index.intersection(places.index):
        trial, x = done.loc[number], places[number]
        kind = category(trial[look.name]) if look.name else ""
        y, tint = trial["score"] * shown.scale, look.colour[kind]
        is_full = trial["epochs"] == done["epochs"].max()
        if is_full and np.isfinite(trial["score_sd"]):
            half = trial["score_sd"] * shown.scale
            axes.plot([x, x], [y - half, y + half], color=tint, lw=1, alpha=0.6, zorder=2)
        mark = look.mark[kind]
        face: dict[str, Any] = {"mfc": tint, "mec": "white", "mew": 0.6, "ms": MARKS[mark]}
        if not is_full:
            face = {"mfc": "white", "mec": tint, "mew": 0.8, "ms": 0.65 * MARKS[mark]}
        axes.plot(x, y, mark, **face, zorder=3)


def _line(axes: Axes, line: pd.DataFrame, values: pd.Series, shown: Quantity) -> None:
    score = line["score"].to_numpy() * shown.scale
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


def _title(axes: Axes, name: str, found: Importances | None) -> None:
    known = {} if found is None else dict(zip(found.rows["name"], found.rows["importance"], strict=True))
    importance = float(known.get(name, np.nan))
    if np.isfinite(importance):
        coloured_title(axes, name, [(f"importance {IMPORTANCE.number(importance)}", GREY)])
    else:
        axes.set_title(name)


def _cut(axes: Axes, done: pd.DataFrame, shown: Quantity) -> list[str]:
    """Whether the line of a spread ends at the frame and not where the spread does."""
    full = done[done["epochs"] == done["epochs"].max()]
    low, high = axes.get_ylim()
    reach = [shown.scale * (full["score"] + sign * full["score_sd"]) for sign in (-1, 1)]
    is_cut = (reach[0] < low).any() or (reach[1] > high).any()
    return ["a spread that ends at the frame goes on"] if is_cut else []


def _absent(done: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Which panels lack finished trials, because these do without the hyperparameter."""
    lacking = {name: int(done[name].isna().sum()) for name in names if numbers_of(done[name]) is not None}
    return [f"not in the panel of {name}: {n} trials without one" for name, n in lacking.items() if n]


def _say(
    figure: Figure,
    trials: pd.DataFrame,
    shown: Quantity,
    look: _Look,
    *,
    found: Importances | None,
    direction: Direction,
    said: Sequence[str],
) -> None:
    """Write what is drawn: the score and which way is better, the categories, how many trials and seeds."""
    better = "higher" if direction == "max" else "lower"
    figure.supylabel(f"{in_unit(shown.label, shown.unit)} ({better} is better)", fontsize=9)
    done = trials[trials["score"].notna()]
    seeds = " or ".join(value_text(n) for n in sorted(done["n_seeds"].unique()))
    spread = f" {PLUS_MINUS} SD" if done["score_sd"].notna().any() else ""
    parts = [
        f"n = {len(done)} trials, those of one value side by side",
        f"mark: mean over {seeds} seed{'s' * (seeds != '1')}{spread}",
    ]
    parts += said
    if done["epochs"].nunique() > 1:
        parts.append(f"small, open: fewer than {value_text(done['epochs'].max())} epochs")
    if found is None:
        parts.append("no line: the trials cannot tell what mattered")
    else:
        when = f" after {value_text(done['epochs'].max())} epochs" if done["epochs"].nunique() > 1 else ""
        quality = IMPORTANCE.number(found.quality.estimate)
        parts.append(f"line: expected by a random forest{when} (R2 = {quality} held out)")
    if (trials["status"] == "diverged").any():
        parts.append(f"cross: diverged, {int((trials['status'] == 'diverged').sum())} trials without a score")
    if look.name:
        parts.append(f"colour and shape: {look.name}")
    others = trials.loc[~trials["status"].isin(("done", "diverged")), "status"].value_counts()
    if len(others):
        parts.append("not drawn: " + ", ".join(f"{n} {status}" for status, n in others.items()))
    text = "    ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts)  # lines end between parts
    figure.supxlabel(textwrap.fill(text, int(14 * figure.get_figwidth())), fontsize=8, color=GREY)
