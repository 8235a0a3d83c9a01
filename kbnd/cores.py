"""The processor cores of this process: which it may run on, and how many its time amounts to.

A container has cores of its own (an affinity), or a share of the time of all (a quota of its control group): half a
core is one that works half of the time, so it counts as one.

| control groups | file                                        | no quota      |
|----------------|---------------------------------------------|---------------|
| version 2      | `cpu.max`: quota and period, in microseconds | `max`         |
| version 1      | `cpu.cfs_quota_us`, `cpu.cfs_period_us`     | -1            |

A group's quota holds for all groups below it.

Reference: Linux, Documentation/admin-guide/cgroup-v2.rst; Documentation/scheduler/sched-bwc.rst.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GROUPS = Path("/proc/self/cgroup")
CONTROLLERS = Path("/sys/fs/cgroup")


def usable_cores() -> list[int]:
    """Return the numbers of the cores that this process may run on, at least one; all where the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def n_cores() -> int:
    """Return how many cores' time this process has, rounded up: those it may run on, or fewer by a quota."""
    return max(1, min([len(usable_cores()), *(math.ceil(quota) for quota in _quotas())]))


def _quotas() -> Iterator[float]:
    """The quotas, in cores, of the groups that this process is in."""
    for folder in _groups():
        numbers = _numbers(folder / "cpu.max") or [
            *_numbers(folder / "cpu.cfs_quota_us"),
            *_numbers(folder / "cpu.cfs_period_us"),
        ]
        if len(numbers) == 2 and min(numbers) > 0:
            yield numbers[0] / numbers[1]


def _groups() -> Iterator[Path]:
    """The folders of the groups that can have a quota of time; in a container the last ones may be all there is."""
    try:
        lines = GROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = (*line.split(":", 2), "", "")[:3]
        if not controllers or "cpu" in controllers.split(","):
            below = PurePosixPath(group.lstrip("/"))
            yield from (CONTROLLERS / controllers / folder for folder in (below, *below.parents))


def _numbers(file: Path) -> list[int]:
    """The whole numbers that a file holds; none where there is no such file, or it sets no limit."""
    try:
        return [int(word) for word in file.read_text().split()]
    except (OSError, ValueError):
        return []
