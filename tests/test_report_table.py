"""One table value, five ways to show it: nothing lost, nothing interpreted."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbnd.errors import UsageError
from kbnd.report.table import MINUS, PLUS_MINUS, Table, to_html, to_latex, to_markdown, to_text
from kbnd.report.terminal import print_tables

TABLE = Table(
    "Test accuracy, %",
    ("Arm", "Mean, %", "95 % interval", "In words"),
    (
        ("baseline", f"98.40 {PLUS_MINUS} 0.32", "-", "reference"),
        ("bn+dropout0.5", f"98.91 {PLUS_MINUS} 0.20", f"[{MINUS}0.05, +0.82]", "no clear difference"),
        ("  published", "99.03", "-", ""),
    ),
    ("n = 5 seeds.",),
    align="lrrl",
)
HOSTILE = r"a_b & 50% $x$ #1 {y} ~ ^ \input{z} <b> | *c* `d` [e](f) [0, 1]"
CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(width: int, table: Table = TABLE) -> str:
    file = Terminal()
    print_tables([table], file=file, width=width)
    return re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())


def digits(text: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?", text)


def test_text_aligns_columns() -> None:
    lines = to_text(TABLE).splitlines()
    assert lines[0] == TABLE.title
    assert lines[4].index(PLUS_MINUS) == lines[5].index(PLUS_MINUS)
    assert lines[-1] == "n = 5 seeds."


def test_latex_leaves_no_special_character_bare() -> None:
    latex = to_latex(Table("t", ("x",), ((HOSTILE,),)))
    cell = next(line for line in latex.splitlines() if "a\\_b" in line).removesuffix(r" \\")
    assert r"\textbackslash{}input\{z\}" in cell
    assert not re.search(r"(?<!\\)[&%$#_]", cell)
    assert not re.search(r"(?<!\\)[~^]", cell.replace(r"\textasciitilde{}", "").replace(r"\textasciicircum{}", ""))


@given(CELLS)
def test_latex_braces_always_balance(cell: str) -> None:
    latex = to_latex(Table("t", ("x",), ((cell,),)))
    bare = re.sub(r"\\[{}]", "", latex.replace(r"\\", ""))
    assert bare.count("{") == bare.count("}")


def test_latex_has_the_rules_of_booktabs_and_one_row_for_each_row() -> None:
    latex = to_latex(TABLE)
    for command in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{tabular}{lrrl}", r"\end{table}"):
        assert latex.count(command) == 1
    assert latex.count(r" \\") == 1 + len(TABLE.rows)
    assert r"98.40 $\pm$ 0.32" in latex
    assert "{[}$-$0.05, +0.82{]}" in latex
    assert r"\quad published" in latex


def test_markdown_keeps_its_columns_whatever_the_cells_hold() -> None:
    markdown = to_markdown(Table("t", ("x", "y"), ((HOSTILE, "2"),)))
    row = markdown.splitlines()[4]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert "<b>" not in row
    assert "](" not in row
    assert "[0, 1]" in row


def test_control_characters_never_reach_a_terminal() -> None:
    hostile = Table("\x1b[31mred\ntwo", ("a\tb",), (("\x07\x9b1m",),), ("\x1b]0;title\x07",))
    for text in (to_text(hostile), to_markdown(hostile), shown(80, hostile)):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


def test_a_file_gets_plain_text() -> None:
    file = io.StringIO()
    print_tables([TABLE, TABLE], file=file)
    assert file.getvalue() == to_text(TABLE) + "\n" + to_text(TABLE)


@pytest.mark.parametrize("width", [100, 80, 60, 50, 40, 30])
def test_no_digit_is_lost_and_no_line_too_long_on_any_terminal(width: int) -> None:
    text = shown(width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text
    wanted = digits(" ".join(cell for row in TABLE.rows for cell in row[1:]))
    for number in wanted:
        assert number in text


def test_a_bracketed_interval_is_no_markup() -> None:
    assert f"[{MINUS}0.05, +0.82]" in shown(100)
    assert "[bold]x[/bold]" in shown(100, Table("[bold]x[/bold]", ("a",), (("[red]",),)))


def test_an_encoding_without_plus_minus_gets_ascii_and_stays_aligned() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    print_tables([TABLE], file=file)
    file.flush()
    lines = raw.getvalue().decode("ascii").splitlines()
    assert lines[4].index("+/-") == lines[5].index("+/-")


def test_a_ragged_table_is_refused() -> None:
    with pytest.raises(UsageError, match="needs 2 cells"):
        Table("t", ("a", "b"), (("1",),))
    with pytest.raises(UsageError, match="align"):
        Table("t", ("a", "b"), (), align="lc")


@pytest.mark.parametrize("shape", [to_text, to_markdown, to_latex, to_html, lambda table: shown(100, table)])
def test_a_table_without_rows_is_its_title_and_notes(shape: Callable[[Table], str]) -> None:
    text = shape(Table("Which one mattered", ("Name", "Share"), (), ("Too few trials to tell.",)))
    assert "Which one mattered" in text
    assert "Too few trials to tell." in text
    assert "Share" not in text
