"""What each of several processes on one machine may use: its cores, its threads, its GPU.

| read by              | variable                                      | value                                  |
|----------------------|-----------------------------------------------|----------------------------------------|
| PyTorch, NumPy       | `OMP_NUM_THREADS`, `MKL_...`, `OPENBLAS_...`  | cores / places                         |
| TensorFlow           | `TF_NUM_INTRAOP_THREADS`, `TF_NUM_INTEROP_THREADS` | likewise                          |
| JAX on a CPU         | `PJRT_NPROC`, `NPROC`                         | likewise                               |
| all, on NVIDIA GPUs  | `CUDA_VISIBLE_DEVICES`                        | one GPU, round robin                   |

A process that has the machine to itself gets no limits, so that it computes what the driver would. A smaller number
that the user has set is kept.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile

from kbnd.cores import usable_cores

THREADS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    *("PJRT_NPROC", "NPROC"),
)

SHARED_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""Without these, the first process on a GPU takes most of its memory, whether it computes there or not."""


@dataclass(frozen=True)
class Resources:
    """What one process is given.

    Attributes:
        cores: numbers of the processors it may run on; empty is all.
        variables: of its environment.
    """

    cores: tuple[int, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


def of_place(place: int, *, n_places: int) -> Resources:
    """Return what the process at a place (from 0) is given."""
    shared = {name: os.environ.get(name, value) for name, value in SHARED_GPU.items()}
    if n_places == 1:
        return Resources(variables=shared)
    cores, n_threads = usable_cores(), max(1, len(usable_cores()) // n_places)
    first = place * n_threads % len(cores)
    names = gpus()
    one_gpu = {"CUDA_VISIBLE_DEVICES": names[place % len(names)]} if names else {}
    return Resources(
        cores=tuple(cores[first : first + n_threads]), variables={**shared, **limits(n_threads), **one_gpu}
    )


def limits(n_threads: int) -> dict[str, str]:
    """Return the variables that limit a process to so many threads.

    A smaller number that the user has set is kept; that of `OMP_NUM_THREADS` holds for those that are not set.
    """
    general = _set_by_user("OMP_NUM_THREADS")
    return {name: str(min(n_threads, _set_by_user(name) or general or n_threads)) for name in THREADS}


def gpus() -> list[str]:
    """Return the NVIDIA GPUs that a process may be given, as `CUDA_VISIBLE_DEVICES` names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        # CUDA sees no device after the first name that is none.
        return list(takewhile(lambda name: name not in ("", "-1"), map(str.strip, visible.split(","))))
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(number) for number, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]


def share_gpus() -> None:
    """Have this process leave the memory of GPUs to those it starts; before a backend is loaded."""
    for name, value in SHARED_GPU.items():
        os.environ.setdefault(name, value)


def _set_by_user(variable: str) -> int | None:
    """A thread variable's number; 0 and what is no number leave the choice to the library."""
    value = os.environ.get(variable, "")
    return int(value) or None if value.isdecimal() else None
