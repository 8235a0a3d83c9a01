"""`report.html`: every table and picture of an output folder on one page that opens offline.

| the page                       | so that                                                                        |
|--------------------------------|--------------------------------------------------------------------------------|
| escapes every text             | no name of an arm or a dataset is ever markup (Jinja2's autoescape)            |
| shows only printable text      | none is hidden or turned around (`kbnd.printable`)                             |
| holds its pictures             | one file can be sent; as images, in which no script of an SVG would run        |
| has a Content-Security-Policy  | a browser loads nothing from anywhere and runs nothing, whatever the page says |

The same tables and pictures give the same bytes: no dates.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from kbnd.printable import printable
from kbnd.report.table import Table

TEMPLATE, STYLE = "page.html.jinja", "page.css"
"""Files beside this one."""

CAPTIONS = {
    "accuracy": "Accuracy of every seed, and differences from the baseline",
    "curves": "Learning curves, each against its baseline",
    "time": "Times as ratios to the baseline",
    "cost": "Accuracy against time: up and to the left is better",
    "marginals": "Score against each hyperparameter",
}
"""Figure -> its caption, in the order of the page."""

IMAGES = {"svg": "image/svg+xml", "png": "image/png"}
"""Format of a figure -> its media type, the better one first."""


def page(title: str, tables: Iterable[Table], figures: Mapping[str, Mapping[str, bytes]]) -> bytes:
    """Return the page.

    Args:
        title: its heading.
        tables: in order.
        figures: contents by name and format (`svg`, `png`); those of other names than `CAPTIONS` stand last.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    here = Path(__file__).parent
    style = (here / STYLE).read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    names = sorted(figures, key=lambda name: (name not in CAPTIONS, [*CAPTIONS, name].index(name)))
    html = environment.get_template(TEMPLATE).render(
        title=printable(title),
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        tables=list(tables),
        figures=[(name, CAPTIONS.get(name, name), _address(figures[name])) for name in names],
        sides={"l": "left", "r": "right"},
    )
    return html.encode()


def _address(formats: Mapping[str, bytes]) -> str:
    """A picture as an address that holds it."""
    suffix = next(suffix for suffix in IMAGES if suffix in formats)
    return f"data:{IMAGES[suffix]};base64,{base64.b64encode(formats[suffix]).decode()}"
