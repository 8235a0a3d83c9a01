"""Files of a ledger for other programs, each written as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from kbnd.errors import UsageError, how_to_install
from kbnd.files import check_file, check_folder, disk_errors, replacing, write_whole

if TYPE_CHECKING:
    import pandas as pd


FILE_ENDINGS = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl"}
"""Ending of a file's name -> the format that a person means by it."""


def check_folder_name(path: Path, format: str) -> None:
    """Refuse a folder that is called like a file.

    Raises:
        UsageError: it says what to name instead.
    """
    if path.suffix.lower() in FILE_ENDINGS:
        raise UsageError(
            f"an export as {format} is a folder of files, not a file as {path}: name a folder, as "
            f"{path.with_suffix('')}"
        )


def check_file_name(path: Path, format: str) -> None:
    """Refuse a file that is called like one of another format.

    Raises:
        UsageError: it says what to name instead.
    """
    meant = FILE_ENDINGS.get(path.suffix.lower(), format)
    if meant != format:
        raise UsageError(
            f"an export as {format} is no {meant}: name the file {path.with_suffix(f'.{format}')}, or choose format "
            f"{meant} and a folder, as {path.with_suffix('')}"
        )


def write_tables(folder: Path, format: str, tables: Mapping[str, pd.DataFrame]) -> list[Path]:
    """Write each table to `folder/NAME.FORMAT`, made where it is missing; return the files."""
    check_folder_name(folder, format)
    if format == "parquet" and find_spec("pyarrow") is None:
        raise UsageError(f"format 'parquet' needs pyarrow: {how_to_install('parquet')}")
    from kbnd.ledger.frames import to_csv  # brings pandas, which a ledger does without

    check_folder(folder, what="export")
    with disk_errors(f"the folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
    contents = {
        name: to_csv(table) if format == "csv" else table.to_parquet(index=False) for name, table in tables.items()
    }
    return [write_whole(folder / f"{name}.{format}", content, what="table") for name, content in contents.items()]


LINES_START = b'{"ledger"'
"""How every export as JSON lines begins."""


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    """Write an export as JSON lines as a whole or not at all; only an earlier one, or an empty file, is replaced.

    Raises:
        UsageError: another file has this name, such as a ledger, or its name is that of another format.
    """
    check_file_name(path, "jsonl")
    check_file(path, what="export", may_be_new=True)
    if path.exists():
        with disk_errors(f"the export {path}"), path.open("rb") as file:
            start = file.read(len(LINES_START))
        if start not in (b"", LINES_START):
            raise UsageError(f"{path} is there already and is no export of kbnd: name another file for the export")
    with replacing(path, what="export") as file:
        file.writelines(line.encode() for line in lines)
    return path
