"""Runs with known truth, in the columns of `Ledger.runs()` and `Ledger.epochs()`: what analysis and report are fed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

RATES = (0.1, 0.2, 0.5, 0.8)
ARMS = ("baseline", "bn", *(f"dropout{p}" for p in RATES), *(f"bn+dropout{p}" for p in RATES))

# True accuracy and true epoch time of each arm; the pictures below must show exactly these.
ACCURACY = dict(
    zip(ARMS, (0.9832, 0.9883, 0.9840, 0.9842, 0.9820, 0.9614, 0.9886, 0.9890, 0.9880, 0.9821), strict=True)
)
EPOCH_S = dict(zip(ARMS, (5.0, 5.6, *(5.05,) * 4, *(5.7,) * 4), strict=True))


@dataclass(frozen=True)
class Row:
    label: str
    arms: tuple[str, ...]
    published: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Published:
    title: str
    metric: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def _grid(title: str, metric: str, baseline: float, bn: float, dropout: Sequence[float], both: Sequence[float]):
    return Published(
        title,
        metric,
        tuple(f"P = {p}" for p in RATES),
        (
            Row("Baseline", ("baseline",) * 4, (baseline,) * 4),
            Row("BN", ("bn",) * 4, (bn,) * 4),
            Row("Dropout", ARMS[2:6], tuple(dropout)),
            Row("BN + Dropout", ARMS[6:], tuple(both)),
        ),
    )


TABLES = (
    _grid(
        "Table 1: training time",
        "fit_s",
        84.1743,
        94.8565,
        (74.8126, 86.6575, 74.8981, 71.5549),
        (87.1156, 85.2019, 85.2713, 84.7738),
    ),
    _grid(
        "Table 2: test accuracy",
        "test_accuracy",
        0.9832,
        0.9883,
        (0.9864, 0.9876, 0.9863, 0.9614),
        (0.9886, 0.9902, 0.9903, 0.9821),
    ),
)


# Many arms: a factorial of 39 against one baseline, and two networks of twelve arms, each with a baseline of its own.
_RATED = tuple(f"-{site}{p}" for site in ("dense", "both", "conv") for p in RATES)
FACTORIAL = tuple(f"{position}{end}" for position in ("none", "before", "after") for end in ("", *_RATED))
_ORDERS = ("post", "pre", *(f"{order}{p}" for order in ("relu_ic_conv", "conv_relu_ic") for p in ("", "-p0", "-p0.1")))
NETWORKS = {
    f"{network}-{order}": f"{network}-post"
    for network in ("r20", "r110b")
    for order in (*_ORDERS, *(f"{order}-p0.05" for order in ("post", "pre", "relu_ic_conv", "conv_relu_ic")))
}
"""Arm -> its baseline."""


def make_many(arms: Iterable[str], **options: Any) -> pd.DataFrame:
    """Runs of any arms, each 0.1 points better and one percent slower than the one before."""
    names = list(arms)
    return make_runs(
        arms=names,
        accuracy={arm: 0.95 + 0.001 * i for i, arm in enumerate(names)},
        epoch_s={arm: 5.0 * 1.01**i for i, arm in enumerate(names)},
        **options,
    )


def make_runs(
    *,
    seeds: int = 5,
    arms: Sequence[str] = ARMS,
    accuracy: Mapping[str, float] = ACCURACY,
    epoch_s: Mapping[str, float] = EPOCH_S,
    sd: float = 0.003,
    drift: float = 0.2,
    noise: float = 0.02,
    n_epochs: int = 5,
    control: bool = True,
    rng: int = 0,
) -> pd.DataFrame:
    """One block for each seed; half of the accuracy's variance is the seed's, the clock drifts between blocks."""
    random = np.random.default_rng(rng)
    rows = []
    for seed in range(1, seeds + 1):
        shared, slow = random.normal(0, sd / np.sqrt(2)), random.normal(0, drift)
        members = [(arm, 0) for arm in arms] + ([(arms[0], 1)] if control else [])
        for position, i in enumerate(random.permutation(len(members))):
            arm, replicate = members[i]
            epoch = epoch_s[arm] * np.exp(slow + random.normal(0, noise))
            value = accuracy[arm] + shared + random.normal(0, sd / np.sqrt(2))
            rows.append(
                {
                    "study": "lenet_grid.mnist",
                    "arm": arm,
                    "seed": seed,
                    "replicate": replicate,
                    "status": "done",
                    "backend": "tensorflow",
                    "epochs": n_epochs,
                    "test_accuracy": min(value, 1.0),
                    "test_loss": 4 * (1 - value),
                    "val_accuracy": min(value - 0.001, 1.0),
                    "val_loss": 4 * (1.001 - value),
                    "fit_s": n_epochs * epoch + 1.2,
                    "steady_train_s": (n_epochs - 1) * epoch,
                    "epoch_s": epoch if n_epochs > 1 else None,
                    "compile_s": 1.2,
                    "peak_rss_bytes": 800_000_000 + seed,
                    "peak_device_bytes": None,
                    "energy_j": None,
                    "run_id": f"{arm}-{seed}-{replicate}",
                    "recipe_id": f"recipe-{arm}",
                    "session": "s1",
                    "block": seed,
                    "position": position,
                    "machine": "m1",
                    "is_concurrent": False,
                    "n_test": 10_000,
                }
            )
    return pd.DataFrame(rows)


def make_epochs(runs: pd.DataFrame, *, rng: int = 1) -> pd.DataFrame:
    """Learning curves that end at each run's accuracy; dropout starts lower, BN higher."""
    random = np.random.default_rng(rng)
    rows = []
    for run in runs.to_dict("records"):
        start = 0.12 * (0.4 if run["arm"].startswith("bn") else 1.0) * (3.0 if run["arm"].endswith("0.8") else 1.0)
        for epoch in range(1, run["epochs"] + 1):
            value = run["test_accuracy"] - start * (np.exp(-1.1 * (epoch - 1)) - np.exp(-1.1 * (run["epochs"] - 1)))
            value += random.normal(0, 0.001) * (epoch < run["epochs"])
            rows.append(
                {
                    "run_id": run["run_id"],
                    "arm": run["arm"],
                    "seed": run["seed"],
                    "epoch": epoch,
                    "train_loss": 3 * (1 - value),
                    "train_accuracy": value - 0.01,
                    "val_loss": 4 * (1 - value),
                    "val_accuracy": value,
                    "test_loss": None,
                    "test_accuracy": None,
                    "train_s": run["fit_s"] / run["epochs"],
                    "val_s": 0.3,
                    "is_warmup": epoch == 1,
                }
            )
    return pd.DataFrame(rows)


def with_status(runs: pd.DataFrame, arm: str, seed: int, status: str) -> pd.DataFrame:
    """The runs, with one of them ended otherwise (and a NaN where a diverged run has its accuracy)."""
    chosen = (runs["arm"] == arm) & (runs["seed"] == seed) & (runs["replicate"] == 0)
    assert chosen.sum() == 1
    changed = runs.copy()
    changed.loc[chosen, "status"] = status
    changed.loc[chosen, ["test_accuracy", "test_loss"]] = np.nan
    return changed
