"""The tables of a source: which arm stands in which cell, and the number that was published for it."""

from __future__ import annotations

from pydantic import field_validator, model_validator

from kbnd.analysis.metrics import requirements
from kbnd.spec import Name, Number, Spec


class Row(Spec):
    """One row of a published table: an arm and a published value (or None) for every column."""

    label: str
    arms: tuple[Name, ...]
    published: tuple[Number | None, ...] = ()


class PublishedTable(Spec):
    """A table of the source.

    Attributes:
        title: as the source's caption says it, in our words.
        metric: what it shows, as `kbnd.analysis.metrics` calls it; published accuracies are fractions, times seconds.
        columns: headings.
        rows: one arm and one published number for each column.
    """

    title: str
    metric: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @field_validator("metric")
    @classmethod
    def _is_a_metric(cls, metric: str) -> str:
        requirements(metric)  # refuses what is none
        return metric

    @model_validator(mode="after")
    def _rows_fit_columns(self) -> PublishedTable:
        for row in self.rows:
            if len(row.arms) != len(self.columns) or len(row.published) not in (0, len(self.columns)):
                raise ValueError(
                    f"table {self.title!r}, row {row.label!r}: arms and published numbers should be as many as "
                    f"columns, {len(self.columns)}, received {len(row.arms)} and {len(row.published)}"
                )
        return self
