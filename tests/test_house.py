"""The house rules of the package, read from the source with ast."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "kbnd"
FILES = sorted(PACKAGE.rglob("*.py"))
BACKENDS = {"keras", "tensorflow", "jax", "torch"}
READ_WING = ("ledger", "records", "analysis", "report", "export")
LAZY = (
    "kbnd",
    "kbnd.models",
    "kbnd.data",
    "kbnd.spec",
    "kbnd.ledger",
    "kbnd.study",
    "kbnd.study.runner",
    "kbnd.study.choices",
    "kbnd.study.definition",
    "kbnd.study.preview",
    "kbnd.analysis.compare",
    "kbnd.report.tables.study",
    "kbnd.cli",
    "kbnd.export",
    "kbnd.tuning",
    "kbnd.tuning.oracles",
)


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(file: Path, *, at_run_time_only: bool = False) -> set[str]:
    """Dotted names that a file imports; with `at_run_time_only`, not those for type checkers alone."""
    tree = ast.parse(file.read_text())
    skipped = set()
    if at_run_time_only:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                skipped |= {id(inner) for inner in ast.walk(node)}
    names = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def tops(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def within(file: Path, *parts: str) -> bool:
    return any(file.is_relative_to(PACKAGE / part) or file == PACKAGE / f"{part}.py" for part in parts)


@pytest.mark.parametrize("file", [f for f in FILES if within(f, *READ_WING)], ids=module_name)
def test_the_read_wing_imports_no_backend(file: Path) -> None:
    assert not tops(imported(file)) & BACKENDS
    run_wing = {"kbnd.training", "kbnd.models", "kbnd.tuning", "kbnd.execution", "kbnd.layers"}
    assert not {n for n in imported(file, at_run_time_only=True) if ".".join(n.split(".")[:2]) in run_wing}


@pytest.mark.parametrize("file", FILES, ids=module_name)
def test_imports_keep_their_directions(file: Path) -> None:
    names = imported(file)
    if within(file, "models"):
        assert not {n for n in names if n.startswith(("kbnd.training", "kbnd.tuning", "kbnd.study", "kbnd.ledger"))}
    if not within(file, "tuning"):
        assert "keras_tuner" not in tops(names)
    if file != PACKAGE / "execution" / "ray.py":
        assert "ray" not in tops(names)
    assert "studies" not in tops(names)


def test_no_file_is_called_after_nothing() -> None:
    assert not [f for f in FILES if f.stem in ("utils", "helpers", "common", "misc")]


def test_files_hold_one_subject() -> None:
    lengths = {module_name(f): len(f.read_text().splitlines()) for f in FILES}
    assert not {name: n for name, n in lengths.items() if n > 300}


def test_the_package_imports_in_no_circle() -> None:
    graph = {}
    names = {module_name(f) for f in FILES}
    for file in FILES:
        found = {n for n in top_level_imports(file) if n in names}
        graph[module_name(file)] = found - {module_name(file)}
    order: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name)) if name in path else ""
        if name not in order:
            for other in sorted(graph[name]):
                if not name.startswith(other + "."):  # a package is being imported while its parts are
                    visit(other, (*path, name))
            order.append(name)

    for name in sorted(graph):
        visit(name, ())


def top_level_imports(file: Path) -> set[str]:
    """Modules imported when the file is: imports inside functions and for type checkers do not count."""
    names = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("module", LAZY)
def test_importing_it_loads_no_backend(module: str) -> None:
    code = f"import sys, {module}; print(sorted({BACKENDS!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_help_loads_no_backend() -> None:
    code = (
        "import sys, kbnd.cli\n"
        "try: kbnd.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        f"heavy = {BACKENDS!r} | {{'pandas', 'scipy', 'matplotlib'}}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
