"""How much slower than the baseline is an arm? Ratios of times within blocks, beside their noise floor.

A shared computer drifts by more than the effects of interest, so a time means nothing alone. A *block* is one
seed of a study, its arms shuffled, run one after the other on one machine in one session; the drift within it
hits every arm alike, and the log ratio within the block cancels it:

    r_b = log t(arm, block b) - log t(baseline, block b)        ratio = exp(mean_b r_b)

    block 1   bn   baseline   dropout0.5   baseline'
    block 2   baseline   baseline'   bn   dropout0.5      --> time

The control is the baseline run again under a second name (replicate 1, baseline' above). Its ratio must be 1;
the width of its interval is what this machine cannot resolve, the *noise floor*.

Reference: Kalibera and Jones (2013), Rigorous benchmarking in reasonable time, ISMM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from kbnd.analysis.selection import arm_order, check_comparable, measured, references, require_columns
from kbnd.analysis.stats import LEVEL, paired_ratio

N_BLOCKS_ADVISED = 15
"""Blocks below which an interval of a few percent is out of reach on an ordinary computer."""

RATIO_COLUMNS = ("arm", "metric", "n", "ratio", "ci_low", "ci_high", "median_s", "baseline")

_BLOCK = ["machine", "session", "block"]


def control_name(baseline: str) -> str:
    """Return the name under which the baseline's second run is listed."""
    return f"{baseline} (A/A)"


def time_pairs(runs: pd.DataFrame, *, baseline: str, metric: str = "epoch_s") -> pd.DataFrame:
    """Return each arm's time beside the baseline's time of the same block.

    The reference of a block is its baseline run of the lowest replicate; further baseline runs of the block
    are the control. Runs that shared the machine with another run, or have no block, are left out.

    Args:
        runs: columns of runs.csv with machine, session, block and is_concurrent.
        baseline: name of the reference arm.
        metric: column of positive seconds.

    Returns:
        One row for each arm and block: arm, machine, session, block, value, reference (both in seconds).
    """
    require_columns(runs, [*_BLOCK, "is_concurrent"])
    alone = measured(runs, metric, replicate=None)
    alone = alone[~alone["is_concurrent"].eq(True) & (alone[metric] > 0)].dropna(subset=_BLOCK)
    references = alone[alone["arm"] == baseline].sort_values("replicate", kind="stable").drop_duplicates(_BLOCK)
    others = alone.drop(references.index)
    others = others.assign(arm=others["arm"].replace({baseline: control_name(baseline)}), log=np.log(others[metric]))
    value = np.exp(others.groupby(["arm", *_BLOCK])["log"].mean()).rename("value").reset_index()
    reference = references[[*_BLOCK, metric]].rename(columns={metric: "reference"})
    return value.merge(reference, on=_BLOCK)


def time_ratios(
    runs: pd.DataFrame,
    *,
    baseline: str,
    baselines: Mapping[str, str] | None = None,
    metric: str = "epoch_s",
    arms: Sequence[str] | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Compare each arm's time with the baseline's, block by block.

    Args:
        runs: columns of runs.csv with machine, session, block and is_concurrent.
        baseline: name of the reference arm, the one that has a control.
        baselines: arm -> another reference arm, as in a study of several networks.
        metric: column of seconds; `epoch_s` is the median epoch without warm-up.
        arms: order of the rows; None puts the baseline first and sorts the others by name.
        level: confidence of the intervals.

    Returns:
        The columns `RATIO_COLUMNS`: one row for the baseline (ratio 1 by definition, no interval), one for
        its control (n = 0 where none was run) and one for each other arm. `n` counts blocks. `median_s` of
        an arm without blocks is the median of the times that cannot be compared.

    Raises:
        UsageError: unknown baseline or metric, or runs of different experiments.
    """
    check_comparable(runs)
    names = arm_order(runs, baseline=baseline, arms=arms)
    reference = references(names, baseline=baseline, baselines=baselines)
    pairs = {name: time_pairs(runs, baseline=name, metric=metric) for name in dict.fromkeys(reference.values())}
    everything = measured(runs, metric, replicate=None)
    rows = []
    for arm in [baseline, control_name(baseline), *(name for name in names if name != baseline)]:
        against = reference.get(arm, baseline)
        own = everything.loc[everything["arm"] == arm, metric]
        row = _ratio(arm, against, pairs[against], own, level=level)
        rows.append({"arm": arm, "metric": metric, **row, "baseline": against})
    return pd.DataFrame(rows, columns=list(RATIO_COLUMNS))


def _ratio(arm: str, reference: str, pairs: pd.DataFrame, own: pd.Series, *, level: float) -> dict[str, float]:
    """One row of the ratios; `own` are the arm's times whether they can be compared or not."""
    if arm == reference:
        seconds = pairs.drop_duplicates(_BLOCK)["reference"]
        row = {"n": len(seconds), "ratio": 1.0, "ci_low": np.nan, "ci_high": np.nan}
    else:
        mine = pairs[pairs["arm"] == arm]
        seconds = mine["value"]
        found = paired_ratio(mine["value"], mine["reference"], level=level)
        row = {"n": found.n, "ratio": found.estimate, "ci_low": found.low, "ci_high": found.high}
    seconds = seconds if len(seconds) else own
    return {**row, "median_s": float(seconds.median()) if len(seconds) else np.nan}
