"""What tables and pictures are made from: the frames of a study, and those of a search, each as one value."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from kbnd.analysis.importance import Importances
from kbnd.analysis.objectives import Direction
from kbnd.errors import unknown
from kbnd.report.scores import Score

STATUS_ORDER = ("done", "unfinished", "pruned", "diverged", "failed")
"""How trials without a score are ordered."""


@dataclass(frozen=True)
class Frames:
    """The frames of a study, and which arm is compared with which in them.

    Attributes:
        runs: columns of runs.csv.
        epochs: columns of epochs.csv.
        comparison: what `kbnd.analysis.compare.compare` returns of them.
        ratios: what `kbnd.analysis.timing.time_ratios` returns of them.
    """

    runs: pd.DataFrame
    epochs: pd.DataFrame
    comparison: pd.DataFrame
    ratios: pd.DataFrame

    @property
    def baseline(self) -> str:
        """Name of the study's reference arm, which has the A/A control."""
        return str(self.comparison["baseline"].iloc[0])

    @property
    def arms(self) -> list[str]:
        """Every arm once, in the order of the comparison."""
        return list(dict.fromkeys(self.comparison["arm"]))

    @property
    def references(self) -> dict[str, str]:
        """Arm -> the arm it is compared with."""
        return dict(zip(self.comparison["arm"], self.comparison["baseline"], strict=True))

    @property
    def has_many_baselines(self) -> bool:
        """Whether arms have baselines of their own, which a picture must then name."""
        return len(set(self.references.values())) > 1

    def compared(self, metric: str) -> list[dict[Any, Any]]:
        """Rows of the comparison for one metric, in the order of the arms."""
        return self.comparison[self.comparison["metric"] == metric].to_dict("records")


@dataclass(frozen=True, kw_only=True)
class SearchFrames:
    """The trials of a search, the runs of its best recipe, and what it takes to print them.

    Attributes:
        trials: columns of trials.csv.
        names: its hyperparameters, in the order of the columns.
        score: what the score of a trial is.
        importances: what `kbnd.analysis.importance.importances` returns of the trials; None leaves out its table, and
            the lines in the picture.
        fresh: columns of runs.csv: the best recipe trained with seeds that the search did not use; None or no row
            where there are none.
        fresh_scores: of these runs, where it is no metric of theirs.
        best: number of the best trial; None is the one with the best score.
        n_classes: of the dataset, to tell what guessing would reach; 0 where nobody knows.
        is_timed_alone: whether every run had the machine for itself in one session: no time is missing for that.
        data_note: the sentence that belongs beside results on these images (`kbnd.report.datasets`); usually nothing.
        log_scaled: hyperparameters with a logarithmic axis.
    """

    trials: pd.DataFrame
    names: Sequence[str]
    score: Score
    importances: Importances | None = None
    fresh: pd.DataFrame | None = None
    fresh_scores: Sequence[float] = ()
    best: int | None = None
    n_classes: int = 0
    is_timed_alone: bool = False
    data_note: str = ""
    log_scaled: Collection[str] = ()

    @cached_property
    def ranked(self) -> pd.DataFrame:
        """The trials as `ranked_trials` orders them."""
        return ranked_trials(self.trials, self.score.direction)

    @property
    def scored(self) -> pd.DataFrame:
        """The trials that have a score, best first."""
        return self.ranked[self.ranked["score"].notna()]

    @property
    def has_diverged(self) -> bool:
        """Whether any trial diverged."""
        return bool((self.trials["status"] == "diverged").any())

    @property
    def has_fresh(self) -> bool:
        """Whether the best recipe was trained with fresh seeds."""
        return self.fresh is not None and not self.fresh.empty

    @property
    def winner(self) -> pd.Series:
        """The row of the best trial; there must be one with a score.

        Raises:
            UsageError: the best trial did not finish.
        """
        candidates = self.scored if self.best is None else self.scored[self.scored["trial"] == self.best]
        if candidates.empty:
            raise unknown("finished trial", self.best, map(str, self.scored["trial"]))
        return candidates.iloc[0]


def ranked_trials(trials: pd.DataFrame, direction: Direction) -> pd.DataFrame:
    """Return the trials, best first and those without a score last; only a done trial keeps its score."""
    trials = trials.reset_index(drop=True)
    score = pd.to_numeric(trials["score"], errors="coerce").astype(float)
    score = score.where((trials["status"] == "done") & np.isfinite(score))
    order = pd.DataFrame(
        {
            "score": -score if direction == "max" else score,
            "status": trials["status"].map({status: place for place, status in enumerate(STATUS_ORDER)}),
            "trial": trials["trial"],
        }
    )
    scored = order.dropna(subset="score").sort_values(["score", "trial"]).index
    others = order[order["score"].isna()].sort_values(["status", "trial"]).index
    return trials.assign(score=score).loc[[*scored, *others]]
