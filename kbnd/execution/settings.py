"""How runs are trained: the choices of one call that are no part of what its runs are.

None changes a number of any run, but for the executor of a study's first run: it decides with how many threads they all
are computed (`kbnd.execution.threads`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kbnd.errors import UsageError, checked_whole
from kbnd.execution.executors import Executor, executor
from kbnd.files import kind_of
from kbnd.training import backend


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Engine settings.

    Attributes:
        ledger: file of the ledger.
        backend: backend to train on; None is the one that is set.
        executor: as `kbnd.execution.executors.executor` reads it.
        address: of a Ray cluster.
        num_cpus: processors that each run on Ray asks for.
        num_gpus: GPUs that each run on Ray asks for, may be a fraction.
        control: whether the baseline is trained twice in every block.
        checkpoint_every: epochs between checkpoints.
        has_checkpoints: whether runs that were stopped go on where they were, or begin anew.
        retry_failed: train runs again that ended `failed` or `oom`.
        retime: how many times more every run is trained, for its time alone.
        wait: wait for runs that another live process is training.
        weights: file that the final weights are written to; for a single run.
    """

    ledger: Path
    backend: str | None = None
    executor: str = "inline"
    address: str | None = None
    num_cpus: float | None = None
    num_gpus: float | None = None
    control: bool = True
    checkpoint_every: int = 1
    has_checkpoints: bool = True
    retry_failed: bool = False
    retime: int = 0
    wait: bool = True
    weights: Path | None = None

    def check(self) -> None:
        """Refuse numbers, an executor or a backend that cannot be, before anything is made.

        Raises:
            UsageError: it names what is allowed; or the weights would not go to a file.
        """
        checked_whole(self.checkpoint_every, "checkpoint_every")
        checked_whole(self.retime, "retime", least=0)
        if self.weights is not None and kind_of(self.weights, what="file of weights") == "folder":
            raise UsageError(f"the file of weights should be a file, received the folder {self.weights}")
        self.make_executor()
        backend.choose(self.backend)

    def make_executor(self) -> Executor:
        """Return the executor; raises as `kbnd.execution.executors.executor` does."""
        return executor(self.executor, address=self.address, num_cpus=self.num_cpus, num_gpus=self.num_gpus)

    def checkpoint(self, run_id: str) -> Path:
        """File of a run's checkpoints, in a folder beside the ledger itself, by whatever link that is reached."""
        ledger = self.ledger.resolve()  # whole, because a worker of a cluster is in another folder
        return ledger.with_name(ledger.name + ".checkpoints") / f"{run_id}.npz"
