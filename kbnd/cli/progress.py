"""Progress on stderr, and what signals do: the first lets the epoch in flight end, a second stops at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any


def with_progress(call: Callable[..., Any]) -> tuple[Any, int]:
    """Run with progress on stderr; return the outcome and 130 or 143 where a signal stopped it."""
    from kbnd.report.progress import StudyProgress

    received: list[int] = []
    progress = StudyProgress()
    previous = {number: signal.signal(number, _stopper(received)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        outcome = call(progress=progress, should_stop=lambda: bool(received))
    finally:
        progress.close()
        for number, handler in previous.items():
            signal.signal(number, handler)
    return outcome, 128 + received[0] if received else 0


def _stopper(received: list[int]) -> Callable[[int, Any], None]:
    """Return a handler: the first signal lets the epoch in flight end, a second one stops at once."""

    def handle(number: int, _frame: Any) -> None:
        if received:
            print("stopped at once; the same command continues", file=sys.stderr)
            os._exit(128 + number)
        received.append(number)
        print("stopping after this epoch; once more stops at once", file=sys.stderr)

    return handle
