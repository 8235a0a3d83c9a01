"""Which replicate of a run a search trains: one of its own, where what it looks for is a time or an energy.

    same numbers each time     replicate 0: what the ledger holds is taken from it
    measured by the clock      a number that is made of the search and the candidate, which nobody else would train

A time that a ledger holds was measured beside other programs, in another session or on another machine, and compares
with none of this search; so such a search trains everything itself, under identities of its own. What something else
was trained beside, all the same, is measured again as a further replicate.
"""

from __future__ import annotations

from kbnd.records import FIRST_OWN_REPLICATE, SearchInfo
from kbnd.spec import digest

MOST_MEASUREMENTS = 3
"""How often a search measures a seed of a candidate, where every time something else was trained beside it."""


def own_replicate(info: SearchInfo, what: str) -> int:
    """Return the replicate under which a search by the clock trains something; the same whenever it is asked.

    Args:
        info: the search; begun afresh, or on another ledger, it is another one.
        what: of it, such as the ordinal of a candidate.
    """
    of = digest([info.name, info.generation, info.created_at, what])
    return FIRST_OWN_REPLICATE + int(of[:8], 16)
