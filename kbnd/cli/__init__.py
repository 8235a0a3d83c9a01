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
| `ending`   | how a command ends: errors and warnings as sentences, exit codes       |
"""

from __future__ import annotations

import sys
from copy import copy
from pathlib import Path
from typing import Annotated

import typer

from kbnd.cli import export, reading, study, train, tune
from kbnd.cli.ending import exit_code_of
from kbnd.cli.options import SETTINGS, lines

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

        lines([f"kbnd {__version__}"])
        raise typer.Exit


def main(argv: list[str] | None = None) -> None:
    """Run the `kbnd` command and end the process with its exit code."""
    sys.exit(exit_code_of(lambda: app(args=argv, prog_name="kbnd", standalone_mode=False)))


def study_main(name: str, module_file: str) -> None:
    """Run the study beside a module of `studies`: `python -m studies.NAME` is `kbnd study NAME.toml`."""
    command = copy(typer.main.get_command(app).commands["study"])  # type: ignore[attr-defined]
    file = Path(module_file).with_name(f"{name}.toml")
    command.params = [param for param in command.params if param.name != "file"]
    inner = command.callback
    command.callback = lambda **options: inner(file=file, **options)
    sys.exit(exit_code_of(lambda: command.main(prog_name=f"python -m studies.{name}", standalone_mode=False)))
