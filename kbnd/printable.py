r"""Text that is safe to show, whoever wrote it: no character of it drives a terminal or turns the line around.

| character                                                        | becomes                        |
|------------------------------------------------------------------|--------------------------------|
| printable (`str.isprintable`), and the space                     | itself                         |
| another kind of space, a tab, the end of a line or a paragraph   | one space for a row of them    |
| control (ESC, BEL), format (bidirectional marks, joiners, U+FEFF) | its escape, such as `\x1b`     |
| lone surrogate, private, not assigned                            | its escape, such as `\udcff`   |

Names, titles, class names and errors come from ledgers, TOML files and folders that others made. They are made safe
where they leave for a person: in a table, in a line of progress, in an error or a warning, on a page, in a picture.
Files for programs (CSV, Parquet, JSON lines) hold them as they are, JSON with its own escapes.

Reference: Boucher and Anderson (2023), Trojan Source: Invisible Vulnerabilities, USENIX Security 23.
"""

from __future__ import annotations

import re

_SPACES = re.compile(r"\s+")


def printable(text: str, *, keep: str = "") -> str:
    """Return a text as one line that is safe to show.

    Args:
        text: any.
        keep: characters that stay as they are, such as the end of a line.
    """
    if is_printable(text, keep=keep):
        return text
    spaced = _joined(text, keep)
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in spaced)


def is_printable(text: str, *, keep: str = "") -> bool:
    """Whether a text can be shown as it is; `keep` as in `printable`."""
    return text.isprintable() or all(c.isprintable() or c in keep for c in text)


def _joined(text: str, keep: str) -> str:
    """The text with a space for each row of other kinds of spaces; rows of mere spaces are somebody's indentation."""

    def joined(match: re.Match[str]) -> str:
        row = match[0]
        return row if is_printable(row, keep=keep) else "".join(c for c in row if c in keep) or " "

    return _SPACES.sub(joined, text)
