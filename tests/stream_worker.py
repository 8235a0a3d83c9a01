"""Commands that pretend to train, each with other streams: `python stream_worker.py FOLDER CASES` says how they end.

Cases and endings are JSON, lists of `Case` and of `Ending`. Progress, tables and notes are those of every command. Each
case is a fork of this process, so that Python and kbnd are loaded once.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import resource
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ledger_records import epoch, record

from kbnd.cli.ending import exit_code_of
from kbnd.cli.options import note, show
from kbnd.cli.progress import with_progress
from kbnd.errors import SOME_RUNS_FAILED, DataMissingError
from kbnd.execution.display import TerminalProgress
from kbnd.execution.runs import PlannedRun
from kbnd.report.table import Table
from kbnd.spec import RunSpec

EPOCH_S = 0.005
ENDLESS = 20_000
ROWS = (("plain", "75." + "0" * 500),) * 200
"""More than a pipe takes while nobody reads."""


class Case(NamedTuple):
    """A command and its surroundings.

    Attributes:
        streams: what becomes of stdin, stdout and stderr. open; closed from the start; full, as a disk is; broken, a
            pipe without a reader; half, a reader that takes a few bytes and leaves.
        n_epochs: that it pretends to train.
        work: done; failed, so that it ends with 3; sentence, an error of kbnd; memory, a lack of it.
        signals: that it gets when it has trained an epoch.
        terminal: none; closed, when it has trained an epoch; nohup, without one for good.
    """

    streams: tuple[str, str, str] = ("open", "open", "open")
    n_epochs: int = 3
    work: str = "done"
    signals: tuple[int, ...] = ()
    terminal: str = "none"


class Ending(NamedTuple):
    """How a command ended: its exit code, what could be read of stdout and stderr, and what it had done by then."""

    code: int
    out: str
    err: str
    log: str


def run(case: Case, folder: Path) -> Ending:
    """Run a command."""
    log = folder / "log"
    log.unlink(missing_ok=True)
    ours, theirs = zip(*(pty.openpty() if case.terminal == "closed" else os.pipe() for _ in range(2)), strict=True)
    child = os.fork()
    if child == 0:
        for end in ours:
            os.close(end)
        _surround(case, theirs)
        sys.exit(exit_code_of(lambda: _command(case, log)))
    for end in theirs:
        os.close(end)
    if case.signals or case.terminal == "closed":
        _disturb(case, child, log, ours)
    texts = ["", ""]

    def read(number: int) -> None:
        texts[number] = _read(ours[number], case.streams[number + 1])

    readers = [threading.Thread(target=read, args=(number,)) for number in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Ending(code, *texts, log.read_text() if log.exists() else "")


def _surround(case: Case, ends: tuple[int, int]) -> None:
    """Give this process its streams, terminal and signals."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN if case.terminal == "nohup" else signal.SIG_DFL)
    if case.terminal == "closed":
        os.setsid()
        fcntl.ioctl(ends[0], termios.TIOCSCTTY, 0)
    places = {"full": os.open("/dev/full", os.O_WRONLY)}
    for number, (name, fate) in enumerate(zip(("stdin", "stdout", "stderr"), case.streams, strict=True)):
        if fate == "closed":  # what Python finds when it begins
            os.close(number)
            setattr(sys, name, None)
        elif number:
            os.dup2(places.get(fate, ends[number - 1]), number)
    for descriptor in (*ends, *places.values()):
        os.close(descriptor)


def _disturb(case: Case, child: int, log: Path, ends: tuple[int, int]) -> None:
    while not log.exists():
        time.sleep(EPOCH_S)
    if case.terminal == "closed":
        for end in ends:
            os.close(end)
    for number in (signal.SIGSTOP, *case.signals, signal.SIGCONT):  # so that it gets them together
        os.kill(child, number)


def _read(end: int, fate: str) -> str:
    """Read a pipe as its fate has it."""
    pieces = []
    try:
        while fate != "broken" and (piece := os.read(end, 20 if fate == "half" else 2**16)) and fate != "half":
            pieces.append(piece)
        os.close(end)
    except OSError:  # it is a terminal that was closed
        pass
    return b"".join(pieces).decode()


def _command(case: Case, log: Path) -> int:
    """Pretend to train, then print."""
    finished = record(n_epochs=3)
    planned = PlannedRun("plain", RunSpec(**finished.spec), finished.run_id)

    def train(progress: TerminalProgress, should_stop: Callable[[], bool]) -> None:
        progress.on_plan([planned], held=set())
        progress.on_start(planned, record(n_epochs=0))
        for number in range(1, case.n_epochs + 1):
            if should_stop():
                return
            time.sleep(EPOCH_S)
            progress.on_epoch(planned, epoch(number))
            _append(log, f"{number}\n")
        progress.on_end(planned, finished)

    if case.work == "sentence":
        raise DataMissingError("there are no data")
    if case.work == "memory":
        resource.setrlimit(resource.RLIMIT_AS, (2**39, 2**39))
        raise ImportError("libbackend.so: failed to map segment from shared object\nand more")
    _, stopped = with_progress(train)
    show([Table("Accuracy", ("Arm", "%"), ROWS)])
    note("written to nowhere")
    _append(log, "end\n")
    return stopped or (SOME_RUNS_FAILED if case.work == "failed" else 0)


def _append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def main(folder: str, cases: str) -> None:
    """Run all of them, one after another."""
    print(json.dumps([run(Case(*case), Path(folder)) for case in json.loads(cases)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
