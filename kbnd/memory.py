"""The memory that a process may have, where somebody has limited it (`ulimit -v`, a batch system).

Libraries fail there in many ways, few of which name the reason: a segment that cannot be mapped, a thread that cannot
be started, an error without words.
"""

from __future__ import annotations

import resource

LACKING = (ImportError, MemoryError, SystemError)
"""What Python raises where a library cannot be loaded; the last of them where its C code failed without a word."""


def limit_note() -> str:
    """Return the clause that names the limit; empty where there is none."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return "" if limit == resource.RLIM_INFINITY else f"; memory is limited to {limit / 1e9:.3g} GB (ulimit -v)"
