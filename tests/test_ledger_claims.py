from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ledger_records import epoch, record
from patience import HANG_S

from kbnd.errors import LedgerClaimedError
from kbnd.ledger import Ledger, claims
from kbnd.ledger.claims import Process, RunClaim, is_alive, this_process

WORKER = Path(__file__).with_name("ledger_worker.py")
RUN = record()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "kbnd.sqlite") as opened:
        yield opened


@contextmanager
def holder(path: Path, run_id: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """Another process that claims a run and lives on."""
    command = [sys.executable, str(WORKER), "hold", str(path), run_id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("status", "retry_failed", "answer"),
    [
        ("done", False, "hit"),
        ("done", True, "hit"),
        ("diverged", False, "hit"),
        ("diverged", True, "hit"),
        ("failed", False, "hit"),
        ("failed", True, "claimed"),
        ("oom", False, "hit"),
        ("oom", True, "claimed"),
        ("pruned", False, "claimed"),
        ("interrupted", False, "claimed"),
    ],
)
def test_what_is_stored_decides_whether_a_run_is_trained(
    ledger: Ledger, status: str, retry_failed: bool, answer: str
) -> None:
    ledger.finish(replace(RUN, status=status))
    assert ledger.claim(RUN.run_id, retry_failed=retry_failed) == answer


def test_a_run_that_nobody_knows_is_claimed_once(ledger: Ledger) -> None:
    assert ledger.claim(RUN.run_id) == "claimed"
    assert ledger.claim(RUN.run_id) == "claimed"
    assert [claim.run_id for claim in ledger.live_claims()] == [RUN.run_id]


def test_finishing_and_closing_give_claims_back(ledger: Ledger) -> None:
    with Ledger.open(ledger.path) as other:
        other.claim(RUN.run_id)
        assert ledger.claim(RUN.run_id) == "taken"
        other.finish(RUN)
        assert ledger.claim(RUN.run_id) == "hit"
        other.claim(record(seed=2).run_id)
    assert ledger.claim(record(seed=2).run_id) == "claimed"


def test_a_live_process_keeps_its_claim_and_a_killed_one_loses_it(ledger: Ledger) -> None:
    with holder(ledger.path, RUN.run_id) as (process, answer):
        assert answer == "claimed"
        assert ledger.claim(RUN.run_id) == "taken"
        assert [claim.process.pid for claim in ledger.live_claims()] == [process.pid]
        with pytest.raises(LedgerClaimedError, match=f"process {process.pid} on"):
            ledger.begin(RUN)
        process.kill()
        wait_until(lambda: ledger.claim(RUN.run_id) == "claimed")  # a zombie, not yet waited for, is dead too


def test_processes_that_share_a_ledger_train_each_run_once(ledger: Ledger, tmp_path: Path) -> None:
    log, n_runs = tmp_path / "trained", 20
    command = [sys.executable, str(WORKER), "share", str(ledger.path), str(log), str(n_runs)]
    workers = [subprocess.Popen(command) for _ in range(3)]
    assert [worker.wait(timeout=HANG_S) for worker in workers] == [0, 0, 0]
    assert Counter(log.read_text().split()) == {str(seed): 1 for seed in range(1, n_runs + 1)}
    assert set(ledger.runs()["status"]) == {"done"}
    assert ledger.verify() == []


def test_one_who_lost_a_claim_stores_nothing_more(ledger: Ledger) -> None:
    """A process suspended for a minute wakes up and finds its run taken over."""
    with Ledger.open(ledger.path) as sleeper:
        sleeper.claim(RUN.run_id)
        sleeper.begin(replace(RUN, epochs=()))
        grow_old(ledger, by_s=61)
        assert ledger.claim(RUN.run_id) == "claimed"
        ledger.begin(replace(RUN, epochs=(), session="s2"))
        with pytest.raises(LedgerClaimedError, match="taken over"):
            sleeper.add_epoch(RUN.run_id, epoch(1))
    assert ledger.get(RUN.run_id).epochs == ()
    ledger.finish(replace(RUN, session="s2"))


def test_one_whose_run_was_finished_by_another_is_told_so(ledger: Ledger) -> None:
    with Ledger.open(ledger.path) as sleeper:
        sleeper.claim(RUN.run_id)
        grow_old(ledger, by_s=61)
        ledger.claim(RUN.run_id)
        ledger.finish(RUN)
        with pytest.raises(LedgerClaimedError, match="taken over"):
            sleeper.finish(replace(RUN, test_accuracy=0.1))
    assert ledger.get(RUN.run_id) == RUN


def test_a_heartbeat_keeps_a_claim_young(ledger: Ledger) -> None:
    ledger.claim(RUN.run_id)
    grow_old(ledger, by_s=61)
    heart = claims.Heart(ledger.path, ledger._token, interval_s=0.01)
    heart.start()
    try:
        wait_until(lambda: ledger.live_claims()[0:1] and time.time() - ledger.live_claims()[0].heartbeat_at < 30)
    finally:
        heart.stop()


def test_the_heart_beats_only_while_claims_are_held(ledger: Ledger) -> None:
    assert ledger._heart._stop is None
    ledger.claim(RUN.run_id)
    assert ledger._heart._stop is not None
    ledger.finish(RUN)
    assert ledger._heart._stop is None


def test_when_a_claim_is_stale() -> None:
    here = this_process()
    parent = here._replace(pid=os.getppid(), process_started=claims._start_of(os.getppid()))
    now = 1_000_000.0
    cases = [
        (here, 0, False),
        (here, 59, False),
        (here, 61, True),
        (parent, 0, False),
        (parent._replace(process_started="1"), 0, True),  # the number was given to a later process
        (here._replace(pid=2**22 + 1), 0, True),  # above the largest number Linux gives
        (here._replace(pid=-1), 0, True),
        (here._replace(boot_id="another"), 59, False),  # two machines may both be called localhost
        (here._replace(boot_id="another"), 61, True),
        (parent._replace(host="container", process_started="1"), 0, True),  # one machine under two names
        (here._replace(host="elsewhere", boot_id="another", pid=2**22 + 1), 0, False),
        (here._replace(pid_namespace="container", pid=2**22 + 1), 0, False),
        (Process("elsewhere", "another", "", 1, "1"), 59, False),
        (Process("elsewhere", "another", "", 1, "1"), 61, True),
        (Process("elsewhere", "another", "", 1, "1"), -3_600, False),  # its clock is ahead
        (Process("elsewhere", "another", "", 1, "1"), -90_000, True),  # no clock is
        (here, -1e12, True),
    ]
    for process, age_s, is_stale in cases:
        claim = RunClaim(RUN.run_id, "token", process, now - age_s, now - age_s)
        assert claim.is_stale(here, now=now) == is_stale, (process, age_s)


def test_a_process_is_told_from_an_earlier_one_with_its_number() -> None:
    here = this_process()
    assert is_alive(here.pid, here.process_started)
    assert not is_alive(here.pid, str(int(here.process_started) - 1))


def test_others_on_the_machine_are_noticed_while_they_train_and_after(ledger: Ledger) -> None:
    before = "2026-01-01T00:00:00+00:00"
    assert not ledger.is_shared(before)
    ledger.finish(RUN)
    assert not ledger.is_shared(before)
    with Ledger.open(ledger.path) as other:
        other.claim(record(seed=2).run_id)
        assert ledger.is_shared(before)
        other.finish(record(seed=2))
    assert ledger.is_shared(before)
    assert not ledger.is_shared("2999-01-01T00:00:00")  # taken as UTC


def test_a_neighbour_is_noticed_although_it_was_heard_of_before_the_start(ledger: Ledger) -> None:
    """It beats every 15 s only: a shorter run would miss it."""
    with Ledger.open(ledger.path) as other:
        other.claim(RUN.run_id)
        start = datetime.now(UTC).isoformat()
        grow_old(ledger, by_s=10)
        assert ledger.is_shared(start)
        assert not other.is_shared(start)  # its own claim
        grow_old(ledger, by_s=61)
        assert not ledger.is_shared(start)


@pytest.mark.parametrize(
    ("changes", "is_shared"),
    [
        ({"host": "container"}, True),
        ({"boot_id": "another"}, False),
        ({"host": "elsewhere", "boot_id": "another"}, False),
    ],
)
def test_a_neighbour_is_one_on_the_same_machine(ledger: Ledger, changes: dict, is_shared: bool) -> None:
    with Ledger.open(ledger.path) as other:
        other._here = other._here._replace(**changes)
        other.claim(RUN.run_id)
        assert ledger.is_shared("2026-01-01T00:00:00") == is_shared


def test_verify_names_a_claim_that_nobody_can_have_made(ledger: Ledger) -> None:
    ledger.claim(RUN.run_id)
    assert ledger.verify() == []
    for change, complaint in (
        ("heartbeat_at = 1e300", "heartbeat_at should be seconds since 1970 up to now, received 1e+300"),
        ("claimed_at = -1.0", "claimed_at should be seconds since 1970 up to now, received -1.0"),
        ("pid = -5", "pid should not be negative, received -5"),
        ("run_id = 'x'", "the run should be 16 hexadecimal digits"),
    ):
        ledger._db.execute("SAVEPOINT tamper")
        ledger._db.execute(f"UPDATE claims SET {change}")
        (sentence,) = ledger.verify()
        assert sentence.startswith("the claim on run ")
        assert sentence.endswith(complaint)
        ledger._db.execute("ROLLBACK TO tamper")


def grow_old(ledger: Ledger, *, by_s: float) -> None:
    ledger._db.execute("UPDATE claims SET heartbeat_at = heartbeat_at - ?", (by_s,))


def wait_until(is_so) -> None:
    deadline = time.monotonic() + HANG_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
