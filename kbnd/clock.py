"""The arithmetic of the clock: from two readings to a duration, from epochs to the times of a run.

None means *not measured* and spreads: a sum with an unmeasured part is not measured. Warm-up epochs (those that
held tracing or compilation) count in sums, never in medians.

    |- on_epoch_begin ... on_test_begin -|- on_test_begin ... on_test_end -|- on_epoch_end ...
                  train_s                              val_s                   nobody's
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

CLOCK_TYPES = {
    "epoch": "int64",
    "train_s": "float64",
    "val_s": "float64",
    "is_warmup": "bool",
    "images_per_s": "float64",
    "hook_s": "float64",
    "peak_rss_bytes": "Int64",
    "peak_device_bytes": "Int64",
    "energy_j": "float64",
    "power_w": "float64",
}
"""What the profiler knows of an epoch, named as in `kbnd.records.EpochRecord`, with pandas' type of each."""

CLOCK_FIELDS = (
    *("fit_s", "steady_train_s", "epoch_s", "compile_s"),
    *("peak_rss_bytes", "peak_device_bytes", "energy_j"),
)
"""What `summarise` says of a run, named as in `kbnd.records.RunRecord`."""


def elapsed(start: float | None, end: float | None) -> float | None:
    """Return end - start, None where either was not read."""
    return None if start is None or end is None else end - start


def rate(amount: float | None, duration_s: float | None) -> float | None:
    """Return amount over duration, None where either is unknown or no time passed."""
    return amount / duration_s if amount is not None and duration_s else None


def consumed(start: float | None, end: float | None, *, duration_s: float | None, shortest_s: float) -> float | None:
    """Return the growth of a counter over a window.

    Args:
        start: reading at the window's start.
        end: reading at its end.
        duration_s: length of the window.
        shortest_s: below it the counter's own step is too coarse.

    Returns:
        The growth; None for too short a window, and where the counter did not grow, which means that it stood still
        or was reset.
    """
    growth = elapsed(start, end)
    if growth is None or growth <= 0 or duration_s is None or duration_s < shortest_s:
        return None
    return growth


def summarise(epochs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the times of a run from those of its epochs.

    Args:
        epochs: mappings with the keys of `CLOCK_TYPES`, such as `EpochProfiler.epochs`.

    Returns:
        A dict with `n_epochs`, `n_steady` (no warm-up); `fit_s` (training time of all epochs), `steady_train_s` (of the
        steady ones), `epoch_s` (their median), `compile_s` (first warm-up epoch less `epoch_s`, at least 0, an
        estimate; 0 where all epochs were timed and none was a warm-up), `val_s` (all validation), `images_per_s`
        (median of the steady epochs), `hook_share` (the profiler's own time over the timed), `peak_rss_bytes`,
        `peak_device_bytes`, `energy_j` (training), `power_w`.
    """
    steady = [epoch for epoch in epochs if not epoch["is_warmup"]]
    warmup = [epoch["train_s"] for epoch in epochs if epoch["is_warmup"]]
    fit_s = total(epoch["train_s"] for epoch in epochs)
    epoch_s = middle(epoch["train_s"] for epoch in steady)
    # A model compiled by an earlier fit; an epoch that was not timed may have been the warm-up.
    reused = None if fit_s is None else 0.0
    excess = elapsed(epoch_s, warmup[0]) if warmup else reused
    timed = [epoch[key] for epoch in epochs for key in ("train_s", "val_s") if epoch[key] is not None]
    energy_j = total(epoch["energy_j"] for epoch in epochs)
    return {
        "n_epochs": len(epochs),
        "n_steady": len(steady),
        "fit_s": fit_s,
        "steady_train_s": total(epoch["train_s"] for epoch in steady),
        "epoch_s": epoch_s,
        "compile_s": None if excess is None else max(0.0, excess),
        "val_s": total(epoch["val_s"] for epoch in epochs if epoch["val_s"] is not None),
        "images_per_s": middle(epoch["images_per_s"] for epoch in steady),
        "hook_share": rate(total(epoch["hook_s"] for epoch in epochs), total(timed)),
        "peak_rss_bytes": largest(epoch["peak_rss_bytes"] for epoch in epochs),
        "peak_device_bytes": largest(epoch["peak_device_bytes"] for epoch in epochs),
        "energy_j": energy_j,
        "power_w": rate(energy_j, fit_s),
    }


def total(values: Iterable[float | None]) -> float | None:
    """Return the sum; None for no values and where one is unknown."""
    quantities = list(values)
    return sum(value for value in quantities if value is not None) if quantities and None not in quantities else None


def middle(values: Iterable[float | None]) -> float | None:
    """Return the median of the values that are known, None for none."""
    quantities = [value for value in values if value is not None]
    return float(median(quantities)) if quantities else None


def largest(values: Iterable[int | None]) -> int | None:
    """Return the largest of the values that are known, None for none."""
    return max((value for value in values if value is not None), default=None)
