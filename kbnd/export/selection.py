"""Which runs leave the ledger, under which names, with which fields: what every target shares.

A run is exported once, named by the first arm it serves: `ARM/seed1-0123abcd`, with `-r1` for a repetition, below
`STUDY/` where the whole ledger is exported, so that its name stays what it is when the ledger grows. A candidate of a
search is the arm `trial007`; a run that nobody named goes by its network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kbnd.analysis.blinding import blind_fields
from kbnd.analysis.selection import own_arms
from kbnd.errors import UsageError, unknown
from kbnd.ledger import Reader
from kbnd.ledger.checks import problems_of_fields
from kbnd.records import RUNNING, RunRecord, arm_of, is_own
from kbnd.spec import RunSpec, canonical_json

FINAL = ("test_accuracy", "test_loss", "val_accuracy", "val_loss", "epoch_s", "fit_s", "energy_j")
"""Fields of a run that are its result; only a run that is `done` has one that ranks."""

Value = str | float | bool
"""Of a field; whole numbers stay whole."""


@dataclass(frozen=True)
class Selected:
    """One run to be exported.

    Attributes:
        record: the run.
        name: path of plain names, unique in the export.
        study: study or search it was trained for, None where there is none.
        arm: its arm there.
        is_candidate: of a search, which shows nobody what its candidates reach on test images.
    """

    record: RunRecord
    name: str
    study: str | None
    arm: str | None
    is_candidate: bool = False

    @property
    def started_s(self) -> float:
        """When it started, seconds since 1970."""
        started = datetime.fromisoformat(self.record.started_at)
        return (started if started.tzinfo else started.replace(tzinfo=UTC)).timestamp()

    @property
    def ended_s(self) -> float:
        """When it ended."""
        return self.started_s + (self.record.wall_s or 0.0)

    def epoch_ends_s(self) -> Iterator[float]:
        """Yield when each epoch ended: the start and the seconds of the epochs since, without build and evaluation."""
        now = self.started_s
        for epoch in self.record.epochs:
            now += (epoch.train_s or 0.0) + (epoch.val_s or 0.0)
            yield now

    def final(self) -> dict[str, float]:
        """Return the run's result by the names of `FINAL`; empty unless it is `done`."""
        if self.record.status != "done":
            return {}
        names = blind_fields(FINAL) if self.is_candidate else FINAL
        values = {name: getattr(self.record, name) for name in names}
        return {name: float(value) for name, value in values.items() if value is not None}

    def fields(self) -> dict[str, Value]:
        """Return every field of the spec, at its default too, by its dotted path; None is left out."""
        try:
            spec = RunSpec(**self.record.spec).model_dump(mode="json")
        except (UsageError, TypeError):  # of another kbnd, with other fields
            spec = self.record.spec
        return dict(_flat(spec))


def select(ledger: Reader, study: str | None = None) -> list[Selected]:
    """Return the finished runs of a study or search, None is all of the ledger, by their names.

    Raises:
        UsageError: no such study, no finished run, or one that is damaged.
    """
    labels = _labels(ledger, study)
    records = [run for run in ledger.records() if run.status != RUNNING and (study is None or run.run_id in labels)]
    if not records:
        raise UsageError(f"{ledger.path} holds no finished run" + (f" of {study!r}" if study else ""))
    for record in records:
        for problem in problems_of_fields(record):
            raise UsageError(f"run {record.run_id!r:.40} in {ledger.path}: {problem}: see `kbnd ledger verify`")
    described = [(record, *labels.get(record.run_id, (None, None))) for record in records]
    candidates = ledger.candidates()
    selected = [
        Selected(run, _name(run, of if study is None else None, arm), of, arm, run.run_id in candidates)
        for run, of, arm in described
    ]
    return sorted(selected, key=lambda one: one.name)


def varying(runs: Sequence[dict[str, Value]], *, always: Sequence[str] = ()) -> list[str]:
    """Return the names whose values differ between runs, or that `always` are wanted, in the order they are met."""
    names = dict.fromkeys(name for run in runs for name in run)
    return [name for name in names if name in always or len({repr(run.get(name)) for run in runs}) > 1]


def _labels(ledger: Reader, study: str | None) -> dict[str, tuple[str, str]]:
    """Return, by run id, the first study and arm it serves, and else the search and candidate."""
    studies, searches = ledger.studies(), ledger.searches()
    if study is not None and study not in (*studies, *searches):
        names = [*studies, *searches]
        raise unknown("study", study, names) if names else UsageError(f"{ledger.path} holds no study")
    labels: dict[str, tuple[str, str]] = {}
    if study is None or study in studies:
        runs = own_arms(ledger.runs(study)).dropna(subset=["arm"])
        for run_id, of, arm in zip(runs["run_id"], runs["study"], runs["arm"], strict=True):
            labels.setdefault(run_id, (str(of), str(arm)))
    for name in searches if study is None else {study} & set(searches):
        info = ledger.search(name)
        for event in ledger.search_events(info) if info is not None else ():
            for run_id in event.body.get("run_ids", {}).values():
                labels.setdefault(run_id, (name, arm_of(event.ordinal)))
    return labels


def _name(record: RunRecord, study: str | None, arm: str | None) -> str:
    repetition = f"-r{record.replicate}" if record.replicate and not is_own(record.replicate) else ""
    parts = [_plain_name(part) for part in (study, arm or record.model) if part is not None]
    return "/".join((*parts, f"seed{record.seed}{repetition}-{record.run_id[:8]}"))


def _plain_name(text: str) -> str:
    """A name as one part of a path: a strange ledger must not choose where files are written."""
    plain = re.sub(r"[^A-Za-z0-9._+-]", "_", text)[:64]
    return plain if plain.strip(".") else "_"


def _flat(values: dict[str, Any], path: str = "") -> Iterator[tuple[str, Value]]:
    for name, value in values.items():
        place = f"{path}{name}"
        if isinstance(value, dict) and name != "dropout":  # rates of single sites are one hyperparameter
            yield from _flat(value, f"{place}.")
        elif isinstance(value, str | bool | int | float):
            yield place, value
        elif value is not None:
            yield place, canonical_json(value)
