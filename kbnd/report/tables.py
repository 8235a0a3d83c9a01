"""What the tables of a study say: its report's own tables, arms against the baseline, and times.

    Test accuracy, %                    Difference in test accuracy           Training time of an epoch
               P = 0.1       P = 0.2    Arm     diff, pp   95 % interval      Arm   ratio   95 % interval
    Baseline   98.40 ± 0.32  same       bn        +0.51    [+0.20, +0.82]     bn    1.127   [1.081, 1.175]
      published      98.32   same       ...                                   ...

Every number carries its n, an interval and a unit. One value has no interval and the cell says n = 1; a diverged
run is counted and never averaged; an arm without pairs is listed as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from kbnd.analysis.compare import is_time
from kbnd.analysis.timing import control_name
from kbnd.errors import UsageError
from kbnd.report.notes import comparison_notes, difference_notes, duration_notes, published_notes, tag, time_notes
from kbnd.report.numbers import Quantity, interval, plus_minus, quantity, signed
from kbnd.report.render import DASH, Table

SAME = "same"
"""Stands in the cells that repeat the arm to their left."""


class PublishedRow(Protocol):
    """One row of a report's table: an arm for each column, and the report's numbers (or none)."""

    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def arms(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def published(self) -> tuple[float | None, ...]: ...  # noqa: D102


class PublishedTable(Protocol):
    """A table of a report: what `kbnd.study.definition.PublishedTable` is, without depending on it."""

    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def metric(self) -> str: ...  # noqa: D102
    @property
    def columns(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def rows(self) -> Sequence[PublishedRow]: ...  # noqa: D102


def report_tables(
    comparison: pd.DataFrame,
    ratios: pd.DataFrame | None = None,
    *,
    published: Sequence[PublishedTable] = (),
    metrics: Sequence[str] = ("test_accuracy",),
    difference: str = "",
) -> list[Table]:
    """Return a study's tables in the order a reader wants them.

    Args:
        comparison: what `kbnd.analysis.compare.compare` returns.
        ratios: what `kbnd.analysis.timing.time_ratios` returns; None leaves the time table out.
        published: the report's own tables.
        metrics: metrics with a table of differences.
        difference: in words, what makes this another experiment than the report's; empty where nothing does.
    """
    tables = [published_table(table, comparison, difference=difference) for table in published]
    tables += [comparison_table(comparison, metric, difference=difference) for metric in metrics]
    if ratios is not None and not ratios.empty:
        tables.append(time_table(ratios, difference=difference))
    return tables


def published_table(table: PublishedTable, comparison: pd.DataFrame, *, difference: str = "") -> Table:
    """Return a report's own table: measured mean and interval, the published number below each.

    An arm that fills several columns is shown once, the repetitions read `same`.
    """
    measured = _rows_of(comparison, table.metric)
    shown = quantity(table.metric, measured["mean"])
    by_arm = {arm["arm"]: arm for arm in measured.to_dict("records")}
    used = measured[measured["arm"].isin({arm for row in table.rows for arm in row.arms})]
    usual = _mode(used["n"].tolist())
    rows: list[tuple[str, ...]] = []
    for row in table.rows:
        members = [by_arm.get(arm) for arm in row.arms]
        rows.append((row.label, *_once([_measured_cell(arm, shown) for arm in members], row.arms)))
        counts = [0 if arm is None else arm["n"] for arm in members]
        if set(counts) != {usual}:
            rows.append(("  n", *_once([str(n) for n in counts], row.arms)))
        if any(value is not None for value in row.published):
            numbers = [DASH if value is None else shown.number(value) for value in row.published]
            keys = [f"{arm} {number}" for arm, number in zip(row.arms, numbers, strict=True)]
            rows.append(("  published", *_once(numbers, keys)))
    has_repeats = any(SAME in row for row in rows)
    notes = [*difference_notes(difference), *published_notes(used, usual=usual, has_repeats=has_repeats)]
    notes += duration_notes(used) if is_time(table.metric) else []
    title = f"{table.title}, {shown.unit}" if shown.unit else table.title
    return Table(title + tag(difference), ("", *table.columns), tuple(rows), tuple(notes))


def comparison_table(comparison: pd.DataFrame, metric: str = "test_accuracy", *, difference: str = "") -> Table:
    """Return one row for each arm: its mean, and its paired difference from the baseline with 95 % interval."""
    chosen = _rows_of(comparison, metric)
    shown = quantity(metric, chosen["mean"])
    baseline = str(chosen["baseline"].iloc[0])
    rows = []
    for arm in chosen.to_dict("records"):
        is_baseline = arm["arm"] == baseline
        mean = plus_minus(shown, arm["mean"], arm["ci_low"], arm["ci_high"])
        n = arm["n"] if is_baseline else arm["n_pairs"]
        limits = interval(shown, arm["diff_ci_low"], arm["diff_ci_high"])
        rows.append(
            (
                str(arm["arm"]),
                mean if arm["n"] == n else f"{mean} (n={arm['n']})",
                DASH if is_baseline else signed(shown, arm["diff"]),
                DASH if is_baseline else limits,
                str(n),
                "reference" if is_baseline else _difference_in_words(arm),
            )
        )
    columns = ("Arm", f"Mean, {shown.unit}", f"Diff, {shown.difference_unit}", "95 % interval", "n", "In words")
    title = f"{shown.label}: arms against {baseline}, paired by {'block' if is_time(metric) else 'seed'}"
    notes = [*difference_notes(difference), *comparison_notes(chosen, baseline=baseline)]
    return Table(title + tag(difference), columns, tuple(rows), tuple(notes), align="lrrrrl")


def time_table(ratios: pd.DataFrame, *, difference: str = "") -> Table:
    """Return one row for each arm: its time as a ratio to the baseline's, beside the A/A noise floor."""
    metric, baseline = str(ratios["metric"].iloc[0]), str(ratios["baseline"].iloc[0])
    shown = quantity(metric, ratios["median_s"])
    floor = noise_floor(ratios)
    rows = []
    for arm in ratios.to_dict("records") if ratios["median_s"].notna().any() else []:
        is_baseline = arm["arm"] == baseline
        has_limits = np.isfinite(arm["ci_low"])
        rows.append(
            (
                str(arm["arm"]),
                shown.number(arm["median_s"]),
                DASH if is_baseline or not arm["n"] else f"{arm['ratio']:.3f}",
                f"[{arm['ci_low']:.3f}, {arm['ci_high']:.3f}]" if has_limits else DASH,
                str(arm["n"]),
                "reference" if is_baseline else _ratio_in_words(arm, control_name(baseline), floor),
            )
        )
    columns = ("Arm", "Median, s", "Ratio", "95 % interval", "Blocks", "In words")
    notes = [*difference_notes(difference), *time_notes(ratios, floor=floor)]
    title = f"{shown.label}: ratio to {baseline}, paired by block"
    return Table(title + tag(difference), columns, tuple(rows), tuple(notes), align="lrrrrl")


def noise_floor(ratios: pd.DataFrame) -> float:
    """Return the largest ratio that the A/A control cannot tell from 1 (such as 1.03); nan without a control."""
    baseline = str(ratios["baseline"].iloc[0])
    control = ratios[(ratios["arm"] == control_name(baseline)) & np.isfinite(ratios["ci_low"])]
    if control.empty:
        return float("nan")
    return float(max(control["ci_high"].iloc[0], 1 / control["ci_low"].iloc[0]))


def _rows_of(comparison: pd.DataFrame, metric: str) -> pd.DataFrame:
    rows = comparison[comparison["metric"] == metric]
    if rows.empty:
        known = ", ".join(dict.fromkeys(comparison["metric"]))
        raise UsageError(f"the comparison holds no metric {metric!r}: choose from {known}")
    return rows


def _measured_cell(arm: dict | None, shown: Quantity) -> str:
    if arm is None:
        return "not run"
    n, n_diverged = arm["n"], arm["n_diverged"]
    if n == 0:
        return "diverged" if n_diverged else "none done"
    return plus_minus(shown, arm["mean"], arm["ci_low"], arm["ci_high"])


def _mode(counts: Sequence[int]) -> int:
    """The count that most cells have, the larger of two alike; 0 for no cells."""
    return max(set(counts), key=lambda n: (list(counts).count(n), n), default=0)


def _once(cells: Sequence[str], keys: Sequence[str]) -> list[str]:
    """The cells, with `same` wherever the key repeats the one to its left."""
    return [SAME if i and key == keys[i - 1] else cell for i, (cell, key) in enumerate(zip(cells, keys, strict=True))]


def _difference_in_words(arm: dict) -> str:
    """What the interval says, and how many runs are missing from it because they diverged."""
    if arm["n"] == 0 and arm["n_diverged"]:
        return f"{arm['n_diverged']} diverged"
    lost = f", {arm['n_diverged']} diverged" if arm["n_diverged"] else ""
    return _sign_in_words(arm) + lost


def _sign_in_words(arm: dict) -> str:
    if arm["n_pairs"] == 0:
        return "no pairs"
    if arm["n_pairs"] == 1:
        return "one pair, no interval"
    if arm["diff_ci_low"] > 0:
        return "higher"
    return "lower" if arm["diff_ci_high"] < 0 else "no clear difference"


def _ratio_in_words(arm: dict, control: str, floor: float) -> str:
    if arm["n"] < 2:
        return "no blocks" if arm["n"] == 0 else "one block, no interval"
    if arm["arm"] == control:
        return "noise floor"
    if arm["ci_low"] <= 1 <= arm["ci_high"]:
        return "no clear difference"
    if max(arm["ratio"], 1 / arm["ratio"]) <= floor:
        return "within the noise floor"
    return "slower" if arm["ratio"] > 1 else "faster"
