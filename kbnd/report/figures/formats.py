"""A figure as the bytes of its files. The same figure gives the same bytes: no dates, no random ids."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kbnd.report.figures.style import GREY

FORMATS = {"svg": {"Date": None}, "png": {"Software": None}}
"""Formats with the metadata that would make two equal pictures differ, switched off."""


def contents_of(figure: Figure, notes: Sequence[str]) -> dict[str, bytes]:
    """Return the bytes of a figure in every format, with what belongs beside its numbers above it."""
    if notes:
        lines = [textwrap.fill(note, int(14 * figure.get_figwidth())) for note in notes]
        figure.suptitle("\n".join(lines), fontsize=8, color=GREY)
    FigureCanvasAgg(figure)
    contents = {}
    for suffix, metadata in FORMATS.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, metadata=metadata)
        contents[suffix] = buffer.getvalue()
    return contents
