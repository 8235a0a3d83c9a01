"""The plan of an experiment as tables: what `--dry-run` prints. Times and sizes are estimates and say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kbnd.report.render import DASH, Table

if TYPE_CHECKING:
    from kbnd.study.preview import ArmPreview, Preview

DAY_S = 86_400
UNITS_S = ((2 * DAY_S, DAY_S, "days"), (2 * 3600, 3600, "hours"), (120, 60, "minutes"), (0, 1, "seconds"))
"""From how many seconds on a time is said in which unit."""
SIZES = ((1e9, 1e9, "GB"), (1e6, 1e6, "MB"), (0.0, 1e3, "kB"))

HOW_TIMED = {
    "measured": "measured: median of the runs of the same recipe that the ledger holds from this machine.",
    "scaled": "scaled: the estimate, times how much longer other arms took here than theirs.",
}


def rough_time(seconds: float) -> str:
    """Return a time as far as an estimate can tell it: `40 seconds`, `3 hours`, `12 days`."""
    unit, name = next((unit, name) for least, unit, name in UNITS_S if seconds >= least)
    return f"{_two_digits(seconds / unit)} {name}"


def rough_size(n_bytes: float) -> str:
    """Return a size as far as an estimate can tell it: `1.2 GB`."""
    unit, name = next((unit, name) for least, unit, name in SIZES if n_bytes >= least)
    return f"{_two_digits(n_bytes / unit)} {name}"


def plan_tables(found: Preview) -> list[Table]:
    """Return the tables of a plan: what would be trained, and what it would cost."""
    n_runs, n_left = sum(arm.n_runs for arm in found.arms), sum(arm.n_left for arm in found.arms)
    is_known = all(arm.n_held is not None for arm in found.arms)
    held = f"{n_runs - n_left} in the ledger" if is_known else "the ledger's cannot be told before the data are decoded"
    control = " and the A/A control" if n_runs > found.seeds * len(found.arms) else ""
    of_what = f"{_counted(len(found.arms), 'arm')} x {_counted(found.seeds, 'seed')}{control}"
    rows = [
        ("Experiment", found.label),
        ("Differs from the report", found.difference or "in nothing"),
        ("Data", _data(found)),
        ("Runs", f"{n_runs}: {of_what}; {held}, {n_left} to train"),
        ("Time, estimated", _maybe(found.seconds, rough_time)),
        ("Memory, estimated", _maybe(found.memory_bytes, rough_size)),
        ("Disk, estimated", _maybe(found.disk_bytes, rough_size)),
    ]
    about = Table(f"{found.title}: what would be trained", ("", ""), tuple(rows), tuple(_notes(found)), align="ll")
    return [about, _arms(found)]


def _arms(found: Preview) -> Table:
    columns = ("arm", "against", "what it changes", "parameters", "runs", "to train", "time of a run")
    return Table("Arms", columns, tuple(_row(arm) for arm in found.arms), align="lllrrrr")


def _row(arm: ArmPreview) -> tuple[str, ...]:
    time = DASH if arm.run_s is None else f"{rough_time(arm.run_s)}, {arm.source}"
    parameters = DASH if arm.n_parameters is None else f"{arm.n_parameters:,}"
    against = DASH if arm.baseline == arm.arm else arm.baseline
    return (arm.arm, against, arm.changes, parameters, str(arm.n_runs), str(arm.n_left), time)


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
    if found.needs_gpu:
        notes.append("This preset needs a GPU: on a CPU it starts with --yes only.")
    return notes


def _data(found: Preview) -> str:
    counts = [(found.data.n_train, "training"), (found.data.n_validation, "validation")]
    known = [f"{n:,} {what}" for n, what in counts if n is not None]
    return f"{found.data.name} ({', '.join(known)} images)" if known else found.data.name


def _maybe(value: float | None, shown: Callable[[float], str]) -> str:
    return "cannot be told before the data are decoded" if value is None else f"about {shown(value)}"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _two_digits(number: float) -> str:
    """Two digits of a number below 100, whole ones above."""
    if number >= 10:
        return f"{number:.0f}"
    return f"{number:.1f}".removesuffix(".0")
