"""Commands that only look: `kbnd compare`, `kbnd doctor`, `kbnd data ...` and `kbnd ledger ...`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from kbnd.cli.options import DEFAULT_LEDGER, SETTINGS, Json, LedgerArgument, LedgerFile, end, show

data_app = typer.Typer(help="Datasets: list, prepare, verify.", **SETTINGS)
ledger_app = typer.Typer(help="The ledger of runs: list, show, export, import, verify.", **SETTINGS)


def compare(
    ledger: LedgerArgument = DEFAULT_LEDGER,
    study: Annotated[str | None, typer.Option(help="Experiment in the ledger; needed where it holds several.")] = None,
    baseline: Annotated[str | None, typer.Option(help="Arm the others are compared with; default `baseline`.")] = None,
    as_json: Json = False,
) -> None:
    """Compare the arms of an experiment: mean, 95 % interval, paired difference and its interval, n."""
    from kbnd.report import overview

    result = overview.compare_ledger(ledger, study=study, baseline=baseline)
    show(overview.as_json(result) if as_json else result.tables)


def doctor(ledger: LedgerFile = DEFAULT_LEDGER, as_json: Json = False) -> None:
    """Show versions, backends, devices, data found and the ledger's state."""
    from kbnd.doctor import examine, tables

    found = examine(ledger)
    show(found if as_json else tables(found))


@data_app.command("list")
def _data_list(as_json: Json = False) -> None:
    """List the datasets: bundled, cached, prepared or missing."""
    from kbnd.doctor import data_rows, data_table

    show(data_rows() if as_json else [data_table()])


@data_app.command("prepare")
def _data_prepare(
    name: Annotated[str, typer.Argument(help="Dataset, such as mnist, or folder:PATH.")],
    force: Annotated[bool, typer.Option("--force", help="Decode it again, over a cached copy.")] = False,
) -> None:
    """Decode a dataset into the cache (downloads where tensorflow-datasets needs to)."""
    from kbnd import data

    found = data.prepare(name, force=force)
    print(f"{found.label}: {found.state} in {found.where}, fingerprint {found.fingerprint}")


@data_app.command("verify")
def _data_verify(name: Annotated[str, typer.Argument(help="Dataset.")]) -> None:
    """Check a cached dataset against its fingerprint."""
    from kbnd import data

    for found in data.verify(name):
        print(f"{found.label}: sound, {found.where}, fingerprint {found.fingerprint}")


@ledger_app.command("list")
def _ledger_list(
    ledger: LedgerArgument = DEFAULT_LEDGER,
    study: Annotated[str | None, typer.Option(help="Only the runs of this experiment.")] = None,
    as_json: Json = False,
) -> None:
    """List the runs of a ledger."""
    from kbnd.report import overview

    runs = overview.stored_runs(ledger, study=study)
    show(overview.as_rows(runs) if as_json else [overview.runs_table(runs, ledger)])


@ledger_app.command("show")
def _ledgershow(
    run_id: Annotated[str, typer.Argument(help="Run, as `kbnd ledger list` shows it; its first characters will do.")],
    ledger: LedgerFile = DEFAULT_LEDGER,
    as_json: Json = False,
) -> None:
    """Show one run whole: its result, epochs and spec."""
    from kbnd.report import overview

    record = overview.stored_run(ledger, run_id)
    show(overview.run_as_json(record) if as_json else [overview.run_table(record)])


@ledger_app.command("export")
def _ledger_export(
    target: Annotated[Path, typer.Argument(help="File (jsonl) or folder (csv, parquet) to write.")],
    ledger: LedgerFile = DEFAULT_LEDGER,
    format: Annotated[str, typer.Option("--format", help="jsonl (can be imported again), csv or parquet.")] = "jsonl",
    study: Annotated[str | None, typer.Option(help="Only this experiment; not for jsonl.")] = None,
) -> None:
    """Write the runs of a ledger for other programs."""
    from kbnd.ledger import Ledger

    with Ledger.open(ledger, create=False, read_only=True) as opened:
        for file in opened.export(target, format, study=study):  # type: ignore[arg-type]
            print(file)


@ledger_app.command("import")
def _ledger_import(
    source: Annotated[Path, typer.Argument(help="Another ledger, or JSON lines exported from one.")],
    ledger: LedgerFile = DEFAULT_LEDGER,
) -> None:
    """Merge the runs of another ledger; a run with two different results is refused and both are shown."""
    from kbnd.ledger import Ledger

    with Ledger.open(ledger) as opened:
        merged = opened.import_(source)
    print(f"{merged.n_added} runs added, {merged.n_replaced} replaced, {merged.n_kept} kept as they were")


@ledger_app.command("verify")
def _ledger_verify(ledger: LedgerArgument = DEFAULT_LEDGER) -> None:
    """Check a ledger: SQLite's own checks, counts, ranges, digests; exit 1 where something is wrong."""
    from kbnd.ledger import Ledger

    with Ledger.open(ledger, create=False, read_only=True) as opened:
        problems = opened.verify()
    for problem in problems:
        print(problem)
    print("sound" if not problems else f"{len(problems)} problems", file=sys.stderr)
    end(1 if problems else 0)
