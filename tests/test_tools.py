"""The scripts under tools/ find what they import from kbnd; they run for minutes, so nobody else would notice."""

from __future__ import annotations

import ast
import importlib
import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.backend
__test__ = os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"  # the same names under every backend

TOOLS = Path(__file__).parents[1] / "tools"
SCRIPTS = [file for file in sorted(TOOLS.iterdir()) if file.is_file() and "python" in file.read_text().split("\n")[0]]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
def test_a_tool_imports_names_that_kbnd_has(script: Path) -> None:
    found = [node for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.ImportFrom)]
    missing = []
    for node in found:
        if node.module is None or node.module.partition(".")[0] != "kbnd":
            continue
        module = importlib.import_module(node.module)
        for alias in node.names:
            if not hasattr(module, alias.name):
                try:
                    importlib.import_module(f"{node.module}.{alias.name}")
                except ModuleNotFoundError:
                    missing.append(f"{node.module}.{alias.name}")
    assert not missing


def test_there_are_tools() -> None:
    assert len(SCRIPTS) > 8
