"""Progress on stderr, and what signals do: the first lets the epoch in flight end, a second stops at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from kbnd.execution.display import TerminalProgress


def with_progress(call: Callable[..., Any], *, is_by_validation: bool = False) -> tuple[Any, int]:
    """Run with progress on stderr; return the outcome and 130 or 143 where a signal stopped it.

    Args:
        call: what runs, given `progress` and `should_stop`.
        is_by_validation: whether nobody looks at test images.
    """
    received: list[int] = []
    progress = TerminalProgress(is_by_validation=is_by_validation)
    stderr = os.dup(2)  # what is said in a handler must arrive, also while a backend's import holds stderr
    handler = _stopper(received, stderr)
    previous = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        outcome = call(progress=progress, should_stop=lambda: bool(received))
    finally:
        progress.close()
        for number, former in previous.items():
            signal.signal(number, former)
        os.close(stderr)
    return outcome, 128 + received[0] if received else 0


def _stopper(received: list[int], stderr: int) -> Callable[[int, Any], None]:
    """Return a handler: the first signal lets the epoch in flight end, a second one stops at once.

    It writes with `os.write`, because a handler may interrupt a `print` that is under way.
    """

    def handle(number: int, _frame: Any) -> None:
        if received:
            os.write(stderr, b"\nstopped at once; the same command continues\n")
            os._exit(128 + number)
        received.append(number)
        os.write(stderr, b"\nstopping after this epoch; once more stops at once\n")

    return handle
