"""Every package that kbnd asks for has a lower bound that can be installed, and the versions tested lie above it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def versions(text: str) -> dict[str, str]:
    pairs = (line.split("==") for line in text.splitlines())
    return {name.lower().replace("_", "-"): version for name, version in pairs}


@pytest.fixture(scope="module")
def lowest() -> dict[str, str]:
    script = [sys.executable, str(ROOT / "tools" / "lowest_versions"), *EXTRAS]
    return versions(subprocess.run(script, capture_output=True, text=True, check=True).stdout)


def test_the_tested_versions_are_allowed_ones(lowest: dict[str, str]) -> None:
    pinned = versions((ROOT / "tools" / "constraints.txt").read_text())
    unpinned = set(lowest) - set(pinned)
    assert unpinned <= {"jupyterlab"}  # of the extra `notebook`, which nothing here runs
    assert not {name for name in set(lowest) & set(pinned) if Version(lowest[name]) > Version(pinned[name])}


def test_a_version_is_the_lowest_that_a_requirement_allows(lowest: dict[str, str]) -> None:
    assert lowest["ray"] == "2.60"
    assert lowest["keras-tuner"] == "1.4.7"
    assert {"numpy", "pydantic", "typer", "torch", "sqlalchemy"} <= set(lowest)
