"""A preview as tables: what `--dry-run` prints of `kbnd.study.preview`. Times and sizes are estimates and say so."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from kbnd.report.table import DASH, Table
from kbnd.report.tables.notes import placement_notes
from kbnd.study.preview import ArmPreview, Preview
from kbnd.words import counted, rough_size, rough_time

WIDTH, GAP = 100, 3
"""Columns that a table may take, and those that a terminal puts between two of its own."""

LEAST_ROOM = 24
"""Columns that a folded text gets however wide the others are."""

TIED, LONGEST_TIED = "\N{NO-BREAK SPACE}", 40
"""What holds a field beside its value, and how long both together may be."""

UNCOUNTED = "the ledger's cannot be told before the data are decoded"

HOW_TIMED = {
    "measured": "measured: median of the runs of the same recipe that the ledger holds from this machine.",
    "scaled": "scaled: the estimate, times how much longer other arms took here than theirs.",
}


def preview_tables(preview: Preview) -> list[Table]:
    """Return the tables of a preview, `WIDTH` columns wide: what would be trained, and what it would cost."""
    n_runs = sum(arm.n_runs for arm in preview.arms)
    is_counted = all(arm.n_held is not None for arm in preview.arms)
    in_ledger = f"{n_runs - preview.n_left} in the ledger" if is_counted else UNCOUNTED
    control = " and the A/A control" if n_runs > preview.seeds * len(preview.arms) else ""
    size = f"{counted(len(preview.arms), 'arm')} x {counted(preview.seeds, 'seed')}{control}"
    rows = [("Report", preview.source)] if preview.source else []
    rows += [("Experiment", preview.label)]
    if preview.source or preview.difference:  # a study of one's own differs from nothing but itself
        rows += [("Differs from faithful", preview.difference or "in nothing")]
    rows += [
        ("Data", _data(preview)),
        ("Runs", f"{n_runs}: {size}; {in_ledger}, {preview.n_left} to train"),
        ("Threads", preview.threads),
        ("Time, estimated", _maybe(preview.seconds, rough_time)),
        ("Memory, estimated", _maybe(preview.memory_bytes, rough_size)),
        ("Disk, estimated", _maybe(preview.disk_bytes, rough_size)),
    ]
    about = Table(preview.title, ("", ""), _folded(rows, 1), tuple(_notes(preview)), align="ll")
    return [about, _arms(preview)]


def _arms(preview: Preview) -> Table:
    columns = ("Arm", "What it is", "Parameters", "To train", "Time of a run")
    bases = {arm.basis for arm in preview.arms}
    rows = [_row(arm, is_basis_shown=len(bases) > 1) for arm in preview.arms]
    notes = [*placement_notes(preview.placements), *([] if len(bases) > 1 else [f"Times are {bases.pop()}."])]
    return Table("What would be trained", columns, _folded(rows, 1, columns), tuple(notes), align="llrrr")


def _row(arm: ArmPreview, *, is_basis_shown: bool) -> tuple[str, ...]:
    time = DASH if arm.run_s is None else rough_time(arm.run_s) + f", {arm.basis}" * is_basis_shown
    parameters = DASH if arm.n_parameters is None else f"{arm.n_parameters:,}"
    runs = str(arm.n_left) if arm.n_left == arm.n_runs else f"{arm.n_left} of {arm.n_runs}"
    return (arm.arm, _what(arm), parameters, runs, time)


def _what(arm: ArmPreview) -> str:
    if arm.arm == arm.baseline:
        return arm.changes
    return f"as {arm.baseline}" if arm.changes == "nothing" else f"as {arm.baseline}, but {arm.changes}"


def _folded(rows: Sequence[tuple[str, ...]], wide: int, columns: tuple[str, ...] = ()) -> tuple[tuple[str, ...], ...]:
    """The rows with one wide column folded, so that the table fits."""
    widths = [max(map(len, column)) for column in zip(*([columns] if columns else []), *rows, strict=True)]
    room = max(WIDTH - sum(widths) + widths[wide] - GAP * (len(widths) - 1), LEAST_ROOM)
    folded: list[tuple[str, ...]] = []
    for row in rows:
        lines = _lines(row[wide], room)
        folded.append((*row[:wide], lines[0], *row[wide + 1 :]))
        empty = [""] * len(row)
        folded += [(*empty[:wide], line, *empty[wide + 1 :]) for line in lines[1:]]
    return tuple(folded)


def _lines(text: str, room: int) -> list[str]:
    """The text in lines; a field stays beside its value."""
    longest = min(room, LONGEST_TIED)
    parts = [part.replace(" ", TIED) if len(part) <= longest else part for part in text.split(", ")]
    tied = ", ".join(parts).replace(f"but{TIED}", "but ")
    lines = textwrap.wrap(tied, room, break_long_words=False, break_on_hyphens=False)
    return [line.replace(TIED, " ") for line in lines] or [""]


def _notes(preview: Preview) -> list[str]:
    notes = [
        f"An estimated time may be wrong by a factor of {preview.within:g}: it is the training's arithmetic and memory "
        f"traffic, counted, over the speed of this machine's cores in a matrix product, {preview.speed / 1e9:.0f} G "
        f"multiply-accumulates per second, measured now, and over what {preview.backend} reaches of it."
    ]
    bases = dict.fromkeys(arm.basis for arm in preview.arms)
    notes += [HOW_TIMED[basis] for basis in bases if basis in HOW_TIMED]
    if preview.gpu and "estimated" in bases:
        notes.append(f"Times are this CPU's; with {preview.gpu} they are shorter.")
    if preview.needs_gpu and preview.n_left:
        notes.append("This preset needs a GPU: on a CPU it starts with --yes only.")
    return [*notes, *([preview.claims] if preview.claims else [])]


def _data(preview: Preview) -> str:
    counts = [(preview.data.n_train, "training"), (preview.data.n_validation, "validation")]
    parts = [f"{n:,} {part}" for n, part in counts if n is not None]
    return f"{preview.data.name} ({', '.join(parts)} images)" if parts else preview.data.name


def _maybe(value: float | None, in_words: Callable[[float], str]) -> str:
    return "cannot be told before the data are decoded" if value is None else f"about {in_words(value)}"
