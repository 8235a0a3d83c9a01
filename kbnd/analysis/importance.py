"""Which hyperparameter mattered in a search, or that its trials cannot tell.

A random forest learns the ranks of the trials (0 worst, 1 best) from their values. Trials are held out in turn, and
everything is measured on trials that the forest has not seen:

    R2            = 1 - error of the forest / error of the mean
    importance(h) = (error with h taken from the other trials - error) / (2 error of the mean)

An importance is the part of the ranks' variance that goes with h, alone or together with others: of an additive score
they add up to about R2. Both are means over trials of one number each, so both have the t-interval of
`kbnd.analysis.stats`; nothing is ranked unless that of R2 lies above 0. Ranks, because one accuracy at chance or one
exploded loss would be most of the variance otherwise; what the forest predicts is printed as the score at that rank.

| trials                         | use                                                                            |
|--------------------------------|--------------------------------------------------------------------------------|
| done                           | learned from; those of the same values are held out together                   |
| done, of several epochs        | epochs are a further feature, not ranked: dropping the short trials would keep |
|                                | only what won, among which a learning rate that decided everything looks idle  |
| diverged                       | have no number: counted by range of values (`kbnd.analysis.divergence`)        |
| pruned, failed, running        | left out                                                                       |

Differs: the values of all other trials are put in, one after the other, in place of random shuffles of the held-out
ones; this is what shuffles estimate (Fisher et al.), without their noise.

Reference: Breiman (2001), Random forests, Machine Learning 45. Fisher, Rudin and Dominici (2019), All models are wrong,
but many are useful, JMLR 20. Gregorutti, Michel and Saint-Pierre (2017), Correlation and variable importance in random
forests, Statistics and Computing 27 (the factor 2). Watson and Wright (2021), Testing conditional
independence in supervised learning algorithms, Machine Learning 110 (intervals over held-out cases).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kbnd.analysis.hyperparameters import FEW_VALUES, check_names, encoded
from kbnd.analysis.objectives import Direction
from kbnd.analysis.stats import Interval, mean_interval

IMPORTANCE_COLUMNS = ("name", "importance", "ci_low", "ci_high", "n")

N_TRIALS_NEEDED = 10
"""Finished candidates below which nothing is fitted."""

N_TREES, N_FOLDS, N_REPEATS, FOREST_SEED = 50, 10, 4, 1
"""Trees of a forest, parts of the trials of which one is held out, how often they are parted anew, and the seed."""

MOST_SUBSTITUTES = 50
"""Other trials whose values are put in; more would cost time and change no digit that is printed."""

N_POINTS = 40
"""Points of a partial dependence."""


@dataclass(frozen=True)
class Importances:
    """Which hyperparameter mattered.

    Attributes:
        rows: the columns `IMPORTANCE_COLUMNS`, most important first; empty where the trials cannot tell. `n` counts
            candidates. A hyperparameter of which one value was tried has nan.
        quality: R2 of the ranks on held-out trials; nan where nothing was fitted.
        reason: why nothing is ranked, one sentence; empty where something is.
    """

    rows: pd.DataFrame
    quality: Interval
    reason: str = ""


@dataclass(frozen=True)
class _Cases:
    """The done trials as arrays: a column for each hyperparameter and, where they vary, the epochs as the last."""

    features: NDArray[np.float64]
    ranks: NDArray[np.float64]
    scores: NDArray[np.float64]
    candidates: NDArray[np.intp]
    levels: dict[str, list[str] | None]


def importances(trials: pd.DataFrame, names: Sequence[str], *, direction: Direction) -> Importances:
    """Return how much each hyperparameter decides about the score, or why that cannot be told.

    Args:
        trials: columns of trials.csv.
        names: its hyperparameters.
        direction: whether a high or a low score is good.

    Raises:
        UsageError: no name, or one that is no column.
    """
    cases = _cases(trials, names, direction)
    n = len(np.unique(cases.candidates))
    if n < N_TRIALS_NEEDED:
        others = " different ones" if n < len(cases.scores) else ""
        finished = f"{n or 'none'}{others} finished with a score, {N_TRIALS_NEEDED} are needed"
        return _nothing(f"Too few trials to tell: {finished}.", n)
    if np.ptp(cases.scores) == 0:
        return _nothing("The trials cannot tell: all of them have the same score.", n)
    of_mean, of_forest, of_switched = (_by_candidate(errors, cases.candidates) for errors in _held_out(cases))
    total = of_mean.mean()
    quality = mean_interval((of_mean - of_forest) / total)
    if not quality.low > 0:
        reason = "what is learned from some of them does not predict the others"
        return Importances(_frame([]), quality, f"Too few trials to tell: {reason}.")
    rows = []
    for i, name in enumerate(names):
        lost = mean_interval((of_switched[:, i] - of_forest) / (2 * total))
        is_varied = len(np.unique(cases.features[:, i])) > 1
        numbers = (lost.estimate, lost.low, lost.high) if is_varied else (np.nan,) * 3
        rows.append((name, *numbers, lost.n))
    return Importances(_frame(rows).sort_values("importance", ascending=False, ignore_index=True), quality)


def partial_dependence(
    trials: pd.DataFrame, names: Sequence[str], *, direction: Direction, log_scaled: Collection[str] = ()
) -> pd.DataFrame:
    """Return the score that the forest expects at each value, the other values as they were tried.

    Of trials of several epochs it is the score after the most. Whether the forest is worth anything is what
    `importances` says.

    Args:
        trials: columns of trials.csv; some of them done.
        names: its hyperparameters.
        direction: whether a high or a low score is good.
        log_scaled: hyperparameters whose points are spaced by their logarithm.

    Returns:
        Columns name, value (a number, or the text of a category) and score.
    """
    cases = _cases(trials, names, direction)
    forest = _forest(N_REPEATS * N_TREES).fit(cases.features, cases.ranks)
    full = cases.features.copy()
    if full.shape[1] > len(names):
        full[:, -1] = full[:, -1].max()
    order = np.argsort(cases.ranks)
    parts = []
    for i, name in enumerate(names):
        points = _points(full[:, i], is_log=name in log_scaled)
        ranks = [forest.predict(_with(full, i, point)).mean() for point in points]
        levels = cases.levels[name]
        values = points if levels is None else [levels[int(point)] for point in points]
        score = np.interp(ranks, cases.ranks[order], cases.scores[order])
        parts.append(pd.DataFrame({"name": name, "value": pd.Series(values, dtype=object), "score": score}))
    return pd.concat(parts, ignore_index=True)


def _cases(trials: pd.DataFrame, names: Sequence[str], direction: Direction) -> _Cases:
    check_names(trials, names)
    score = pd.to_numeric(trials["score"], errors="coerce")
    chosen = trials[(trials["status"] == "done") & np.isfinite(score)]
    score = score[chosen.index]
    columns, levels = [], {}
    for name in names:
        column, levels[name] = encoded(chosen[name])
        columns.append(column)
    candidates = chosen[list(names)].astype(str).groupby(list(names), sort=False, dropna=False).ngroup()
    epochs = pd.to_numeric(chosen["epochs"], errors="coerce").to_numpy(dtype=float)
    if len(np.unique(epochs)) > 1:
        columns.append(epochs)
    ranks = (score.rank(ascending=direction == "max") - 0.5) / max(len(score), 1)
    features = np.column_stack(columns) if columns else np.empty((len(chosen), 0))
    return _Cases(features, ranks.to_numpy(), score.to_numpy(dtype=float), candidates.to_numpy(), levels)


def _held_out(cases: _Cases) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Squared errors of each trial while it is held out: of the mean, of the forest, with each column switched."""
    x, y, n_names = cases.features, cases.ranks, len(cases.levels)
    random = np.random.default_rng(FOREST_SEED)
    of_mean, of_forest, of_switched = np.zeros(len(y)), np.zeros(len(y)), np.zeros((len(y), n_names))
    for _ in range(N_REPEATS):
        fold = (random.permutation(cases.candidates.max() + 1) % N_FOLDS)[cases.candidates]
        others = random.permutation(len(y))[:MOST_SUBSTITUTES]
        for k in range(N_FOLDS):
            mine = fold == k
            forest = _forest(N_TREES).fit(x[~mine], y[~mine])
            of_mean[mine] += (y[mine] - y[~mine].mean()) ** 2
            of_forest[mine] += (y[mine] - forest.predict(x[mine])) ** 2
            for i in range(n_names):
                rows = np.repeat(x[mine], len(others), axis=0)
                rows[:, i] = np.tile(x[others, i], int(mine.sum()))
                predicted = forest.predict(rows).reshape(-1, len(others))
                of_switched[mine, i] += ((y[mine, None] - predicted) ** 2).mean(axis=1)
    return of_mean / N_REPEATS, of_forest / N_REPEATS, of_switched / N_REPEATS


def _forest(n_trees: int) -> Any:
    # Inside: scikit-learn takes a second to load, which the commands that show no search must not pay.
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(n_trees, random_state=FOREST_SEED)


def _by_candidate(errors: NDArray[np.float64], candidates: NDArray[np.intp]) -> NDArray[np.float64]:
    """The mean of each candidate's trials: the same values trained longer are no further evidence."""
    means = pd.DataFrame(errors).groupby(candidates).mean().to_numpy()
    return means if errors.ndim > 1 else means[:, 0]


def _points(values: NDArray[np.float64], *, is_log: bool) -> NDArray[np.float64]:
    levels = np.unique(values[np.isfinite(values)])
    if len(levels) <= FEW_VALUES:
        return levels
    if is_log and levels[0] > 0:
        return np.geomspace(levels[0], levels[-1], N_POINTS)
    return np.linspace(levels[0], levels[-1], N_POINTS)


def _with(features: NDArray[np.float64], i: int, value: float) -> NDArray[np.float64]:
    changed = features.copy()
    changed[:, i] = value
    return changed


def _nothing(reason: str, n: int) -> Importances:
    return Importances(_frame([]), Interval(np.nan, np.nan, np.nan, n), reason)


def _frame(rows: Sequence[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(IMPORTANCE_COLUMNS))
