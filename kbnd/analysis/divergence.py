"""Where in its space a search diverged: a loss of NaN has no rank, but the values that lead there are a finding.

Every range of a hyperparameter has its share of diverged trials, with the exact interval of a binomial share.

Reference: Clopper and Pearson (1934), The use of confidence or fiducial limits, Biometrika 26.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from scipy.special import betaincinv

from kbnd.analysis.hyperparameters import FEW_VALUES, check_names, numbers_of
from kbnd.analysis.stats import LEVEL
from kbnd.records import TELLING_DIVERGENCE

N_RANGES = 4
"""Ranges into which many different numbers are cut."""

SHARE_COLUMNS = ("name", "low", "high", "n_diverged", "n", "share", "ci_low", "ci_high")


def diverged_shares(trials: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return how many trials diverged in each range of each hyperparameter, with the exact interval of the share.

    Args:
        trials: columns of trials.csv; only those that trained (`TELLING_DIVERGENCE`) are counted.
        names: its hyperparameters; one of which a single value was tried is left out.

    Returns:
        The columns `SHARE_COLUMNS`; low and high are the same where the range is one value. Many different
        numbers are cut into `N_RANGES` ranges of about equally many trials.
    """
    check_names(trials, names)
    trained = trials[trials["status"].isin(TELLING_DIVERGENCE)]
    rows = []
    for name in names:
        subset = trained[trained[name].notna()]
        values = numbers_of(subset[name])
        place = values.rank(method="dense") if values is not None else subset[name].astype(str)
        if values is not None and values.nunique() > FEW_VALUES:
            place = pd.qcut(values, N_RANGES, labels=False, duplicates="drop")
        if place.nunique() < 2:
            continue
        for _, part in subset.groupby(place):
            ends = part[name].astype(str) if values is None else values[part.index]
            n_diverged = int((part["status"] == "diverged").sum())
            rows.append((name, ends.min(), ends.max(), n_diverged, len(part), *_share(n_diverged, len(part))))
    return pd.DataFrame(rows, columns=list(SHARE_COLUMNS))


def _share(k: int, n: int) -> tuple[float, float, float]:
    """A share with its exact interval (Clopper and Pearson)."""
    tail = (1 - LEVEL) / 2
    low = betaincinv(k, n - k + 1, tail) if k else 0.0
    high = betaincinv(k + 1, n - k, 1 - tail) if k < n else 1.0
    return k / n, float(low), float(high)
