"""What is measured of a run: columns of runs.csv, and numbers derived from its epochs.

A test curve a_1...a_E holds the test accuracy after each epoch; the last is the result of a run, never the best.

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
| `plateau_epoch`        | first e with a_e >= plateau - 0.01; plateau: the median of the last 5 values | test_curve   |
| `epochs_to_X`          | first e with a_e >= X, linear between epochs; censored at E + 1              | test_curve   |
| `accuracy_at_K`        | a_K                                                                          | test_curve   |
| `median_last_K`        | median of the last K values                                                  | test_curve   |
| `instability_K`        | SD of the first differences of the last K values / sqrt(2), free of trend    | test_curve   |
| `epoch_cv`             | SD / mean of the training time of epochs without warm-up, alone on a machine |              |

What a run lacks is nan, never 0. A censored number says "later than this" and no more: it can be ranked, as the worst,
but not averaged (`is_censored`).

Differs: `epochs_to_X` is 1 where the first epoch already reaches X, because there is no accuracy of epoch 0 to start
a line from. `plateau_epoch` is nan where the plateau lies below 0.5 and less than 0.05 above a_1: a run that never
learns, or unlearns, is as level as one that converged at once. How many classes there are is not known here, so the
bound is what no guess among three or more alike can reach; of two classes such a run still reads 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kbnd.errors import unknown

STORED = ("test_accuracy", "test_loss", "val_accuracy", "val_loss", "fit_s", "epoch_s")
"""Metrics that the ledger holds as they are."""

LEAST_FOR_SPREAD = 3
"""Values of a curve below which the spread of its differences says nothing."""

N_PLATEAU, WITHIN_PLATEAU = 5, 0.01
"""Last epochs whose median is the plateau, so that none of them decides alone; and how far from it counts as there."""

LEAST_RISE, SURELY_LEARNED = 0.05, 0.5
"""Rise from the first epoch to the plateau that shows learning; plateau above which none has to be shown."""

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


def requirements(name: str) -> frozenset[str]:
    """Return the fields of `TrainSpec` that must be on for a metric to exist.

    Raises:
        UsageError: no such metric.
    """
    if name in STORED:
        return frozenset()
    return _known(name).needs


def is_censored(name: str) -> bool:
    """Return whether a metric of a run may be a bound, so that only ranks of it can be compared.

    Raises:
        UsageError: no such metric.
    """
    return name not in STORED and _known(name).is_censored


def with_metrics(runs: pd.DataFrame, epochs: pd.DataFrame, metrics: Iterable[str]) -> pd.DataFrame:
    """Return the runs with a column for each metric.

    Args:
        runs: columns of runs.csv.
        epochs: columns of epochs.csv of the same runs.
        metrics: names; those that are columns already stay as they are.

    Raises:
        UsageError: no such metric.
    """
    wanted = {name: _known(name) for name in metrics if name not in STORED}
    by_run = {str(run): rows.sort_values("epoch") for run, rows in epochs.groupby("run_id")} if wanted else {}
    nothing = epochs.iloc[:0]
    columns = {
        name: [metric.of(by_run.get(str(run["run_id"]), nothing), run) for _, run in runs.iterrows()]
        for name, metric in wanted.items()
    }
    return runs.assign(**{name: pd.Series(values, index=runs.index, dtype=float) for name, values in columns.items()})


def epochs_to(curve: np.ndarray, accuracy: float) -> float | None:
    """Return after how many epochs a curve first reaches an accuracy, linear between two epochs.

    Args:
        curve: accuracy after each epoch; shape (epochs,).
        accuracy: to be reached.

    Returns:
        Epochs, 1 where the first one already reaches it; None where none does.
    """
    reached = np.flatnonzero(curve >= accuracy)
    if not len(reached):
        return None
    first = int(reached[0])
    if first == 0:
        return 1.0
    before, after = curve[first - 1], curve[first]
    return float(first + (accuracy - before) / (after - before))


def _known(name: str) -> Metric:
    found = _find(name)
    if found is None:
        raise unknown("metric", name, [*STORED, *DERIVED, *(f"{stem}_NUMBER" for stem in PARAMETRIC)])
    return found


def _find(name: str) -> Metric | None:
    if name in DERIVED:
        return DERIVED[name]
    match = PARAMETER.fullmatch(name)
    if match is None:
        return None
    make, is_allowed = PARAMETRIC[match["name"]]
    number = float(match["number"])
    return Metric(make(number), CURVE, is_censored=match["name"] in CENSORED) if is_allowed(number) else None


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


def _epochs_to(accuracy: float) -> Callable[[pd.DataFrame, pd.Series], float]:
    def number(curve: np.ndarray) -> float:
        n_epochs = epochs_to(curve, accuracy)
        return len(curve) + 1 if n_epochs is None else n_epochs

    return _of_curve(number)


def _plateau_epoch(curve: np.ndarray) -> float:
    if len(curve) < N_PLATEAU:
        return math.nan
    plateau = np.median(curve[-N_PLATEAU:])
    if plateau < SURELY_LEARNED and plateau - curve[0] < LEAST_RISE:
        return math.nan
    return int(np.argmax(curve >= plateau - WITHIN_PLATEAU)) + 1


def _instability(n_epochs: float) -> Callable[[pd.DataFrame, pd.Series], float]:
    def number(curve: np.ndarray) -> float:
        if len(curve) < n_epochs:  # fewer epochs are another quantity, with the steep beginning in it
            return math.nan
        return float(np.diff(curve[-int(n_epochs) :]).std(ddof=1)) / math.sqrt(2)

    return _of_curve(number)


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
    "plateau_epoch": Metric(_of_curve(_plateau_epoch), CURVE),
    "best_epoch": Metric(_of_curve(lambda curve: int(np.argmax(curve)) + 1), CURVE),
    "epoch_cv": Metric(_epoch_cv),
}


def _accuracy_at(epoch: float) -> Callable[[pd.DataFrame, pd.Series], float]:
    return _of_curve(lambda curve: curve[int(epoch) - 1] if len(curve) >= epoch else math.nan)


def _median_last(n_epochs: float) -> Callable[[pd.DataFrame, pd.Series], float]:
    return _of_curve(lambda curve: float(np.median(curve[-int(n_epochs) :])) if len(curve) >= n_epochs else math.nan)


PARAMETRIC: dict[str, tuple[Callable[[float], Callable], Callable[[float], bool]]] = {
    "epochs_to": (_epochs_to, lambda accuracy: 0.0 < accuracy <= 1.0),
    "accuracy_at": (_accuracy_at, lambda epoch: epoch.is_integer() and epoch >= 1),
    "median_last": (_median_last, lambda n: n.is_integer() and n >= 1),
    "instability": (_instability, lambda n: n.is_integer() and n >= LEAST_FOR_SPREAD),
}
"""Stem of a metric with a number -> its formula, and which numbers are allowed."""
