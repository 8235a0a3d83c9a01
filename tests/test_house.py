"""The house rules of the package, read from the source with ast: floors, circles, sizes, names."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from import_graph import MODULES, PACKAGE, imported, source, used

FILES = list(MODULES.values())
BACKENDS = {"keras", "tensorflow", "jax", "torch"}

FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "printable"),
    (
        "clock",
        "cores",
        "files",
        "home",
        "interpreters",
        "locks",
        "memory",
        "quiet",
        "seeds",
        "spec",
        "streams",
        "theory",
        "words",
    ),
    ("records", "layers", "toml"),
    ("analysis", "circumstances", "data", "models", "recipe"),
    ("ledger", "profiling", "cost", "verdicts"),
    ("training", "export", "report"),
    ("execution",),
    ("study", "tuning"),
    ("doctor",),
    ("cli",),
    ("",),
    ("__main__",),
)
"""Rooms from the ground up; a room uses only rooms on floors below its own. The package itself (its lazy names) is on
top. Imports inside functions and for type checkers count as all others."""

READ_WING = ("records", "analysis", "ledger", "verdicts", "report", "export")
RUN_WING = ("layers", "models", "profiling", "training", "cost", "execution", "study", "tuning")

ONLY_IN = {"keras_tuner": "kbnd.tuning", "ray": "kbnd.execution.ray", "mlflow": "kbnd.export.mlflow"}
"""Library -> the room or file that alone may import it."""

PRINTS = ("kbnd.cli.options", "kbnd.data.decoding")
"""Modules that call `print`: what leaves for a person is made safe there, or by the process that it is sent to."""

MOST_LINES = 250
LONGER = {}
"""File of more lines -> why it is one subject all the same."""

MOST_BODY_LINES = 40
LONGER_BODIES: dict[str, str] = {}
"""Function whose body has more lines -> why."""

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
"""Modules whose import loads no backend."""


def room_of(module: str) -> str:
    """The room, or the file on the ground, that a module stands in; empty for the package itself."""
    return [*module.split("."), ""][1]


def floor_of(module: str) -> int:
    return next(floor for floor, rooms in enumerate(FLOORS) if room_of(module) in rooms)


def tops(names: Iterable[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def bodies(file: Path) -> Iterator[tuple[str, int]]:
    """Every function of a file and the lines of its body, without its docstring."""
    for node in ast.walk(source(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1:] if ast.get_docstring(node) is not None else node.body
            yield node.name, (node.body[-1].end_lineno or 0) - first[0].lineno + 1 if first else 0


def test_every_room_has_a_floor() -> None:
    rooms = [room for floor in FLOORS for room in floor]
    assert sorted(rooms) == sorted({room_of(module) for module in MODULES})


@pytest.mark.parametrize("module", MODULES)
def test_a_room_uses_only_rooms_below_it(module: str) -> None:
    floor = floor_of(module)
    assert not [name for name in used(module) if room_of(name) != room_of(module) and floor_of(name) >= floor]


def test_the_package_imports_in_no_circle() -> None:
    finished: list[str] = []

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module not in finished:
            for other in sorted(used(module)):
                visit(other, (*path, module))
            finished.append(module)

    for module in sorted(MODULES):
        visit(module, ())


@pytest.mark.parametrize("module", [module for module in MODULES if room_of(module) in READ_WING])
def test_the_read_wing_imports_neither_a_backend_nor_the_run_wing(module: str) -> None:
    assert not tops(imported(MODULES[module])) & BACKENDS
    assert not {room_of(name) for name in used(module)} & set(RUN_WING)


@pytest.mark.parametrize("module", MODULES)
def test_a_library_is_imported_where_it_belongs(module: str) -> None:
    names = tops(imported(MODULES[module]))
    strangers = [library for library, home in ONLY_IN.items() if not f"{module}.".startswith(f"{home}.")]
    assert not names & {*strangers, "studies"}


def test_nothing_is_printed_past_the_home_of_printing() -> None:
    calls = {module: [n for n in ast.walk(source(file)) if isinstance(n, ast.Call)] for module, file in MODULES.items()}
    names = {module: {ast.unparse(call.func) for call in nodes} for module, nodes in calls.items()}
    assert {module for module, called in names.items() if "print" in called} == set(PRINTS)


def test_no_file_is_called_after_nothing() -> None:
    assert not [file for file in FILES if file.stem in ("utils", "helpers", "common", "misc")]


def test_files_hold_one_subject() -> None:
    lengths = {module: len(file.read_text().splitlines()) for module, file in MODULES.items()}
    assert {module for module, n in lengths.items() if n > MOST_LINES} == set(LONGER)


def test_functions_do_one_step() -> None:
    long = {f"{module}.{name}" for module, file in MODULES.items() for name, n in bodies(file) if n > MOST_BODY_LINES}
    assert long == set(LONGER_BODIES)


def test_large_rooms_have_a_map() -> None:
    for room in {file.parent for file in FILES}:
        modules = [file.stem for file in room.glob("*.py") if file.stem != "__init__"]
        if len(modules) > 6 and room != PACKAGE:
            text = (room / "__init__.py").read_text()
            assert not [name for name in modules if f"`{name}`" not in text], room


def test_importing_what_is_lazy_loads_no_backend() -> None:
    code = f"import sys, {', '.join(LAZY)}; print(sorted({BACKENDS!r} & set(sys.modules)))"
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
