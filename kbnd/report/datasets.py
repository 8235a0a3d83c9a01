"""Datasets as a table: what is at hand, where, and what must be said beside results on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from kbnd import data
from kbnd.data import Availability
from kbnd.report.table import Table

STATES = "bundled: comes with kbnd; cached: decoded; prepared: tensorflow-datasets has it; missing: is downloaded."


def dataset_rows(found: Sequence[Availability]) -> list[dict[str, Any]]:
    """Return datasets as JSON values."""
    return [asdict(one) for one in found]


def dataset_table(found: Sequence[Availability], *, title: str = "Datasets") -> Table:
    """Return datasets as a table."""
    columns = ("Name", "Printed as", "State", "Where", "SHA-256")
    rows = [(one.name, one.label, one.state, one.where, (one.fingerprint or "")[:12]) for one in found]
    notes = sorted({one.note for one in found if one.note})
    return Table(title, columns, tuple(rows), (STATES, *notes), "lllll")


def data_note(dataset: str, fingerprint: str) -> str:
    """Return the sentence that belongs beside every result on a dataset; empty for most.

    Args:
        dataset: its name, as a run's record has it.
        fingerprint: SHA-256 of its arrays, likewise.
    """
    note = data.note_for(dataset, fingerprint)
    return f"Data: {data.label_for(dataset, fingerprint)}, {note}." if note else ""


def data_note_of(runs: pd.DataFrame) -> str:
    """Return `data_note` of the dataset that runs were trained on; columns of runs.csv."""
    known = runs.reindex(columns=["dataset", "fingerprint"]).dropna().drop_duplicates()
    return " ".join(filter(None, (data_note(str(name), str(copy)) for name, copy in known.itertuples(index=False))))
