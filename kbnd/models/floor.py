"""The loss floor of dropout on the logits: what no training can go below, however long it lasts.

A perfect classifier still loses when the true logit is dropped to 0, where it ties with the K wrong ones dropped
as well:

    floor = rate * E[log(1 + K)],   K ~ Binomial(classes - 1, rate)

In train mode only; dropout that stands before the last weight layer has no such floor.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

from kbnd.models.placement import Plan, Unit


def logits_dropout_floor(rate: float, classes: int) -> float:
    """Return the smallest cross-entropy in nats with dropout on the logits: 0.8312 for rate 0.5 and 10 classes."""
    wrong = classes - 1
    weights = (math.comb(wrong, k) * rate**k * (1 - rate) ** (wrong - k) for k in range(classes))
    return rate * sum(weight * math.log1p(k) for k, weight in enumerate(weights))


def warn_of_logits_dropout(plan: Plan, units: Sequence[Unit], classes: int) -> None:
    """Warn where dropout follows the last weight layer, quoting what it costs in train mode."""
    last = units[-1].name
    rate = plan.dropout.get(last, 0.0)
    if rate and plan.order.index("dropout") > plan.order.index("weight"):
        floor = logits_dropout_floor(rate, classes)
        warnings.warn(
            f"dropout {rate} on {last} zeroes class scores: the training loss cannot fall below {floor:.4f} nats "
            f"for {classes} classes, however long it trains",
            stacklevel=3,
        )
