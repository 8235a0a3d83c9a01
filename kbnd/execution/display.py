"""Progress of a study or a search on stderr: a live bar on a terminal, plain lines elsewhere.

The time left is (time so far / epochs trained) x epochs left, so that building and evaluating are in it.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from kbnd.analysis.blinding import accuracy_shown
from kbnd.printable import printable
from kbnd.records import is_own
from kbnd.streams import tolerant
from kbnd.words import counted, duration

if TYPE_CHECKING:
    from kbnd.execution.runs import PlannedRun
    from kbnd.records import EpochRecord, RunRecord

QUIET_S = 30.0
"""Without a terminal, an epoch is printed only when nothing was printed for so long."""


class TerminalProgress:
    """Shows arm, seed, epoch and the time left while a study runs.

    Args:
        is_by_validation: whether something is chosen by validation images, so that nobody looks at test images.
        console: where it is shown; None is stderr, where what cannot be shown is dropped.
    """

    def __init__(self, *, is_by_validation: bool = False, console: Console | None = None) -> None:
        self._is_plan_blind = self._is_blind = is_by_validation
        self._console = console or Console(file=tolerant(sys.stderr), highlight=False)
        self._started = self._last_line = time.monotonic()
        self._n_runs = self._n_done = 0
        self._epochs_left = self._epochs_trained = 0
        self._held: set[str] = set()
        self._is_search = False  # whether what is to be done becomes known one by one
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def on_plan(self, runs: list[PlannedRun], *, held: set[str]) -> None:
        """Print how much there is to do."""
        self._is_search = False
        self._n_runs, self._n_done = len(runs), 0
        self._is_blind = self._is_plan_blind
        self._epochs_left = sum(run.spec.train.epochs for run in runs if run.run_id not in held)
        arms, seeds = len({run.arm for run in runs}), len({run.spec.seed for run in runs})
        control = " and the A/A control" if len(runs) > arms * seeds else ""
        already = f", {len(held)} of them in the ledger already" if held else ""
        self._held = held
        self._line(f"{counted(len(runs), 'run')}: {counted(arms, 'arm')} x {counted(seeds, 'seed')}{control}{already}")
        if len(held) < len(runs):
            self._begin_bar()

    def expect(self, *, n_runs: int, n_epochs: int) -> None:
        """Expect as many runs as a search will have at most, 0 is any number; of each, only validation is shown."""
        self._n_runs, self._epochs_left, self._is_blind = n_runs, n_epochs, True
        self._is_search = True

    def on_search(self, *, n_ended: int, n_epochs_ended: int) -> None:
        """Count what a search has behind it, and begin."""
        self._n_done += n_ended
        self._epochs_left = max(0, self._epochs_left - n_epochs_ended)
        if n_ended:
            self._line(f"{counted(n_ended, 'run')} of candidates that ended before")
        self._begin_bar()

    def on_hit(self, run: PlannedRun) -> None:
        """Count a run that the ledger holds; one that another process trained meanwhile is no longer to be done."""
        self._n_done += 1
        if run.run_id not in self._held:
            self._epochs_left = max(0, self._epochs_left - run.spec.train.epochs)
        if self._is_search:
            self._line(f"{self._place(self._n_done)} {self._name(run)}: in the ledger already")

    def on_start(self, run: PlannedRun, record: RunRecord) -> None:
        """Show the run that starts; epochs that a checkpoint already holds are not counted again."""
        self._epochs_left -= len(record.epochs)
        resumed = f" (continued after epoch {len(record.epochs)})" if record.epochs else ""
        self._show(run, f"epoch {len(record.epochs)}/{run.spec.train.epochs}{resumed}")

    def on_epoch(self, run: PlannedRun, epoch: EpochRecord) -> None:
        """Advance by one epoch."""
        self._epochs_trained += 1
        self._epochs_left = max(0, self._epochs_left - 1)
        self._show(run, f"epoch {epoch.epoch}/{run.spec.train.epochs}", advance=1)
        if self._bar is None and time.monotonic() - self._last_line > QUIET_S:
            self._line(f"  {self._name(run)}, epoch {epoch.epoch}/{run.spec.train.epochs}{self._left()}")

    def on_end(self, run: PlannedRun, record: RunRecord) -> None:
        """Print the finished run."""
        self._n_done += record.status != "interrupted"
        if record.status not in ("done", "interrupted"):
            self._epochs_left = max(0, self._epochs_left - run.spec.train.epochs + record.n_epochs)
        images, value = accuracy_shown(record, is_blind=self._is_blind)
        accuracy = "" if value is None else f", {images} accuracy {value:.4f}"
        time_s = "" if record.wall_s is None else f", {record.wall_s:.1f} s"
        reason = f" ({(record.error or '').splitlines()[0][:120]})" if record.error else ""
        time_s += ", something else was trained beside it" * (record.is_concurrent and is_own(record.replicate))
        place = "" if record.status == "interrupted" else f"{self._place(self._n_done)} "
        left = "" if record.status == "interrupted" else self._left()
        self._line(f"{place}{self._name(run)}: {record.status}{reason}{accuracy}{time_s}{left}")

    def on_wait(self, runs: list[PlannedRun]) -> None:
        """Say once in a while that another process is at work."""
        if time.monotonic() - self._last_line > QUIET_S or self._bar is not None:
            message = f"waiting for {counted(len(runs), 'run')} while another process is training"
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, description=message, left="")
            else:
                self._line(message)

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _begin_bar(self) -> None:
        if not self._console.is_terminal or self._console.is_dumb_terminal:  # which no bar can be drawn on twice
            return
        self.close()
        text, left = (TextColumn(f"{{task.{field}}}", markup=False) for field in ("description", "fields[left]"))
        columns = (text, BarColumn(bar_width=24), left)
        self._bar = Progress(*columns, console=self._console, transient=True)
        total = max(1, self._epochs_left) if self._n_runs else None  # a bar of an unknown length
        self._task = self._bar.add_task("starting", total=total, left="")
        self._bar.start()

    def _show(self, run: PlannedRun, what: str, *, advance: int = 0) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task,
                advance=advance,
                description=printable(f"{self._place(self._n_done + 1)} {self._name(run)}, {what}"),
                left=self._left().removeprefix(", "),
            )

    def _place(self, number: int) -> str:
        return f"[{min(number, self._n_runs)}/{self._n_runs}]" if self._n_runs else f"[{number}]"

    def _left(self) -> str:
        if not self._epochs_trained or not self._epochs_left:
            return ""
        left_s = (time.monotonic() - self._started) / self._epochs_trained * self._epochs_left
        return f", about {duration(left_s)} left"

    def _line(self, text: str) -> None:
        self._console.print(printable(text), markup=False, emoji=False, soft_wrap=not self._console.is_terminal)
        self._last_line = time.monotonic()

    @staticmethod
    def _name(run: PlannedRun) -> str:
        again = f", replicate {run.spec.replicate}" if run.spec.replicate and not is_own(run.spec.replicate) else ""
        return f"{run.arm}, seed {run.spec.seed}{again}"
