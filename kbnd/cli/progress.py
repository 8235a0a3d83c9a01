"""Progress on stderr, and what signals do: the first lets the epoch in flight end, a second stops at once.

| signal                                     |                                                                     |
|--------------------------------------------|---------------------------------------------------------------------|
| SIGINT, SIGTERM                            | the first and the second of them, as said above                     |
| SIGHUP (the terminal was closed)           | likewise, but not counted: shell and system send one each, or more  |
| SIGHUP that was ignored at the start       | stays ignored: `nohup`                                              |
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from kbnd.execution.display import TerminalProgress
from kbnd.streams import write_now

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that stop a command at the end of an epoch."""


def with_progress(call: Callable[..., Any], *, is_by_validation: bool = False) -> tuple[Any, int]:
    """Run with progress on stderr; return the outcome and 130, 143 or 129 where a signal stopped it.

    Args:
        call: what runs, given `progress` and `should_stop`.
        is_by_validation: whether nobody looks at test images.
    """
    received: list[int] = []
    progress = TerminalProgress(is_by_validation=is_by_validation)
    stderr = os.dup(2)  # what is said in a handler must arrive, also while a backend's import holds stderr
    handler = _stopper(received, stderr)
    is_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    numbers = [number for number in STOPPING if not (number == signal.SIGHUP and is_ignored)]
    previous: dict[int, Any] = {number: signal.signal(number, handler) for number in numbers}
    try:
        outcome = call(progress=progress, should_stop=lambda: bool(received))
    finally:
        progress.close()
        if signal.SIGHUP in received:  # what is left to do is done in spite of further ones
            previous[signal.SIGHUP] = signal.SIG_IGN
        for number, former in previous.items():
            signal.signal(number, former)
        os.close(stderr)
    return outcome, 128 + received[0] if received else 0


def _stopper(received: list[int], stderr: int) -> Callable[[int, Any], None]:
    """Return a handler: the first signal lets the epoch in flight end, a second one stops at once.

    It writes past buffers, because a handler may interrupt a `print` that is under way.
    """

    def handle(number: int, _frame: Any) -> None:
        if number != signal.SIGHUP and set(received) - {signal.SIGHUP}:
            write_now(stderr, "\nstopped at once; the same command continues\n")
            os._exit(128 + number)
        if not received:
            write_now(stderr, "\nstopping after this epoch; once more stops at once\n")
        received.append(number)

    return handle
