"""The axes of the picture of a search: where values stand, how scores are spaced, where diverged trials have room.

| axis                     | is                                                                                  |
|--------------------------|-------------------------------------------------------------------------------------|
| categories               | side by side, what means "without" first                                            |
| a few different numbers  | each with a tick of its own where there is room; trials that share one beside it    |
| learning rates           | logarithmic                                                                         |
| accuracies above 90 %    | spaced by the logarithm of the error, or the good trials would lie on one line      |
| losses, times, energies  | logarithmic where the highest is many times the lowest                              |
| diverged trials          | a grey band below the lowest score: no number, but a place                          |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from kbnd.analysis.hyperparameters import FEW_VALUES, numbers_of
from kbnd.report.figures.error_axis import HIGH, space_by_error
from kbnd.report.figures.style import GREY, INK
from kbnd.report.numbers import Quantity
from kbnd.report.table import DASH
from kbnd.report.tables.hyperparameters import value_text

PLAIN = ("none", "False")
"""Categories that mean without: first in order, and grey as baselines are."""

WIDE = 10.0
"""Highest over lowest loss, time or energy from which its axis is logarithmic."""

LETTER_WIDTH = 0.03
"""Width of a letter of a tick's label, as part of a panel's axis."""

BAND = 0.1
"""Part of the axis of scores that the band of diverged trials adds below."""


def category(value: Any) -> str:
    """Return a category as it is written on its axis; a dash where a trial has none."""
    return DASH if pd.isna(value) else str(value)


def levels_of(values: pd.Series) -> list[str]:
    """Return the categories in the order of their axis, those that mean without first."""
    return sorted(set(map(category, values)), key=lambda level: (level not in PLAIN, level))


def places_of(values: pd.Series, *, is_log: bool) -> pd.Series:
    """Return where trials stand on the axis of a hyperparameter, those that share a value side by side."""
    numbers = numbers_of(values)
    if numbers is None:
        levels = levels_of(values)
        numbers, room = values.map(lambda value: float(levels.index(category(value)))), 1.0
    elif numbers.nunique() > FEW_VALUES:
        return numbers.dropna()
    else:
        distinct = np.unique(numbers.dropna())
        distinct = np.log10(distinct) if is_log else distinct
        room = float(np.diff(distinct).min()) if len(distinct) > 1 else 1.0
    aside = ((3 * numbers.groupby(numbers).cumcount() + 3) % 7 - 3) * 0.05 * room
    return (numbers * 10**aside if is_log else numbers + aside).dropna()


def scale_values(axes: Axes, values: pd.Series, colour: Mapping[str, str], *, is_log: bool) -> None:
    """Set up the axis of a hyperparameter.

    Args:
        axes: its panel.
        values: that were tried.
        colour: category -> colour of its name; of none where it is empty.
        is_log: whether the axis is logarithmic.
    """
    numbers = numbers_of(values)
    if numbers is None:
        levels = levels_of(values)
        axes.set_xticks(range(len(levels)), [level.replace("_", "\n") for level in levels])
        axes.set_xlim(-0.5, len(levels) - 0.5)
        for label, level in zip(axes.get_xticklabels(), levels, strict=True):
            label.set_color(colour.get(level, INK))
        return
    if is_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    ticks = sorted(set(numbers.dropna()))
    if len(ticks) == 1:  # marks stand beside it, and must not look far away
        axes.set_xlim(*((ticks[0] / 10, 10 * ticks[0]) if is_log else (ticks[0] - 1, ticks[0] + 1)))
    if len(ticks) <= FEW_VALUES and _has_room(ticks, is_log=is_log):
        axes.set_xticks(ticks, [value_text(value) for value in ticks])
        axes.xaxis.set_minor_locator(NullLocator())


def _has_room(ticks: Sequence[float], *, is_log: bool) -> bool:
    """Whether the values can stand below their ticks without touching each other."""
    places = np.log10(ticks) if is_log else np.asarray(ticks)
    widths = LETTER_WIDTH * np.array([len(value_text(value)) for value in ticks])
    gaps = (widths[:-1] + widths[1:]) / 2 + LETTER_WIDTH
    return bool((np.diff(places) >= gaps * np.ptp(places)).all())


def scale_scores(axes: Axes, scores: pd.Series, quantity: Quantity) -> str:
    """Spread scores over the axis, in the unit they are printed in; they alone set its limits, or one wild SD would.

    Returns:
        What the axis is, in words; empty where it is even.
    """
    if quantity.unit == "%" and scores.max() >= HIGH:
        space_by_error(axes, scores)
        return "logarithmic in the error"
    margin = 0.08 * (scores.max() - scores.min()) or 0.5
    if scores.min() > 0 and scores.max() / scores.min() > WIDE:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_ylim(scores.min() / 1.2, scores.max() * 1.2)
        return "logarithmic"
    axes.set_ylim(scores.min() - margin, scores.max() + margin)
    return ""


def add_band(axes: Axes) -> float:
    """Add the band of diverged trials below the scores of all panels; return its middle."""
    scale = axes.yaxis.get_transform()
    low, high = axes.get_ylim()
    ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
    start, end = scale.transform(np.array([low, high]))
    middle, bottom = scale.inverted().transform(start - np.array([0.5, 1.0]) * BAND * (end - start))
    axes.set_yticks([float(middle), *ticks], ["diverged", *(f"{tick:g}" for tick in ticks)])
    axes.set_ylim(bottom, high)
    assert axes.figure is not None
    for panel in axes.figure.axes:
        if panel.axison:
            panel.axhspan(bottom, low, color=GREY, alpha=0.13, lw=0)
    return float(middle)
