"""report.html: one file, nothing loaded, nothing run, nothing read as markup."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from kbnd.report.page import page
from kbnd.report.table import Table

TABLE = Table("Test accuracy, %", ("Arm", "Mean"), (("plain", "98.40"), ("  published", "98.32")), ("n = 5 seeds.",))
FIGURES = {
    "time": {"png": b"time"},
    "mine": {"png": b"mine"},
    "accuracy": {"svg": b"<svg/>", "png": b"accuracy"},
}


class Read(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(title: str = "A study", *, table: Table = TABLE) -> Read:
    return Read(page(title, [table], FIGURES).decode())


def test_tables_and_pictures_are_in_the_file_itself() -> None:
    found = read()
    assert all(text in found.text for text in ("A study", "Test accuracy, %", "98.40", "n = 5 seeds."))
    sources = [attributes["src"] for tag, attributes in found.tags if tag == "img"]
    assert sources == [
        "data:image/svg+xml;base64," + base64.b64encode(b"<svg/>").decode(),
        "data:image/png;base64," + base64.b64encode(b"time").decode(),
        "data:image/png;base64," + base64.b64encode(b"mine").decode(),
    ]


def test_the_policy_allows_its_own_style_and_pictures_alone() -> None:
    html = page("A study", [TABLE], FIGURES).decode()
    (style,) = re.findall(r"<style>(.*?)</style>", html, flags=re.DOTALL)
    (policy,) = [a["content"] for tag, a in Read(html).tags if a.get("http-equiv") == "Content-Security-Policy"]
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'sha256-{allowed}'"
    assert not re.search(r"<script|<link|\son\w+=|style=|https?:", html)


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=y>', "{{ 7 * 7 }}", "a & b"])
def test_no_text_is_markup(hostile: str) -> None:
    table = Table(hostile, (hostile, hostile), ((hostile, hostile),), (hostile,))
    plain, found = read(), read(hostile, table=table)
    assert found.text.count(hostile) >= 5
    assert [tag for tag, _ in found.tags if tag in ("script", "img")] == [tag for tag, _ in plain.tags if tag == "img"]


def test_a_table_without_rows_is_its_title_and_notes() -> None:
    found = read(table=Table("Nothing", ("Arm", "Mean"), (), ("None finished.",)))
    assert "None finished." in found.text
    assert "table" not in [tag for tag, _ in found.tags]


def test_nothing_is_hidden_or_turned_around() -> None:
    hostile = "\u202eevil\x1b[31m\u2066"
    html = page(hostile, [Table(hostile, (hostile, ""), ((hostile, hostile),), (hostile,))], FIGURES).decode()
    assert html.replace("\n", "").isprintable()
    assert html.count(r"\u202eevil\x1b[31m\u2066") == 6  # a table's title that is the page's stands once, as heading
