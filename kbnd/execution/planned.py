"""Runs that are wanted, and who is told what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kbnd.records import EpochRecord, RunRecord
from kbnd.spec import RunSpec


@dataclass(frozen=True)
class Planned:
    """One run that is wanted, with its place in a plan (None for a run on its own)."""

    arm: str
    spec: RunSpec
    run_id: str
    block: int | None = None
    position: int | None = None


class Progress(Protocol):
    """What is told of the runs while they train."""

    def on_plan(self, runs: list[Planned], *, held: set[str]) -> None:
        """Tell the whole plan and the ids of the runs that the ledger holds."""

    def on_start(self, run: Planned, record: RunRecord) -> None:
        """Tell that a run starts."""

    def on_epoch(self, run: Planned, epoch: EpochRecord) -> None:
        """Tell that an epoch has ended."""

    def on_end(self, run: Planned, record: RunRecord) -> None:
        """Tell that a run has ended."""

    def on_hit(self, run: Planned) -> None:
        """Tell that the ledger holds a run (another process may have trained it meanwhile)."""

    def on_wait(self, runs: list[Planned]) -> None:
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

    def on_plan(self, runs: list[Planned], *, held: set[str]) -> None:
        """Tell nobody."""

    def on_start(self, run: Planned, record: RunRecord) -> None:
        """Tell nobody."""

    def on_epoch(self, run: Planned, epoch: EpochRecord) -> None:
        """Tell nobody."""

    def on_end(self, run: Planned, record: RunRecord) -> None:
        """Tell nobody."""

    def on_hit(self, run: Planned) -> None:
        """Tell nobody."""

    def on_wait(self, runs: list[Planned]) -> None:
        """Tell nobody."""
