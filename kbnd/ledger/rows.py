"""Records to rows and back: the statements that store a run, its epochs and its labels."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from kbnd.ledger.plain import digest_of_run
from kbnd.ledger.row_digests import insertion, signed
from kbnd.ledger.schema import EPOCH_FIELDS, RUN_FIELDS, decode, decoded_json, encode
from kbnd.records import RUNNING, EpochRecord, RunRecord
from kbnd.spec import canonical_json

_OWN = ("host", "boot_id", "token", "finished_at", "digest")
_RUN_COLUMNS = (*RUN_FIELDS, *_OWN)
_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in _RUN_COLUMNS if name != "run_id")
_UPSERT_RUN = (
    f"INSERT INTO runs ({', '.join(_RUN_COLUMNS)}) VALUES ({', '.join('?' * len(_RUN_COLUMNS))}) "
    f"ON CONFLICT (run_id) DO UPDATE SET {_UPDATES}"
)
_INSERT_EPOCH = (
    f"INSERT OR REPLACE INTO epochs (run_id, {', '.join(EPOCH_FIELDS)}) "
    f"VALUES (?, {', '.join('?' * len(EPOCH_FIELDS))})"
)
_SELECT_RUN = f"SELECT {', '.join(RUN_FIELDS)}, digest FROM runs"
_SELECT_EPOCH = f"SELECT run_id, {', '.join(EPOCH_FIELDS)} FROM epochs"
_STATUS = list(RUN_FIELDS).index("status")

Label = tuple[str, int, int, str]
"""(arm, seed, replicate, run_id)."""


class Origin(NamedTuple):
    """Where a run was trained: host, boot and the `Ledger` object that stored it."""

    host: str | None
    boot_id: str | None
    token: str | None


ELSEWHERE = Origin(None, None, None)


class StoredRun(NamedTuple):
    """A run as it is stored.

    Attributes:
        record: the run with its epochs.
        digest: what was stored as the digest of all that when it was finished; None for a run that is not finished, or
            was before ledgers had digests.
    """

    record: RunRecord
    digest: str | None


def finished(record: RunRecord) -> StoredRun:
    """Return a run that nothing will change any more, with its digest."""
    return StoredRun(record, digest_of_run(record))


class StudyInfo(NamedTuple):
    """One definition of a study.

    Attributes:
        title: what its tables are headed; may be empty.
        difference: in words, what makes it another experiment than the report's; empty where nothing does.
        digest: of everything that makes its arms what they are.
        baselines: arm -> the arm it is compared with, for those that have one of their own.
        is_by_validation: whether something is chosen by validation images, so that nobody looks at test images.
    """

    title: str
    difference: str
    digest: str
    baselines: Mapping[str, str] = MappingProxyType({})
    is_by_validation: bool = False


class StudyLabels(NamedTuple):
    """One definition of a study and the runs its arms are mapped to; only the current one has title and difference."""

    study: str
    about: StudyInfo
    is_current: bool
    labels: list[Label]


def write_run(
    db: sqlite3.Connection, record: RunRecord, *, status: str, origin: Origin, digest: str | None = None
) -> None:
    """Store the row of a run, in place of the one it had."""
    values = list(encode(RUN_FIELDS, record))
    values[_STATUS] = status
    finished_at = None if status == RUNNING or origin == ELSEWHERE else time.time()
    db.execute(_UPSERT_RUN, (*values, *origin, finished_at, digest))


def write_epochs(db: sqlite3.Connection, run_id: str, epochs: Iterable[EpochRecord]) -> None:
    """Store epochs of a run that has a row."""
    db.executemany(_INSERT_EPOCH, ((run_id, *encode(EPOCH_FIELDS, epoch)) for epoch in epochs))


def keep_epochs(db: sqlite3.Connection, run_id: str, n: int) -> None:
    """Delete the epochs of a run after the n-th."""
    db.execute("DELETE FROM epochs WHERE run_id = ? AND epoch > ?", (run_id, n))


def count_epochs(db: sqlite3.Connection, run_id: str) -> None:
    """Bring `n_epochs` of a run that is being trained up to date."""
    query = "UPDATE runs SET n_epochs = (SELECT count(*) FROM epochs e WHERE e.run_id = runs.run_id) WHERE run_id = ?"
    db.execute(query, (run_id,))


def replace_run(db: sqlite3.Connection, run: StoredRun, *, origin: Origin = ELSEWHERE) -> None:
    """Store a finished run with exactly its own epochs."""
    record = run.record
    write_run(db, record, status=record.status, origin=origin, digest=run.digest)
    keep_epochs(db, record.run_id, 0)
    write_epochs(db, record.run_id, record.epochs)


def read_run(db: sqlite3.Connection, run_id: str) -> RunRecord | None:
    """Return one run with its epochs."""
    run = read_stored(db, run_id)
    return None if run is None else run.record


def read_stored(db: sqlite3.Connection, run_id: str) -> StoredRun | None:
    """Return one run with its epochs and its digest."""
    row = db.execute(f"{_SELECT_RUN} WHERE run_id = ?", (run_id,)).fetchone()
    if row is None:
        return None
    return _stored(row, db.execute(f"{_SELECT_EPOCH} WHERE run_id = ? ORDER BY epoch", (run_id,)).fetchall())


def read_runs(db: sqlite3.Connection) -> Iterator[StoredRun]:
    """Yield every run with its epochs by run_id, `running` ones too, in one pass over each table."""
    runs, epochs = (f"{_SELECT_RUN} ORDER BY run_id", f"{_SELECT_EPOCH} ORDER BY run_id, epoch")
    # Closed in any case: a query that is left in its middle keeps the ledger locked for reading.
    with closing(db.execute(runs)) as rows_of_runs, closing(db.execute(epochs)) as rows_of_epochs:
        groups = groupby(rows_of_epochs, key=itemgetter(0))
        key, rows = next(groups, (None, iter(())))
        for run in rows_of_runs:
            if key == run[0]:
                yield _stored(run, rows)
                key, rows = next(groups, (None, iter(())))
            else:
                yield _stored(run, ())


def write_study(db: sqlite3.Connection, study: str, about: StudyInfo, *, is_replaced: bool) -> None:
    """Make a definition of a study the current one; `is_replaced` decides where it has one already."""
    texts = (study, about.digest, about.title, about.difference, canonical_json(dict(about.baselines)))
    values = (*texts, int(about.is_by_validation), time.time())
    db.execute(insertion("studies", on_conflict="REPLACE" if is_replaced else "IGNORE"), signed("studies", values))


def read_study(db: sqlite3.Connection, study: str) -> StudyInfo:
    """Return the current definition of a study that has one."""
    query = "SELECT title, difference, digest, baselines, is_by_validation FROM studies WHERE study = ?"
    return _about(*db.execute(query, (study,)).fetchone())


def read_arms(db: sqlite3.Connection, study: str) -> list[str]:
    """Return the arms of the current definition of a study, in the order of its labels."""
    query = """SELECT l.arm FROM labels l JOIN studies s ON s.study = l.study AND s.digest = l.digest
        WHERE l.study = ? GROUP BY l.arm ORDER BY min(l.ordinal), l.arm"""
    return [arm for (arm,) in db.execute(query, (study,))]


def write_labels(
    db: sqlite3.Connection, study: str, digest: str, labels: Iterable[Label], *, is_replaced: bool
) -> None:
    """Map the arms of one definition of a study to runs; `is_replaced` decides where an arm has another run already.

    Labels that all are given again take the new order. Where others stay, as those of arms that this command leaves
    out, every earlier one keeps its place and the new ones follow the last, so that the arms of two commands never mix.
    """
    new = list(labels)
    query = "SELECT arm, seed, replicate, ordinal FROM labels WHERE study = ? AND digest = ?"
    ordinals = {row[:3]: row[3] for row in db.execute(query, (study, digest))}
    is_whole = ordinals.keys() <= {label[:3] for label in new}
    first = 0 if is_whole else 1 + max(ordinals.values())
    places = (i if is_whole else ordinals.get(label[:3], i) for i, label in enumerate(new, first))
    db.executemany(
        insertion("labels", on_conflict="REPLACE" if is_replaced else "IGNORE"),
        (signed("labels", (study, digest, *label, place)) for label, place in zip(new, places, strict=True)),
    )


def read_labels(db: sqlite3.Connection) -> Iterator[StudyLabels]:
    """Yield every definition of every study."""
    query = (
        "SELECT l.study, coalesce(s.title, ''), coalesce(s.difference, ''), l.digest, coalesce(s.baselines, '{}'), "
        "coalesce(s.is_by_validation, 0), s.study IS NOT NULL, "
        "l.arm, l.seed, l.replicate, l.run_id FROM labels l "
        "LEFT JOIN studies s ON s.study = l.study AND s.digest = l.digest ORDER BY l.study, l.digest, l.ordinal"
    )
    with closing(db.execute(query)) as rows:
        for (study, *about, is_current), group in groupby(rows, key=itemgetter(slice(7))):
            yield StudyLabels(study, _about(*about), bool(is_current), [row[7:] for row in group])


def _about(title: str, difference: str, digest: str, baselines: str, is_by_validation: Any) -> StudyInfo:
    """A row of `studies`; what cannot be decoded is left as it is for `checks` to refuse."""
    is_flag = is_by_validation in (0, 1)
    return StudyInfo(
        title, difference, digest, decoded_json(baselines), bool(is_by_validation) if is_flag else is_by_validation
    )


def _stored(row: tuple[Any, ...], epochs: Iterable[tuple[Any, ...]]) -> StoredRun:
    *run, digest = row
    history = tuple(EpochRecord(**decode(EPOCH_FIELDS, epoch[1:])) for epoch in epochs)
    return StoredRun(RunRecord(**decode(RUN_FIELDS, run), epochs=history), digest)
