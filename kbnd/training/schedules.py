"""Learning rate and dropout as functions of the epoch alone, so that a resumed run goes on exactly as it would have.

With epochs e = 1 ... E, base rate a, milestones s_1 < s_2 < ... with multipliers k_1, k_2, ..., cutoff T:

| learning rate | in epoch e                                                                  |
|---------------|-----------------------------------------------------------------------------|
| `constant`    | a                                                                           |
| `step`        | a up to and including epoch s_1, then a k_1, after s_2 then a k_2, and so on |
| `cosine`      | a (1 + cos(pi (e - 1) / E)) / 2                                             |

| dropout    | factor on every rate in epoch e                                  |
|------------|------------------------------------------------------------------|
| `constant` | 1                                                                |
| `early`    | 1 up to and including epoch T, then 0                            |
| `late`     | 0 up to and including epoch T, then 1                            |
| `linear`   | 1 - (e - 1) / T, so 1 in the first epoch, 0 from epoch T + 1 on  |

References: Loshchilov & Hutter, "SGDR", ICLR 2017, eq. 5, without restarts; Liu et al., "Dropout reduces underfitting",
ICML 2023, section 4, whose early dropout is `linear` here by default and `early` where it says constant.
Differs: the `cifar10_resnet` example of Keras counts epochs from 0 and compares `epoch > 80`, so its first epoch at a
tenth is its 82nd; with milestones 80, 120, 160, 180 and multipliers 0.1, 0.01, 0.001, 0.0005 it is the 81st here.
Differs: all schedules move between epochs; the reference's code moves dropout at every step.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable

from kbnd.errors import unknown
from kbnd.spec import TrainSpec


def learning_rate_at(train: TrainSpec, epoch: int) -> float:
    """Return the learning rate of an epoch (from 1)."""
    return LEARNING_RATES[train.schedule](train, epoch)


def dropout_factor_at(kind: str, epoch: int, cutoff: int) -> float:
    """Return what every dropout rate is multiplied by in an epoch.

    Args:
        kind: key of `DROPOUT_FACTORS`.
        epoch: from 1.
        cutoff: last epoch of the schedule's first part; above 0 for all but `constant`.

    Returns:
        A factor in [0, 1].

    Raises:
        UsageError: an unknown kind.
    """
    if kind not in DROPOUT_FACTORS:
        raise unknown("dropout_schedule", kind, DROPOUT_FACTORS)
    return DROPOUT_FACTORS[kind](epoch, cutoff)


def _step(train: TrainSpec, epoch: int) -> float:
    n_passed = bisect_left(train.milestones, epoch)  # milestones before this epoch
    return train.learning_rate * (train.multipliers[n_passed - 1] if n_passed else 1.0)


def _cosine(train: TrainSpec, epoch: int) -> float:
    return train.learning_rate * (1 + math.cos(math.pi * (epoch - 1) / train.epochs)) / 2


LEARNING_RATES: dict[str, Callable[[TrainSpec, int], float]] = {
    "constant": lambda train, _: train.learning_rate,
    "step": _step,
    "cosine": _cosine,
}

DROPOUT_FACTORS: dict[str, Callable[[int, int], float]] = {
    "constant": lambda _epoch, _cutoff: 1.0,
    "early": lambda epoch, cutoff: float(epoch <= cutoff),
    "late": lambda epoch, cutoff: float(epoch > cutoff),
    "linear": lambda epoch, cutoff: max(0.0, 1 - (epoch - 1) / cutoff),
}
