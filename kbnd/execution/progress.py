"""Who is told what becomes of the runs that are wanted: of a study, and of a search."""

from __future__ import annotations

from typing import Protocol

from kbnd.execution.runs import PlannedRun
from kbnd.records import EpochRecord, RunRecord


class Progress(Protocol):
    """What is told of the runs while they train."""

    def on_plan(self, runs: list[PlannedRun], *, held: set[str]) -> None:
        """Tell the whole plan and the ids of the runs that the ledger holds."""

    def on_start(self, run: PlannedRun, record: RunRecord) -> None:
        """Tell that a run starts."""

    def on_epoch(self, run: PlannedRun, epoch: EpochRecord) -> None:
        """Tell that an epoch has ended."""

    def on_end(self, run: PlannedRun, record: RunRecord) -> None:
        """Tell that a run has ended."""

    def on_hit(self, run: PlannedRun) -> None:
        """Tell that the ledger holds a run (another process may have trained it meanwhile)."""

    def on_wait(self, runs: list[PlannedRun]) -> None:
        """Tell which runs another process is training."""


class SearchProgress(Progress, Protocol):
    """What is told of a search besides."""

    def expect(self, *, n_runs: int, n_epochs: int) -> None:
        """Tell how many runs of candidates there will be at most, and their epochs; 0 where nobody knows."""

    def on_search(self, *, n_ended: int, n_epochs_ended: int) -> None:
        """Tell how many runs and epochs belong to candidates that ended in earlier calls."""


class Silent:
    """Progress that tells nobody."""

    def expect(self, *, n_runs: int, n_epochs: int) -> None:
        """Tell nobody."""

    def close(self) -> None:
        """Tell nobody."""

    def on_search(self, *, n_ended: int, n_epochs_ended: int) -> None:
        """Tell nobody."""

    def on_plan(self, runs: list[PlannedRun], *, held: set[str]) -> None:
        """Tell nobody."""

    def on_start(self, run: PlannedRun, record: RunRecord) -> None:
        """Tell nobody."""

    def on_epoch(self, run: PlannedRun, epoch: EpochRecord) -> None:
        """Tell nobody."""

    def on_end(self, run: PlannedRun, record: RunRecord) -> None:
        """Tell nobody."""

    def on_hit(self, run: PlannedRun) -> None:
        """Tell nobody."""

    def on_wait(self, runs: list[PlannedRun]) -> None:
        """Tell nobody."""
