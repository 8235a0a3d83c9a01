"""The tables of a study: its source's own, arms against the baseline, and times.

    Test accuracy, %                    Difference in test accuracy           Training time of an epoch
               P = 0.1       P = 0.2    Arm     diff, pp   95 % interval      Arm   ratio   95 % interval
    Baseline   98.40 ± 0.32  same       bn        +0.51    [+0.20, +0.82]     bn    1.127   [1.081, 1.175]
      published      98.32   same       ...                                   ...

Where arms have baselines of their own, a column says which one each stands against. The source's own tables are made in
`kbnd.report.tables.published`, the metrics that only claims look at in `kbnd.report.tables.claimed`.

Every number carries its n, an interval and a unit. One value has no interval and the cell says n = 1; a diverged
run is counted and never averaged; an arm without pairs is listed as such.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from kbnd.analysis.metrics import is_time
from kbnd.analysis.timing import is_control, noise_floor
from kbnd.errors import UsageError
from kbnd.report.numbers import Quantity, in_unit, interval, plus_minus, quantity_of, signed
from kbnd.report.table import DASH, Table
from kbnd.report.tables.claimed import further_tables
from kbnd.report.tables.notes import comparison_notes, data_notes, difference_notes, tag, time_notes
from kbnd.report.tables.published import PublishedTable, published_table

Row = dict[Any, Any]
"""Of a frame: column -> value."""

NO_TIMES = "No times are compared: too few runs have an epoch without compilation, which the first one mostly holds."

ArmsByMetric = Mapping[str, Collection[str]]
"""Metric -> the arms that claims compare by it."""


def report_tables(
    comparison: pd.DataFrame,
    ratios: pd.DataFrame | None = None,
    *,
    published: Sequence[PublishedTable] = (),
    metrics: Sequence[str] = ("test_accuracy",),
    further: ArmsByMetric | None = None,
    answers: Sequence[Table] = (),
    difference: str = "",
    data_note: str = "",
) -> list[Table]:
    """Return a study's tables in the order a reader wants them.

    Args:
        comparison: what `kbnd.analysis.compare.compare` returns.
        ratios: what `kbnd.analysis.timing.time_ratios` returns; None leaves the time table out. With times of fewer
            than two arms of several there is none either, and the last table says why.
        published: the source's own tables; those of which no arm was chosen are left out.
        metrics: metrics with a table of differences.
        further: metrics that claims look at besides, in compact tables.
        answers: tables that come before all others.
        difference: in words, what makes this another experiment than the source's; empty where nothing does.
        data_note: what must be said beside results on these images (`kbnd.report.datasets`); usually nothing.
    """
    own = (published_table(table, comparison) for table in published)
    tables = [table for table in own if table is not None]
    tables += [comparison_table(comparison, metric) for metric in metrics]
    tables += further_tables(comparison, further or {})
    if ratios is not None and _has_times(ratios):
        tables.append(time_table(ratios))
    elif ratios is not None and not ratios.empty and tables:
        tables[-1] = replace(tables[-1], notes=(*tables[-1].notes, NO_TIMES))
    notes = (*difference_notes(difference), *data_notes(data_note))
    return [
        replace(table, title=table.title + tag(difference), notes=(*notes, *table.notes))
        for table in (*answers, *tables)
    ]


def comparison_table(comparison: pd.DataFrame, metric: str = "test_accuracy") -> Table:
    """Return one row for each arm: its mean, and its paired difference from its baseline with 95 % interval."""
    compared = _rows_of(comparison, metric)
    quantity = quantity_of(metric, compared["mean"])
    against, has_many = _against(compared)
    rows = []
    for arm in compared.to_dict("records"):
        is_baseline = arm["arm"] == arm["baseline"]
        mean = plus_minus(quantity, arm["mean"], arm["ci_low"], arm["ci_high"])
        n = arm["n"] if is_baseline else arm["n_pairs"]
        limits = interval(quantity, arm["diff_ci_low"], arm["diff_ci_high"])
        rows.append(
            (
                str(arm["arm"]),
                *([DASH if is_baseline else str(arm["baseline"])] if has_many else []),
                mean if arm["n"] == n else f"{mean} (n={arm['n']})",
                DASH if is_baseline else signed(quantity, arm["diff"]),
                DASH if is_baseline else limits,
                str(n),
                "reference" if is_baseline else _difference_in_words(arm),
            )
        )
    mean, difference = in_unit("Mean", quantity.unit), in_unit("Diff", quantity.difference_unit)
    numbers = (mean, difference, "95 % interval", "n", "In words")
    columns = ("Arm", "Against", *numbers) if has_many else ("Arm", *numbers)
    title = f"{quantity.label}: arms against {against}, paired by {'block' if is_time(metric) else 'seed'}"
    align = "llrrrrl" if has_many else "lrrrrl"
    return Table(title, columns, tuple(rows), tuple(comparison_notes(compared)), align)


def time_table(ratios: pd.DataFrame) -> Table:
    """Return one row for each arm: its time as a ratio to its baseline's, beside the A/A noise floor of that one."""
    against, has_many = _against(ratios[~is_control(ratios)])
    quantity = quantity_of(str(ratios["metric"].iloc[0]), ratios["median_s"])
    if not ratios["n"].any():
        return _times_apart(ratios, quantity)
    floors = {control: noise_floor(ratios, control) for control in ratios["control"].unique()}
    rows = []
    for arm in ratios.to_dict("records"):
        is_baseline = arm["arm"] == arm["baseline"]
        has_limits = np.isfinite(arm["ci_low"])
        rows.append(
            (
                str(arm["arm"]),
                *([DASH if is_baseline else str(arm["baseline"])] if has_many else []),
                quantity.number(arm["median_s"]),
                DASH if is_baseline or not arm["n"] else f"{arm['ratio']:.3f}",
                f"[{arm['ci_low']:.3f}, {arm['ci_high']:.3f}]" if has_limits else DASH,
                str(arm["n"]),
                "reference" if is_baseline else _ratio_in_words(arm, floors[arm["control"]]),
            )
        )
    numbers = ("Median, s", "Ratio", "95 % interval", "Blocks", "In words")
    columns = ("Arm", "Against", *numbers) if has_many else ("Arm", *numbers)
    title = f"{quantity.label}: ratio to {against}, paired by block"
    align = "llrrrrl" if has_many else "lrrrrl"
    return Table(title, columns, tuple(rows), tuple(time_notes(ratios)), align)


def _times_apart(ratios: pd.DataFrame, quantity: Quantity) -> Table:
    """The times of arms that no block has in common, as those of a search: which cannot be compared."""
    arms = ratios[~is_control(ratios)]
    rows = tuple((str(arm), quantity.number(s)) for arm, s in zip(arms["arm"], arms["median_s"], strict=True))
    return Table(f"{quantity.label}: not compared", ("Arm", "Median, s"), rows, tuple(time_notes(ratios)))


def _against(rows: pd.DataFrame) -> tuple[str, bool]:
    """What the arms are compared with, in words, and whether that is more than one arm."""
    baselines = list(dict.fromkeys(rows["baseline"]))
    return (str(baselines[0]), False) if len(baselines) == 1 else ("their own baselines", True)


def _has_times(ratios: pd.DataFrame) -> bool:
    """Whether a table of times would show any two of them, or that of the only arm."""
    n_arms = int((~is_control(ratios)).sum())
    return ratios["median_s"].notna().sum() >= min(2, n_arms) > 0


def _rows_of(comparison: pd.DataFrame, metric: str) -> pd.DataFrame:
    rows = comparison[comparison["metric"] == metric]
    if rows.empty:
        metrics = ", ".join(dict.fromkeys(comparison["metric"]))
        raise UsageError(f"the comparison holds no metric {metric!r}: choose from {metrics}")
    return rows


def _difference_in_words(arm: Row) -> str:
    """What the interval says, and how many runs are missing from it because they diverged."""
    if arm["n"] == 0 and arm["n_diverged"]:
        return f"{arm['n_diverged']} diverged"
    lost = f", {arm['n_diverged']} diverged" if arm["n_diverged"] else ""
    return _sign_in_words(arm) + lost


def _sign_in_words(arm: Row) -> str:
    if arm["n_pairs"] == 0:
        return "no pairs"
    if arm["n_pairs"] == 1:
        return "one pair, no interval"
    if arm["diff_ci_low"] > 0:
        return "higher"
    return "lower" if arm["diff_ci_high"] < 0 else "no clear difference"


def _ratio_in_words(arm: Row, floor: float) -> str:
    if arm["n"] < 2:
        return "no blocks" if arm["n"] == 0 else "one block, no interval"
    if not np.isfinite(floor):
        return "no noise floor"
    if arm["arm"] == arm["control"]:
        return "noise floor"
    if arm["ci_low"] <= 1 <= arm["ci_high"]:
        return "no clear difference"
    if max(arm["ratio"], 1 / arm["ratio"]) <= floor:
        return "within the noise floor"
    return "slower" if arm["ratio"] > 1 else "faster"
