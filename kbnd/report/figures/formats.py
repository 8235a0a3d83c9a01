"""A figure as the bytes of its files. The same figure gives the same bytes: no dates, no random ids.

Its texts are made safe to show here: fonts have no glyph for a control character, and XML, as which an SVG holds every
text in a comment too, does not allow one.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter

from kbnd.printable import printable
from kbnd.report.figures.style import GREY

FORMATS = {"svg": {"Date": None}, "png": {"Software": None}}
"""Formats with the metadata that would make two equal pictures differ, switched off."""


def contents_of(figure: Figure, notes: Sequence[str]) -> dict[str, bytes]:
    """Return the bytes of a figure in every format, with what belongs beside its numbers above it."""
    if notes:
        lines = [textwrap.fill(note, int(14 * figure.get_figwidth())) for note in notes]
        figure.suptitle("\n".join(lines), fontsize=8, color=GREY)
    _make_printable(figure)
    FigureCanvasAgg(figure)
    contents = {}
    for suffix, metadata in FORMATS.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, metadata=metadata)
        contents[suffix] = buffer.getvalue()
    return contents


def _make_printable(figure: Figure) -> None:
    for text in figure.findobj(Text):
        text.set_text(printable(text.get_text(), keep="\n"))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            formatter = axis.get_major_formatter()
            if isinstance(formatter, FuncFormatter):  # which writes the texts of ticks anew when they are drawn
                formatter.func = partial(_printable_tick, formatter.func)


def _printable_tick(format_tick: Callable[..., str], *place: Any) -> str:
    return printable(format_tick(*place), keep="\n")
