"""Having the person's settings at the values of a run while it trains, and giving them back.

Settings are a process', runs may train in several of its threads: the first run sets them, the last gives them back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from kbnd.training import settings
from kbnd.training.settings import Setting

_LOCK = threading.Lock()
_persons: list[tuple[Setting, Any]] = []
_n_runs = 0
"""Runs that train in threads of this process; the first one sets, the last one gives back."""


@contextmanager
def of_a_run(backend: str) -> Iterator[None]:
    """Have every setting that changes numbers at its value within the block, whatever the person's is.

    Args:
        backend: that is imported.

    Raises:
        UsageError: one that cannot be changed here.
    """
    settings.check(backend)
    try:
        _enter(backend)
        with ExitStack() as contexts:
            for context in settings.contexts_of(backend):
                contexts.enter_context(context)
            yield
    finally:
        _leave()


def _enter(backend: str) -> None:
    global _n_runs
    with _LOCK:
        _n_runs += 1
        if _n_runs > 1:
            return
        # All are looked at before one is set, because some move others.
        _persons.extend((setting, setting.get()) for setting in settings.settings_of(backend))
        for setting, _ in _persons:
            _have(setting, setting.value)


def _leave() -> None:
    global _n_runs
    with _LOCK:
        _n_runs -= 1
        while _n_runs == 0 and _persons:
            _have(*_persons.pop())


def _have(setting: Setting, value: Any) -> None:
    if setting.get() != value:
        setting.put(value)
