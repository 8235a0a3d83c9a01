"""Progress in lines: which run of how many, and no promise where nobody knows how many there will be."""

from __future__ import annotations

import io
from dataclasses import replace

from ledger_records import epoch, record
from rich.console import Console

from kbnd.execution.display import TerminalProgress
from kbnd.execution.runs import PlannedRun
from kbnd.records import FIRST_OWN_REPLICATE, RunRecord
from kbnd.spec import RunSpec

RUN = record(seed=1, val_accuracy=0.5)
PLANNED = PlannedRun("trial001", RunSpec(**RUN.spec), RUN.run_id)


def lines(*, n_runs: int, n_epochs: int, run: RunRecord = RUN) -> list[str]:
    file = io.StringIO()
    progress = TerminalProgress(console=Console(file=file, width=200))
    progress.expect(n_runs=n_runs, n_epochs=n_epochs)
    progress.on_search(n_ended=0, n_epochs_ended=0)
    progress.on_epoch(PLANNED, epoch(1))
    progress.on_end(PLANNED, run)
    return file.getvalue().splitlines()


def test_a_run_is_one_of_as_many_as_are_expected_with_the_time_left() -> None:
    (line,) = lines(n_runs=4, n_epochs=20)
    assert line.startswith("[1/4] trial001, seed 1: done, validation accuracy 0.5000")
    assert line.endswith(" left")


def test_a_search_that_only_hours_end_counts_down_from_nothing() -> None:
    (line,) = lines(n_runs=0, n_epochs=0)
    assert line.startswith("[1] trial001, seed 1: done")
    assert "left" not in line


def test_a_run_that_is_measured_again_says_why() -> None:
    beside = replace(RUN, replicate=FIRST_OWN_REPLICATE, is_concurrent=True)
    (line,) = lines(n_runs=4, n_epochs=20, run=beside)
    assert "5000, something else was trained beside it" in line


def test_the_error_of_a_run_is_no_markup_and_tells_the_terminal_nothing() -> None:
    failed = replace(RUN, status="failed", error="ValueError: [red]\x1b]0;x\x07:bomb:\u202e[/red]\nmore")
    (line,) = lines(n_runs=4, n_epochs=20, run=failed)
    assert r"failed (ValueError: [red]\x1b]0;x\x07:bomb:\u202e[/red])" in line
