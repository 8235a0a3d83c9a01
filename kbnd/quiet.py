"""What is written to stderr and nobody needs: held until it is known whether it matters, left out, or said in a line.

TensorFlow and others write from C++ before they read any setting. TensorFlow also warns where functions of one name are
traced often, as it is with a network for each run.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kbnd.printable import printable

PACKAGE = Path(__file__).parent


@contextmanager
def held_stderr() -> Iterator[None]:
    """Hold what is written to file descriptor 2; give it back only where the block fails."""
    try:
        stderr = os.dup(2)
    except OSError:  # a daemon may have closed it
        yield
        return
    try:
        held = tempfile.TemporaryFile()  # noqa: SIM115 (closed below)
    except OSError:  # no folder for temporary files, or a full one
        os.close(stderr)
        yield
        return
    with held as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(stderr, 2)
            chatter.seek(0)
            if sys.stderr is not None:  # a daemon may have closed it
                sys.stderr.write(chatter.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextmanager
def without_retracing_warnings() -> Iterator[None]:
    """Leave out TensorFlow's warning that a function is traced often, and no other message."""

    def is_wanted(record: logging.LogRecord) -> bool:
        return record.levelno > logging.WARNING or "triggered tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_wanted)
    try:
        yield
    finally:
        logger.removeFilter(is_wanted)


@contextmanager
def warnings_in_a_line() -> Iterator[None]:
    """Print the warnings of kbnd in a line, and each once; those of others say where they come from."""
    usual, lines = warnings.formatwarning, set[str]()

    def in_a_line(message: Warning | str, category: type[Warning], filename: str, *place: Any, **source: Any) -> str:
        if not Path(filename).is_relative_to(PACKAGE):
            return printable(usual(message, category, filename, *place, **source), keep="\n")
        line = f"kbnd: warning: {printable(str(message))}\n"
        is_new = line not in lines  # each run of a study warns anew
        lines.add(line)
        return line if is_new else ""

    warnings.formatwarning = in_a_line
    try:
        yield
    finally:
        warnings.formatwarning = usual
