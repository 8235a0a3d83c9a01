"""A few of the random faults that `tools/fuzz` tries by the thousand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from fuzzing.kinds import KINDS
from patience import HANG_S

FUZZ = Path(__file__).parents[1] / "tools" / "fuzz"

CHEAP = ("kill-study", "checkpoint", "study", "recipe", "space", "dataset", "six-study", "suspended")
"""Kinds whose first cases take seconds together."""

OF_SEARCHES = ("kill-search", "six-search", "ledger-values", "ledger-bytes", "lines-values", "lines-bytes")
"""Kinds that import Keras, on NumPy."""


def fuzzed(kinds: Iterable[str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FUZZ), *kinds, *options]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=HANG_S, check=False)


def test_no_random_fault_loses_doubles_breaks_or_hides_anything() -> None:
    result = fuzzed(CHEAP, "--n", "4")
    assert result.returncode == 0, result.stdout
    assert result.stdout.splitlines()[-1].split()[:2] == ["all", str(4 * len(CHEAP))]


@pytest.mark.backend
@pytest.mark.skipif(
    os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow", reason="the same under every backend"
)
def test_no_random_fault_of_a_search_does() -> None:
    result = fuzzed(OF_SEARCHES, "--n", "4")
    assert result.returncode == 0, result.stdout


def test_every_kind_is_tried_often_by_the_script() -> None:
    names = fuzzed([], "--list").stdout.split("\n")[:-1]
    assert [line.split()[0] for line in names] == list(KINDS)
    assert sum(kind.n for name, kind in KINDS.items() if name.startswith("kill")) + 2 * KINDS["trained"].n == 500
