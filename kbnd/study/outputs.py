"""The outputs of an experiment: the files of its folder, and its results as JSON.

A narrower command replaces the files of a wider one: what they showed stays in the ledger, and `left_out` says so.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from kbnd.ledger import Reader
from kbnd.report.figures.study import draw
from kbnd.report.folder import Outputs, write_outputs
from kbnd.report.frames import Frames
from kbnd.report.json_values import as_rows
from kbnd.study.results import Results
from kbnd.words import counted


def write(results: Results, folder: Path) -> list[Path]:
    """Write every file of the output folder; raises as `kbnd.report.folder.write_outputs` does.

    Where that replaces what an earlier call showed, a warning says what is left out.
    """
    if words := left_out(results, folder):
        warnings.warn(words, stacklevel=1)
    frames = Frames(results.runs, results.epochs, results.comparison, results.ratios)
    outputs = Outputs(
        runs=results.runs,
        epochs=results.epochs,
        comparison=results.comparison,
        ratios=results.ratios,
        tables=results.tables,
        figures=draw(frames, metric=results.metric, difference=results.difference, data_note=results.data_note),
        claims=results.claims,
        environments=results.environments,
    )
    return write_outputs(folder, outputs)


def left_out(results: Results, folder: Path) -> str:
    """Return in words which runs of this experiment a folder's runs.csv shows and the results do not; usually none.

    A narrower choice of arms, seeds or replicates leaves runs out, and so does a study's file that was edited.
    """
    file = folder / "runs.csv"
    try:
        rows = pd.read_csv(file, usecols=["study", "run_id"], dtype=str)
    except (OSError, ValueError):  # there is none, or it is somebody else's
        return ""
    gone = set(rows.loc[rows["study"] == results.name, "run_id"].dropna()) - set(results.runs["run_id"])
    if not gone:
        return ""
    with Reader.open(results.ledger) as ledger:
        n_kept = sum(ledger.status(run_id) is not None for run_id in gone)
    count = f"{counted(len(gone), 'run')} of {results.name}"
    kept = "keeps" if n_kept == len(gone) else f"keeps {n_kept} of"
    return (
        f"no longer in {file}: {count}; {results.ledger} {kept} them: the study, arms and seeds of before show them "
        f"again, kbnd ledger list {results.ledger} lists them"
    )


def as_json(results: Results) -> dict[str, Any]:
    """Return results as JSON values."""
    return {
        "experiment": results.name,
        "title": results.title,
        "difference": results.difference,
        "data_note": results.data_note,
        "runs": as_rows(results.runs),
        "comparison": as_rows(results.comparison),
        "times": as_rows(results.ratios),
    }
