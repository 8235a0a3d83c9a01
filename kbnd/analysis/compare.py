"""Every arm against its baseline, paired by seed: the rows of comparison.csv.

One seed fixes the initial weights and the order of images of every arm, so arms are compared by their
differences within a seed, d_i = metric(arm, seed i) - metric(baseline, seed i). A difference in time (`*_s`)
pairs by block instead, because only runs of one machine, session and block are alike (see `timing`).

The interval of the mean difference decides, never the overlap of the two arms' own intervals: those hold the
spread between seeds as well, which pairing takes away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from kbnd.analysis.blinding import METRICS
from kbnd.analysis.metrics import is_time
from kbnd.analysis.selection import arm_order, check_comparable, first_replicates, measured, own_arms, references
from kbnd.analysis.stats import LEVEL, mean_interval, paired_difference, standard_deviation
from kbnd.analysis.timing import time_pairs
from kbnd.records import UNFINISHED

COMPARISON_COLUMNS = (
    *("arm", "metric", "n", "mean", "ci_low", "ci_high", "published"),
    *("baseline", "diff", "diff_ci_low", "diff_ci_high", "p", "p_adjusted", "verdict"),
    *("sd", "n_pairs", "n_diverged", "n_unfinished", "n_concurrent"),
)


def compare(
    runs: pd.DataFrame,
    *,
    baseline: str,
    baselines: Mapping[str, str] | None = None,
    metrics: Sequence[str] = METRICS,
    published: Mapping[tuple[str, str], float] | None = None,
    arms: Sequence[str] | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return one row for each arm and metric.

    Args:
        runs: columns of runs.csv, of one study, backend and device.
        baseline: name of the arm that the others are compared with.
        baselines: arm -> another arm that it is compared with instead, as in a study of several networks.
        metrics: columns of `runs`; those that end in `_s` are times and pair by block.
        published: the source's own numbers by (arm, metric), in the unit of the metric.
        arms: order of the rows; None puts the baseline first and sorts the others by name.
        level: confidence of the intervals.

    Returns:
        The columns `COMPARISON_COLUMNS`. `n` counts the done runs behind `mean`, `n_pairs` those behind
        `diff`; `n_diverged` and `n_unfinished` (failed, oom, pruned, interrupted, running) entered neither.
        The times of `n_concurrent` runs that shared the machine are in `mean` and not in `diff`. Limits are
        nan below two values. `p`, `p_adjusted` and `verdict` are empty until claims are judged.

    Raises:
        UsageError: unknown baseline or metric, no runs, or runs of different experiments.
    """
    check_comparable(runs)
    runs = own_arms(runs)
    names = arm_order(runs, baseline=baseline, arms=arms)
    reference = references(names, baseline=baseline, baselines=baselines)
    figures = published or {}
    first = first_replicates(runs)
    lost = {arm: _lost(mine) for arm, mine in _by_arm(first, names).items()}
    rows = []
    for metric in metrics:
        done = measured(first, metric, is_every_replicate=True)
        pairs = {
            name: time_pairs(runs, baseline=name, metric=metric)
            if is_time(metric)
            else _pairs_by_seed(done, metric, baseline=name)
            for name in dict.fromkeys(reference.values())
        }
        own = _by_arm(done[["arm", metric]], names)
        against = {name: _by_arm(frame, names) for name, frame in pairs.items()}
        for arm in names:
            rows.append(
                {
                    "arm": arm,
                    "metric": metric,
                    **_own(own[arm][metric], level=level),
                    "published": figures.get((arm, metric), np.nan),
                    "baseline": reference[arm],
                    **_against_baseline(against[reference[arm]][arm], level=level),
                    **lost[arm],
                }
            )
    return pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))


def pairs_of(runs: pd.DataFrame, metric: str, *, baseline: str) -> pd.DataFrame:
    """Return every arm's values beside the baseline's of the same seed, or of the same block for a time.

    The baseline has no row: its difference from itself is no result.

    Returns:
        Columns arm, value and reference (the baseline's value), and seed or the block's columns.
    """
    if is_time(metric):
        return time_pairs(runs, baseline=baseline, metric=metric)
    return _pairs_by_seed(measured(runs, metric), metric, baseline=baseline)


def _pairs_by_seed(done: pd.DataFrame, metric: str, *, baseline: str) -> pd.DataFrame:
    values = done[["arm", "seed", metric]].rename(columns={metric: "value"})
    is_reference = values["arm"] == baseline
    reference = values.loc[is_reference, ["seed", "value"]].rename(columns={"value": "reference"})
    return values[~is_reference].merge(reference, on="seed")


def _by_arm(frame: pd.DataFrame, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The rows of each arm, none for an arm that has none; a mask for each would look at all rows once per arm."""
    places, nothing = frame.groupby("arm").indices, frame.iloc[:0]
    return {name: frame.iloc[places[name]] if name in places else nothing for name in names}


def _own(values: pd.Series, *, level: float) -> dict[str, float]:
    mean = mean_interval(values, level=level)
    return {
        "n": mean.n,
        "mean": mean.estimate,
        "ci_low": mean.low,
        "ci_high": mean.high,
        "sd": standard_deviation(values),
    }


def _against_baseline(pairs: pd.DataFrame, *, level: float) -> dict[str, float]:
    difference = paired_difference(pairs["value"], pairs["reference"], level=level)
    return {
        "diff": difference.estimate,
        "diff_ci_low": difference.low,
        "diff_ci_high": difference.high,
        "n_pairs": difference.n,
    }


def _lost(runs: pd.DataFrame) -> dict[str, int]:
    """Count the runs of one arm that give no value, or no time that compares."""
    status = runs["status"]
    is_shared = runs["is_concurrent"].eq(True) if "is_concurrent" in runs else status.isna()
    return {
        "n_diverged": int((status == "diverged").sum()),
        "n_unfinished": int(status.isin(UNFINISHED).sum()),
        "n_concurrent": int((is_shared & (status == "done")).sum()),
    }
