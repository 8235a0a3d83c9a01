"""What a search says about its hyperparameters, as tables: which of them mattered, and where it diverged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from kbnd.analysis.divergence import diverged_shares
from kbnd.analysis.importance import Importances
from kbnd.report.numbers import Quantity
from kbnd.report.table import DASH, Table

IMPORTANCE = Quantity("Importance", decimals=2)

MUCH = 0.1
"""Importance from which a hyperparameter matters, and not only a little."""


def importance_table(importances: Importances, trials: pd.DataFrame) -> Table:
    """Return one row for each hyperparameter, most important first; no row where the trials cannot tell."""
    rows = []
    for row in importances.rows.to_dict("records"):
        interval = limits(IMPORTANCE, row["ci_low"], min(row["ci_high"], 1.0))
        rows.append((row["name"], IMPORTANCE.number(row["importance"]), interval, _in_words(row)))
    columns = ("Hyperparameter", "Importance", "95 % interval", "In words")
    title = "Which hyperparameter mattered" + (": the trials cannot tell" if importances.reason else "")
    return Table(title, columns, tuple(rows), tuple(_importance_notes(importances, trials)), "lrrl")


def divergence_table(trials: pd.DataFrame, names: Sequence[str]) -> Table:
    """Return how many trials diverged in each range of each hyperparameter."""
    shares = diverged_shares(trials, names)
    quantity = Quantity("Share", "%", scale=100.0, decimals=0)
    rows = [
        (
            f"{row['name']} {value_text(row['low'])}"
            + (f" to {value_text(row['high'])}" if row["low"] != row["high"] else ""),
            f"{row['n_diverged']} of {row['n']}",
            quantity.number(row["share"]),
            limits(quantity, row["ci_low"], row["ci_high"]),
        )
        for row in shares.to_dict("records")
    ]
    columns = ("Values", "Diverged", "Share, %", "95 % interval")
    notes = (
        "A diverged trial has no score: it is counted here and entered no ranking.",
        "Ranges hold about equally many trials; the interval of a share is exact, one range at a time.",
    )
    return Table("Where trials diverged", columns, tuple(rows), notes)


def value_text(value: Any) -> str:
    """Return a hyperparameter's value as it is printed: three digits, whole numbers whole, a dash where it is none."""
    if isinstance(value, (bool, np.bool_, str)):
        return str(value)
    if value is None or (isinstance(value, (float, np.floating)) and np.isnan(value)):
        return DASH
    if isinstance(value, (int, float, np.number)):
        return str(int(value)) if float(value).is_integer() else f"{value:.3g}"
    return str(value)


def limits(quantity: Quantity, low: float, high: float) -> str:
    """Return the limits of a value in brackets, a dash where there are none."""
    return f"[{quantity.number(low)}, {quantity.number(high)}]" if np.isfinite(low) and np.isfinite(high) else DASH


def _importance_notes(importances: Importances, trials: pd.DataFrame) -> list[str]:
    notes = [importances.reason] if importances.reason else []
    quality = importances.quality
    if np.isfinite(quality.estimate):
        interval = limits(IMPORTANCE, quality.low, min(quality.high, 1.0))
        notes.append(
            f"A random forest predicts the ranks of held-out trials with R2 = {IMPORTANCE.number(quality.estimate)} "
            f"{interval}, n = {quality.n} candidates."
        )
    if not importances.reason:
        notes.append(
            "Importance: part of the ranks' variance that goes with it, alone or with others, as far as the forest has "
            "learned it (together about R2; what is left may be anyone's); t-interval over held-out trials. Of the "
            "values that were tried: an oracle that looks where it is good varies less."
        )
    if trials.loc[trials["status"] == "done", "epochs"].nunique() > 1:
        notes.append("Epochs are a further feature of the forest, not ranked.")
    counts = trials["status"].value_counts()
    if counts.get("pruned", 0):
        notes.append(f"Left out: {counts['pruned']} pruned, which were losing; what made them lose is understated.")
    if counts.get("diverged", 0):
        notes.append(f"Left out: {counts['diverged']} diverged; the table of divergence says where.")
    return notes


def _in_words(row: dict[Any, Any]) -> str:
    if not np.isfinite(row["importance"]):
        return "one value only"
    if round(row["ci_low"], IMPORTANCE.decimals) <= 0:
        return "no clear effect"
    return "matters" if row["importance"] >= MUCH else "matters a little"
