"""Instruments of the profiler beside its clock: memory of the process and of the device, energy of the GPU.

| quantity             | read from                                    | reset                         |
|----------------------|----------------------------------------------|-------------------------------|
| resident memory      | `VmHWM` of `/proc/self/status`, or `rusage`   | Linux: `/proc/self/clear_refs` |
| device, TensorFlow   | `tf.config.experimental.get_memory_info`      | `reset_memory_stats`          |
| device, JAX          | `Device.memory_stats()` (None on a CPU)       | none                          |
| device, PyTorch      | `torch.cuda.max_memory_allocated`             | `reset_peak_memory_stats`     |
| energy, NVIDIA       | `nvmlDeviceGetTotalEnergyConsumption`, mJ     | a counter: differences count  |

A peak without a reset belongs to the whole process, so it says nothing of a second run in it: None, never a guess.
Whatever goes wrong in NVML's library, which is not ours and may be old, means that there is nothing to read.
The resets are the process's own: whoever else reads these peaks sees them start anew with each fit.

Reference: NVML API, "Total energy consumption ... since the driver was last reloaded", Volta and newer.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import psutil

from kbnd.records import SHORTEST_METERED_S

_FITS = itertools.count(1)


class Meter(Protocol):
    """A counter of consumed energy; holds plain data, because keras-tuner deep-copies callbacks."""

    shortest_s: float
    """Windows shorter than this are not reported: the counter's own step would be too large a part of them."""

    def energy_j(self) -> float | None:
        """Return joules since some fixed moment, None where they cannot be read."""


class NvmlMeter:
    """Energy counter of one NVIDIA GPU, everything that runs on it included.

    The counter moves every 20 to 100 ms, so a window of half a second is right to about a fifth, one of ten seconds to
    a hundredth.

    Args:
        device: NVML's index, or the UUID (`GPU-...`), of the GPU.
    """

    shortest_s = SHORTEST_METERED_S

    def __init__(self, device: int | str = 0) -> None:
        self.device = device

    def energy_j(self) -> float | None:
        """Return joules since the driver was loaded; None without NVML, such a GPU, or its counter."""
        return _asked(lambda nvml: nvml.nvmlDeviceGetTotalEnergyConsumption(_handle(nvml, self.device)) / 1000)


def nvml_meter() -> NvmlMeter | None:
    """Return the meter of the GPU that computes here, None where there is none with an energy counter.

    That is the first of `CUDA_VISIBLE_DEVICES`, which NVML itself does not heed. Where GPUs of several kinds share a
    machine, set `CUDA_DEVICE_ORDER=PCI_BUS_ID`, the order in which NVML counts.
    """
    first = _first_visible()
    meter = None if first is None else NvmlMeter(first)
    return meter if meter is not None and meter.energy_j() is not None else None


def gpu() -> dict[str, str] | None:
    """Return name and driver of the GPU that computes here, as `nvml_meter` finds it; None where there is none."""
    first = _first_visible()
    if first is None:
        return None
    return _asked(
        lambda nvml: {
            "name": _text(nvml.nvmlDeviceGetName(_handle(nvml, first))),
            "driver": _text(nvml.nvmlSystemGetDriverVersion()),
        }
    )


def _first_visible() -> int | str | None:
    """Index or UUID of the first GPU that this process may use, None where all are hidden."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if first in ("", "-1"):
        return None
    return int(first) if first.isdecimal() else first


def next_fit() -> int:
    """Count a fit and return its number in this process, from 1."""
    return next(_FITS)


def reset_peak_rss() -> bool:
    """Make the peak of resident memory start at what is resident now; False where the system cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_rss_bytes() -> int | None:
    """Return the highest resident memory of this process since its start or the last reset."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return _peak_rss_elsewhere()
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else _peak_rss_elsewhere()


def reset_peak_device(backend: str) -> bool:
    """Make the peak of device memory start at what is allocated now; False where the backend cannot."""
    if backend == "tensorflow":
        import tensorflow as tf

        if tf.config.list_logical_devices("GPU"):
            tf.config.experimental.reset_memory_stats("GPU:0")
            return True
    if backend == "torch":
        import torch

        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
            return True
    return False


def peak_device_bytes(backend: str) -> int | None:
    """Return the highest memory allocated on the first accelerator since start or reset, None on a CPU."""
    if backend == "tensorflow":
        import tensorflow as tf

        has_gpu = bool(tf.config.list_logical_devices("GPU"))
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] if has_gpu else None
    if backend == "torch":
        import torch

        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    if backend == "jax":
        import jax

        return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return None


def _peak_rss_elsewhere() -> int | None:
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@functools.cache
def _nvml() -> Any:
    """The initialised `pynvml` module of nvidia-ml-py, None without package, library or driver."""

    def started() -> Any:
        import pynvml

        pynvml.nvmlInit()
        return pynvml

    return _answer(started)


def _asked(question: Callable[[Any], Any]) -> Any:
    """What NVML answers to a question; None where there is no NVML, or it cannot."""
    nvml = _nvml()
    return None if nvml is None else _answer(lambda: question(nvml))


def _answer(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception:  # noqa: BLE001 (the one place where a fault of NVML becomes "not measured")
        return None


def _text(name: str | bytes) -> str:
    """A name of NVML, which old libraries give as bytes."""
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _handle(nvml: Any, device: int | str) -> Any:
    # Looked up at each reading (microseconds): a handle is a pointer, which cannot be copied with a callback.
    by_uuid = isinstance(device, str)
    return nvml.nvmlDeviceGetHandleByUUID(device) if by_uuid else nvml.nvmlDeviceGetHandleByIndex(device)
