"""How the pictures look: one style, and one colour for each family of arms.

Arms that differ in a trailing number (`dropout0.1`, `dropout0.5`) are one family and share a colour; the number is
written beside the point. Ten colours could not be told apart, four can.

Reference: Okabe and Ito (2008), Color universal design.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

INK, GREY = "#222222", "#6e6e6e"

_PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

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
