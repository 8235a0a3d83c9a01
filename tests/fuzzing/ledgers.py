"""A sound ledger, and what is asked of a damaged one: `verify` says it and `import` refuses it, or nothing changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.cases import Fault, isolated
from fuzzing.commands import Ended, bad_ends, kbnd, tables_of
from fuzzing.computed import LEDGER, cut, record_of
from fuzzing.drivers import (
    SEARCHES,
    experiment,
    new,
    quicken_bayesian,
    search_driven,
    study_driven,
    with_light_keras,
    without_backend,
)
from fuzzing.mutations import first_difference
from kbnd.ledger import Ledger
from kbnd.spec import Identity, RunSpec
from kbnd.training.task import Task

COMPARED = 0.3
"""Part of the cases in which `kbnd compare` is called, too: it takes as long as all else together."""


@dataclass(frozen=True)
class Original:
    """A sound ledger.

    Attributes:
        ledger: its file.
        lines: of its export.
        tables: all that is printed of it, by command.
        imported: all that is printed of a ledger into which it was imported.
        verified: what `verify` says of it.
        merged: what `import` says of it, as a ledger and as lines, by the file's ending.
    """

    ledger: Path
    lines: list[str]
    tables: Any
    imported: Any
    verified: Ended
    merged: dict[str, Ended]

    @property
    def run_ids(self) -> list[str]:
        """Of its runs."""
        return sorted({row["run_id"] for row in self.tables["ledger list"]})

    @property
    def studies(self) -> list[str]:
        """And of its searches, the names."""
        return sorted({row["study"] for row in self.tables["ledger list"] if row.get("study")})


def original(folder: Path) -> Original:
    """A ledger with a study, two searches, and runs that ended in every way; made once for all kinds."""
    without_backend()
    place = folder / "ledger"
    if not place.exists():
        isolated(lambda: _make(new(place)), limit_s=300.0)
    lines = (place / "export.jsonl").read_text().splitlines(keepends=True)
    tables, imported_tables = tables_of(place / LEDGER), tables_of(place / "imported.sqlite")
    assert not isinstance(tables, Ended), tables
    assert not isinstance(imported_tables, Ended), imported_tables
    verified = kbnd("ledger", "verify", place / LEDGER)
    merged = {file.suffix: _imported(file) for file in (place / LEDGER, place / "export.jsonl")}
    assert {verified.code, *(ended.code for ended in merged.values())} == {0}, (verified, merged)
    return Original(place / LEDGER, lines, tables, imported_tables, verified, merged)


def _make(place: Path) -> None:
    study_driven(place, experiment(place))
    with_light_keras()
    quicken_bayesian()
    for name in ("pruned", "hyperband"):
        search_driven(place, {**SEARCHES[name], "seeds": 1})
    with Ledger.open(place / LEDGER) as ledger:
        for record in _cut_short(ledger.records()[0]):
            ledger.claim(record.run_id)
            ledger.begin(record)
            if record.status != "running":
                ledger.finish(record)
        ledger.export(place / "export.jsonl")
        shutil.copyfile(place / LEDGER, place / "claimed.sqlite")
    (place / "claimed.sqlite").replace(place / LEDGER)  # with the claim of a process that has ended
    with Ledger.open(place / "imported.sqlite") as ledger:
        ledger.import_(place / "export.jsonl")


def _cut_short(like: Any) -> Iterator[Any]:
    """Runs that ended badly, and one that is being trained."""
    for seed, status in enumerate(("failed", "oom", "interrupted", "running"), start=50):
        spec = RunSpec(**{**like.spec, "seed": seed})
        setting = Identity(like.backend, like.backend_version, like.keras_version, like.device, like.fingerprint)
        run = record_of(Task(spec=spec, identity=setting, session="s9"))
        error = "ValueError: as expected" if status in ("failed", "oom") else None
        yield replace(cut(run, run.n_epochs - 1, status), error=error)


def judged(original: Original, ledger: Path, about: str, chance: Random) -> Iterator[Fault]:
    """Ask everything of a damaged ledger."""
    verified = kbnd("ledger", "verify", ledger)
    yield from _said(about, bad_ends(verified, allowed=(1,)))
    is_sound = verified.out == original.verified.out  # notes, as of runs from before digests, say something, too
    tables = tables_of(ledger)
    if isinstance(tables, Ended):
        yield from _said(about, bad_ends(tables))
        if is_sound:
            yield Fault("silent", f"{about}: verify says sound, but {' '.join(tables.words)}: {tables.sentence}")
    elif is_sound and (what := difference(original.tables, tables)):
        yield Fault("silent", f"{about}: verify says sound, but {what}")
    run_id, study = chance.choice(original.run_ids), chance.choice(original.studies)
    yield from _said(about, bad_ends(kbnd("ledger", "show", run_id, "--ledger", ledger)))
    if chance.random() < COMPARED:
        yield from _said(about, bad_ends(kbnd("compare", ledger, "--study", study)))
    yield from imported(original, ledger, about)


def imported(original: Original, source: Path, about: str) -> Iterator[Fault]:
    """Import something damaged into a new ledger; where that is accepted, nothing may be other than it was."""
    ended, ledger = _imported(source), source.with_name("into.sqlite")
    yield from _said(about, bad_ends(ended))
    if ended.code != 0 or ended.out != original.merged[source.suffix].out:
        return
    tables = tables_of(ledger)
    if isinstance(tables, Ended):
        yield Fault("silent", f"{about}: imported, but {' '.join(tables.words)}: {tables.sentence}")
    elif what := difference(original.imported, tables):
        yield Fault("silent", f"{about}: imported, but {what}")


def _imported(source: Path) -> Ended:
    """Import a file into a new ledger beside it."""
    source.with_name("into.sqlite").unlink(missing_ok=True)
    return kbnd("ledger", "import", source, "--ledger", source.with_name("into.sqlite"))


def difference(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Say where two sets of tables differ first; empty where they do not."""
    for name, rows in before.items():
        for number, (mine, other) in enumerate(zip_longest(rows, after[name]), start=1):
            if mine != other:
                return f"`{name}` row {number} {first_difference(mine, other)}"
    return ""


def _said(about: str, faults: Iterator[Fault]) -> Iterator[Fault]:
    yield from (Fault(fault.kind, f"{about}: {fault.about}") for fault in faults)
