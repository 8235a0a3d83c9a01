"""A ledger for those who work for hours: while somebody else locks it they wait, instead of losing what they have.

With several drivers this holds for up to a minute: nobody is heard of while the ledger is locked, so what a process
claimed may then be trained by another one, and is stored once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

from kbnd.errors import LedgerLockedError
from kbnd.ledger import Ledger


def patient(ledger: Ledger, should_stop: Callable[[], bool]) -> Ledger:
    """Return the ledger with every method tried until it is not locked; once told to stop, tried once."""
    return cast(Ledger, _Patient(ledger, should_stop))


class _Patient:
    def __init__(self, ledger: Ledger, should_stop: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._should_stop = should_stop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._ledger, name)
        return functools.partial(self._tried, found) if callable(found) else found

    def _tried(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        while True:
            try:
                return method(*arguments, **named)
            except LedgerLockedError:
                if self._should_stop():
                    raise
