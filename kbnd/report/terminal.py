"""Tables on a terminal: bold title, grey notes, and no digit ever cut off.

| the terminal is                   | shown as                                                          |
|-----------------------------------|-------------------------------------------------------------------|
| none (a file or a pipe)           | plain text, as wide as it is                                      |
| wide enough                       | a table                                                           |
| narrower than the table           | a table whose cells wrap between words, intervals below means     |
| narrower than its longest words   | a list, one line for each cell                                    |

An encoding without a plus-minus sign gets ASCII.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, TextIO

from kbnd.report.table import DASH, MINUS, PLUS_MINUS, Table, column_widths, to_text

_ASCII = {MINUS: "-", PLUS_MINUS: "+/-", DASH: "-"}


def print_tables(tables: Iterable[Table], *, file: TextIO | None = None, width: int | None = None) -> None:
    """Print tables for a person.

    Where a table is wider than the terminal its cells wrap, and where a number would not fit it becomes a list.

    Args:
        tables: in order, a blank line after each.
        file: where to; None is stdout. What is no terminal gets plain text, unless a width is given.
        width: columns to fit into; None asks the terminal.
    """
    file = file or sys.stdout
    tables = [table if _can_encode(file) else _in_ascii(table) for table in tables]
    if width is None and not file.isatty():
        file.write("\n".join(map(to_text, tables)))
        return
    from rich.console import Console

    console = Console(file=file, width=width, highlight=False)
    for table in tables:
        console.print(*_rich(table, width=console.width), "", sep="\n")


def _rich(table: Table, *, width: int) -> list[object]:
    """The parts of a table for rich, all of them `Text`: a bracketed interval must not be read as markup."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    title, notes = Text(table.title, "bold"), [Text(note, "dim") for note in table.notes]
    if not table.rows:
        return [title, *notes]
    if _width(table) > width:
        # An interval goes below its mean as a whole.
        tight = tuple(tuple(cell.replace(f"{PLUS_MINUS} ", PLUS_MINUS) for cell in row) for row in table.rows)
        table = replace(table, rows=tight)
        if _width(table, by_word=True) > width:
            return [title, *(Text(line) for line in _as_list(table)), *notes]
    has_header = any(table.columns)
    grid = RichTable(box=box.SIMPLE_HEAD, show_header=has_header, pad_edge=False, show_edge=False, padding=(0, 1))
    for heading, side, fitted in zip(table.columns, table.align, _fitted(table, width), strict=True):
        justify: Literal["left", "right"] = "left" if side == "l" else "right"
        grid.add_column(Text(heading), justify=justify, width=fitted)
    for row in table.rows:
        grid.add_row(*(Text(cell, "dim" if row[0].startswith("  ") else "") for cell in row))
    return [title, grid, *notes]


def _fitted(table: Table, width: int) -> list[int]:
    """Column widths that fit: what is too wide is taken from where most can be wrapped, never from a word."""
    widths, least = column_widths(table), column_widths(table, by_word=True)
    excess = sum(widths) + 3 * (len(widths) - 1) - width
    for _ in range(max(excess, 0)):
        slack = [full - word for full, word in zip(widths, least, strict=True)]
        widths[slack.index(max(slack))] -= 1
    return widths


def _width(table: Table, *, by_word: bool = False) -> int:
    widths = column_widths(table, by_word=by_word)
    return sum(widths) + 3 * (len(widths) - 1)


def _as_list(table: Table) -> list[str]:
    """Every row as a heading and one line for each cell."""
    lines = []
    for name, *cells in table.rows:
        lines.append(name)
        lines += [f"    {heading}: {cell}" for heading, cell in zip(table.columns[1:], cells, strict=True)]
    return lines


def _can_encode(file: TextIO) -> bool:
    """Whether a file's encoding has the signs of the tables."""
    try:
        "".join(_ASCII).encode(getattr(file, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _in_ascii(table: Table) -> Table:
    """The table with every sign spelled in ASCII, before any width is measured."""

    def spell(text: str) -> str:
        return "".join(_ASCII.get(c, c) for c in text).encode("ascii", "replace").decode()

    return replace(
        table,
        title=spell(table.title),
        columns=tuple(map(spell, table.columns)),
        rows=tuple(tuple(map(spell, row)) for row in table.rows),
        notes=tuple(map(spell, table.notes)),
    )
