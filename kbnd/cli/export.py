"""`kbnd export`: a ledger's runs for TensorBoard, MLflow and everything that reads tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kbnd.cli.options import DEFAULT_LEDGER, Json, LedgerArgument, lines, note, show


def export(
    ledger: LedgerArgument = DEFAULT_LEDGER,
    *,
    to: Annotated[str, typer.Option("--to", help="csv, parquet, jsonl, tensorboard or mlflow.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to write (tensorboard, mlflow: LEDGER.TARGET); for jsonl a file."),
    ] = None,
    study: Annotated[str | None, typer.Option(help="Only this experiment or search; not for jsonl.")] = None,
    tracking_uri: Annotated[
        str | None, typer.Option("--tracking-uri", help="MLflow store or server, instead of --out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the finished runs of a ledger for other programs; again replaces, and doubles nothing."""
    from kbnd.export import export
    from kbnd.ledger import Reader

    with Reader.open(ledger) as opened:
        exported = export(opened, to, out, study=study, tracking_uri=tracking_uri)  # type: ignore[arg-type]
    if as_json:
        show({"written": list(exported.written), "look": exported.look})
        return
    lines(exported.written)
    if exported.look:
        note(f"to look at it: {exported.look}")
