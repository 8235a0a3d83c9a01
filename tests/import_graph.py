"""Who imports whom, read from the source with ast: of the package, and of the tests that stand on it.

Imports at the top of a file, inside functions and for type checkers count alike.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE, TESTS = ROOT / "kbnd", ROOT / "tests"


def module_name(file: Path) -> str:
    """Dotted name of a module of the package; a file of the tests goes by its name there, as pytest imports it."""
    parts = file.relative_to(TESTS if file.is_relative_to(TESTS) else ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}
TEST_MODULES = {module_name(file): file for file in sorted(TESTS.rglob("*.py"))}


@cache
def source(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


@cache
def imported(file: Path) -> frozenset[str]:
    """Dotted names that a file imports, those of a lazy table too."""
    names, texts = set[str](), set[str]()
    for node in ast.walk(source(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            # The package on top has lazy names only: who takes a module from it does not stand on those.
            names |= inner if node.module == "kbnd" and inner <= set(MODULES) else inner | {node.module or ""}
        elif isinstance(node, ast.Constant) and node.value in MODULES:
            texts.add(str(node.value))
    return frozenset(names | texts if "importlib.import_module" in names else names)


@cache
def used(module: str) -> frozenset[str]:
    """The modules of the package that a module of it imports; its own package counts for what it takes from it only."""
    names = imported(MODULES[module]) & set(MODULES)
    return frozenset(name for name in names if name != module and not module.startswith(f"{name}."))


def texts(file: Path) -> Iterator[str]:
    """Every text in a file but its docstrings: code that a test runs elsewhere, commands, names of files."""
    prose = {id(node.value) for node in ast.walk(source(file)) if isinstance(node, ast.Expr)}
    for node in ast.walk(source(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def closure(starts: Iterable[str], edges: Mapping[str, Iterable[str]]) -> set[str]:
    """Everything that can be reached from some names, they themselves included."""
    reached, ahead = set[str](), list(starts)
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += edges.get(name, ())
    return reached
