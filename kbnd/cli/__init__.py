"""The command line: parse, call one library function, print. Results go to stdout, progress to stderr.

Commands import what they need when they are called, so that `kbnd --help` answers at once.

| module     | subject                                                                |
|------------|------------------------------------------------------------------------|
| `study`    | `kbnd study`, and `python -m studies.NAME`                             |
| `train`    | `kbnd train`                                                           |
| `tune`     | `kbnd tune`                                                            |
| `reading`  | commands that only look: `compare`, `doctor`, `data ...`, `ledger ...` |
| `export`   | `kbnd export`                                                          |
| `options`  | options that several commands share, and how results are printed       |
| `progress` | progress on stderr, and what signals do                                |
| `streams`  | stdout and stderr, which take any text                                 |
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from kbnd.cli import export, reading, streams, study, train, tune
from kbnd.cli.options import SETTINGS
from kbnd.errors import KbndError

PACKAGE = Path(__file__).parents[1]

app = typer.Typer(invoke_without_command=True, **SETTINGS)
app.command("study")(study.study)
app.command("train")(train.train)
app.command("tune")(tune.tune)
app.command("compare")(reading.compare)
app.command("export")(export.export)
app.command("doctor")(reading.doctor)
app.add_typer(reading.data_app, name="data")
app.add_typer(reading.ledger_app, name="ledger")


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Show the version and end.")] = False,
) -> None:
    """Batch Normalization and Dropout in CNNs: paired seeds, intervals, an honest clock."""
    if version:
        from kbnd import __version__

        print(f"kbnd {__version__}")
        raise typer.Exit


def main(argv: list[str] | None = None) -> None:
    """Run the `kbnd` command and end the process with its exit code."""
    _guarded(lambda: app(args=argv, prog_name="kbnd"))


def study_main(name: str, module_file: str) -> None:
    """Run the study beside a module of `studies`: `python -m studies.NAME` is `kbnd study NAME.toml`."""
    command = typer.main.get_command(app).commands["study"]  # type: ignore[attr-defined]
    file = Path(module_file).with_name(f"{name}.toml")
    command.params = [param for param in command.params if param.name != "file"]
    inner = command.callback
    command.callback = lambda **options: inner(file=file, **options)
    _guarded(lambda: command.main(prog_name=f"python -m studies.{name}"))


def _guarded(call: Callable[[], Any]) -> None:
    """Run a command; kbnd's own errors and warnings become one sentence on stderr, errors with their exit code."""
    usual, lines = warnings.formatwarning, set[str]()

    def in_a_line(message: Warning | str, category: type[Warning], filename: str, *place: Any, **source: Any) -> str:
        if not Path(filename).is_relative_to(PACKAGE):
            return usual(message, category, filename, *place, **source)
        line = f"kbnd: warning: {message}\n"
        is_new = line not in lines  # each run of a study warns anew
        lines.add(line)
        return line if is_new else ""

    streams.take_any_text()
    warnings.formatwarning = in_a_line
    try:
        call()
    except KbndError as error:
        print(f"kbnd: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    finally:
        warnings.formatwarning = usual
