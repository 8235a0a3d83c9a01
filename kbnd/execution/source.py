"""Where a driver takes its work from: runs that are wanted one by one, and what is decided of them on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from kbnd.execution.runs import PlannedRun
from kbnd.records import EpochRecord

IsForeign = Callable[[str], bool]
"""Whether a run, by its id, was last seen claimed by another live process."""


class Source(Protocol):
    """What is to be trained: a plan, or a search that asks for its next candidate when one has ended."""

    def wanted(self, is_foreign: IsForeign) -> Iterator[PlannedRun | None]:
        """Yield the runs in the order they should be trained; None where the next depends on one that has not ended."""

    def should_prune(self, run: PlannedRun, epoch: EpochRecord) -> bool:
        """Return, after an epoch, whether a run cannot be worth its other epochs."""

    def is_wanted(self, run: PlannedRun) -> bool:
        """Return whether a run that another process was seen training is still to be trained if that gives it up."""


class FixedRuns:
    """A plan that is known from the beginning: every run is wanted to its end.

    Args:
        runs: in the order they should be trained.
    """

    def __init__(self, runs: Sequence[PlannedRun]) -> None:
        self._runs = runs

    def wanted(self, is_foreign: IsForeign) -> Iterator[PlannedRun | None]:  # noqa: ARG002 (one signature for all)
        """Yield every run."""
        yield from self._runs

    def should_prune(self, run: PlannedRun, epoch: EpochRecord) -> bool:  # noqa: ARG002 (one signature for all)
        """Give up none."""
        return False

    def is_wanted(self, run: PlannedRun) -> bool:  # noqa: ARG002 (one signature for all)
        """Want every run."""
        return True
