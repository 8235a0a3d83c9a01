"""How the pictures look: one style, and one colour for each family of arms.

Arms that differ in a trailing number (`dropout0.1`, `dropout0.5`) are one family and share a colour; the number is
written beside the point. Ten colours could not be told apart, four can.

Reference: Okabe and Ito (2008), Color universal design.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea
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


_SIDES = [(np.cos(angle), np.sin(angle)) for angle in np.linspace(0.4, 0.4 + 2 * np.pi, 16, False)]
"""Directions in which a label may stand from its point."""

LETTER = (7.0, 12.0)
"""Width and height of a letter of a label in pixels at 100 dpi."""

TITLE_POINTS = 280.0
"""Size of a panel's title times the letters that fit above the panel in it."""


def short_label(arm: str) -> tuple[str, str]:
    """Return the family of an arm and the number that tells it from the others: `("dropout", "0.5")`."""
    match = re.fullmatch(r"(.*?[A-Za-z)])[-_]?(\d[\d.]*)", arm)
    return (match[1], match[2]) if match else (arm, "")


def colours(arms: Iterable[str], baseline: str) -> dict[str, str]:
    """Return a colour for each arm: grey for the baseline, one for each other family in order."""
    families: dict[str, str] = {}
    colour = {}
    for arm in arms:
        family = short_label(arm)[0]
        if arm == baseline:
            colour[arm] = GREY
            continue
        families.setdefault(family, _PALETTE[len(families) % len(_PALETTE)])
        colour[arm] = families[family]
    return colour


def markers(arms: Iterable[str]) -> dict[str, str]:
    """Return a marker for each arm: families that had to share a colour differ in it."""
    families = list(dict.fromkeys(short_label(arm)[0] for arm in arms))
    shapes = {family: _MARKERS[i // len(_PALETTE) % len(_MARKERS)] for i, family in enumerate(families)}
    return {arm: shapes[short_label(arm)[0]] for arm in arms}


def shades(n: int) -> list[str]:
    """Return n colours from light to dark, told apart also in grey."""
    return [to_hex(colormaps["viridis"](place)) for place in np.linspace(0.8, 0.05, n)]


def title_size(text: str) -> float:
    """Return the size in points at which a title fits above its panel."""
    return min(10.0, TITLE_POINTS / len(text))


def coloured_title(axes: Axes, name: str, parts: Sequence[tuple[str, str]]) -> None:
    """Write a panel's title in one line: a name in bold, then texts in the colours of their lines.

    Args:
        axes: the panel.
        name: what opens the title.
        parts: text and colour of each.
    """
    axes.set_title(" ")  # keeps the room; the line itself is made of several texts
    size = title_size(name + "".join(f" {text}" for text, _ in parts))
    bold: dict[str, Any] = {"fontweight": "bold", "fontsize": size}
    words: list[Artist] = [TextArea(name, textprops={**bold, "color": "black"})]
    words += [TextArea(text, textprops={**bold, "color": colour}) for text, colour in parts]
    line = HPacker(children=words, pad=0, sep=4, align="baseline")
    place: Any = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "bbox_transform": axes.transAxes}
    box = AnchoredOffsetbox(child=line, pad=0, borderpad=0.25, frameon=False, **place)
    box.set_in_layout(False)  # or a long title would widen its column
    axes.add_artist(box)


def label_points(figure: Figure, axes: Axes, points: list[tuple[float, float, str, str]]) -> None:
    """Write each point's label on that side of it which is farthest from other points and labels."""
    figure.draw_without_rendering()
    centres = axes.transData.transform([(x, y) for x, y, _, _ in points])
    occupied = [tuple(centre) for centre in centres]
    outline = [withStroke(linewidth=2, foreground="white")]
    for centre, (x, y, text, colour) in zip(centres, points, strict=True):
        if not text:
            continue
        # In units of the label's own size, so that a wide one keeps its distance at the sides.
        size = np.array([LETTER[0] * (len(text) / 2 + 1), LETTER[1]])
        sides = size * _SIDES
        others = np.array([place for place in occupied if place != tuple(centre)])
        room = [np.hypot(*((others - centre - side) / size).T).min() if len(others) else 0.0 for side in sides]
        side = sides[int(np.argmax(room))]
        occupied.append(tuple(centre + side))
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
