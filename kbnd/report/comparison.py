"""The comparison of one experiment that a ledger holds: what `kbnd compare` prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kbnd.analysis.blinding import blind_experiment, metrics_shown
from kbnd.analysis.compare import compare
from kbnd.analysis.selection import measured
from kbnd.analysis.stats import mean_interval
from kbnd.analysis.timing import time_ratios
from kbnd.errors import UsageError, unknown
from kbnd.ledger import Reader
from kbnd.records import FRESH
from kbnd.report.datasets import data_note_of
from kbnd.report.json_values import as_rows
from kbnd.report.numbers import plus_minus, quantity_of
from kbnd.report.table import PLUS_MINUS, Table
from kbnd.report.tables.notes import thread_notes
from kbnd.report.tables.study import report_tables


@dataclass(frozen=True)
class Comparison:
    """The comparison of one experiment.

    Attributes:
        study: its name in the ledger.
        difference: in words, what makes it another experiment than the source's.
        comparison: rows of comparison.csv.
        ratios: times as ratios to the baseline.
        tables: both, ready to print.
    """

    study: str
    difference: str
    comparison: pd.DataFrame
    ratios: pd.DataFrame
    tables: list[Table]

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return {
            "study": self.study,
            "difference": self.difference,
            "comparison": as_rows(self.comparison),
            "times": as_rows(self.ratios),
        }


MOST_ARMS = 10_000
"""Arms of one comparison, which takes about 2 ms for each."""


def compare_ledger(path: Path, *, study: str | None = None, baseline: str | None = None) -> Comparison:
    """Compare the arms of an experiment that a ledger holds; a search's candidates by validation images alone.

    Args:
        path: the ledger.
        study: the experiment; may be None where the ledger holds one only.
        baseline: the reference arm of all; None is the study's own, and its arms' own.

    Raises:
        UsageError: no such experiment or arm, several to choose from, or no finished run.
    """
    with Reader.open(path) as ledger:
        study = _named(study, ledger.studies(), path)
        runs, about, arms = ledger.runs(study=study), ledger.about(study), ledger.arms(study)
        is_search = study in ledger.searches()
    if runs.empty:
        raise UsageError(f"the experiment {study!r} in {path} has no runs yet")
    if len(arms) > MOST_ARMS:
        raise UsageError(
            f"the experiment {study!r} in {path} has {len(arms):,} arms, a comparison takes up to {MOST_ARMS:,}: look "
            "at its runs with `kbnd ledger export --format csv`"
        )
    if baseline is not None and baseline not in arms:
        raise unknown("arm", baseline, arms)
    against: dict[str, Any] = {"baseline": baseline or arms[0], "arms": arms}
    if baseline is None:
        present = set(arms)
        against["baselines"] = {arm: other for arm, other in about.baselines.items() if other in present}
    is_blind = is_search or about.is_by_validation
    runs = blind_experiment(runs, is_search=is_search) if is_blind else runs
    metrics = metrics_shown(is_blind=is_blind)
    comparison, ratios = compare(runs, metrics=metrics, **against), time_ratios(runs, **against)
    rows = (("Experiment", study), ("Runs", f"{len(runs)} in {path}"))
    notes = (*(_search_notes(runs) if is_search else ()), *thread_notes(runs))
    heading = Table(about.title or study, ("", ""), rows, notes, align="ll")
    options: dict[str, Any] = {"difference": about.difference, "data_note": data_note_of(runs)}
    tables = [heading, *report_tables(comparison, ratios, metrics=metrics[:1], **options)]
    return Comparison(study, about.difference, comparison, ratios, tables)


def _search_notes(runs: pd.DataFrame) -> tuple[str, ...]:
    """What is not shown of candidates, and what the best of them reaches on test images with fresh seeds."""
    notes = [
        "Candidates are compared by validation images alone; what they reach on test images is not shown.",
        f"The best trial was chosen for its score: differences to it flatter it. {PLUS_MINUS} is half a 95 % interval "
        "here, and the SD over seeds in the search's own tables.",
    ]
    accuracy = mean_interval(measured(runs, "test_accuracy")["test_accuracy"])
    if accuracy.n:
        quantity = quantity_of("test_accuracy")
        mean = plus_minus(quantity, accuracy.estimate, accuracy.low, accuracy.high)
        notes.append(f"Test accuracy of {FRESH}: {mean} {quantity.unit}, n = {accuracy.n}.")
    return tuple(notes)


def _named(study: str | None, studies: list[str], path: Path) -> str:
    """The study of this name, or the only one."""
    if study is not None:
        if study not in studies:
            raise unknown("experiment", study, studies or ["(none: the ledger holds no experiment)"])
        return study
    if not studies:
        raise UsageError(f"the ledger {path} holds no experiment: run a study first")
    if len(studies) > 1:
        raise UsageError(f"the ledger {path} holds several experiments: choose one with --study: {', '.join(studies)}")
    return studies[0]
