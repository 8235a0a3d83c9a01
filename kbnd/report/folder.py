"""The output folder of a study or search: its files, each written whole or not at all.

| file               | one row per     |
|--------------------|-----------------|
| `runs.csv`         | run             |
| `epochs.csv`       | run and epoch   |
| `comparison.csv`   | arm and metric  |
| `times.csv`        | arm             |
| `claims.csv`       | claim           |
| `tables.md`        |                 |
| `tables.tex`       |                 |
| `figures/*`        |                 |
| `report.html`      |                 |
| `environment.json` |                 |

A reader sees the old file or the new one, and a full disk leaves the old one (`kbnd.files`). The folder may be a link
that the person made; in it, none leads anywhere else.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from kbnd.errors import UsageError
from kbnd.files import check_folder, disk_errors, folder_below, write_whole
from kbnd.ledger.frames import EPOCH_COLUMNS, RUN_COLUMNS, as_filed, to_csv
from kbnd.report.page import page
from kbnd.report.table import LATEX_PREAMBLE, Table, to_latex, to_markdown

FIGURES = "figures"

FILES = (
    *("runs.csv", "epochs.csv", "comparison.csv", "times.csv", "trials.csv", "claims.csv"),
    *("tables.md", "tables.tex", "report.html", "environment.json", "best.toml"),
)
"""What is replaced, or removed, in the folder itself."""

CLAIM_COLUMNS = ("claim", "verdict", "estimate", "ci_low", "ci_high", "n", "seeds_needed", "rule")
"""What claims.csv promises, in its order; what no trained arm decides is empty."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What an output folder holds.

    Attributes:
        runs: columns of runs.csv first, whatever else there is after them.
        epochs: likewise for epochs.csv.
        comparison: what `kbnd.analysis.compare.compare` returns.
        ratios: what `kbnd.analysis.timing.time_ratios` returns; None is no times.csv.
        tables: for tables.md and tables.tex.
        figures: contents by name and format, as `kbnd.report.figures.study.draw` returns them.
        claims: rows of claims.csv, one for each claim; None of a search, which has none.
        title: of report.html; empty is that of the first table.
        environments: machine, versions and threads of each session; None is no environment.json.
        others: contents of further files by name; None removes that of an earlier call.
    """

    runs: pd.DataFrame
    epochs: pd.DataFrame
    comparison: pd.DataFrame
    ratios: pd.DataFrame | None = None
    tables: Sequence[Table] = ()
    figures: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    claims: pd.DataFrame | None = None
    title: str = ""
    environments: Mapping[str, Any] | None = None
    others: Mapping[str, str | None] = field(default_factory=dict)


def write_outputs(out_dir: Path, outputs: Outputs) -> list[Path]:
    """Write every file of a study or search and return their paths.

    Args:
        out_dir: the folder; made where it is missing. Files of these names are replaced, and a picture,
            times.csv or best.toml of an earlier call that has nothing to show any more is removed; others are left
            alone.
        outputs: what they hold.

    Raises:
        UsageError: the folder cannot be written to.
        NoSpaceError: its disk is full.
    """
    check_writable(out_dir)
    contents = _contents(outputs, name=out_dir.name)
    _drop_stale(out_dir, outputs, contents)
    if outputs.figures:
        folder_below(out_dir, FIGURES)
    return [write_whole(out_dir / name, content, what="output") for name, content in contents.items()]


def check_writable(out_dir: Path) -> None:
    """Make the folder and prove that its files can be written there, before anything is trained.

    Raises:
        UsageError: it cannot be made or written to, or what stands in a file's place is a folder, or `figures` none.
        NoSpaceError: its disk is full.
    """
    check_folder(out_dir, what="output folder")
    with disk_errors(f"the output folder {out_dir}"):
        out_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out_dir) as probe:
            probe.write(b"kbnd")
            probe.flush()
    if os.path.lexists(out_dir / FIGURES):
        folder_below(out_dir, FIGURES)
    for name in FILES:
        if (out_dir / name).is_dir() and not (out_dir / name).is_symlink():
            raise UsageError(f"{out_dir / name} is a folder, and a file is to be written there: choose another --out")


def _contents(outputs: Outputs, *, name: str) -> dict[str, bytes]:
    """Every file of a folder of this name: where it stands, what is in it."""
    tables = outputs.tables
    contents: dict[str, bytes] = {
        "runs.csv": _csv(outputs.runs, RUN_COLUMNS),
        "epochs.csv": _csv(outputs.epochs, EPOCH_COLUMNS),
        "comparison.csv": _csv(outputs.comparison),
        "tables.md": "\n".join(map(to_markdown, tables)).encode(),
        "tables.tex": (LATEX_PREAMBLE + "\n" + "\n".join(map(to_latex, tables))).encode(),
        "claims.csv": _csv(pd.DataFrame() if outputs.claims is None else outputs.claims, CLAIM_COLUMNS),
        "report.html": page(outputs.title or (tables[0].title if tables else name), tables, outputs.figures),
    }
    if outputs.ratios is not None:
        contents["times.csv"] = _csv(outputs.ratios)
    for figure, formats in outputs.figures.items():
        contents |= {f"{FIGURES}/{figure}.{suffix}": content for suffix, content in formats.items()}
    if outputs.environments is not None:
        contents["environment.json"] = (json.dumps(outputs.environments, indent=2, sort_keys=True) + "\n").encode()
    return contents | {file: text.encode() for file, text in outputs.others.items() if text is not None}


def _drop_stale(out_dir: Path, outputs: Outputs, contents: Mapping[str, bytes]) -> None:
    """Remove what an earlier call wrote and this one has nothing to put into."""
    # Not above: matplotlib would be loaded before a study trains, by those who only prove that they may write.
    from kbnd.report.figures.formats import FORMATS
    from kbnd.report.figures.study import FIGURES as STUDY_FIGURES

    pictures = {f"{FIGURES}/{name}.{suffix}" for name in (*STUDY_FIGURES, "marginals") for suffix in FORMATS}
    with disk_errors(f"the output folder {out_dir}"):
        for name in (pictures | {"times.csv"} | set(outputs.others)) - set(contents):
            (out_dir / name).unlink(missing_ok=True)


def _csv(frame: pd.DataFrame, first: Iterable[str] = ()) -> bytes:
    """The frame with the promised columns first, in their order and present even where they are empty."""
    frame, promised = as_filed(frame), list(first)
    others = [column for column in frame if column not in promised]
    return to_csv(frame.reindex(columns=[*promised, *others]))
