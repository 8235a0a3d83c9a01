"""How numbers are printed: unit, scale, decimals and a true minus sign for every metric.

| metric                                            | printed in                               | decimals         |
|---------------------------------------------------|------------------------------------------|------------------|
| `*_accuracy`, `aulc`                              | %, differences in percentage points (pp) | 2: see below     |
| `accuracy_gap`, `accuracy_gain`, `instability_K`  | pp                                       | 2                |
| `epoch_cv`                                        | %, differences in pp                     | 2                |
| `*_loss`, `loss_gap`                              | nats                                     | 4                |
| `epochs_to_X`; `best_epoch`, `plateau_epoch`      | epochs                                   | 2; 1             |
| `*_s`                                             | s                                        | 1 to 4: see below |

One image of 10,000 is 0.01 %. Times keep three digits of the smallest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import floor, isfinite, log10

from kbnd.analysis.metrics import is_time
from kbnd.report.table import DASH, MINUS, PLUS_MINUS


@dataclass(frozen=True)
class Quantity:
    """How a metric is printed.

    Attributes:
        label: what it is, to open a title with.
        short: what it is, to head a narrow column with; empty is the label.
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
    short: str = ""

    @property
    def in_sentence(self) -> str:
        """The label as it stands within a sentence."""
        return self.label[:1].lower() + self.label[1:]

    def number(self, value: float) -> str:
        """Return a stored value as it is printed; a dash where there is none."""
        if not isfinite(value):
            return DASH
        text = f"{value * self.scale:.{self.decimals}f}"
        return text.removeprefix("-") if float(text) == 0 else text.replace("-", MINUS)


def _accuracy(label: str, short: str = "", unit: str = "%") -> Quantity:
    return Quantity(label, unit, "pp", 100.0, 2, short)


def _loss(label: str, short: str = "") -> Quantity:
    return Quantity(label, "nats", "nats", short=short)


def _epochs(label: str, short: str, decimals: int) -> Quantity:
    return Quantity(label, "epochs", "epochs", 1.0, decimals, short)


def _time(label: str) -> Quantity:
    return Quantity(label, "s", "s")


QUANTITIES = {
    "test_accuracy": _accuracy("Test accuracy"),
    "val_accuracy": _accuracy("Validation accuracy", "Val. acc."),
    "train_accuracy": _accuracy("Training accuracy in train mode", "Train acc."),
    "train_eval_accuracy": _accuracy("Training accuracy in eval mode", "Train acc. (eval)"),
    "accuracy_gap": _accuracy("Accuracy gap, training in eval mode minus test", "Acc. gap", "pp"),
    "first_epoch_accuracy": _accuracy("Test accuracy after the first epoch", "Epoch 1"),
    "accuracy_gain": _accuracy("Gain in test accuracy since the first epoch", "Gain", "pp"),
    "aulc": _accuracy("Mean test accuracy over all epochs", "AULC"),
    "epoch_cv": _accuracy("Variation of the epoch time", "Epoch CV"),
    "test_loss": _loss("Test loss"),
    "val_loss": _loss("Validation loss", "Val. loss"),
    "train_loss": _loss("Training loss in train mode", "Train loss"),
    "train_eval_loss": _loss("Training loss in eval mode", "Train loss (eval)"),
    "loss_gap": _loss("Loss gap, test minus training in eval mode", "Loss gap"),
    "best_epoch": _epochs("Epoch with the highest test accuracy", "Best epoch", 1),
    "plateau_epoch": _epochs("First epoch within 1 pp of where test accuracy ends", "To plateau", 1),
    "fit_s": _time("Training time"),
    "steady_train_s": _time("Training time without warm-up"),
    "epoch_s": _time("Training time of an epoch"),
    "compile_s": _time("Compilation time"),
}

PARAMETRIC: dict[str, Callable[[float], Quantity]] = {
    "accuracy_at": lambda n: _accuracy(f"Test accuracy after epoch {n:g}", f"Epoch {n:g}"),
    "median_last": lambda n: _accuracy(f"Median test accuracy of the last {n:g} epochs", f"Median {n:g}"),
    "epochs_to": lambda x: _epochs(f"Epochs to {100 * x:g} % test accuracy", f"To {100 * x:g} %", 2),
    "instability": lambda n: _accuracy(
        f"Instability of test accuracy over the last {n:g} epochs", f"Instab. {n:g}", "pp"
    ),
}
"""Metrics that end in a number, by their stem."""


def quantity_of(metric: str, values: Iterable[float] = ()) -> Quantity:
    """Return how to print a metric; `values` decide the decimals of times."""
    stem, _, number = metric.rpartition("_")
    quantity = PARAMETRIC[stem](float(number)) if stem in PARAMETRIC else QUANTITIES.get(metric, Quantity(metric))
    if not is_time(metric):
        return quantity
    positive = [value for value in values if isfinite(value) and value > 0]
    decimals = min(max(2 - floor(log10(min(positive))), 1), 4) if positive else 2
    return replace(quantity, unit="s", difference_unit="s", decimals=decimals)


def in_unit(text: str, unit: str) -> str:
    """Return a title or heading with its unit, where there is one."""
    return f"{text}, {unit}" if unit else text


def plus_minus(quantity: Quantity, mean: float, low: float, high: float) -> str:
    """Return a mean with half its (symmetric) interval; alone where it has none."""
    return f"{quantity.number(mean)}{half_interval(quantity, low, high)}"


def half_interval(quantity: Quantity, low: float, high: float) -> str:
    """Return what stands behind a number: plus or minus half its interval, nothing where it has none."""
    if not (isfinite(low) and isfinite(high)):
        return ""
    return f" {PLUS_MINUS} {quantity.number((high - low) / 2)}"


def usual_count(counts: Sequence[int]) -> int:
    """Return the n that most cells have, the larger of two alike; 0 for no cells."""
    return max(set(counts), key=lambda n: (list(counts).count(n), n), default=0)


def signed(quantity: Quantity, value: float) -> str:
    """Return a difference with its sign; a difference that prints as zero has none."""
    if not isfinite(value):
        return DASH
    text = f"{value * quantity.scale:+.{quantity.decimals}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def interval(quantity: Quantity, low: float, high: float) -> str:
    """Return the limits of a difference in brackets; a dash where there are none."""
    if not (isfinite(low) and isfinite(high)):
        return DASH
    return f"[{signed(quantity, low)}, {signed(quantity, high)}]"
