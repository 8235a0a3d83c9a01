"""Which replicate of a run a search measures, where what it looks for is a time or an energy.

    same numbers each time     replicate 0: what the ledger holds is taken from it
    measured by the clock      the first replicate that nobody has trained or is training

A time that a ledger holds was measured beside other programs, in another session or on another machine, and compares
with none of this search; so such a search trains everything itself, under identities of its own.
"""

from __future__ import annotations

from itertools import count

from kbnd.ledger import Ledger
from kbnd.spec import Identity, RunSpec


def free_replicate(ledger: Ledger, spec: RunSpec, identity: Identity) -> int:
    """Return the first replicate of a run that a ledger does not know.

    Args:
        ledger: open.
        spec: the run; its own replicate does not count.
        identity: the setting that run ids are made from.
    """
    claimed = {claim.run_id for claim in ledger.live_claims()}
    for replicate in count():
        run_id = spec.model_copy(update={"replicate": replicate}).run_id(identity)
        if run_id not in claimed and ledger.status(run_id) is None:
            return replicate
    raise AssertionError("count() ends never")
