"""Trials of searches with a known truth: the shape of trials.csv without a training.

The error of a trial grows with the squared distance of its learning rate (on the logarithm) and of its dropout rate
from the best ones, and batch normalisation takes some away; each effect can be switched off.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

NAMES = ("learning_rate", "dropout", "batch_norm")
PLACEMENTS = ("none", "before_activation", "after_activation")


def make_trials(
    n: int = 40,
    *,
    learning_rate: float = 0.08,
    dropout: float = 0.02,
    batch_norm: float = 0.0,
    noise: float = 0.002,
    n_seeds: int = 2,
    n_diverged: int = 0,
    objective: str = "val_accuracy",
    rng: int = 0,
) -> pd.DataFrame:
    """One row for each trial, in the order of the search.

    Args:
        n: trials.
        learning_rate: error that a rate 100 times too high or low adds.
        dropout: error that a rate of 0.5 too much adds.
        batch_norm: error that training without it adds.
        noise: SD between seeds.
        n_seeds: of each trial.
        n_diverged: trials of the highest learning rates that diverge.
        objective: what the score is: `val_accuracy` or `val_loss`.
        rng: of values and noise.
    """
    random = np.random.default_rng(rng)
    rate, drop = 10 ** random.uniform(-4, 0, n), random.uniform(0, 0.8, n)
    placement = random.choice(PLACEMENTS, n)
    error = 0.012 + learning_rate * ((np.log10(rate) + 1.3) / 2) ** 2 + dropout * ((drop - 0.2) / 0.5) ** 2
    error += batch_norm * (placement == "none") + np.abs(random.normal(0, 0.001, n))
    accuracy = 1 - error[:, None] + random.normal(0, noise, (n, n_seeds))
    status = np.where(rate >= np.sort(rate)[n - n_diverged] if n_diverged else np.zeros(n, bool), "diverged", "done")
    sd = accuracy.std(axis=1, ddof=1) if n_seeds > 1 else np.full(n, np.nan)
    is_accuracy = objective == "val_accuracy"
    trials = pd.DataFrame({"trial": np.arange(1, n + 1), "learning_rate": rate, "dropout": drop})
    trials = trials.assign(
        batch_norm=placement,
        epochs=5,
        status=status,
        n_seeds=n_seeds,
        score=accuracy.mean(axis=1) if is_accuracy else 4 * error,
        score_sd=sd if is_accuracy else 4 * sd,
        val_accuracy=accuracy.mean(axis=1),
        val_accuracy_sd=sd,
        val_loss=4 * error,
        epoch_s=6.2 + 2.1 * (placement != "none") + random.normal(0, 0.1, n),
        wall_s=70.0,
        recipe_id=[f"recipe{i:04d}" for i in range(1, n + 1)],
    )
    return without_scores(trials, trials["status"] != "done")


def with_status(trials: pd.DataFrame, numbers: list[int], status: str) -> pd.DataFrame:
    """The trials, some of them ended otherwise, without a score."""
    chosen = trials["trial"].isin(numbers)
    return without_scores(trials.assign(status=trials["status"].where(~chosen, status)), chosen)


def without_scores(trials: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    """The trials, some of them without what only a finished one has."""
    changed = trials.copy()
    changed.loc[chosen, ["score", "score_sd", "val_accuracy", "val_accuracy_sd", "val_loss"]] = np.nan
    return changed
