"""Files of a ledger for other programs, each written as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from kbnd.errors import UsageError, how_to_install
from kbnd.files import disk_errors, replacing, write_whole

if TYPE_CHECKING:
    import pandas as pd


def write_tables(folder: Path, format: str, tables: Mapping[str, pd.DataFrame]) -> list[Path]:
    """Write each table to `folder/NAME.FORMAT`, made where it is missing; return the files."""
    if format == "parquet" and find_spec("pyarrow") is None:
        raise UsageError(f"format 'parquet' needs pyarrow: {how_to_install('parquet')}")
    with disk_errors(f"the folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
    contents = {
        name: table.to_csv(index=False).encode() if format == "csv" else table.to_parquet(index=False)
        for name, table in tables.items()
    }
    return [write_whole(folder / f"{name}.{format}", content, what="table") for name, content in contents.items()]


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    """Write a text file as a whole or not at all."""
    with replacing(path, what="export") as file:
        file.writelines(line.encode() for line in lines)
    return path
