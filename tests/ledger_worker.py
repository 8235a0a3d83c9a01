"""Other processes for the tests of the ledger: `python ledger_worker.py VERB LEDGER ...`, one verb per fault."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from ledger_records import epoch, record

from kbnd.errors import KbndError, NoSpaceError
from kbnd.ledger import Ledger, Reader

NOBODY = 65534


def share(path: str, log: str, n_runs: str) -> None:
    """Train every run that nobody else trains, noting each in a log, until all are finished."""
    runs = [record(seed=seed) for seed in range(1, int(n_runs) + 1)]
    with Ledger.open(path) as ledger, open(log, "a", buffering=1) as trained:
        while True:
            answers = [_train(ledger, run, trained) for run in runs]
            if set(answers) == {"hit"}:
                return
            time.sleep(0.01)


def hold(path: str, run_id: str) -> None:
    """Claim a run, say how that went, and keep it until killed or until the input ends."""
    with Ledger.open(path) as ledger:
        print(ledger.claim(run_id), flush=True)
        sys.stdin.read()


def kills(path: str, n: str, seed: str) -> None:
    """Kill a writing child at random instants; after each, everything it was told is stored must be."""
    Ledger.open(path).close()
    instants = random.Random(int(seed))
    for round_ in range(int(n)):
        stored = _write_until_killed(path, first_seed=1000 * round_ + 1, delay_s=instants.uniform(0.005, 0.12))
        with Ledger.open(path) as ledger:
            assert ledger.verify() == []
            assert ledger.live_claims() == []
            for seed_, n_epochs in stored.items():
                run = ledger.get(record(seed=seed_, n_epochs=3).run_id)
                assert run is not None
                assert len(run.epochs) >= min(n_epochs, 3), (seed_, n_epochs)
                assert n_epochs < 4 or run.status == "done"
                assert ledger.claim(run.run_id) == ("hit" if run.status == "done" else "claimed")
    print("survived")


def tear(path: str) -> None:
    """Kill a child in the middle of a transaction that has already reached the file: leaves a hot journal."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA cache_size = 5")
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE runs SET test_accuracy = 0.0")
    db.executemany(
        "INSERT INTO studies (study, digest, title, difference, assigned_at) VALUES (?, '', '', '', 0)",
        ((f"{i:0100}",) for i in range(5000)),
    )
    os.kill(os.getpid(), signal.SIGKILL)


def fill(path: str) -> None:
    """Write until the file cannot grow, then say what the ledger says."""
    with Ledger.open(path) as ledger:
        size = os.path.getsize(path) + 2**16
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            for seed in range(1, 10_000):
                ledger.finish(record(seed=seed, n_epochs=50))
        except NoSpaceError as error:
            print(error.exit_code, error)


def create_without_space(path: str) -> None:
    """Make a ledger where not a byte can be written."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    _say_error(path, is_read_only=False)


def open_as_nobody(*arguments: str) -> None:
    """Open ledgers as a user with other rights, each in a child; four arguments are one: path, modes, state."""
    with tempfile.TemporaryDirectory() as folder, Ledger.open(os.path.join(folder, "first.sqlite")) as first:
        first.records()  # imports what Python loads late: nobody may not read where root's Python lies
    for number in range(0, len(arguments), 4):
        child = os.fork()
        if child == 0:
            _open_as_nobody(*arguments[number : number + 4])
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)


def _open_as_nobody(path: str, file_mode: str, folder_mode: str, state: str) -> None:
    """Open for reading, then for writing, as a user with those rights; root would be allowed everything."""
    if state == "torn":
        tear(path)
        os.chmod(path + "-journal", int(file_mode, 8))
    os.chmod(path, int(file_mode, 8))
    os.chmod(os.path.dirname(path), int(folder_mode, 8))
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    _say_error(path, is_read_only=True)
    _say_error(path, is_read_only=False)
    _say_error(os.path.join(os.path.dirname(path), "new.sqlite"), is_read_only=False)


def _say_error(path: str, *, is_read_only: bool) -> None:
    try:
        with (Reader if is_read_only else Ledger).open(path) as ledger:
            print(f"opened, {len(ledger.records())} runs")
    except KbndError as error:
        print(error.exit_code, error)


def _train(ledger: Ledger, run, trained) -> str:
    answer = ledger.claim(run.run_id)
    if answer == "claimed":
        trained.write(f"{run.seed}\n")
        ledger.begin(run)
        ledger.add_epoch(run.run_id, run.epochs[0])
        ledger.finish(run)
    return answer


def _write_until_killed(path: str, *, first_seed: int, delay_s: float) -> dict[int, int]:
    """Return, by seed, how many writes of a run the child saw succeed: three epochs and the end."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with Ledger.open(path) as ledger:
            for seed in range(first_seed, first_seed + 1000):
                run = record(seed=seed, n_epochs=3)
                ledger.claim(run.run_id)
                ledger.begin(replace(run, epochs=()))
                for number in (1, 2, 3):
                    ledger.add_epoch(run.run_id, epoch(number))
                    os.write(write, f"{seed}\n".encode())
                ledger.finish(run)
                os.write(write, f"{seed}\n".encode())
    os.close(write)
    time.sleep(delay_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(read) as pipe:
        seeds = [int(line) for line in pipe]
    return {seed: seeds.count(seed) for seed in seeds}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    globals()[sys.argv[1]](*sys.argv[2:])
