"""One small table value, and one function for each way to show it.

| function       | for                                                                                |
|----------------|------------------------------------------------------------------------------------|
| `to_text`      | files and pipes: plain, aligned, never wrapped                                     |
| `to_markdown`  | README and tables.md (GitHub's dialect)                                            |
| `to_latex`     | tables.tex: a `table` float that needs the package booktabs                        |
| `to_html`      | notebooks                                                                          |

What is in a table is decided before (`kbnd.report.tables`): cells are finished strings here. A table without rows is
its title and notes. For a terminal see `kbnd.report.terminal`.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kbnd.errors import UsageError
from kbnd.printable import printable

NOTE_WIDTH = 96
"""Columns that a note, and the rule below a title, may take in plain text where the table is narrower."""

LATEX_PREAMBLE = "% Put \\usepackage{booktabs} into the preamble, then \\input this file.\n"

MINUS, PLUS_MINUS, DASH = "\N{MINUS SIGN}", "\N{PLUS-MINUS SIGN}", "\N{EN DASH}"

_MARKDOWN = {character: "\\" + character for character in "\\|*`"} | {"<": "&lt;", ">": "&gt;"}
_LATEX = (
    {character: "\\" + character for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''"}
    # A row that opens with "[" would be taken for the optional argument of the \\ before it.
    | {"[": "{[}", "]": "{]}", MINUS: "$-$", PLUS_MINUS: r"$\pm$", DASH: "--"}
)


@dataclass(frozen=True)
class Table:
    """A finished table of strings.

    Attributes:
        title: what is shown, with its unit.
        columns: headings; the first column names the row.
        rows: one string for each column; a first cell that starts with two spaces belongs to the row above.
        notes: sentences below the table.
        align: `l` or `r` for each column; empty is left for the first and right for the others.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    align: str = ""

    def __post_init__(self) -> None:
        """Refuse ragged rows; make every text one line that is safe to show."""
        if any(len(row) != len(self.columns) for row in self.rows):
            raise UsageError(f"table {self.title!r}: every row needs {len(self.columns)} cells")
        align = self.align or "l" + "r" * (len(self.columns) - 1)
        if len(align) != len(self.columns) or set(align) - set("lr"):
            raise UsageError(f"table {self.title!r}: align takes one of l, r for each column, received {align!r}")
        object.__setattr__(self, "align", align)
        object.__setattr__(self, "title", printable(self.title))
        object.__setattr__(self, "columns", tuple(map(printable, self.columns)))
        object.__setattr__(self, "rows", tuple(tuple(map(printable, row)) for row in self.rows))
        object.__setattr__(self, "notes", tuple(map(printable, self.notes)))


def to_text(table: Table) -> str:
    """Return the table as aligned plain text, as wide as its contents; only notes are wrapped."""
    widths = column_widths(table)

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if side == "l" else cell.rjust(width)
            for cell, width, side in zip(cells, widths, table.align, strict=True)
        ]
        return "  ".join(padded).rstrip()

    rule = "-" * max(sum(widths) + 2 * (len(widths) - 1), min(len(table.title), NOTE_WIDTH))
    notes = [part for note in table.notes for part in textwrap.wrap(note, max(len(rule), NOTE_WIDTH))]
    heading = [line(table.columns), rule] if any(table.columns) else []
    grid = [*heading, *map(line, table.rows), rule] if table.rows else []
    return "\n".join([table.title, rule, *grid, *notes]) + "\n"


def to_markdown(table: Table) -> str:
    """Return the table in GitHub's Markdown, its title bold above and its notes as a list below."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(_markdown(cell) for cell in cells) + " |"

    rule = "|" + "|".join("---" if side == "l" else "---:" for side in table.align) + "|"
    body = "\n".join([line(table.columns), rule, *map(line, table.rows), ""]) if table.rows else ""
    notes = "".join(f"- {_markdown(note)}\n" for note in table.notes)
    return "\n".join([f"**{_markdown(table.title)}**\n", *filter(None, (body, notes))])


def to_latex(table: Table) -> str:
    r"""Return the table as a LaTeX float; needs ``\usepackage{booktabs}``."""

    def line(cells: Iterable[str]) -> str:
        return " & ".join(_latex(cell) for cell in cells) + r" \\"

    notes = [rf"\par\smallskip\footnotesize {_latex(note)}" for note in table.notes]
    grid = [
        rf"\begin{{tabular}}{{{table.align}}}",
        r"\toprule",
        line(table.columns),
        r"\midrule",
        *map(line, table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"\centering",
            rf"\caption{{{_latex(table.title)}}}",
            *(grid if table.rows else ()),
            *notes,
            r"\end{table}",
            "",
        ]
    )


def to_html(table: Table) -> str:
    """Return the table as HTML, for a notebook: every text escaped, no style of its own."""

    def line(tag: str, cells: Iterable[str]) -> str:
        sides = {"l": "left", "r": "right"}
        texts = (
            f'<{tag} style="text-align: {sides[side]}">{html.escape(cell.strip())}</{tag}>'
            for cell, side in zip(cells, table.align, strict=True)
        )
        return f"<tr>{''.join(texts)}</tr>"

    heading = f"<thead>{line('th', table.columns)}</thead>" if any(table.columns) and table.rows else ""
    body = f"<tbody>{''.join(line('td', row) for row in table.rows)}</tbody>"
    notes = "".join(f"<p><small>{html.escape(note)}</small></p>" for note in table.notes)
    return f"<table><caption><b>{html.escape(table.title)}</b></caption>{heading}{body}</table>{notes}"


def column_widths(table: Table, *, by_word: bool = False) -> list[int]:
    """Return the width of each column; with `by_word`, of its longest word (the first column never wraps)."""
    widths = []
    for i, column in enumerate(zip(table.columns, *table.rows, strict=True)):
        words = [word for cell in column for word in cell.split()] if by_word and i else column
        widths.append(max(map(len, words), default=0))
    return widths


def _markdown(text: str) -> str:
    # Brackets stay readable in the source; only a parenthesis after them would make a link.
    return _escape(text.strip(), _MARKDOWN).replace("](", "]\\(")


def _latex(text: str) -> str:
    indent = r"\quad " if text.startswith("  ") else ""
    return indent + _escape(text.strip(), _LATEX)


def _escape(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)
