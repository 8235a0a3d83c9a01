"""Ledgers of older formats, as a kbnd of their time wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kbnd.ledger import Ledger, database, schema


@contextmanager
def older_ledger(file: Path, format: int) -> Iterator[Ledger]:
    """A ledger of an older format, open for writing as a kbnd of that time would have written it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", schema.MIGRATIONS[:format])
        with Ledger.open(file) as old:
            old._db.execute("ALTER TABLE runs ADD COLUMN continued_from TEXT")
            yield old
            old._db.execute("ALTER TABLE runs DROP COLUMN continued_from")
