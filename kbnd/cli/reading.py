"""Commands that only look: `kbnd compare`, `kbnd doctor`, `kbnd data ...` and `kbnd ledger ...`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kbnd.cli.options import (
    DEFAULT_LEDGER,
    SETTINGS,
    Fit,
    ImageSize,
    Json,
    LedgerArgument,
    LedgerFile,
    end,
    height_width,
    lines,
    show,
)
from kbnd.errors import UsageError

if TYPE_CHECKING:
    from kbnd.data import Availability

data_app = typer.Typer(help="Datasets: list, prepare, verify.", **SETTINGS)
ledger_app = typer.Typer(help="The ledger of runs: list, show, export, import, verify.", **SETTINGS)


def compare(
    ledger: LedgerArgument = DEFAULT_LEDGER,
    study: Annotated[str | None, typer.Option(help="Experiment in the ledger; needed where it holds several.")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Arm to compare all others with; default the study's, and its arms' own.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the arms of an experiment: mean, 95 % interval, paired difference and its interval, n."""
    from kbnd.report.comparison import compare_ledger

    result = compare_ledger(ledger, study=study, baseline=baseline)
    show(result.as_json() if as_json else result.tables)


def doctor(ledger: LedgerFile = DEFAULT_LEDGER, as_json: Json = False) -> None:
    """Show versions, backends, devices, data found and the ledger's state."""
    from kbnd.doctor import examine, tables

    state = examine(ledger)
    show(state if as_json else tables(state))


@data_app.command("list")
def _data_list(as_json: Json = False) -> None:
    """List the datasets: bundled, cached, prepared or missing."""
    from kbnd import data

    _show_datasets(data.available(), as_json=as_json)


@data_app.command("prepare")
def _data_prepare(
    name: Annotated[str, typer.Argument(help="Dataset, such as mnist, or folder:PATH.")],
    force: Annotated[bool, typer.Option("--force", help="Decode it again, over a cached copy.")] = False,
    image_size: ImageSize = None,
    fit: Fit = None,
    as_json: Json = False,
) -> None:
    """Decode a dataset into the cache (downloads where tensorflow-datasets needs to)."""
    from kbnd import data

    size, how = height_width(image_size), fit or "pad"
    prepared = data.prepare(name, force=force, image_size=size, fit=how)  # type: ignore[arg-type]  # its to refuse
    _show_datasets([prepared], as_json=as_json)


@data_app.command("verify")
def _data_verify(
    name: Annotated[str, typer.Argument(help="Dataset, or folder:PATH.")],
    as_json: Json = False,
) -> None:
    """Check a cached dataset against its fingerprint; an error says what is damaged.

    Of a folder also show its classes and splits, what is left out, images that cannot be used (exit 2) and twins.
    """
    from kbnd import data
    from kbnd.report.datasets import census_as_json, census_tables

    if not data.is_folder(name):
        _show_datasets(data.verify(name), as_json=as_json, title="Sound")
        return
    census, copies = data.census_of(name), data.verify(name)
    show(census_as_json(census, copies) if as_json else census_tables(census, copies))
    end(UsageError.exit_code if census.unreadable else 0)


def _show_datasets(datasets: Sequence[Availability], *, as_json: bool, title: str = "Datasets") -> None:
    from kbnd.report.datasets import dataset_rows, dataset_table

    show(dataset_rows(datasets) if as_json else [dataset_table(datasets, title=title)])


@ledger_app.command("list")
def _ledger_list(
    ledger: LedgerArgument = DEFAULT_LEDGER,
    study: Annotated[str | None, typer.Option(help="Only the runs of this experiment.")] = None,
    as_json: Json = False,
) -> None:
    """List the runs of a ledger."""
    from kbnd.report.json_values import as_rows
    from kbnd.report.runs import run_tables, stored_runs

    runs = stored_runs(ledger, study=study)
    show(as_rows(runs) if as_json else run_tables(runs, ledger))


@ledger_app.command("show")
def _ledger_show(
    run_id: Annotated[str, typer.Argument(help="Run, as `kbnd ledger list` shows it; its first characters will do.")],
    ledger: LedgerFile = DEFAULT_LEDGER,
    as_json: Json = False,
) -> None:
    """Show one run whole: its result, epochs and spec."""
    from kbnd.report.runs import run_as_json, run_table, spec_table, stored_run

    record = stored_run(ledger, run_id)
    show(run_as_json(record) if as_json else [run_table(record), spec_table(record)])


@ledger_app.command("export")
def _ledger_export(
    target: Annotated[Path, typer.Argument(help="File (jsonl) or folder (csv, parquet) to write.")],
    ledger: LedgerFile = DEFAULT_LEDGER,
    format: Annotated[str, typer.Option("--format", help="jsonl (can be imported again), csv or parquet.")] = "jsonl",
    study: Annotated[str | None, typer.Option(help="Only this experiment; not for jsonl.")] = None,
    as_json: Json = False,
) -> None:
    """Write the runs of a ledger for other programs."""
    from kbnd.ledger import Reader

    with Reader.open(ledger) as opened:
        files = [str(file) for file in opened.export(target, format, study=study)]  # type: ignore[arg-type]
    if as_json:
        show({"written": files})
    else:
        lines(files)


@ledger_app.command("import")
def _ledger_import(
    source: Annotated[Path, typer.Argument(help="Another ledger, or JSON lines exported from one.")],
    ledger: LedgerFile = DEFAULT_LEDGER,
    as_json: Json = False,
) -> None:
    """Merge the runs of another ledger; one run with two results is refused and both are shown.

    A run that was trained in both under other circumstances (threads, machine, versions, a GPU) may differ: the one
    here stays, and a search keeps the scores that its log has from the other.
    """
    from kbnd.ledger import import_into
    from kbnd.report.runs import elsewhere_note

    merged = import_into(ledger, source)
    if as_json:
        show(asdict(merged))
    else:
        counts = f"{merged.n_added} runs added, {merged.n_replaced} replaced, {merged.n_kept} kept as they were"
        lines([counts, *([elsewhere_note(merged)] if merged.n_elsewhere else []), *merged.notes])


@ledger_app.command("verify")
def _ledger_verify(ledger: LedgerArgument = DEFAULT_LEDGER, as_json: Json = False) -> None:
    """Check a ledger: SQLite's own checks, counts, ranges, digests, logs of searches.

    Exit 1 if something is wrong, 2 if the file cannot be read at all.
    """
    from kbnd.ledger import Reader

    with Reader.open(ledger) as opened:
        problems, notes = opened.verify(), opened.notes()
    if as_json:
        show({"problems": problems, "notes": notes})
    else:
        lines([*(problems or ["sound"]), *notes])
    end(1 if problems else 0)
