"""Who is training what: a claim belongs to one process and ends with it.

A claim is stale, and may be taken over, when

- its process is gone: same boot of the same machine, and no process with that number *and start time* (numbers are
  reused);
- it has not been heard of for 60 s: another machine or container, a process that is suspended, or this machine before
  it was restarted. A host name tells nothing here: two machines that share a disk may both be called localhost;
- it is said to have been heard of in the future, which nobody can have been.

While it holds claims, a process renews them every 15 s from a thread with a connection of its own. One that was
suspended past the limit finds at its next write that it has lost the claim, and stores nothing.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from kbnd.ledger.database import connect
from kbnd.ledger.values import is_id

STALE_S = 60.0
HEARTBEAT_S = 15.0

MOST_AHEAD_S = 86_400.0
"""How far another machine's clock may be ahead. A claim from later, as a flipped bit makes one, would never end."""

ClaimResult = Literal["claimed", "hit", "taken"]

COLUMNS = "run_id, token, host, boot_id, pid_namespace, pid, process_started, claimed_at, heartbeat_at"


class Process(NamedTuple):
    """A process, told apart from every other one that ever ran; "" where the system does not say."""

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    process_started: str

    def is_beside(self, other: Process) -> bool:
        """Whether both run on one machine, be it in containers with other host names."""
        return self.boot_id == other.boot_id and (self.boot_id != "" or self.host == other.host)


@dataclass(frozen=True)
class RunClaim:
    """One run that a process is training.

    Attributes:
        run_id: the run.
        token: the `Ledger` object that claimed it.
        process: where it runs.
        claimed_at: seconds since 1970.
        heartbeat_at: when it was last heard of, seconds since 1970.
    """

    run_id: str
    token: str
    process: Process
    claimed_at: float
    heartbeat_at: float

    def is_stale(self, here: Process, *, now: float | None = None) -> bool:
        """Whether the process is gone, as far as can be told from `here` at a time (None is now)."""
        there = self.process
        can_look = there.is_beside(here) and there.pid_namespace == here.pid_namespace != ""
        if can_look and not is_alive(there.pid, there.process_started):
            return True
        return not -MOST_AHEAD_S <= (time.time() if now is None else now) - self.heartbeat_at <= STALE_S

    def __str__(self) -> str:
        return f"process {self.process.pid} on {self.process.host}"


def this_process() -> Process:
    """Return the identity of the calling process."""
    pid = os.getpid()
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot_id = ""
    return Process(socket.gethostname(), boot_id, namespace, pid, _start_of(pid) or "")


def is_alive(pid: int, started: str) -> bool:
    """Whether the process `pid` that started at `started` (clock ticks since boot) still runs; a zombie does not."""
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    start = _start_of(pid)
    # None: /proc hides other people's processes on some machines, so only its heartbeat can tell.
    return start is None or start == started


def all_claims(db: sqlite3.Connection) -> list[RunClaim]:
    """Return every claim in the ledger, live or stale."""
    rows = db.execute(f"SELECT {COLUMNS} FROM claims ORDER BY claimed_at, run_id").fetchall()
    return [_claim(row) for row in rows]


def problems_of_claim(claim: RunClaim) -> Iterator[str]:
    """Yield one clause for each thing that cannot be true of a claim."""
    if not is_id(claim.run_id):
        yield "the run should be 16 hexadecimal digits"
    for name in ("claimed_at", "heartbeat_at"):
        if not 0.0 <= getattr(claim, name) <= time.time() + MOST_AHEAD_S:
            yield f"{name} should be seconds since 1970 up to now, received {getattr(claim, name)!r:.40}"
    if claim.process.pid < 0:
        yield f"pid should not be negative, received {claim.process.pid!r:.40}"


def claim_of(db: sqlite3.Connection, run_id: str) -> RunClaim | None:
    """Return the claim on a run, live or stale."""
    row = db.execute(f"SELECT {COLUMNS} FROM claims WHERE run_id = ?", (run_id,)).fetchone()
    return None if row is None else _claim(row)


def write_claim(db: sqlite3.Connection, run_id: str, *, token: str, here: Process) -> None:
    """Store a claim in place of whatever claim the run had."""
    now = time.time()
    db.execute(
        f"INSERT OR REPLACE INTO claims ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (run_id, token, *here, now, now),
    )


class Heart:
    """The thread that renews the claims of one `Ledger`; it holds no reference to it and dies with the process."""

    def __init__(self, path: Path, token: str, *, interval_s: float = HEARTBEAT_S) -> None:
        self._path = path
        self._token = token
        self._interval_s = interval_s
        self._stop: threading.Event | None = None

    def start(self) -> None:
        """Beat until `stop`; nothing happens where it beats already."""
        if self._stop is None:
            self._stop = threading.Event()
            arguments = (self._path, self._token, self._interval_s, self._stop)
            threading.Thread(target=_beat, args=arguments, name="kbnd-heartbeat", daemon=True).start()

    def stop(self) -> None:
        """Stop beating, without waiting for a beat that is under way."""
        if self._stop is not None:
            self._stop.set()
            self._stop = None


def _beat(path: Path, token: str, interval_s: float, stop: threading.Event) -> None:
    while not stop.wait(interval_s):
        try:
            with closing(connect(path, "rw")) as db:
                db.execute("UPDATE claims SET heartbeat_at = ? WHERE token = ?", (time.time(), token))
        except sqlite3.Error:
            continue  # a beat may be missed (ledger locked, disk full): the next one comes before the claim is stale


def _start_of(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    state, started = fields[0], fields[19]
    return "gone" if state in "ZX" else started


def _claim(row: tuple) -> RunClaim:
    run_id, token, *process, claimed_at, heartbeat_at = row
    return RunClaim(run_id, token, Process(*process), claimed_at, heartbeat_at)
