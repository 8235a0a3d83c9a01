"""The sentences below a table: what its numbers do not say by themselves.

Limits of a small sample, runs that were lost, and how far the clock can be trusted are properties of the numbers
above, so they are computed from the same rows and printed with them, never left to a manual.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd

from kbnd.analysis.stats import N_NONPARAMETRIC
from kbnd.analysis.timing import N_BLOCKS_ADVISED, is_control, noise_floor
from kbnd.records import HITS
from kbnd.report.numbers import quantity_of
from kbnd.report.table import PLUS_MINUS
from kbnd.words import counted

DIFFERENT = "a different experiment"

BY_VALIDATION = "nothing was looked at on test images"
"""What the difference of an experiment ends with that something is chosen by; a ledger keeps it, and tells by it."""

BEFORE_WEIGHT = "before_weight"
"""The placement of Batch Normalization that moves dropout."""

NO_FLOOR = "it takes an arm that was run twice (A/A) in two of the blocks or more"

NO_INTERVAL = "one run per arm: no interval"
"""What a picture says where one value stands for each arm."""


def tag(difference: str) -> str:
    """Return what a title ends with where the experiment is not the source's own."""
    return f" ({DIFFERENT})" if difference else ""


def placement_notes(placements: Iterable[str]) -> list[str]:
    """Return what is unusual about placements of Batch Normalization: one of them moves dropout too."""
    if BEFORE_WEIGHT not in placements:
        return []
    return [
        f"{BEFORE_WEIGHT}: both Batch Normalization and dropout stand before the weight layer of their unit, dropout "
        "no longer behind it; the first convolution, whose input is the image, has neither."
    ]


def data_notes(data_note: str) -> list[str]:
    """Return the sentence that says what is unusual about the images; `data_note` from `kbnd.report.datasets`."""
    return [data_note] if data_note else []


def thread_notes(runs: pd.DataFrame) -> list[str]:
    """Return how many runs were computed with how many threads, where a table mixes several counts.

    Args:
        runs: columns of runs.csv.
    """
    is_of_cpu = runs["status"].isin(HITS) & (runs["device"] == "cpu")
    known = runs.loc[is_of_cpu, "n_threads"].dropna() if "n_threads" in runs else ()
    counts = sorted(Counter(int(n_threads) for n_threads in known).items())
    if len(counts) < 2:
        return []
    parts = [f"{counted(n, 'run')} with {counted(n_threads, 'thread')}" for n_threads, n in counts]
    return [
        f"Computed with several thread counts: {', '.join(parts)}; on a CPU that changes the last bits of a loss and, "
        "after some epochs, accuracies."
    ]


def difference_notes(difference: str) -> list[str]:
    """Return the sentence that says what makes the experiment another one than the source's."""
    if not difference:
        return []
    sentence = difference if difference.lower().startswith(DIFFERENT) else f"{DIFFERENT}: {difference}"
    return [f"{sentence[0].upper()}{sentence[1:].rstrip('.')}."]


def published_notes(measured: pd.DataFrame, *, usual: int, has_repeats: bool) -> list[str]:
    """Return the notes of a source's own table; `usual` is the n of most cells."""
    if measured.empty:
        notes = ["Not measured: these runs do not record what it is made of."]
    elif usual == 0:
        notes = ["No run has finished yet."]
    elif usual == 1:
        notes = ["Measured: n = 1 seed; one seed has no interval and decides nothing."]
    else:
        notes = [f"Measured: mean {PLUS_MINUS} half a 95 % t-interval, n = {usual} seeds where no other n is given."]
    if has_repeats:
        notes.append("same: one arm serves the whole row; it is trained once.")
    return notes + lost_notes(measured)


def comparison_notes(rows: pd.DataFrame) -> list[str]:
    """Return the notes of a table of differences.

    Args:
        rows: of one metric, from `kbnd.analysis.compare.compare`.
    """
    n_pairs = rows.loc[rows["arm"] != rows["baseline"], "n_pairs"]
    n_compared = int((n_pairs > 1).sum())
    unit = "in percentage points (pp)" if quantity_of(str(rows["metric"].iloc[0])).difference_unit == "pp" else ""
    notes = []
    if n_compared:
        baseline, comma = ("baseline", "") if rows["baseline"].nunique() == 1 else ("the arm it stands against", ",")
        against = f"{baseline}{comma} {unit}" if unit else baseline
        notes.append(f"Diff: arm minus {against}; mean {PLUS_MINUS} half a 95 % t-interval; n: pairs.")
        notes.append("Higher, lower: the t-interval of the difference lies wholly above or below 0.")
    if n_compared > 1:
        notes.append(f"Intervals are not adjusted for {n_compared} comparisons: one in 20 misses its truth.")
    most = int(n_pairs.max()) if len(n_pairs) else 0
    if 0 < most < N_NONPARAMETRIC:
        notes.append(
            f"n = {most}: the smallest two-sided sign-flip p is {2 / 2**most:.3g}; "
            f"a nonparametric 'better' needs n = {N_NONPARAMETRIC}."
        )
    return notes + censored_notes(rows["metric"]) + lost_notes(rows)


def censored_notes(metrics: Iterable[str]) -> list[str]:
    """Return what belongs beside metrics that wait for an accuracy which some runs never reach."""
    if not any(metric.startswith("epochs_to_") for metric in metrics):
        return []
    return ["Epochs to an accuracy: a run that never reaches it counts as its budget and one epoch more."]


def duration_notes(rows: pd.DataFrame) -> list[str]:
    """Return what belongs beside a source's table of seconds."""
    notes = [
        "Seconds of training, tracing and compilation included, validation not. They are this machine's, published "
        "ones another's: compare arms by their ratios."
    ]
    shared = rows[rows["n_concurrent"] > 0]
    if len(shared):
        notes.append(f"While others ran on the machine, so only shown: {_counted(shared, 'n_concurrent')}.")
    return notes


def lost_notes(rows: pd.DataFrame) -> list[str]:
    """Return how many runs diverged or did not finish, by arm; nothing where none was lost."""
    notes = []
    for column, words in (
        ("n_diverged", "Diverged, counted and not averaged"),
        ("n_unfinished", "Not finished, left out"),
    ):
        lost = rows[rows[column] > 0]
        if len(lost):
            notes.append(f"{words}: {_counted(lost, column)}.")
    return notes


def time_notes(ratios: pd.DataFrame) -> list[str]:
    """Return the notes of a table of time ratios.

    Args:
        ratios: from `kbnd.analysis.timing.time_ratios`.
    """
    others = ratios[ratios["arm"] != ratios["baseline"]]
    n_blocks = int(others["n"].max()) if len(others) else 0
    if n_blocks == 0:
        reason = (
            "no run has a second epoch" if ratios["median_s"].isna().all() else "none shares machine, session and block"
        )
        return [f"No times can be compared: {reason}, or others ran on the machine meanwhile."]
    ratio = "geometric mean over blocks, t-interval" if n_blocks > 1 else "of one block, without an interval"
    notes = [f"Ratio: {ratio}; epochs that held compilation are left out."]
    notes += _floor_notes(ratios)
    if int(others.loc[others["n"] > 0, "n"].min()) < n_blocks:
        notes.append("A block that an interruption split serves only the arms on the baseline's side of it.")
    if n_blocks < N_BLOCKS_ADVISED:
        notes.append(f"{counted(n_blocks, 'block')}: {N_BLOCKS_ADVISED} are advised for effects of a few percent.")
    return notes


def _floor_notes(ratios: pd.DataFrame) -> list[str]:
    """What the controls cannot resolve, and which ratios are held against which of them, or against none."""
    compared = ratios[(ratios["arm"] != ratios["baseline"]) & ~is_control(ratios) & (ratios["n"] > 0)]
    baselines = {name: list(dict.fromkeys(rows["baseline"])) for name, rows in compared.groupby("control", sort=False)}
    controls = {row["arm"]: row for row in ratios[is_control(ratios)].to_dict("records")}
    floors = {name: floor for name in controls if np.isfinite(floor := noise_floor(ratios, name))}
    if not floors:
        return [f"No noise floor was measured, so no ratio is called slower or faster: {NO_FLOOR}."]
    notes = []
    for name, floor in floors.items():
        twice, references = controls[name]["baseline"], baselines.get(name, [])
        whose = f" of ratios to {', '.join(references)}" if references and len(baselines) > 1 else ""
        notes.append(
            f"Noise floor{whose}: {twice} against itself in {controls[name]['n']} blocks cannot resolve ratios within "
            f"{1 / floor:.3f} to {floor:.3f}."
        )
        if others := [reference for reference in references if reference != twice]:
            once = "other baselines" if len(baselines) == 1 else ", ".join(others)
            notes.append(f"{twice} was run twice: ratios to {once} are held against its noise floor, as logarithms.")
    notes.append("Slower, faster: the interval excludes 1 and the ratio lies beyond the noise floor.")
    if lacking := [reference for name in baselines if name not in floors for reference in baselines[name]]:
        notes.append(f"No noise floor for ratios to {', '.join(lacking)}: {NO_FLOOR}.")
    return notes


def _counted(rows: pd.DataFrame, column: str) -> str:
    """The arms with their counts: `bn 1, dropout0.8 4`."""
    return ", ".join(f"{row['arm']} {row[column]}" for row in rows.to_dict("records"))
