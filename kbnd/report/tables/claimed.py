"""Metrics beside test accuracy that a study's claims look at: one compact table, an arm and its difference below it.

                        Epoch 1, %         AULC, %   To 98 %, epochs
    baseline          92.10 ± 0.40    95.80 ± 0.20       4.60 ± 0.31
    bn                96.65 ± 0.22    97.90 ± 0.11       2.10 ± 0.25
      minus baseline  +4.55 ± 0.51    +2.10 ± 0.20      -2.50 ± 0.40

Only the arms that one of these claims names, and what they are compared with, have a row; comparison.csv has all.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from kbnd.report.numbers import Quantity, half_interval, in_unit, plus_minus, quantity_of, signed, usual_count
from kbnd.report.table import DASH, PLUS_MINUS, Table
from kbnd.report.tables.notes import censored_notes, lost_notes

MOST_COLUMNS = 5
"""Metrics in one table; six would not fit into a hundred columns of text."""

TITLE = "Further metrics that claims look at"


def further_tables(comparison: pd.DataFrame, arms_of: Mapping[str, Collection[str]]) -> list[Table]:
    """Return the metrics that claims look at, a few to a table.

    Args:
        comparison: what `kbnd.analysis.compare.compare` returns.
        arms_of: metric -> the arms that claims compare by it. Metrics and arms that the comparison lacks are left out.
    """
    measured = set(comparison["metric"])
    metrics = [metric for metric in arms_of if metric in measured]
    n_tables = math.ceil(len(metrics) / MOST_COLUMNS)
    parts = [list(part) for part in np.array_split(metrics, n_tables)] if metrics else []
    tables = [_table(comparison, {metric: arms_of[metric] for metric in part}) for part in parts]
    return [table for table in tables if table is not None]


def _table(comparison: pd.DataFrame, arms_of: Mapping[str, Collection[str]]) -> Table | None:
    named = {arm for arms in arms_of.values() for arm in arms}
    reference = dict(zip(comparison["arm"], comparison["baseline"], strict=True))
    needed = named | {reference[arm] for arm in named if arm in reference}
    cells = {(row["arm"], row["metric"]): row for row in comparison.to_dict("records") if row["arm"] in needed}
    arms = [arm for arm in reference if arm in needed]
    if not arms:
        return None
    quantities = {metric: quantity_of(metric) for metric in arms_of}
    counts = [cells[arm, metric]["n"] for arm in arms for metric in arms_of]
    usual = usual_count(counts)
    rows = []
    for arm in arms:
        rows.append((str(arm), *(_mean(cells[arm, metric], quantities[metric], usual) for metric in arms_of)))
        if reference[arm] != arm:
            differences = (_difference(cells[arm, metric], quantities[metric], usual) for metric in arms_of)
            rows.append((f"  minus {reference[arm]}", *differences))
    columns = ("Arm", *(in_unit(quantity.short or quantity.label, quantity.unit) for quantity in quantities.values()))
    rows_of_arms = comparison[comparison["arm"].isin(arms) & (comparison["metric"] == next(iter(arms_of)))]
    return Table(TITLE, columns, tuple(rows), (*_notes(quantities, usual), *lost_notes(rows_of_arms)))


def _mean(row: dict[Any, Any], quantity: Quantity, usual: int) -> str:
    if row["n"] == 0:
        return "diverged" if row["n_diverged"] else DASH
    return _counted(plus_minus(quantity, row["mean"], row["ci_low"], row["ci_high"]), row["n"], usual)


def _difference(row: dict[Any, Any], quantity: Quantity, usual: int) -> str:
    if row["n_pairs"] == 0:
        return DASH
    half = half_interval(quantity, row["diff_ci_low"], row["diff_ci_high"])
    return _counted(f"{signed(quantity, row['diff'])}{half}", row["n_pairs"], usual)


def _counted(text: str, n: int, usual: int) -> str:
    return text if n == usual else f"{text} (n={n})"


def _notes(quantities: Mapping[str, Quantity], usual: int) -> list[str]:
    words = [f"{quantity.short}: {quantity.in_sentence}" for quantity in quantities.values() if quantity.short]
    how = f"mean {PLUS_MINUS} half a 95 % t-interval" if usual > 1 else "one seed has no interval"
    notes = [f"Paired by seed; {how}; n = {usual} where no other n is given."]
    return [*(["; ".join(words) + "."] if words else []), *notes, *censored_notes(quantities)]
