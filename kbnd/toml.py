"""TOML that a person wrote, read in one place: studies, recipes, search spaces, options of a command.

Whatever is wrong with it is one sentence. Python's own reader goes down with the nesting (RecursionError) and takes
whole numbers of a few thousand digits only (ValueError); what it returns may still be deeper than those can walk that
come after it. The limits are far above anything that is meant: a study nests 5 levels, the longest here has 26 kB.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from kbnd.errors import UsageError
from kbnd.files import check_file

LARGEST_BYTES = 4_000_000
"""Size of a file."""

MOST_LEVELS = 32
"""Tables and lists within each other."""

_DEEP_KEY = re.compile(rf"""(?<![\w"'.-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{MOST_LEVELS}}}""")
"""A key `a.b.c...` of so many parts, for which Python's reader takes time as the square of their number."""


class NotTomlError(UsageError):
    """A text that is no TOML at all."""


def read_toml(path: Path, *, what: str) -> dict[str, Any]:
    """Return what a TOML file holds.

    Args:
        path: the file.
        what: it is, for the error, such as `study`.

    Raises:
        UsageError: it is too large or cannot be read, or is no TOML.
    """
    check_file(path, what=what)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read the {what} {path}: {error.strerror}") from None
    if len(content) > LARGEST_BYTES:
        raise UsageError(f"the {what} {path} is larger than {LARGEST_BYTES / 1e6:g} MB, the most that is read")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise NotTomlError(f"the {what} {path} is not TOML: {error}") from None
    return parse_toml(text, what=f"the {what} {path}")


def parse_toml(text: str, *, what: str) -> dict[str, Any]:
    """Return what a text in TOML says.

    Args:
        text: to be read.
        what: it is, with an article, for the error.

    Raises:
        NotTomlError: it is none.
        UsageError: it nests too deep, or holds a number that nobody reads.
    """
    too_deep = UsageError(f"{what} nests deeper than {MOST_LEVELS} tables or lists within each other")
    if _DEEP_KEY.search(text):
        raise too_deep
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise too_deep from None
    except tomllib.TOMLDecodeError as error:
        raise NotTomlError(f"{what} is not TOML: {error}") from None
    except ValueError:  # Python's own limit on the digits of whole numbers
        raise UsageError(f"{what} holds a whole number of thousands of digits") from None
    if _n_levels(content) > MOST_LEVELS:
        raise too_deep
    return content


def _n_levels(content: Any) -> int:
    """How deep tables and lists stand within each other, counted without going down with them."""
    level, inner = 0, [content]
    while inner:
        level += 1
        values = (v for one in inner for v in (one.values() if isinstance(one, dict) else one))
        inner = [value for value in values if isinstance(value, dict | list)]
    return level
