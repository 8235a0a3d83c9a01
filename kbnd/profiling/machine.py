"""The machine that a run was timed on, as plain JSON values stored beside the run and outside its identity.

Times compare only within one `machine`: a digest of host name, processor, cores, memory and system, which tells two
machines apart and names none. No value holds a path.
"""

from __future__ import annotations

import functools
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from kbnd.cores import n_cores
from kbnd.profiling import meters, threads
from kbnd.spec import digest

PACKAGES = ("kbnd", "keras", "numpy", "tensorflow", "jax", "jaxlib", "torch")

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "PJRT_NPROC",
    "NPROC",
)

GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def environment() -> dict[str, Any]:
    """Return where and with what a run is trained.

    Returns:
        JSON values: `machine` (digest), `os`, `python`, `cpu`, `n_cores` (logical), `n_cores_physical`,
        `n_cores_usable` (of this process), `memory_bytes`, `governor`, `gpu` (name and driver), `packages` (versions);
        and, as they are now, `n_threads` (that the backend computes with, None before it is imported), `threads` (the
        settings they come from) and `load_average` (1, 5 and 15 minutes). What is unknown is None.
    """
    now = {"n_threads": threads.of_process(), "threads": _settings(), "load_average": _load_average()}
    return {**_lasting(), **now}


def in_words() -> str:
    """Return cores, processor and GPU of the machine in words, which outlive a restart or another host name."""
    machine = _lasting()
    gpu = (machine["gpu"] or {}).get("name")
    return ", ".join([f"{machine['n_cores']} x {machine['cpu']}", *([gpu] if gpu else [])])


def version(package: str) -> str | None:
    """Return a package's version: as imported, else as installed; None where it is neither."""
    module = sys.modules.get(package)
    if module is not None and hasattr(module, "__version__"):
        return str(module.__version__)
    # TensorFlow is one module under several names in package indexes.
    names = (package, "tensorflow-cpu", "tf-nightly") if package == "tensorflow" else (package,)
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


@functools.cache
def _lasting() -> dict[str, Any]:
    """What stays as it is while the process lives."""
    hardware = {
        "os": " ".join([platform.system(), ".".join(platform.release().split(".")[:2])]),
        "cpu": _cpu(),
        "n_cores": psutil.cpu_count(),
        "n_cores_physical": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "gpu": meters.gpu(),
    }
    return {
        "machine": digest({"host": platform.node(), **hardware}),
        **hardware,
        "n_cores_usable": n_cores(),
        "governor": _first_line(GOVERNOR),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def _cpu() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or None


def _settings() -> dict[str, int | str | None]:
    """Thread settings of the process and of the backends that are imported; 0 lets TensorFlow choose."""
    settings: dict[str, int | str | None] = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    tensorflow, torch = sys.modules.get("tensorflow"), sys.modules.get("torch")
    if tensorflow is not None and hasattr(tensorflow, "config"):
        threading = tensorflow.config.threading
        settings["tensorflow_intra_op"] = threading.get_intra_op_parallelism_threads()
        settings["tensorflow_inter_op"] = threading.get_inter_op_parallelism_threads()
    if torch is not None and hasattr(torch, "get_num_threads"):
        settings["torch"] = torch.get_num_threads()
    return settings


def _load_average() -> list[float] | None:
    return [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
