"""Blinding: what a reader may see of test results, so that nobody chooses by them.

| run                                                                     | its test results |
|-------------------------------------------------------------------------|------------------|
| candidate of a search: a run that nobody but searches asked for         | hidden           |
| the best recipe of a search with fresh seeds (`kbnd.records.FRESH`)     | shown            |
| arm of an experiment in which something is to be chosen (by validation) | hidden           |
| every other                                                             | shown            |

Where test results are hidden, those on validation images take their place; times stay. A run of several rows is looked
at as what it is looked at for: as an arm of the experiment that is printed or, where none is, alone, as a candidate or
not. A ledger that is listed or exported is of no experiment: candidates alone are hidden there. `Ledger.candidates`
tells which runs are candidates.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from kbnd.records import FRESH, RunRecord

if TYPE_CHECKING:  # progress on a terminal needs no pandas
    import pandas as pd

METRICS = ("test_accuracy", "test_loss", "fit_s", "epoch_s")
"""What every experiment compares."""

VALIDATION_METRICS = ("val_accuracy", "val_loss", "fit_s", "epoch_s")
"""What takes their place where test results are hidden."""

TEST_COLUMNS = ("test_accuracy", "test_loss")
"""Fields of a run and of an epoch that hold its test results."""

_OF_TEST = (*TEST_COLUMNS, "accuracy_gap", "loss_gap")


def metrics_shown(*, is_blind: bool) -> tuple[str, ...]:
    """Return the metrics that every experiment compares, its accuracy first."""
    return VALIDATION_METRICS if is_blind else METRICS


def is_of_test(metric: str) -> bool:
    """Return whether a metric looks at test images.

    Raises:
        UsageError: no such metric.
    """
    from kbnd.analysis.metrics import requirements

    return metric in _OF_TEST or "test_curve" in requirements(metric)


def blind_experiment(frame: pd.DataFrame, *, is_search: bool = False) -> pd.DataFrame:
    """Return runs or epochs of a search, or of an experiment in which something is to be chosen, without test results.

    Args:
        frame: columns of runs.csv or epochs.csv.
        is_search: whether it is a search, whose best recipe has fresh seeds: test images are for them alone.
    """
    return _blind(frame, _is_hidden(frame, is_search=is_search))


def blind_ledger(runs: pd.DataFrame, *, searches: Collection[str], candidates: Collection[str]) -> pd.DataFrame:
    """Return runs of a whole ledger without the test results of candidates.

    Args:
        runs: columns of runs.csv.
        searches: names of the searches among the studies.
        candidates: run ids, of searches begun afresh since too.
    """
    of_search = runs["study"].isin(list(searches)) & _is_hidden(runs, is_search=True)
    return _blind(runs, of_search | runs["run_id"].isin(list(candidates)))


def blind_record(record: RunRecord) -> RunRecord:
    """Return a run without its test results, those after each epoch and of each image included."""
    epochs = tuple(replace(epoch, test_accuracy=None, test_loss=None) for epoch in record.epochs)
    return replace(record, epochs=epochs, test_accuracy=None, test_loss=None, test_correct=None)


def blind_fields(fields: Iterable[str]) -> list[str]:
    """Return the fields of a run that hold no test results."""
    return [name for name in fields if name not in TEST_COLUMNS]


def accuracy_shown(record: RunRecord, *, is_blind: bool) -> tuple[str, float | None]:
    """Return the images that a run is judged by, `test` or `validation`, and its accuracy on them."""
    return ("validation", record.val_accuracy) if is_blind else ("test", record.test_accuracy)


def _is_hidden(frame: pd.DataFrame, *, is_search: bool) -> pd.Series:
    """The arms whose test results are hidden."""
    return ~frame["arm"].isin([FRESH] if is_search else [])


def _blind(frame: pd.DataFrame, is_hidden: pd.Series) -> pd.DataFrame:
    blinded = frame.copy()
    blinded.loc[is_hidden, list(TEST_COLUMNS)] = math.nan
    return blinded
