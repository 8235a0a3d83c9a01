"""How the pictures look: one style, and one colour for each family of arms.

Arms that differ in a trailing number (`dropout0.1`, `dropout0.5`) are one family and share a colour; the number is
written beside the point. Ten colours could not be told apart, four can.

Reference: Okabe and Ito (2008), Color universal design.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

INK, GREY = "#222222", "#6e6e6e"

_PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

_MARKERS = ("o", "s", "^", "D", "v", "P")

STYLE: Any = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "svg.hashsalt": "kbnd",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "legend.fontsize": 8.5,
    # An arm or a dataset may hold a dollar sign; it is text, never mathematics.
    "text.parse_math": False,
}


_SIDES = 17 * np.array([(np.cos(angle), 0.8 * np.sin(angle)) for angle in np.linspace(0.4, 0.4 + 2 * np.pi, 12, False)])
"""Where a label may stand around its point, in pixels at 100 dpi."""


def short_label(arm: str) -> tuple[str, str]:
    """Return the family of an arm and the number that tells it from the others: `("dropout", "0.5")`."""
    found = re.fullmatch(r"(.*?[A-Za-z)])[-_]?(\d[\d.]*)", arm)
    return (found[1], found[2]) if found else (arm, "")


def colours(arms: Iterable[str], baseline: str) -> dict[str, str]:
    """Return a colour for each arm: grey for the baseline, one for each other family in order."""
    families: dict[str, str] = {}
    result = {}
    for arm in arms:
        family = short_label(arm)[0]
        if arm == baseline:
            result[arm] = GREY
            continue
        families.setdefault(family, _PALETTE[len(families) % len(_PALETTE)])
        result[arm] = families[family]
    return result


def markers(arms: Iterable[str]) -> dict[str, str]:
    """Return a marker for each arm: families that had to share a colour differ in it."""
    families = list(dict.fromkeys(short_label(arm)[0] for arm in arms))
    shapes = {family: _MARKERS[i // len(_PALETTE) % len(_MARKERS)] for i, family in enumerate(families)}
    return {arm: shapes[short_label(arm)[0]] for arm in arms}


def label_points(figure: Figure, axes: Axes, points: list[tuple[float, float, str, str]]) -> None:
    """Write each point's label on that side of it which is farthest from other points and labels."""
    figure.draw_without_rendering()
    centres = axes.transData.transform([(x, y) for x, y, _, _ in points])
    taken = [tuple(centre) for centre in centres]
    outline = [withStroke(linewidth=2, foreground="white")]
    for centre, (x, y, text, colour) in zip(centres, points, strict=True):
        if not text:
            continue
        others = np.array([place for place in taken if place != tuple(centre)])
        room = [np.hypot(*(others - centre - side).T).min() if len(others) else 0.0 for side in _SIDES]
        side = _SIDES[int(np.argmax(room))]
        taken.append(tuple(centre + side))
        axes.annotate(
            text,
            (x, y),
            xytext=72 / figure.dpi * side,
            textcoords="offset points",
            ha="center",
            va="center",
            color=colour,
            zorder=4,
            path_effects=outline,
        )
