"""Who else trained on this machine meanwhile, as far as a ledger knows: times measured beside others are not compared.

    claimed by another, on this machine, and alive  |  or heard of since the start  |  or finished since the start

A neighbour that lives counts whenever it was last heard of: it beats only every 15 s.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from kbnd.ledger.claims import Process, RunClaim, all_claims


def is_anybody(db: sqlite3.Connection, here: Process, *, token: str) -> bool:
    """Whether another `Ledger` object than `token` trains beside `here` now."""
    return any(not claim.is_stale(here) for claim in _others(db, here, token))


def is_shared(db: sqlite3.Connection, here: Process, *, token: str, since: str) -> bool:
    """Whether another `Ledger` object than `token` trained beside `here` since a time (ISO 8601, else taken as UTC)."""
    moment = datetime.fromisoformat(since)
    start = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if any(claim.heartbeat_at >= start or not claim.is_stale(here) for claim in _others(db, here, token)):
        return True
    query = """SELECT EXISTS (SELECT 1 FROM runs
        WHERE token <> :token AND boot_id = :boot AND (boot_id <> '' OR host = :host) AND finished_at >= :start)"""
    values = {"token": token, "host": here.host, "boot": here.boot_id, "start": start}
    return bool(db.execute(query, values).fetchone()[0])


def _others(db: sqlite3.Connection, here: Process, token: str) -> list[RunClaim]:
    """The claims of others on this machine, of whatever age."""
    return [claim for claim in all_claims(db) if claim.token != token and claim.process.is_beside(here)]
