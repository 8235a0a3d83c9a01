"""The numbers that a claim's test looks at, taken from the runs of a study.

    test --> a value for each arm and seed --> its form --> d of each seed (`kbnd.verdicts.evidence.Numbers`)

| metric             | value of an arm in a seed                                     | left out                     |
|--------------------|---------------------------------------------------------------|------------------------------|
| any                | the metric of its first replicate                             | a run that is not done       |
| censored, by ranks | the same; a diverged run never gets there                     |                              |
| a time, in a block | mean log over its replicates: both runs of a baseline count   | concurrent or continued runs |
| `test_accuracy`    | with it, what the seed made of each image, where it is stored |                              |

A seed counts where every arm of the test has a value; the others are counted and said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kbnd.analysis.metrics import is_censored, is_time
from kbnd.analysis.selection import first_replicates, measured, own_arms
from kbnd.analysis.timing import timed_alone
from kbnd.study.rules import RULES, Test
from kbnd.verdicts.evidence import Numbers

Correctness = Callable[[str], NDArray[np.bool_] | None]
"""Run id -> whether the run was right on each test image, in the order of the test split; None where nobody knows."""

BLOCK = ["machine", "session", "block"]


@dataclass(frozen=True)
class Contrasted:
    """The numbers of a test, and what is not in them.

    Attributes:
        numbers: what its rule is given.
        seeds: which seeds (of a time: blocks, as numbers) these are, in their order.
        n_left_out: seeds in which some arm of the test has a run and another no value.
        n_diverged: arm -> its diverged runs.
        n_censored: arm -> runs whose value is a bound.
    """

    numbers: Numbers
    seeds: tuple[int, ...]
    n_left_out: int = 0
    n_diverged: Mapping[str, int] = field(default_factory=dict)
    n_censored: Mapping[str, int] = field(default_factory=dict)


def contrasted(
    test: Test, runs: pd.DataFrame, *, correctness: Correctness | None = None, floor: float = 0.0
) -> Contrasted:
    """Return what a test looks at.

    Args:
        test: of a claim of the study.
        runs: columns of runs.csv with one of the test's metric (`kbnd.analysis.metrics.with_metrics`).
        correctness: of single test images; None where it is not stored.
        floor: largest log ratio that the A/A control of these arms cannot tell from 0; for times.
    """
    mine = own_arms(runs)
    mine = mine[mine["arm"].isin(test.arms)]
    table = _times(mine, test.metric) if is_time(test.metric) else _by_seed(mine, test)
    table = table.reindex(columns=list(test.arms))
    whole = table.dropna()
    is_relative = is_time(test.metric) and not RULES[test.rule].has_value
    values = whole.map(math.exp) if is_time(test.metric) and not is_relative else whole
    numbers = Numbers(
        d=_of_form(test, values),
        gains=_gains(test, mine, whole.index, correctness) if correctness else None,
        margin=float(np.log1p(test.margin)) if is_relative else test.margin,
        value=test.value or 0.0,
        floor=floor,
    )
    counted = mine if is_time(test.metric) else first_replicates(mine)
    return Contrasted(
        numbers=numbers,
        seeds=tuple(int(seed) for seed in whole.index.get_level_values(-1)),
        n_left_out=len(table) - len(whole),
        n_diverged=_counted(counted["status"] == "diverged", counted),
        n_censored=_counted(_is_bound(counted, test.metric), counted),
    )


def _by_seed(runs: pd.DataFrame, test: Test) -> pd.DataFrame:
    """Seeds by arms; by ranks a diverged run is one that never gets there."""
    first = first_replicates(runs)
    if RULES[test.rule].is_by_ranks and is_censored(test.metric):
        is_lost = first["status"] == "diverged"
        budget = first.loc[first["status"] == "done", "epochs"].max()
        never = first[test.metric].where(~is_lost, budget + 1)
        first = first.assign(**{test.metric: never, "status": first["status"].where(~is_lost, "done")})
    return measured(first, test.metric).pivot(index="seed", columns="arm", values=test.metric)


def _times(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Blocks by arms, logarithms of seconds; replicates of an arm in a block count together."""
    alone = timed_alone(runs, metric)
    logs = alone.assign(log=np.log(alone[metric]))
    return logs.groupby([*BLOCK, "arm"])["log"].mean().unstack("arm")


def _of_form(test: Test, table: pd.DataFrame) -> NDArray[np.float64]:
    """The number of each row by the test's form; of an order one for each of its places."""
    if test.ordered:
        places = [_weighted(table, {entry: 1.0} if isinstance(entry, str) else entry) for entry in test.ordered]
        return np.column_stack(places)
    if test.statistic:
        return _spread(test.statistic, table[list(test.more)]) - _spread(test.statistic, table[list(test.less)])
    return _weighted(table, test.contrast)


def _weighted(table: pd.DataFrame, weights: Mapping[str, float]) -> NDArray[np.float64]:
    return np.asarray(table[list(weights)].to_numpy(dtype=float) @ np.array(list(weights.values())))


def _spread(statistic: str, table: pd.DataFrame) -> NDArray[np.float64]:
    values = table.to_numpy(dtype=float)
    return np.ptp(values, axis=1) if statistic == "range" else values.std(axis=1, ddof=1)


def _gains(
    test: Test, runs: pd.DataFrame, seeds: Iterable[int], correctness: Correctness
) -> NDArray[np.float64] | None:
    """Seeds by test images of a contrast of test accuracies; None for anything else, or where a run's is not stored."""
    if test.metric != "test_accuracy" or not test.contrast:
        return None
    first = first_replicates(runs)
    run_of = dict(zip(zip(first["arm"], first["seed"], strict=True), first["run_id"], strict=True))
    rows = []
    for seed in seeds:
        right = [correctness(run_of[arm, seed]) for arm in test.contrast]
        if any(images is None for images in right):
            return None
        rows.append(np.array(list(test.contrast.values())) @ np.array(right, dtype=np.float64))
    return np.array(rows) if rows else None


def _is_bound(runs: pd.DataFrame, metric: str) -> pd.Series:
    """Which runs never reached what the metric asks for."""
    if not is_censored(metric):
        return pd.Series(False, index=runs.index)
    return (runs["status"] == "done") & (runs[metric] > runs["epochs"])


def _counted(is_one: pd.Series, runs: pd.DataFrame) -> dict[str, int]:
    counts = runs.loc[is_one, "arm"].value_counts()
    return {str(arm): int(n) for arm, n in counts.items()}
