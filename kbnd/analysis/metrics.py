"""What is measured of a run: columns of runs.csv, and numbers derived from its epochs.

A test curve a_1...a_E holds the test accuracy after each epoch; the last is the result of a run, never the best. m_e is
the median of a_e and its two neighbours, because a first crossing rewards noise.

| metric                 | definition                                                                   | needs        |
|------------------------|------------------------------------------------------------------------------|--------------|
| `test_accuracy` ...    | a column of runs.csv                                                         |              |
| `train_accuracy`       | train mode, last epoch: averaged while the weights move, dropout on          |              |
| `train_eval_accuracy`  | eval mode on training images, last epoch (likewise `train_eval_loss`)        | n_train_eval |
| `accuracy_gap`         | train_eval_accuracy - test_accuracy                                          | n_train_eval |
| `loss_gap`             | test_loss - train_eval_loss                                                  | n_train_eval |
| `first_epoch_accuracy` | a_1, by its usual name                                                       | test_curve   |
| `accuracy_gain`        | a_E - a_1                                                                    | test_curve   |
| `aulc`                 | mean of a_1...a_E: the normalised area under the learning curve              | test_curve   |
| `best_epoch`           | first epoch with the highest a_e; descriptive, nothing is selected by it     | test_curve   |
| `plateau_epoch`        | first e with m_e >= plateau - 0.01; plateau: the median of the last 5 values | test_curve   |
| `epochs_to_X`          | first e with m_e >= X, linear between epochs; censored at E + 1              | test_curve   |
| `accuracy_at_K`        | a_K                                                                          | test_curve   |
| `median_last_K`        | median of the last K values                                                  | test_curve   |
| `instability_K`        | SD of the first differences of the last K values / sqrt(2), free of trend    | test_curve   |
| `epoch_cv`             | SD / mean of the training time of epochs without warm-up, alone on a machine |              |

What a run lacks is nan, never 0. A censored number says "later than this" and no more: it can be ranked, as the worst,
but not averaged (`is_censored`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kbnd.analysis import curves
from kbnd.errors import unknown

STORED = ("test_accuracy", "test_loss", "val_accuracy", "val_loss", "fit_s", "epoch_s")
"""Metrics that the ledger holds as they are."""

TIMES = ("epoch_s", "fit_s")
"""Those of them that are times."""

CENSORED = frozenset({"epochs_to"})
"""Stems of metrics that are censored at the budget."""

PARAMETER = re.compile(r"(?P<name>accuracy_at|epochs_to|instability|median_last)_(?P<number>\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Metric:
    """How a metric is computed from one run's epochs, and what its curves need.

    Attributes:
        of: from a run's epochs, ordered, and its row of runs.csv to a number, nan where it cannot be known.
        needs: fields of `TrainSpec` that must be on.
        is_censored: whether a run that ends too early has a bound in place of its value.
    """

    of: Callable[[pd.DataFrame, pd.Series], float]
    needs: frozenset[str] = frozenset()
    is_censored: bool = False


def is_metric(name: str) -> bool:
    """Return whether a name is a metric, with its parameter where it has one."""
    return name in STORED or _find(name) is not None


def is_time(name: str) -> bool:
    """Return whether a metric is a duration in seconds, which pairs by block and not by seed."""
    return name.endswith("_s")


def requirements(name: str) -> frozenset[str]:
    """Return the fields of `TrainSpec` that must be on for a metric to exist.

    Raises:
        UsageError: no such metric.
    """
    if name in STORED:
        return frozenset()
    return _metric(name).needs


def is_censored(name: str) -> bool:
    """Return whether a metric of a run may be a bound, so that only ranks of it can be compared.

    Raises:
        UsageError: no such metric.
    """
    return name not in STORED and _metric(name).is_censored


def with_metrics(runs: pd.DataFrame, epochs: pd.DataFrame, metrics: Iterable[str]) -> pd.DataFrame:
    """Return the runs with a column for each metric.

    Args:
        runs: columns of runs.csv.
        epochs: columns of epochs.csv of the same runs.
        metrics: names; those that are columns already stay as they are.

    Raises:
        UsageError: no such metric.
    """
    derived = {name: _metric(name) for name in metrics if name not in STORED}
    by_run = {str(run): rows.sort_values("epoch") for run, rows in epochs.groupby("run_id")} if derived else {}
    nothing = epochs.iloc[:0]
    columns = {
        name: [metric.of(by_run.get(str(run["run_id"]), nothing), run) for _, run in runs.iterrows()]
        for name, metric in derived.items()
    }
    return runs.assign(**{name: pd.Series(values, index=runs.index, dtype=float) for name, values in columns.items()})


def _metric(name: str) -> Metric:
    metric = _find(name)
    if metric is None:
        raise unknown("metric", name, [*STORED, *DERIVED, *(f"{stem}_NUMBER" for stem in PARAMETRIC)])
    return metric


def _find(name: str) -> Metric | None:
    if name in DERIVED:
        return DERIVED[name]
    match = PARAMETER.fullmatch(name)
    if match is None:
        return None
    formula, is_allowed = PARAMETRIC[match["name"]]
    number = float(match["number"])
    if not is_allowed(number):
        return None
    return Metric(_of_curve(lambda curve: formula(curve, number)), CURVE, is_censored=match["name"] in CENSORED)


def _column(epochs: pd.DataFrame, name: str) -> np.ndarray:
    """A run's values of one column by epoch, nan where there are none."""
    values = epochs[name] if name in epochs else pd.Series(np.nan, index=epochs.index)
    return pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)


def _last(name: str) -> Callable[[pd.DataFrame, pd.Series], float]:
    def of(epochs: pd.DataFrame, _run: pd.Series) -> float:
        values = _column(epochs, name)
        return float(values[-1]) if len(values) else math.nan

    return of


def _of_curve(number: Callable[[np.ndarray], float]) -> Callable[[pd.DataFrame, pd.Series], float]:
    """A number of the test curve; nan without one, or with a hole in it."""

    def of(epochs: pd.DataFrame, _run: pd.Series) -> float:
        curve = _column(epochs, "test_accuracy")
        return float(number(curve)) if len(curve) and np.isfinite(curve).all() else math.nan

    return of


def _accuracy_gap(epochs: pd.DataFrame, run: pd.Series) -> float:
    return _last("train_eval_accuracy")(epochs, run) - float(run["test_accuracy"])


def _loss_gap(epochs: pd.DataFrame, run: pd.Series) -> float:
    return float(run["test_loss"]) - _last("train_eval_loss")(epochs, run)


def _epoch_cv(epochs: pd.DataFrame, run: pd.Series) -> float:
    if run.get("is_concurrent", False):
        return math.nan
    is_steady = ~epochs["is_warmup"].eq(True) if "is_warmup" in epochs else slice(None)
    times = _column(epochs[is_steady], "train_s")
    times = times[np.isfinite(times)]
    return float(times.std(ddof=1) / times.mean()) if len(times) > 1 else math.nan


CURVE = frozenset({"test_curve"})
TRAIN_EVAL = frozenset({"n_train_eval"})

DERIVED: dict[str, Metric] = {
    "train_accuracy": Metric(_last("train_accuracy")),
    "train_loss": Metric(_last("train_loss")),
    "train_eval_accuracy": Metric(_last("train_eval_accuracy"), TRAIN_EVAL),
    "train_eval_loss": Metric(_last("train_eval_loss"), TRAIN_EVAL),
    "accuracy_gap": Metric(_accuracy_gap, TRAIN_EVAL),
    "loss_gap": Metric(_loss_gap, TRAIN_EVAL),
    "first_epoch_accuracy": Metric(_of_curve(lambda curve: curve[0]), CURVE),
    "accuracy_gain": Metric(_of_curve(lambda curve: curve[-1] - curve[0]), CURVE),
    "aulc": Metric(_of_curve(np.mean), CURVE),
    "plateau_epoch": Metric(_of_curve(curves.plateau_epoch), CURVE),
    "best_epoch": Metric(_of_curve(lambda curve: int(np.argmax(curve)) + 1), CURVE),
    "epoch_cv": Metric(_epoch_cv),
}


PARAMETRIC: dict[str, tuple[Callable[[np.ndarray, float], float], Callable[[float], bool]]] = {
    "epochs_to": (
        lambda curve, accuracy: curves.epochs_to(curves.running_median(curve), accuracy),
        lambda accuracy: 0.0 < accuracy <= 1.0,
    ),
    "accuracy_at": (curves.accuracy_at, lambda epoch: epoch.is_integer() and epoch >= 1),
    "median_last": (curves.median_last, lambda n: n.is_integer() and n >= 1),
    "instability": (curves.instability, lambda n: n.is_integer() and n >= curves.LEAST_FOR_SPREAD),
}
"""Stem of a metric with a number -> its formula, and which numbers are allowed."""
