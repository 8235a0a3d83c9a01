"""The processor cores that this process may run on, which can be fewer than the machine has."""

from __future__ import annotations

import os


def usable_cores() -> list[int]:
    """Return the numbers of the cores that this process may run on, at least one; all where the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
