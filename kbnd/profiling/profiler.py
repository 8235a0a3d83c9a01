"""`EpochProfiler`: a callback that times the epochs of any `model.fit` without changing what it times.

| rule                                     | why                                                                  |
|------------------------------------------|----------------------------------------------------------------------|
| epoch- and test-level hooks only         | a batch-end hook makes Keras synchronise each step on JAX and PyTorch |
| device synchronised at both edges        | JAX may have half a second of steps queued when an epoch ends         |
| training ends at `on_test_begin`         | validation is inside Keras' epoch                                     |
| `self._model`, never `self.model`        | the property forces a copy of JAX's state into the model              |
| first epoch of a new step function apart | it holds tracing and compilation                                      |

What the profiler adds to an epoch is `hook_s`: all time inside its hooks but the waits that close a window, which are
the training's own. It opens a window last in its hook and closes it first, so `hook_s` is in no window.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras

from kbnd.clock import CLOCK_TYPES, consumed, elapsed, rate, summarise
from kbnd.profiling import device, meters

if TYPE_CHECKING:
    import pandas as pd

Logs = dict[str, Any] | None


class EpochProfiler(keras.callbacks.Callback):
    """Times training and validation of each epoch and reads memory and energy beside them.

    Works alone: ``model.fit(..., callbacks=[EpochProfiler()])``. Put it first in the list, or what other callbacks do
    before it at the end of an epoch counts as training. Each fit starts anew. What cannot be measured is None; a
    fault in the profiler never stops a training but stands in `faults`.

    An epoch is a warm-up if the model had no step function yet when the fit, or its first validation, began. A second
    fit of the same compiled model has none (batches of another shape compile anew, which no hook can see).
    Keras sets a validation up before `on_test_begin`, so that counts in `train_s` (some 10 ms each time on TensorFlow):
    compare epochs with validation only with epochs with validation.

    Args:
        n_images: training images of an epoch, for `images_per_s`; None leaves that unknown.
        meter: energy counter; None takes NVML's where the backend computes on an NVIDIA GPU.
        idle_bytes: what models that wait in this process hold on the device; no part of `peak_device_bytes`.

    Attributes:
        epochs: one dict for each epoch, with the keys of `kbnd.clock.CLOCK_TYPES`.
        faults: what went wrong inside the profiler, one sentence each.
    """

    def __init__(self, *, n_images: int | None = None, meter: meters.Meter | None = None, idle_bytes: int = 0) -> None:
        super().__init__()
        self.n_images = n_images
        self.meter = meter
        self.idle_bytes = idle_bytes
        self.epochs: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self._open: _OpenEpoch | None = None
        self._meter = meter
        self._has_fresh_step = False
        self._has_process_alone = False
        self._has_rss = False

    def set_model(self, model: Any) -> None:
        """See whether the model has a training step yet; Keras makes it between this call and `on_train_begin`."""
        super().set_model(model)
        self._has_fresh_step = getattr(model, "train_function", None) is None

    def on_train_begin(self, logs: Logs = None) -> None:  # noqa: ARG002 (Keras' signature)
        """Start anew."""
        self.epochs, self.faults, self._open = [], [], None
        self._attempt(self._prepare)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:  # noqa: ARG002 (Keras' signature)
        """Open the training window."""
        self._open = None
        self._attempt(self._open_epoch, epoch + 1)

    def on_test_begin(self, logs: Logs = None) -> None:  # noqa: ARG002 (Keras' signature)
        """Close the training window and open the validation's; outside an epoch nothing."""
        if self._open is not None:
            self._attempt(self._begin_test, self._open)

    def on_test_end(self, logs: Logs = None) -> None:  # noqa: ARG002 (Keras' signature)
        """Close the validation window; outside an epoch nothing."""
        if self._open is not None:
            self._attempt(self._end_test, self._open)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:  # noqa: ARG002 (Keras' signature)
        """Close the training window, unless validation has, and store the epoch."""
        entry = self._attempt(self._end_epoch, self._open) if self._open is not None else None
        self._open = None
        self.epochs.append(entry or {**dict.fromkeys(CLOCK_TYPES), "epoch": epoch + 1, "is_warmup": False})

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each epoch, in seconds, bytes, joules and watts; NaN or NA where nothing was measured."""
        import pandas as pd

        return pd.DataFrame(self.epochs, columns=list(CLOCK_TYPES)).astype(CLOCK_TYPES)

    def summary(self) -> dict[str, Any]:
        """Return the times of the fit, as `kbnd.clock.summarise` defines them."""
        return summarise(self.epochs)

    def __getstate__(self) -> dict[str, Any]:
        # keras-tuner deep-copies callbacks: a copy takes the numbers along, never the model.
        return {**self.__dict__, "_model": None}

    def _prepare(self) -> None:
        """Reset what can be reset, and find out what the rest is worth."""
        is_first_fit = meters.next_fit() == 1
        self._has_process_alone = is_first_fit
        self._has_rss = bool(self._attempt(meters.reset_peak_rss)) or is_first_fit
        self._meter = self.meter
        if self.meter is None and device.device_kind() == "gpu":
            self._meter = meters.nvml_meter()

    def _open_epoch(self, epoch: int) -> None:
        entered = time.perf_counter()
        opened = _OpenEpoch(epoch=epoch, is_warmup=self._has_fresh_step)
        self._has_fresh_step = False
        opened.has_no_test_step = getattr(self._model, "test_function", None) is None
        opened.has_device_peak = bool(self._attempt(meters.reset_peak_device, keras.config.backend()))
        opened.energy_from = self._energy()
        self._open = opened
        opened.train_from = self._edge()
        opened.hook_s = time.perf_counter() - entered

    def _begin_test(self, opened: _OpenEpoch) -> None:
        if not opened.is_trained:
            self._end_training(opened)
        entered = time.perf_counter()
        # The first validation traces its own step, and its set-up falls before this hook.
        opened.is_warmup |= opened.has_no_test_step
        opened.has_no_test_step = False
        opened.test_from = self._edge()
        opened.hook_s += time.perf_counter() - entered

    def _end_test(self, opened: _OpenEpoch) -> None:
        lasted = elapsed(opened.test_from, self._edge())
        opened.test_from = None
        opened.val_s = lasted if opened.val_s is None or lasted is None else opened.val_s + lasted

    def _end_training(self, opened: _OpenEpoch) -> None:
        edge = self._edge()
        entered = edge or time.perf_counter()
        opened.is_trained = True
        opened.train_s = elapsed(opened.train_from, edge)
        if self._meter is not None:
            opened.energy_j = consumed(
                opened.energy_from,
                self._energy(),
                duration_s=opened.train_s,
                shortest_s=self._meter.shortest_s,
            )
        opened.hook_s += time.perf_counter() - entered

    def _end_epoch(self, opened: _OpenEpoch) -> dict[str, Any]:
        if not opened.is_trained:
            self._end_training(opened)
        entered = time.perf_counter()
        entry = {
            "epoch": opened.epoch,
            "train_s": opened.train_s,
            "val_s": opened.val_s,
            "is_warmup": opened.is_warmup,
            "images_per_s": rate(self.n_images, opened.train_s),
            "hook_s": None,
            "peak_rss_bytes": self._attempt(meters.peak_rss_bytes) if self._has_rss else None,
            "peak_device_bytes": self._attempt(self._peak_device_bytes, opened),
            "energy_j": opened.energy_j,
            "power_w": rate(opened.energy_j, opened.train_s),
        }
        return {**entry, "hook_s": opened.hook_s + time.perf_counter() - entered}

    def _peak_device_bytes(self, opened: _OpenEpoch) -> int | None:
        if not (opened.has_device_peak or self._has_process_alone):
            return None
        peak = meters.peak_device_bytes(keras.config.backend())
        return None if peak is None else peak - self.idle_bytes

    def _edge(self) -> float | None:
        """The time at which the device has done its work; None where that cannot be known."""
        return self._attempt(self._synchronised_time)

    def _synchronised_time(self) -> float:
        device.synchronize(self._model)
        return time.perf_counter()

    def _energy(self) -> float | None:
        return None if self._meter is None else self._attempt(self._meter.energy_j)

    def _attempt(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """Return what the step returns, or None and a note: a training is never stopped by its profiler."""
        try:
            return step(*arguments)
        except Exception as fault:  # noqa: BLE001 (the one place where a fault of the profiler becomes a note)
            note = f"{step.__name__} failed: {type(fault).__name__}: {fault}"
            self.faults += [note] if note not in self.faults else []
            return None


@dataclass
class _OpenEpoch:
    """An epoch in progress: plain numbers, so that the profiler can be copied at any moment."""

    epoch: int
    is_warmup: bool
    has_no_test_step: bool = False
    has_device_peak: bool = False
    is_trained: bool = False
    train_from: float | None = None
    train_s: float | None = None
    test_from: float | None = None
    val_s: float | None = None
    energy_from: float | None = None
    energy_j: float | None = None
    hook_s: float = 0.0
