"""What a cluster has room for, in plain numbers: how many runs at once, and what each of them asks for.

places = min(processors // num_cpus, GPUs // num_gpus)        where nobody says how many
num_gpus = min(1, GPUs / places)                              where nobody says what part of a GPU
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kbnd.errors import UsageError, is_number

UNIT = 10_000
"""Ray counts in such parts of a processor or GPU."""


@dataclass(frozen=True)
class Request:
    """What the user asks for; None leaves the choice to `share`.

    Attributes:
        places: runs at once.
        num_cpus: processors of each run.
        num_gpus: GPUs of each run.
    """

    places: int | None = None
    num_cpus: float | None = None
    num_gpus: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("num_cpus", self.num_cpus), ("num_gpus", self.num_gpus)):
            if value is None:
                continue
            is_size = is_number(value) and math.isfinite(value) and value >= 0
            if not is_size or (value > 1 and value != int(value)):
                raise UsageError(f"{name} should be a fraction from 0 to 1 or a whole number, received {value!r}")


@dataclass(frozen=True)
class Share:
    """How many runs train at once and what each asks the cluster for."""

    places: int
    num_cpus: float
    num_gpus: float


def share(nodes: Sequence[Mapping[str, float]], request: Request) -> Share:
    """Return what each run gets of a cluster.

    Args:
        nodes: resources of each node, `CPU` and `GPU` among them.
        request: what is asked for.

    Raises:
        UsageError: no node has what one run asks for.
    """
    n_cpus, n_gpus = (sum(node.get(kind, 0) for node in nodes) for kind in ("CPU", "GPU"))
    largest = max((node.get("CPU", 0) for node in nodes), default=0)
    num_gpus = request.num_gpus
    if num_gpus is None:
        num_gpus = min(1.0, _floored(n_gpus / request.places)) if request.places else min(1.0, n_gpus)
    num_cpus = request.num_cpus
    if num_cpus is None:
        num_cpus = _whole_or_part(min(largest, n_cpus / request.places)) if request.places else 1.0
    if not any(node.get("CPU", 0) >= num_cpus and node.get("GPU", 0) >= num_gpus for node in nodes):
        raise UsageError(
            f"no node of the Ray cluster has the {num_cpus:g} processors and {num_gpus:g} GPUs that a run asks for: "
            f"it has {len(nodes)} nodes with {n_cpus:g} processors and {n_gpus:g} GPUs together"
        )
    room = [n // part for n, part in ((n_cpus, num_cpus), (n_gpus, num_gpus)) if part]
    return Share(request.places or max(1, int(min(room, default=1))), num_cpus, num_gpus)


def _whole_or_part(number: float) -> float:
    """The whole number below, or the part of one: what may be asked for."""
    return float(int(number)) if number >= 1 else _floored(number)


def _floored(number: float) -> float:
    return math.floor(number * UNIT) / UNIT
