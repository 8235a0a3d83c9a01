"""The standard streams of a command, which never end its work: what cannot be shown is dropped.

| a stream that                              |                                                                      |
|--------------------------------------------|----------------------------------------------------------------------|
| is closed when the command begins          | leads nowhere, and no file that is opened later gets its number      |
| is full, is hung up or has lost its reader | keeps its first error; what follows is dropped                       |
| lacks a sign in its encoding               | gets an escape for it                                                |
| does not wait                              | is waited for: whoever shares a pipe may have told it not to         |

Results belong on stdout, so a command whose stdout has kept an error does not end with 0 (`error_of`). Progress,
warnings and errors go to stderr and are lost with it. Closed from the start is what the person asked for, as in git.

Reference: https://docs.python.org/3/library/signal.html#note-on-sigpipe
"""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

NAMES = ("stdin", "stdout", "stderr")
"""Standard streams, in the order of their descriptors."""


@contextmanager
def standard() -> Iterator[None]:
    """Have standard streams that never raise; as before at the end, when all that could be shown is.

    Streams that somebody has put in the place of the process' own, as notebooks and tests do, stay.
    """
    for descriptor in range(len(NAMES)):
        _lead_somewhere(descriptor)
    before = {name: getattr(sys, name) for name in NAMES}
    sys.stdin = before["stdin"] or _Nowhere()
    sys.stdout, sys.stderr = tolerant(before["stdout"]), tolerant(before["stderr"])
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for name, stream in before.items():
            setattr(sys, name, stream)


def tolerant(stream: TextIO | None) -> TextIO:
    """Return a stream that shows the same and never raises; one that is closed leads nowhere.

    Args:
        stream: to write to; None, as Python has it for one that was closed when it began, leads nowhere. What is no
            plain stream on a file descriptor or in memory is returned as it is.
    """
    if stream is None or stream.closed:
        return _Nowhere()
    if type(stream) is not io.TextIOWrapper or isinstance(_raw(stream), _Descriptor):
        return stream
    with suppress(OSError):
        stream.flush()
    try:
        descriptor = stream.fileno()
    except OSError:  # it is in memory, which is never full
        stream.reconfigure(errors="backslashreplace")
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(_Descriptor(descriptor, "wb", closefd=False)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def error_of(stream: TextIO) -> OSError | None:
    """Return the first error of a tolerant stream; None where all that was written to it has arrived."""
    stream.flush()
    return getattr(_raw(stream), "error", None)


def write_now(descriptor: int, text: str) -> None:
    """Write a line past every buffer, as a signal's handler must; where it cannot be shown it is dropped."""
    with suppress(OSError):
        os.write(descriptor, text.encode())


class _Nowhere(io.StringIO):
    """A stream that is empty and stays so."""

    def write(self, text: str) -> int:
        """Drop a text."""
        return len(text)


class _Descriptor(io.FileIO):
    """A file descriptor to which writing never fails; its first error is kept."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write what can be written, and say that all was."""
        try:
            while self.error is None:
                n_bytes = super().write(data)
                if n_bytes is not None:
                    return n_bytes
                select.select((), (self,), ())
        except OSError as error:
            self.error = error
        return len(data)


def _raw(stream: TextIO) -> Any:
    return getattr(getattr(stream, "buffer", None), "raw", None)


def _lead_somewhere(descriptor: int) -> None:
    """Open a closed descriptor on the null device, also for children."""
    try:
        os.fstat(descriptor)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, descriptor)
        if nowhere != descriptor:
            os.close(nowhere)
        os.set_inheritable(descriptor, True)
