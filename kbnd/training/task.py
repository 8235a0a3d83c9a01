"""What a run is asked to do and whom it tells: plain values between a driver and the training of one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kbnd.records import EpochRecord, RunRecord
from kbnd.spec import Identity, RunSpec


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run to train, with the settings of the engine, of which none but the threads changes a number.

    Attributes:
        spec: what to train; its `data` is resolved.
        identity: the setting that the run id was made from.
        session: the driver's session.
        block: one seed of a study, within which times pair.
        position: place within the block.
        checkpoint: file of the run's checkpoints, None for none.
        checkpoint_every: epochs between checkpoints.
        weights: file that the final weights are written to, None for none.
        n_threads: that it is computed with on a CPU, so that it has the bits of the runs it is compared with; None is
            what whoever trains it takes by itself.
    """

    spec: RunSpec
    identity: Identity
    session: str
    block: int | None = None
    position: int | None = None
    checkpoint: Path | None = None
    checkpoint_every: int = 1
    weights: Path | None = None
    n_threads: int | None = None

    @property
    def run_id(self) -> str:
        """Digest of spec and setting."""
        return self.spec.run_id(self.identity)


@dataclass(frozen=True)
class Observer:
    """What a run tells of itself while it trains, and asks; the defaults do nothing.

    Attributes:
        on_start: called once before training with the run's preliminary record (its `epochs` are those resumed).
        on_epoch: called after every epoch.
        should_prune: asked after every epoch but the last; True ends the run as `pruned`, without an evaluation.
        should_stop: asked after that; True stores a checkpoint and stops as `interrupted`.
    """

    on_start: Callable[[RunRecord], None] = field(default=lambda _: None)
    on_epoch: Callable[[EpochRecord], None] = field(default=lambda _: None)
    should_stop: Callable[[], bool] = field(default=lambda: False)
    should_prune: Callable[[EpochRecord], bool] = field(default=lambda _: False)
