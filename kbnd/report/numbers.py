"""How numbers are printed: unit, scale, decimals and a true minus sign for every metric.

| metric       | printed in                                      | decimals                            |
|--------------|-------------------------------------------------|-------------------------------------|
| `*_accuracy` | %, differences in percentage points (pp)        | 2: one image of 10,000 is 0.01      |
| `*_loss`     | nats                                            | 4                                   |
| `*_s`        | s                                               | three digits of the smallest, 1 to 4 |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import floor, isfinite, log10

from kbnd.report.render import DASH, MINUS, PLUS_MINUS


@dataclass(frozen=True)
class Quantity:
    """How a metric is printed.

    Attributes:
        label: what it is, to open a title with.
        unit: of a value.
        difference_unit: of a difference between two values.
        scale: factor from the stored to the printed number.
        decimals: digits after the point.
    """

    label: str
    unit: str = ""
    difference_unit: str = ""
    scale: float = 1.0
    decimals: int = 4

    def number(self, value: float) -> str:
        """Return a stored value as it is printed; a dash where there is none."""
        if not isfinite(value):
            return DASH
        return f"{value * self.scale:.{self.decimals}f}".replace("-", MINUS)


QUANTITIES = {
    "test_accuracy": Quantity("Test accuracy", "%", "pp", 100.0, 2),
    "val_accuracy": Quantity("Validation accuracy", "%", "pp", 100.0, 2),
    "train_accuracy": Quantity("Training accuracy (dropout on)", "%", "pp", 100.0, 2),
    "test_loss": Quantity("Test loss", "nats", "nats"),
    "val_loss": Quantity("Validation loss", "nats", "nats"),
    "fit_s": Quantity("Training time", "s", "s"),
    "steady_train_s": Quantity("Training time without warm-up", "s", "s"),
    "epoch_s": Quantity("Training time of an epoch", "s", "s"),
    "compile_s": Quantity("Compilation time", "s", "s"),
}


def quantity(metric: str, values: Iterable[float] = ()) -> Quantity:
    """Return how to print a metric; `values` decide the decimals of times."""
    known = QUANTITIES.get(metric, Quantity(metric))
    if not metric.endswith("_s"):
        return known
    positive = [value for value in values if isfinite(value) and value > 0]
    decimals = min(max(2 - floor(log10(min(positive))), 1), 4) if positive else 2
    return replace(known, unit="s", difference_unit="s", decimals=decimals)


def plus_minus(shown: Quantity, mean: float, low: float, high: float) -> str:
    """Return a mean with half its (symmetric) interval; alone where it has none."""
    if not (isfinite(low) and isfinite(high)):
        return shown.number(mean)
    return f"{shown.number(mean)} {PLUS_MINUS} {shown.number((high - low) / 2)}"


def signed(shown: Quantity, value: float) -> str:
    """Return a difference with its sign; a difference that prints as zero has none."""
    if not isfinite(value):
        return DASH
    text = f"{value * shown.scale:+.{shown.decimals}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def interval(shown: Quantity, low: float, high: float) -> str:
    """Return the limits of a difference in brackets; a dash where there are none."""
    if not (isfinite(low) and isfinite(high)):
        return DASH
    return f"[{signed(shown, low)}, {signed(shown, high)}]"
