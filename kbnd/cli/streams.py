"""The standard streams of a command: any text can be written to them, whatever their encoding.

A Latin-1 or ASCII terminal has no ellipsis or plus-minus sign, and no encoding has the bytes of a file's name that
are no text: what cannot be encoded is written by its number, so that a command never ends in the middle of a sentence.
"""

from __future__ import annotations

import io
import sys


def take_any_text() -> None:
    """Have stdout and stderr spell what they cannot encode, where they are not done so by the host (a notebook)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
