"""The plan of an experiment as tables: what `--dry-run` prints. Times and sizes are estimates and say so."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kbnd.report.table import DASH, Table
from kbnd.words import counted, rough_size, rough_time

if TYPE_CHECKING:
    from kbnd.study.preview import ArmPreview, Preview


WIDTH, GAP = 100, 3
"""Columns that a table may take, and those that a terminal puts between two of its own."""

LEAST_ROOM = 24
"""Columns that a folded text gets however wide the others are."""

TIED, LONGEST_TIED = "\N{NO-BREAK SPACE}", 40
"""What holds a field beside its value, and how long both together may be."""

UNKNOWN_HELD = "the ledger's cannot be told before the data are decoded"

HOW_TIMED = {
    "measured": "measured: median of the runs of the same recipe that the ledger holds from this machine.",
    "scaled": "scaled: the estimate, times how much longer other arms took here than theirs.",
}


def plan_tables(found: Preview) -> list[Table]:
    """Return the tables of a plan, `WIDTH` columns wide: what would be trained, and what it would cost."""
    n_runs = sum(arm.n_runs for arm in found.arms)
    is_known = all(arm.n_held is not None for arm in found.arms)
    held = f"{n_runs - found.n_left} in the ledger" if is_known else UNKNOWN_HELD
    control = " and the A/A control" if n_runs > found.seeds * len(found.arms) else ""
    of_what = f"{counted(len(found.arms), 'arm')} x {counted(found.seeds, 'seed')}{control}"
    rows = [("Report", found.report)] if found.report else []
    rows += [("Experiment", found.label)]
    if found.report or found.difference:  # a study of one's own differs from nothing but itself
        rows += [("Differs from faithful", found.difference or "in nothing")]
    rows += [
        ("Data", _data(found)),
        ("Runs", f"{n_runs}: {of_what}; {held}, {found.n_left} to train"),
        ("Time, estimated", _maybe(found.seconds, rough_time)),
        ("Memory, estimated", _maybe(found.memory_bytes, rough_size)),
        ("Disk, estimated", _maybe(found.disk_bytes, rough_size)),
    ]
    about = Table(found.title, ("", ""), _folded(rows, 1), tuple(_notes(found)), align="ll")
    return [about, _arms(found)]


def _arms(found: Preview) -> Table:
    columns = ("Arm", "What it is", "Parameters", "To train", "Time of a run")
    sources = {arm.source for arm in found.arms}
    rows = [_row(arm, is_source_said=len(sources) > 1) for arm in found.arms]
    notes = () if len(sources) > 1 else (f"Times are {sources.pop()}.",)
    return Table("What would be trained", columns, _folded(rows, 1, columns), notes, align="llrrr")


def _row(arm: ArmPreview, *, is_source_said: bool) -> tuple[str, ...]:
    time = DASH if arm.run_s is None else rough_time(arm.run_s) + f", {arm.source}" * is_source_said
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


def _notes(found: Preview) -> list[str]:
    notes = [
        f"An estimated time may be wrong by a factor of {found.within:g}: it is the training's arithmetic and memory "
        f"traffic, counted, over the speed of this machine's cores in a matrix product, {found.speed / 1e9:.0f} G "
        f"multiply-accumulates per second, measured now, and over what {found.backend} reaches of it."
    ]
    sources = dict.fromkeys(arm.source for arm in found.arms)
    notes += [HOW_TIMED[source] for source in sources if source in HOW_TIMED]
    if found.gpu and "estimated" in sources:
        notes.append(f"Times are this CPU's; with {found.gpu} they are shorter.")
    if found.needs_gpu and found.n_left:
        notes.append("This preset needs a GPU: on a CPU it starts with --yes only.")
    return [*notes, *([found.claims] if found.claims else [])]


def _data(found: Preview) -> str:
    counts = [(found.data.n_train, "training"), (found.data.n_validation, "validation")]
    known = [f"{n:,} {what}" for n, what in counts if n is not None]
    return f"{found.data.name} ({', '.join(known)} images)" if known else found.data.name


def _maybe(value: float | None, shown: Callable[[float], str]) -> str:
    return "cannot be told before the data are decoded" if value is None else f"about {shown(value)}"
