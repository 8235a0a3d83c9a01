"""Interpreters of our own import Python's library, whatever files lie where they are started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kbnd import interpreters

HIDING = ("random.py", "code.py", "numpy.py", "tensorflow/__init__.py")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A working folder of files named like libraries, each of which fails; no test writes elsewhere."""
    (tmp_path / "tensorflow").mkdir()
    for file in HIDING:
        (tmp_path / file).write_text("raise ImportError('the file of the working folder')")
    (tmp_path / "notes.py").touch()
    return tmp_path


@pytest.mark.parametrize("path", [["", *sys.path], [".", *sys.path], sys.path])
def test_a_file_in_the_working_folder_hides_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, path: list[str]
) -> None:
    monkeypatch.setattr(sys, "path", [str(here), *path])  # as after python -m
    code = "import code, numpy, random, kbnd.errors"
    subprocess.run(interpreters.command("-c", code), env=interpreters.environment(), check=True, timeout=60)


def test_kbnd_is_importable_from_where_it_lies(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(interpreters.HOME)
    monkeypatch.setattr(sys, "path", ["", *(folder for folder in sys.path if Path(folder) != interpreters.HOME)])
    variables = interpreters.environment()
    monkeypatch.chdir(here)
    subprocess.run(interpreters.command("-c", "import kbnd.errors"), env=variables, check=True, timeout=60)


def test_a_removed_working_folder_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert interpreters.environment()["PYTHONPATH"]
    monkeypatch.chdir(tmp_path)


def test_what_hides_a_library_is_named(here: Path) -> None:
    assert interpreters.hiding(here, ["numpy", "tensorflow"]) == sorted(HIDING)
