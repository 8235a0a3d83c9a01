"""How much slower than the baseline is an arm? Ratios of times within blocks, beside their noise floor.

A shared computer drifts by more than the effects of interest, so a time means nothing alone. A *block* is one
seed of a study, its arms shuffled, run one after the other on one machine in one session; the drift within it
hits every arm alike, and the log ratio within the block cancels it:

    r_b = log t(arm, block b) - log t(baseline, block b)        ratio = exp(mean_b r_b)

Where the baseline ran twice in a block, its log t is the mean of both.

    block 1   bn   baseline   dropout0.5   baseline'
    block 2   baseline   baseline'   bn   dropout0.5      --> time

The control is the baseline run again under a second name (replicate 1, baseline' above). Its ratio must be 1;
the width of its interval is what this machine cannot resolve, the *noise floor*. Where a baseline has no second run,
as one that a reader chooses afterwards, that of another arm in the same blocks tells the floor: it is the machine's.
Each baseline has the floor of its own blocks, as two networks may have been timed in two sessions, or none.

Reference: Kalibera and Jones (2013), Rigorous benchmarking in reasonable time, ISMM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from kbnd.analysis.selection import (
    arm_order,
    check_comparable,
    measured,
    own_arms,
    references,
    repeat_name,
    require_columns,
)
from kbnd.analysis.stats import LEVEL, paired_ratio

N_BLOCKS_ADVISED = 15
"""Blocks below which an interval of a few percent is out of reach on an ordinary computer."""

RATIO_COLUMNS = ("arm", "metric", "n", "ratio", "ci_low", "ci_high", "median_s", "baseline", "control")

_BLOCK = ["machine", "session", "block"]


class _Control(NamedTuple):
    """What tells a reference's noise floor: name of its row (empty for none), the arm run twice, pairs of its runs."""

    name: str
    twice: str
    pairs: pd.DataFrame


def control_name(baseline: str) -> str:
    """Return the name under which the baseline's second run is listed."""
    return repeat_name(baseline, 1)


def control_of(ratios: pd.DataFrame) -> pd.Series:
    """Return the row of the first control; its `baseline` is the arm that was run twice, `n` is 0 where none was."""
    return ratios[is_control(ratios)].iloc[0]


def is_control(ratios: pd.DataFrame) -> pd.Series:
    """Return which rows are controls: an arm's second runs against its first."""
    return ratios["arm"].isin(set(ratios["control"]))


def noise_floor(ratios: pd.DataFrame, control: str | None = None) -> float:
    """Return the largest ratio that a control cannot tell from 1 (such as 1.03); nan where there is no such control.

    Args:
        ratios: what `time_ratios` returns.
        control: as the column of that name has it; None is the first baseline's.
    """
    name = control_of(ratios)["arm"] if control is None else control
    low, high = (ratios.loc[ratios["arm"] == name, limit] for limit in ("ci_low", "ci_high"))
    return float(max(high.iloc[0], 1 / low.iloc[0])) if low.notna().any() else float("nan")


def timed_alone(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the finished runs that had their machine to themselves in a block, in one session from end to end."""
    require_columns(runs, [*_BLOCK, "is_concurrent"])
    timed = measured(runs, metric, is_every_replicate=True)
    is_whole = timed["continued_from"].isna() if "continued_from" in timed else True
    return timed[~timed["is_concurrent"].eq(True) & is_whole & (timed[metric] > 0)].dropna(subset=_BLOCK)


def time_pairs(runs: pd.DataFrame, *, baseline: str, metric: str = "epoch_s") -> pd.DataFrame:
    """Return each arm's time beside the baseline's time of the same block.

    The reference of a block is the mean log of all its baseline runs. Their repetitions are the control, with the
    run of the lowest replicate as its reference. Runs that shared the machine with another run, or have no block, are
    left out.

    Args:
        runs: columns of runs.csv with machine, session, block and is_concurrent.
        baseline: name of the reference arm.
        metric: column of positive seconds.

    Returns:
        One row for each arm and block: arm, machine, session, block, value, reference (both in seconds).
    """
    alone = timed_alone(runs, metric)
    alone = alone.assign(log=np.log(alone[metric]))
    own = alone[alone["arm"] == baseline]
    first = own.sort_values("replicate", kind="stable").drop_duplicates(_BLOCK)
    again = own.drop(first.index).assign(arm=control_name(baseline))
    others = alone[alone["arm"] != baseline]
    pairs = [
        _mean_logs(others, ["arm", *_BLOCK], "value").merge(_mean_logs(own, _BLOCK, "reference"), on=_BLOCK),
        _mean_logs(again, ["arm", *_BLOCK], "value").merge(_mean_logs(first, _BLOCK, "reference"), on=_BLOCK),
    ]
    return pd.concat([frame for frame in pairs if len(frame)] or pairs[:1], ignore_index=True)


def _mean_logs(runs: pd.DataFrame, keys: list[str], name: str) -> pd.DataFrame:
    """The geometric mean of the times of each group, as a column of this name."""
    return np.exp(runs.groupby(keys)["log"].mean()).rename(name).reset_index()


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
        baseline: name of the reference arm, usually the one that has a control.
        baselines: arm -> another reference arm, as in a study of several networks.
        metric: column of seconds; `epoch_s` is the median epoch without warm-up.
        arms: order of the rows; None puts the baseline first and sorts the others by name.
        level: confidence of the intervals.

    Returns:
        The columns `RATIO_COLUMNS`: one row for the baseline (ratio 1 by definition, no interval), one for
        the control and one for each other arm. `n` counts blocks. `median_s` of an arm without blocks is the
        median of the times that cannot be compared. The control is another arm's where the baseline ran once in
        a block and that one twice, in two of the baseline's blocks or more; its `baseline` says whose. Where no
        arm ran twice it is the baseline's, with n = 0. Every row names its `control`, the row that tells the noise
        floor of its baseline's blocks; a further baseline with another one has that row behind its own, and the name
        is empty where no arm ran twice in its blocks.

    Raises:
        UsageError: unknown baseline or metric, or runs of different experiments.
    """
    check_comparable(runs)
    runs = own_arms(runs)
    names = arm_order(runs, baseline=baseline, arms=arms)
    reference = references(names, baseline=baseline, baselines=baselines)
    pairs = {name: time_pairs(runs, baseline=name, metric=metric) for name in dict.fromkeys(reference.values())}
    everything = measured(runs, metric, is_every_replicate=True)
    controls = _controls(runs, pairs, metric=metric, arms=names)
    rows: list[dict[str, object]] = []
    listed: set[str] = set()
    for arm in [baseline, *(name for name in names if name != baseline)]:
        against = reference[arm]
        own, control = everything.loc[everything["arm"] == arm, metric], controls[against]
        row = _ratio(arm, against, pairs[against], own, level=level)
        rows.append({"arm": arm, "metric": metric, **row, "baseline": against, "control": control.name})
        if arm in controls and (control := controls[arm]).name not in {"", *listed}:
            again = _ratio(control_name(control.twice), control.twice, control.pairs, own.iloc[:0], level=level)
            named = {"arm": control.name, "baseline": control.twice, "control": control.name}
            rows.append({"metric": metric, **again, **named})
            listed.add(control.name)
    return pd.DataFrame(rows, columns=list(RATIO_COLUMNS))


def _controls(
    runs: pd.DataFrame, pairs: Mapping[str, pd.DataFrame], *, metric: str, arms: Sequence[str]
) -> dict[str, _Control]:
    """Every reference -> the control of its blocks; two that have the same pairs have the same name.

    The first reference has one in any case, others have no name where nothing ran twice beside them.
    """
    controls: dict[str, _Control] = {}
    for reference, own in pairs.items():
        twice, again = _control(runs, own, baseline=reference, metric=metric, arms=arms)
        again = again.reset_index(drop=True)
        same = [control for control in controls.values() if control.twice == twice and control.pairs.equals(again)]
        taken = {control.name for control in controls.values()}
        name = control_name(twice)
        if same:
            name = same[0].name
        elif controls and len(again) < 2:
            name = ""
        elif name in taken:
            name = f"{twice} (A/A, {reference})"
        controls[reference] = _Control(name, twice, again)
    return controls


def _control(
    runs: pd.DataFrame, pairs: pd.DataFrame, *, baseline: str, metric: str, arms: Sequence[str]
) -> tuple[str, pd.DataFrame]:
    """Return the arm whose second run is the control, and the pairs of both its runs.

    That is the baseline, or else the arm that was run twice in most of the baseline's blocks; `pairs` are its.
    """
    own = pairs[pairs["arm"] == control_name(baseline)]
    if len(own) > 1:
        return baseline, own
    n_runs = timed_alone(runs, metric).groupby(["arm", *_BLOCK]).size()
    repeated = set(n_runs[n_runs > 1].index.get_level_values("arm")) - {baseline}
    blocks, pairs_of_arm = pairs[_BLOCK].drop_duplicates(), {baseline: own}
    for arm in (name for name in arms if name in repeated):
        again = time_pairs(runs, baseline=arm, metric=metric)
        pairs_of_arm[arm] = again[again["arm"] == control_name(arm)].merge(blocks, on=_BLOCK)
    twice = max(pairs_of_arm, key=lambda arm: len(pairs_of_arm[arm]))
    return (twice, pairs_of_arm[twice]) if len(pairs_of_arm[twice]) > 1 else (baseline, own)


def _ratio(arm: str, reference: str, pairs: pd.DataFrame, own: pd.Series, *, level: float) -> dict[str, float]:
    """One row of the ratios; `own` are the arm's times whether they can be compared or not."""
    if arm == reference:
        is_second = pairs["arm"] == control_name(reference)
        seconds = (pairs if is_second.all() else pairs[~is_second]).drop_duplicates(_BLOCK)["reference"]
        row = {"n": len(seconds), "ratio": 1.0, "ci_low": np.nan, "ci_high": np.nan}
    else:
        mine = pairs[pairs["arm"] == arm]
        seconds = mine["value"]
        ratio = paired_ratio(mine["value"], mine["reference"], level=level)
        row = {"n": ratio.n, "ratio": ratio.estimate, "ci_low": ratio.low, "ci_high": ratio.high}
    seconds = seconds if len(seconds) else own
    return {**row, "median_s": float(seconds.median()) if len(seconds) else np.nan}
