"""Datasets as a table: what is at hand, where, and the sentence that belongs beside results on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from kbnd import data
from kbnd.data import Availability
from kbnd.report.table import Table

STATES = "bundled: comes with kbnd; cached: decoded; prepared: tensorflow-datasets has it; missing: is downloaded."


def dataset_rows(datasets: Sequence[Availability]) -> list[dict[str, Any]]:
    """Return datasets as JSON values."""
    return [asdict(dataset) for dataset in datasets]


def dataset_table(datasets: Sequence[Availability], *, title: str = "Datasets") -> Table:
    """Return datasets as a table."""
    columns = ("Name", "Printed as", "State", "Where", "SHA-256")
    rows = tuple(_cells(dataset) for dataset in datasets)
    notes = sorted({dataset.note for dataset in datasets if dataset.note})
    return Table(title, columns, rows, (STATES, *notes), "lllll")


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
    copies = runs.reindex(columns=["dataset", "fingerprint"]).dropna().drop_duplicates()
    notes = (data_note(str(name), str(fingerprint)) for name, fingerprint in copies.itertuples(index=False))
    return " ".join(filter(None, notes))


def _cells(dataset: Availability) -> tuple[str, ...]:
    return dataset.name, dataset.label, dataset.state, dataset.where, (dataset.fingerprint or "")[:12]
