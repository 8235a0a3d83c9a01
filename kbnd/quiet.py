"""What libraries write to stderr and nobody needs: held until it is known whether it matters, or left out.

TensorFlow and others write from C++ before they read any setting. TensorFlow also warns where functions of one name are
traced often, as it is with a network for each run.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


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
