"""What a person writes of a search space, as entries by path: options of a command, and space files.

| of a command                          | means                                                             |
|---------------------------------------|-------------------------------------------------------------------|
| `--dropout 0..0.8`, `--lr 1e-3..1`    | a range; that of the learning rate is logarithmic                 |
| `--dropout 0,0.25,0.5`                | a choice                                                          |
| `--dropout 0.3`                       | one value                                                         |

A space file has the tables [model], [model.options], [model.dropout] (site -> rate), [data] and [train]. A value in it
is fixed, a list is a choice, and a table with `min` and `max` (and `log`, `step`) is a range. A field that is a list
itself takes a list of lists for a choice: `head = [[512, 512], [1024, 1024]]`. Where the optimizer varies, momentum is
of `sgd` alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kbnd.errors import UsageError, unknown
from kbnd.toml import read_toml
from kbnd.tuning.parameters import Choice, Range
from kbnd.tuning.paths import TABLES, check_path, check_varies

Entries = dict[str, Any]
"""Path -> a `Choice`, a `Range`, or the one value."""

LISTS = (
    *("model.batch_norm_sites", "model.dropout_sites", "model.options.head"),
    *("data.image_size", "train.milestones", "train.multipliers"),
)
"""Fields whose value is a list."""

TABLES_IN_TABLES = ("model.options", "model.dropout")


def numbers(what: str, text: str, *, log: bool = False) -> Any:
    """Return the entry that a text names: `0..0.8` a range, `0,0.5` a choice, `0.3` a number.

    Args:
        what: the option's name, for the error.
        text: as the user wrote it.
        log: whether a range is logarithmic.

    Raises:
        UsageError: it is none of them, or a range or list that cannot be meant.
    """
    with naming(what):
        low, is_range, high = text.partition("..")
        if is_range:
            return Range(min=_number(low, text), max=_number(high, text), log=log)
        return choice([_number(part, text) for part in text.split(",")])


def words(what: str, text: str) -> Any:
    """Return the entry that names separated by commas mean: a choice, or the one name.

    Raises:
        UsageError: one is empty, or stands twice.
    """
    with naming(what):
        names = [part.strip() for part in text.split(",")]
        if not all(names):
            raise UsageError(f"takes names separated by commas, received {text!r}")
        return choice(names)


def choice(values: list[Any]) -> Any:
    """Return a choice, or the one value where there is only one.

    Raises:
        UsageError: the list is empty, or holds something twice.
    """
    several = Choice(values=tuple(values))
    return several if len(several.values) > 1 else values[0]


def read(file: Path) -> dict[str, Any]:
    """Return what a space file holds.

    Raises:
        UsageError: it cannot be read, or is no TOML.
    """
    return read_toml(file, what="space")


def name_in(content: Mapping[str, Any], table: str) -> str | None:
    """Return the name that a table of a space file holds; None where it holds no text."""
    fields = content.get(table)
    name = fields.get("name") if isinstance(fields, dict) else None
    return name if isinstance(name, str) else None


def entries_in(content: Mapping[str, Any], network: str) -> Entries:
    """Return the entries of a space file, without the network's name.

    Args:
        content: of the file.
        network: whose options these are.

    Raises:
        UsageError: an unknown table, field or option, or a list or range that cannot be meant; it names the field.
    """
    entries: Entries = {}
    for table, fields in content.items():
        if table not in TABLES:
            raise unknown("table", table, TABLES)
        if not isinstance(fields, dict):
            raise UsageError(f"{table} should be a table, [{table}], received {fields!r}")
        for path, value in _flat(table, fields):
            check_path(path, network)
            with naming(path):
                entries[path] = _entry(path, value)
            if isinstance(entries[path], (Choice, Range)):
                check_varies(path)
    return {path: value for path, value in entries.items() if path != "model.name"}


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Let an error inside say what it is about."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{what}: {error}") from None


def _flat(table: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of a table by path; options and sites one by one."""
    for field, value in fields.items():
        path = f"{table}.{field}"
        is_nested = path in TABLES_IN_TABLES and isinstance(value, dict) and not {"min", "max"} & set(value)
        if is_nested:
            yield from ((f"{path}.{name}", of_name) for name, of_name in value.items())
        else:
            yield path, value


def _entry(path: str, value: Any) -> Any:
    if isinstance(value, dict):
        for key in value:
            if key not in Range.model_fields:
                raise unknown("key of a range", key, Range.model_fields)
        return Range(**value)
    is_list_of_lists = isinstance(value, list) and bool(value) and all(isinstance(item, list) for item in value)
    if isinstance(value, list) and (is_list_of_lists or path not in LISTS):
        return choice(value)
    return value


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"takes numbers, as 0..0.8 or 0,0.25,0.5 or 0.3, received {whole!r}") from None
