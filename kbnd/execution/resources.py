"""What each of several processes on one machine may use: its cores, its threads, its GPU.

| read by              | variable                                      | value                                  |
|----------------------|-----------------------------------------------|----------------------------------------|
| PyTorch, NumPy       | `OMP_NUM_THREADS`, `MKL_...`, `OPENBLAS_...`  | cores / places                         |
| TensorFlow           | `TF_NUM_INTRAOP_THREADS`, `TF_NUM_INTEROP_THREADS` | likewise                          |
| JAX on a CPU         | `PJRT_NPROC`, `NPROC`                         | likewise                               |
| all, on NVIDIA GPUs  | `CUDA_VISIBLE_DEVICES`                        | one GPU, round robin                   |

A process that has the machine to itself gets no limits, so that it computes what the driver would. A smaller number
that the user has set is kept. Runs that keep the count which others began with (`kbnd.ledger.threads`) get exactly
that, on all cores together where a place has fewer.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile

from kbnd.cores import n_cores, usable_cores
from kbnd.profiling.threads import set_by_user

THREADS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    *("PJRT_NPROC", "NPROC"),
)

PATIENT = {"OMP_WAIT_POLICY": "passive"}
"""Of processes with more threads than cores: threads that wait in busy loops would keep the others from computing."""

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


def of_place(place: int, *, n_places: int, n_threads: int | None = None) -> Resources:
    """Return what the process at a place is given.

    Args:
        place: from 0.
        n_places: how many there are.
        n_threads: that the process shall compute with, exactly; None is a share of the cores.
    """
    shared = {name: os.environ.get(name, value) for name, value in SHARED_GPU.items()}
    threads = {} if n_threads is None else exactly(n_threads)
    is_crowded = n_threads is not None and n_threads > share(n_places)
    if is_crowded:
        threads |= {name: os.environ.get(name, value) for name, value in PATIENT.items()}
    if n_places == 1:
        return Resources(variables={**shared, **threads})
    cores, n_own = usable_cores(), share(n_places)
    first = place * n_own % len(cores)
    names = gpus()
    one_gpu = {"CUDA_VISIBLE_DEVICES": names[place % len(names)]} if names else {}
    variables = {**shared, **(threads or limits(n_own)), **one_gpu}
    # A thread that must wait for a core waits for any of them.
    return Resources(() if is_crowded else tuple(cores[first : first + n_own]), variables)


def share(n_places: int) -> int:
    """Return how many cores each of several places has, at least one."""
    return max(1, n_cores() // n_places)


def limits(n_threads: int) -> dict[str, str]:
    """Return the variables that limit a process to so many threads.

    A smaller number that the user has set is kept; that of `OMP_NUM_THREADS` holds for those that are not set.
    """
    general = set_by_user("OMP_NUM_THREADS")
    return {name: str(min(n_threads, set_by_user(name) or general or n_threads)) for name in THREADS}


def exactly(n_threads: int) -> dict[str, str]:
    """Return the variables that have a process compute with so many threads, whatever the user has set."""
    return dict.fromkeys(THREADS, str(n_threads))


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
