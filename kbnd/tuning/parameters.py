"""The values that a hyperparameter can take: a choice among values, or a range between two numbers.

What an oracle draws from a range is rounded, so that the value that is printed is the value that was trained:

| range       | what is kept                   | drawn from 0..0.8 | drawn from 1e-4..1 |
|-------------|--------------------------------|-------------------|--------------------|
| linear      | a ten thousandth of its width  | 0.3712            |                    |
| logarithmic | 6 significant digits           |                   | 0.000412763        |

A grid takes ten values of a range: its ends and eight between them, at equal distances or, on a logarithmic range,
at equal factors.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from kbnd.errors import UsageError, is_number
from kbnd.spec import Flag, Number, Spec, canonical_json

N_GRID = 10
"""Values that a grid takes of a range."""

LINEAR_DIGITS = 4
LOG_DIGITS = 6
STEP_DIGITS = 10
"""Significant digits of the values of a range with a step: enough to take 0.30000000000000004 for 0.3."""


MOST_VALUES = 100_000
"""Values of one hyperparameter: each is tried for whether it can be."""


def check_length(n_values: int) -> None:
    """Refuse more values than a hyperparameter can have.

    Raises:
        UsageError: it says how many.
    """
    if n_values > MOST_VALUES:
        raise UsageError(f"{n_values:,} values are more than the {MOST_VALUES:,} that a hyperparameter can have")


class Choice(Spec):
    """Values to choose from, in their order: JSON values, no two of them the same."""

    values: tuple[Any, ...]

    @field_validator("values")
    @classmethod
    def _differ(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Refuse what stands twice; among numbers with a point, a whole one gets a point too."""
        if not values:
            raise ValueError("an empty list leaves nothing to choose from")
        check_length(len(values))
        if all(map(is_number, values)) and any(isinstance(value, float) for value in values):
            values = tuple(map(float, values))
        try:
            texts = [canonical_json(value) for value in values]
        except (TypeError, ValueError):
            raise ValueError(
                f"takes finite numbers, texts, true and false or lists of them, received {values}"
            ) from None
        if len(set(texts)) < len(texts):
            twice = next(value for value, n in zip(values, map(Counter(texts).get, texts), strict=True) if n != 1)
            raise ValueError(f"{twice!r} is listed twice")
        return values

    def points(self) -> tuple[Any, ...]:
        """Return what a grid takes: every value."""
        return self.values

    def bounds(self) -> tuple[Any, ...]:
        """Return the values that must be possible for all to be: every one."""
        return self.values

    def agrees(self, one: object, other: object) -> bool:
        """Return whether two values are the same."""
        return one == other


class Range(Spec):
    """Numbers between two ends, both included.

    Attributes:
        min: the lower end.
        max: the upper end.
        log: whether equal factors are equal distances.
        step: distance between the values, on a logarithmic range their ratio; None is every number.
    """

    min: Number
    max: Number
    log: Flag = False
    step: Annotated[Number, Field(gt=0.0)] | None = None

    @model_validator(mode="after")
    def _ascends(self) -> Range:
        text = f"{self.min:g}..{self.max:g}"
        if self.min >= self.max:
            raise ValueError(f"a range ascends, as {'1e-3..1' if self.log else '0..0.8'}, received {text}")
        if self.log and self.min <= 0.0:
            raise ValueError(f"a logarithmic range begins above 0, received {text}")
        if self.log and self.step is not None and self.step <= 1.0:
            raise ValueError(f"the step of a logarithmic range is a factor above 1, received {self.step:g}")
        if self.step is not None and not self._n_steps:
            raise ValueError(f"step {self.step:g} is wider than the range {text}")
        return self

    def points(self) -> tuple[float, ...]:
        """Return what a grid takes: every value where there is a step, else `N_GRID` values with both ends."""
        if self.step is not None:
            check_length(self._n_steps + 1)
            steps = range(self._n_steps + 1)
            raw = [self.min * self.step**i if self.log else self.min + i * self.step for i in steps]
            return tuple(_significant(value, STEP_DIGITS) for value in raw)
        shares = [i / (N_GRID - 1) for i in range(1, N_GRID - 1)]
        return (self.min, *(self.rounded(self._at(share)) for share in shares), self.max)

    def bounds(self) -> tuple[float, ...]:
        """Return the values that must be possible for all to be: its ends."""
        return (self.min, self.max)

    def rounded(self, value: float) -> float:
        """Return a value with the digits that are kept, within the ends."""
        short = _significant(value, LOG_DIGITS) if self.log else round(float(value), self._decimals)
        return min(max(short, self.min), self.max)

    def agrees(self, one: object, other: object) -> bool:
        """Return whether two values differ by no more than one unit of the last digit that is kept."""
        if not (is_number(one) and is_number(other)):
            return False
        a, b = float(one), float(other)  # type: ignore[arg-type]
        decimals = LOG_DIGITS - 1 - _magnitude(b) if self.log else self._decimals
        return abs(a - b) <= 1.001 * 10.0**-decimals

    @property
    def _decimals(self) -> int:
        return LINEAR_DIGITS - 1 - _magnitude(self.max - self.min)

    @property
    def _n_steps(self) -> int:
        step = self.step or math.inf
        n = math.log(self.max / self.min) / math.log(step) if self.log else (self.max - self.min) / step
        return math.floor(n + 1e-9)

    def _at(self, share: float) -> float:
        if self.log:
            return float(self.min * (self.max / self.min) ** share)
        return self.min + share * (self.max - self.min)


Hyperparameter = Choice | Range


def _magnitude(value: float) -> int:
    """Power of ten of a number's first digit; 0 for 0."""
    return math.floor(math.log10(abs(value))) if value else 0


def _significant(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
