"""Datasets as a table: what is at hand, where, and the sentence that belongs beside results on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from kbnd import data
from kbnd.data import Availability, Census
from kbnd.data.census import ANY_SPLIT
from kbnd.report.table import Table
from kbnd.words import counted, listed

MOST_GROUPS = 20
"""Groups of twins, and unreadable images, that a table shows; JSON has all."""

GROUND = "Images are turned upright as their EXIF orientation says; transparent ones are laid on white."
STATES = (
    "bundled: comes with kbnd; cached: decoded; outdated: of a folder before it changed; prepared: tensorflow-datasets "
    "has it; missing: is downloaded."
)


def dataset_rows(datasets: Sequence[Availability]) -> list[dict[str, Any]]:
    """Return datasets as JSON values."""
    return [asdict(dataset) for dataset in datasets]


def dataset_table(datasets: Sequence[Availability], *, title: str = "Datasets") -> Table:
    """Return datasets as a table."""
    columns = ("Name", "Printed as", "State", "Where", "SHA-256")
    rows = tuple(_cells(dataset) for dataset in datasets)
    notes = sorted({dataset.note for dataset in datasets if dataset.note})
    return Table(title, columns, rows, (STATES, *notes), "lllll")


def census_as_json(census: Census, copies: Sequence[Availability]) -> dict[str, Any]:
    """Return what a folder holds, and its cached copies, as JSON values."""
    return asdict(census) | {"cached": dataset_rows(copies)}


def census_tables(census: Census, copies: Sequence[Availability]) -> list[Table]:
    """Return what a folder holds, and its cached copies, as tables; what there is none of has no table."""
    tables = [_classes_table(census)]
    if census.skipped:
        by_reason: dict[str, list[str]] = {}
        for entry in census.skipped:
            by_reason.setdefault(entry.reason, []).append(repr(entry.path))
        rows = tuple((reason, f"{len(paths):,}", listed(paths)) for reason, paths in by_reason.items())
        tables.append(Table("Left out", ("Why", "Number", "What"), rows, align="lrl"))
    if census.unreadable:
        sentences = tuple((sentence,) for sentence in census.unreadable[:MOST_GROUPS])
        notes = (f"Nothing is trained on the folder before these {len(census.unreadable):,} are mended or taken out.",)
        tables.append(Table("Images that cannot be used", ("",), sentences, notes))
    if census.twins:
        tables.append(_twins_table(census))
    return [*tables, dataset_table(copies, title="Copies in the cache")] if copies else tables


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


def _classes_table(census: Census) -> Table:
    rows = [(name, *map(str, counts)) for name, *counts in zip(census.classes, *census.counts.values(), strict=True)]
    totals = ("all", *(f"{sum(counts):,}" for counts in census.counts.values()))
    sizes = " to ".join("x".join(map(str, size)) for size in census.sizes) or "none"
    notes = [f"Size: {sizes}, {'grey' if census.channels == 1 else 'in colour'}.", GROUND]
    if census.carved:
        parts = " and ".join(sorted(census.carved))
        notes.append(f"{parts.capitalize()}: set aside from the images to train on, stratified, always the same.")
    if census.n_nested:
        notes.append(f"{counted(census.n_nested, 'image')} from folders inside a class folder.")
    notes += [f"{counted(n, 'image')} {remark}." for remark, n in census.remarks.items()]
    return Table(f"Images of {census.name}", ("Class", *census.counts), (*rows, totals), tuple(notes))


def _twins_table(census: Census) -> Table:
    rows = tuple(
        (listed(map(repr, group.files)), ", ".join(group.splits), listed(map(repr, group.classes)))
        for group in census.twins[:MOST_GROUPS]
    )
    n_between = sum(len(group.splits) > 1 for group in census.twins)
    n_mixed = sum(len(group.classes) > 1 for group in census.twins)
    notes = [
        f"{counted(len(census.twins), 'group')} of equal images, {n_between:,} of them in more than one split, "
        f"{n_mixed:,} in more than one class.",
    ]
    if n_between:
        notes.append("What is trained on and tested again says nothing of new images: keep one of each group.")
    if any(ANY_SPLIT in group.splits for group in census.twins):
        notes.append("Split any: which images are set aside depends on the size to which they are brought.")
    return Table("Twins: images whose pixels are equal", ("Files", "Splits", "Classes"), rows, tuple(notes), "lll")


def _cells(dataset: Availability) -> tuple[str, ...]:
    return dataset.name, dataset.label, dataset.state, dataset.where, (dataset.fingerprint or "")[:12]
