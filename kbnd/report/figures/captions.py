"""The caption of the picture of a search: what its marks are, of how many trials and seeds, and what is not in it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

import pandas as pd

from kbnd.analysis.hyperparameters import numbers_of
from kbnd.analysis.importance import Importances
from kbnd.report.numbers import Quantity
from kbnd.report.table import PLUS_MINUS
from kbnd.report.tables.hyperparameters import IMPORTANCE, value_text


def search_caption(
    trials: pd.DataFrame, importances: Importances | None, *, axis_notes: Sequence[str], category: str
) -> list[str]:
    """Return the parts of the caption.

    Args:
        trials: of the search, some of them with a score.
        importances: by which the lines are drawn; None where there are none.
        axis_notes: what is unusual about the axes.
        category: the hyperparameter that colours and shapes stand for; may be empty.
    """
    done, status = trials[trials["score"].notna()], trials["status"]
    has_rungs = done["epochs"].nunique() > 1
    seeds = " or ".join(value_text(n) for n in sorted(done["n_seeds"].unique()))
    spread = f" {PLUS_MINUS} SD" if done["score_sd"].notna().any() else ""
    n_diverged, others = int((status == "diverged").sum()), status[~status.isin(("done", "diverged"))].value_counts()
    parts = {
        f"n = {len(done)} trials, those of one value side by side": True,
        f"mark: mean over {seeds} seed{'s' * (seeds != '1')}{spread}": True,
        **dict.fromkeys(axis_notes, True),
        f"small, open: fewer than {value_text(done['epochs'].max())} epochs": has_rungs,
        _line_note(importances, f" after {value_text(done['epochs'].max())} epochs" if has_rungs else ""): True,
        f"cross: diverged, {n_diverged} trials without a score": n_diverged > 0,
        f"colour and shape: {category}": bool(category),
        "not drawn: " + ", ".join(f"{n} {ending}" for ending, n in others.items()): len(others) > 0,
    }
    return [part for part, has_place in parts.items() if has_place]


def cut_notes(done: pd.DataFrame, quantity: Quantity, frame: tuple[float, float]) -> list[str]:
    """Return whether the line of a spread ends at the frame, from its low to its high end, and not where it does."""
    full = done[done["epochs"] == done["epochs"].max()]
    low, high = (quantity.scale * (full["score"] + sign * full["score_sd"]) for sign in (-1, 1))
    is_cut = (low < frame[0]).any() or (high > frame[1]).any()
    return ["a spread that ends at the frame goes on"] if is_cut else []


def absent_notes(done: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return which panels lack finished trials, because these do without the hyperparameter."""
    lacking = {name: int(done[name].isna().sum()) for name in names if numbers_of(done[name]) is not None}
    return [f"not in the panel of {name}: {n} trials without one" for name, n in lacking.items() if n]


def filled(parts: Iterable[str], width: int) -> str:
    """Return the parts as lines that end between parts."""
    return textwrap.fill("    ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts), width)


def _line_note(importances: Importances | None, when: str) -> str:
    if importances is None:
        return "no line: the trials cannot tell what mattered"
    quality = IMPORTANCE.number(importances.quality.estimate)
    return f"line: expected by a random forest{when} (R2 = {quality} held out)"
