"""Dropout on the logits: the loss that no training can go below, the accuracy that none can go above.

A perfect classifier still loses when the true logit is dropped to 0, where it ties with the K wrong ones dropped
as well:

    floor   = rate * E[log(1 + K)],                K ~ Binomial(classes - 1, rate)
    ceiling = (1 - rate) + rate * E[1 / (1 + K)] = (1 - rate) + (1 - (1 - rate)^classes) / classes

In train mode only; dropout that stands before the last weight layer has neither. The ceiling is that of ties broken
at random, and also of ties that the first class wins where all classes are equally frequent: it is then
(1 - rate) + rate (1 - rate)^c for the class with index c, of which the above is the mean.
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


def logits_dropout_ceiling(rate: float, classes: int) -> float:
    """Return the largest train-mode accuracy with dropout on the logits: 0.5999 for rate 0.5 and 10 classes."""
    return (1 - rate) + (1 - (1 - rate) ** classes) / classes


def warn_of_logits_dropout(plan: Plan, units: Sequence[Unit], classes: int) -> None:
    """Warn where dropout follows the last weight layer, quoting what it costs in train mode."""
    last = units[-1].name
    rate = plan.dropout.get(last, 0.0)
    if rate and plan.order.index("dropout") > plan.order.index("weight"):
        floor, ceiling = logits_dropout_floor(rate, classes), logits_dropout_ceiling(rate, classes)
        warnings.warn(
            f"dropout {rate} on {last} zeroes class scores: the training loss cannot fall below {floor:.4f} nats "
            f"for {classes} classes, nor the training accuracy rise above {ceiling:.1%}, however long it trains",
            stacklevel=4,  # the caller of the public builder
        )
