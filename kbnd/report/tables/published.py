"""A source's own table: measured beside published, arm by arm, in the source's rows and columns.

    Test accuracy, %
                     P = 0.1  P = 0.2
    Baseline    98.40 ± 0.32     same      one arm in several columns is shown once
      published        98.32     same
    Dropout                -       98.71   a dash: this arm was not chosen, or nothing was published
      n                    -           4   where a row has another n than most

A row of which no arm was chosen is left out. What was chosen and has no number says why: `none done`, `diverged`, or
`not measured` where the runs lack what the metric is made of (a curve that this preset does not record).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import pandas as pd

from kbnd.analysis.metrics import is_time
from kbnd.report.numbers import Quantity, in_unit, plus_minus, quantity_of, usual_count
from kbnd.report.table import DASH, Table
from kbnd.report.tables.notes import duration_notes, published_notes

SAME = "same"
"""Stands in the cells that repeat the arm to their left."""


class PublishedRow(Protocol):
    """One row of a source's table: an arm for each column, and the source's numbers (or none)."""

    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def arms(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def published(self) -> tuple[float | None, ...]: ...  # noqa: D102


class PublishedTable(Protocol):
    """A table of a source: what `kbnd.study.published.PublishedTable` is, without depending on it."""

    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def metric(self) -> str: ...  # noqa: D102
    @property
    def columns(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def rows(self) -> Sequence[PublishedRow]: ...  # noqa: D102


def published_table(table: PublishedTable, comparison: pd.DataFrame) -> Table | None:
    """Return a source's own table: measured mean and interval, the published number below each.

    Args:
        table: of the source.
        comparison: what `kbnd.analysis.compare.compare` returns; its arms are those of the experiment.

    Returns:
        None where no arm of the table is in the experiment.
    """
    arms = set(comparison["arm"])
    measured = comparison[comparison["metric"] == table.metric]
    quantity = quantity_of(table.metric, measured["mean"])
    published = [row for row in table.rows if arms & set(row.arms)]
    if not published:
        return None
    measured = measured[measured["arm"].isin({arm for row in published for arm in row.arms})]
    by_arm = {str(arm["arm"]): arm for arm in measured.to_dict("records")}
    usual = usual_count(measured["n"].tolist())
    rows: list[tuple[str, ...]] = []
    for row in published:
        cells = [_mean(by_arm.get(arm), quantity) if arm in arms else DASH for arm in row.arms]
        rows.append((row.label, *_once(cells, row.arms)))
        counts = [by_arm[arm]["n"] if arm in by_arm else None for arm in row.arms]
        if set(counts) - {usual, None}:
            rows.append(("  n", *_once([DASH if n is None else str(n) for n in counts], row.arms)))
        if any(value is not None for value in row.published):
            numbers = [DASH if value is None else quantity.number(value) for value in row.published]
            keys = [f"{arm} {number}" for arm, number in zip(row.arms, numbers, strict=True)]
            rows.append(("  published", *_once(numbers, keys)))
    notes = published_notes(measured, usual=usual, has_repeats=any(SAME in row for row in rows))
    notes += duration_notes(measured) if is_time(table.metric) else []
    return Table(in_unit(table.title, quantity.unit), ("", *table.columns), tuple(rows), tuple(notes))


def _mean(arm: dict[Any, Any] | None, quantity: Quantity) -> str:
    """What stands in the cell of a chosen arm: mean and interval, or in words why there is none."""
    if arm is None:
        return "not measured"
    if arm["n"] == 0:
        return "diverged" if arm["n_diverged"] else "none done"
    return plus_minus(quantity, arm["mean"], arm["ci_low"], arm["ci_high"])


def _once(cells: Sequence[str], keys: Sequence[str]) -> list[str]:
    """The cells, with `same` wherever the key repeats the one to its left; a dash is repeated as it is."""
    return [
        SAME if i and key == keys[i - 1] and cell != DASH else cell
        for i, (cell, key) in enumerate(zip(cells, keys, strict=True))
    ]
