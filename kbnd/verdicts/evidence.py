"""What one test of a claim found, before any word: an estimate, its intervals, and the p of the two ways to decide it.

| rule                              | difference                                | other                               |
|-----------------------------------|-------------------------------------------|-------------------------------------|
| `superiority`                     | there is one, in either direction         | within +-margin (TOST)              |
| `time`, `time_equivalence`        | there is one, beyond the A/A control's    | likewise                            |
| `equivalence`                     | there is one                              | likewise                            |
| `at_most`, `at_least`             | beyond the value                          | on the claimed side of it           |
| `ranks`                           | there is one (Wilcoxon's signed ranks)    |                                     |
| `trend`                           | an order or its reverse (Page's L)        | last - first within +-margin (TOST) |

Never are both true of a world, which is what `families` makes use of. The p of a difference is two-sided, so that it
speaks for both directions, and the sign of the estimate says which.

Accuracies are tested for new seeds and new images, where the correctness of each image is stored; what the seeds alone
say of these images stands beside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kbnd.analysis.stats import Interval
from kbnd.verdicts import paired
from kbnd.verdicts.means import Mean

Array = NDArray[np.float64]


class Numbers(NamedTuple):
    """What a test looks at.

    Attributes:
        d: (n,) one difference for each seed, of times one log ratio for each block; of a trend (n, k), its places.
        gains: (n, N), the same difference on each test image; None where the metric is no accuracy, or none is stored.
        margin: in the unit of `d`; 0 for none.
        value: what `at_most` and `at_least` compare with.
        floor: largest log ratio that the A/A control cannot tell from 0.
    """

    d: Array
    gains: Array | None = None
    margin: float = 0.0
    value: float = 0.0
    floor: float = 0.0


@dataclass(frozen=True)
class Evidence:
    """What the seeds of one test say.

    Attributes:
        interval: estimate with its 95 % interval for new seeds, of accuracies for new images too.
        sign: 1 as claimed, -1 the other way, 0 neither; of an order what Page's L says, else of the estimate.
        p_difference: two-sided; nan where the test cannot say.
        p_other: nan where the rule has no second way to be decided, or no margin.
        on_these_images: of accuracies, the interval over seeds alone; elsewhere the same as `interval`.
        least_p: smallest `p_difference` that so few seeds could have reached.
    """

    interval: Interval
    sign: int
    p_difference: float
    p_other: float
    on_these_images: Interval
    least_p: float = 0.0

    @property
    def n(self) -> int:
        """Seeds or blocks."""
        return self.interval.n


def evidence(rule: str, numbers: Numbers) -> Evidence:
    """Return what the numbers of a test say by its rule.

    Args:
        rule: a key of `RULES`.
        numbers: of every seed in which all its arms have one.
    """
    return RULES[rule](numbers)


def _of_means(numbers: Numbers) -> Evidence:
    mean, seeds = _mean(numbers), Mean.over_seeds(numbers.d)
    return Evidence(
        interval=mean.interval(),
        sign=_sign(mean.value),
        p_difference=mean.two_sided(numbers.floor),
        p_other=mean.within(numbers.margin) if numbers.margin else np.nan,
        on_these_images=seeds.interval(),
    )


def _of_a_bound(numbers: Numbers, *, sign: int) -> Evidence:
    """Whether the mean lies below the value (sign -1: at most) or above it (1: at least)."""
    mean, value = _mean(numbers), numbers.value
    above, below = mean.beyond(value), mean.below(value)
    p_claimed, p_other_side = (above, below) if sign > 0 else (below, above)
    return Evidence(
        interval=mean.interval(),
        sign=sign * _sign(mean.value - value),
        p_difference=float(np.minimum(1.0, 2 * p_other_side)),
        p_other=p_claimed,
        on_these_images=Mean.over_seeds(numbers.d).interval(),
    )


def _of_ranks(numbers: Numbers) -> Evidence:
    d = numbers.d
    estimate = Interval(paired.hodges_lehmann(d), *paired.hodges_lehmann_limits(d), len(d))
    least = paired.smallest_p(int(np.count_nonzero(d)))
    return Evidence(estimate, _sign(estimate.estimate), paired.signed_ranks(d), np.nan, estimate, least)


def _of_an_order(numbers: Numbers) -> Evidence:
    table = numbers.d
    ends = Mean.over_seeds(table[:, -1] - table[:, 0])
    p, direction = paired.page(table)
    p_other = ends.within(numbers.margin) if numbers.margin else np.nan
    least = paired.smallest_page_p(*table.shape)
    return Evidence(ends.interval(), direction, p, p_other, ends.interval(), least)


def _sign(x: float) -> int:
    return int(np.sign(np.nan_to_num(x)))


def _mean(numbers: Numbers) -> Mean:
    """The mean by which a test is decided: over new images too where their gains are known."""
    return Mean.over_seeds(numbers.d) if numbers.gains is None else Mean.over_seeds_and_images(numbers.gains)


RULES: Mapping[str, Callable[[Numbers], Evidence]] = MappingProxyType(
    {
        "superiority": _of_means,
        "equivalence": _of_means,
        "time": _of_means,
        "time_equivalence": _of_means,
        "at_most": lambda numbers: _of_a_bound(numbers, sign=-1),
        "at_least": lambda numbers: _of_a_bound(numbers, sign=1),
        "ranks": _of_ranks,
        "trend": _of_an_order,
    }
)
"""Rule -> how its numbers are read."""
