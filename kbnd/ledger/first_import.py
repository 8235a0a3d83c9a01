"""An import into a ledger that need not exist: it is made only if there is something to stand in it.

    no ledger yet:  a ledger under a temporary name -> import -> the name that was asked for, if nobody has it by then

So a source that is missing, cut or refused leaves no empty ledger behind, and one that another process begins
meanwhile is imported into, never replaced.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kbnd.files import check_file, disk_errors
from kbnd.ledger.database import JOURNAL
from kbnd.ledger.imports import Merged
from kbnd.ledger.store import Ledger


def import_into(path: str | os.PathLike[str], source: str | os.PathLike[str]) -> Merged:
    """Merge what another ledger, or JSON lines, holds into a ledger, which is made where it does not exist.

    Args:
        path: the ledger.
        source: what is imported.

    Raises:
        UsageError: as of `Ledger.open` and `Ledger.import_`.
        NoSpaceError: the disk is full.
    """
    place = Path(path)
    check_file(place, what="ledger", may_be_new=True)
    if not place.exists():
        with _temporary(place) as new:
            with Ledger.open(new) as ledger:
                merged = ledger.import_(source)
            if _is_named(new, place):
                return merged
    with Ledger.open(place) as ledger:
        return ledger.import_(source)


@contextmanager
def _temporary(place: Path) -> Iterator[Path]:
    """A name beside a ledger's for a new one, of which nothing stays."""
    path = place.with_name(f".kbnd-import-{uuid.uuid4().hex[:8]}.part")
    try:
        yield path
    finally:
        for file in (path, path.with_name(path.name + JOURNAL)):
            file.unlink(missing_ok=True)


def _is_named(new: Path, place: Path) -> bool:
    """Give a new ledger its name, and return whether nobody else had it."""
    try:
        os.link(new, place)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if place.exists():
            return False
        with disk_errors(f"the ledger {place}"):
            new.rename(place)
    return True
