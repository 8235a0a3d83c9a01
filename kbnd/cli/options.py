"""Options that several commands share, and how results are printed."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from kbnd.errors import UsageError
from kbnd.printable import printable
from kbnd.toml import NotTomlError, parse_toml

SETTINGS: dict[str, Any] = {"no_args_is_help": True, "add_completion": False, "pretty_exceptions_enable": False}
DEFAULT_LEDGER = Path("kbnd.sqlite")

LedgerFile = Annotated[Path, typer.Option("--ledger", envvar="KBND_LEDGER", help="Ledger file.")]
LedgerArgument = Annotated[Path, typer.Argument(envvar="KBND_LEDGER", help="Ledger file.")]
Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON.")]
BackendName = Annotated[
    str | None, typer.Option("--backend", help="tensorflow, jax or torch; default: Keras' own setting.")
]
Seeds = Annotated[int | None, typer.Option("--seeds", help="Number of paired seeds, 1...N.")]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Passes over the training images.")]
Executor = Annotated[str, typer.Option("--executor", help="inline, processes:N, or ray: how runs are executed.")]
Address = Annotated[str | None, typer.Option("--address", help="Of a Ray cluster: auto or HOST:PORT.")]
NumCpus = Annotated[float | None, typer.Option("--num-cpus", help="Processors that each run on Ray asks for.")]
NumGpus = Annotated[float | None, typer.Option("--num-gpus", help="GPUs of each run on Ray, also a fraction.")]
CheckpointEvery = Annotated[int, typer.Option(min=1, help="Epochs between checkpoints.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Train failed runs again.")]


ImageSize = Annotated[str | None, typer.Option("--image-size", help="HEIGHTxWIDTH that the network sees, as 28x28.")]
Fit = Annotated[
    str | None,
    typer.Option("--fit", help="To that size: pad (the default; keeps pixels, enlarges only) or bilinear (resamples)."),
]


def height_width(text: str | None) -> tuple[int, int] | None:
    """Return the size that a text such as `28x28` names; None stays None.

    Raises:
        UsageError: it names none.
    """
    if text is None:
        return None
    height, _, width = text.partition("x")
    if not all(re.fullmatch(r"[0-9]{1,9}", side) for side in (height, width)):
        raise UsageError(f"an image size reads HEIGHTxWIDTH, as 28x28, received {text!r:.100}")
    return int(height), int(width)


def builder_options(texts: Iterable[str]) -> dict[str, Any]:
    """Return the builder's options that texts such as `depth=20` name; what is no TOML value is a text.

    Raises:
        UsageError: a text without a key or a value, or a key named twice.
    """
    options: dict[str, Any] = {}
    for text in texts:
        key, _, value = text.partition("=")
        if not key or not value:
            raise UsageError(f"an option reads KEY=VALUE, as depth=20, received {text!r}")
        if key in options:
            raise UsageError(f"option {key!r} is given twice, allowed once")
        options[key] = _toml_value(key, value)
    return options


def _toml_value(key: str, text: str) -> Any:
    try:
        parsed = parse_toml(f"value = {text}", what=f"the value of option {key!r}")
    except NotTomlError:
        return text
    return parsed["value"] if len(parsed) == 1 else text  # more lines than one are no value


def show(result: Any) -> None:
    """Print tables for a person, anything else as JSON."""
    from kbnd.report.table import Table
    from kbnd.report.terminal import print_tables

    if isinstance(result, list) and result and all(isinstance(part, Table) for part in result):
        print_tables(result)
    else:
        print(json.dumps(result, allow_nan=False))


def lines(texts: Iterable[str]) -> None:
    """Print results that are no table, each on a line of its own."""
    print("\n".join(map(printable, texts)))


def note(text: str = "") -> None:
    """Print a line beside the results, on stderr."""
    print(printable(text, keep="\n"), file=sys.stderr)


def names(text: str | None) -> tuple[str, ...] | None:
    """Split names at commas; None stays None."""
    return tuple(name.strip() for name in text.split(",")) if text else None


def numbers(text: str | None) -> tuple[Any, ...] | None:
    """Split numbers at commas, whole ones without a point; what is none stays a text, which its field refuses."""
    return None if text is None else tuple(map(_number, names(text) or ()))


def end(exit_code: int) -> None:
    """End the command with this exit code."""
    raise typer.Exit(exit_code)


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text
