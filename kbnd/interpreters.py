"""Interpreters that kbnd starts for its own work, and files that would hide a library from one.

Python looks for modules in the folder of a script, and for `-m` and `-c` in the folder it is started in, before its own
library: there a `random.py` or `tensorflow.py` takes the place of the library of that name. kbnd's own processes never
look there (`-P`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

SAFE = "-P"
"""The flag of an interpreter that does not look for modules where it is started."""

HOME = Path(__file__).resolve().parents[1]
"""The folder from which kbnd is imported."""


def command(*arguments: str) -> list[str]:
    """Return the command line of an interpreter of our own."""
    return [sys.executable, SAFE, *arguments]


def environment() -> dict[str, str]:
    """Return the variables of an interpreter that imports what this one does, but nothing from the working folder.

    A working folder that holds kbnd itself, such as a checkout, stays on the path.
    """
    is_at_home = _is_here(HOME)
    folders = [folder for folder in sys.path if folder and (is_at_home or not _is_here(folder))]
    home = [] if str(HOME) in folders else [str(HOME)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*folders, *home])}


def hiding(folder: Path, libraries: Iterable[str]) -> list[str]:
    """Return the files and packages of a folder that hide a module of Python, or one of these libraries."""
    names = {*sys.stdlib_module_names, *libraries}
    files = {f"{name}.py" for name in names} | {f"{name}/__init__.py" for name in names}
    return sorted(file for file in files if (folder / file).is_file())


def _is_here(folder: str | Path) -> bool:
    """Whether a folder is the one this process works in, which may have been removed."""
    try:
        return os.path.samefile(folder, os.curdir)
    except OSError:
        return False
