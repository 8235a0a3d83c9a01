"""What a stored or imported run must satisfy: types, ranges, and ids that are the digests of its own spec.

One list of rules serves both readers: `verify` lists what is wrong with a ledger, an import refuses the first thing
that is wrong with a stranger's. A run id that is not the digest of its spec would make a later request for that spec
take somebody else's result for its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kbnd.analysis.derivation import contradictions
from kbnd.errors import UsageError
from kbnd.ledger.claims import all_claims, problems_of_claim
from kbnd.ledger.columns import complaints, misplaced, undecodable
from kbnd.ledger.environments import problems_of_environment
from kbnd.ledger.plain import digest_of_event, digest_of_run
from kbnd.ledger.redundancies import disagreements
from kbnd.ledger.row_digests import changed_rows
from kbnd.ledger.rows import StoredRun, read_labels, read_runs, read_stored, read_study
from kbnd.ledger.schema import EPOCH_FIELDS, RUN_FIELDS, Field, Kind, bounds_of
from kbnd.ledger.search_checks import problems_of_log, problems_of_search
from kbnd.ledger.searches import LoggedEvent, read_event_digests, read_logs
from kbnd.ledger.study_checks import mislabelled, problems_of_labels
from kbnd.ledger.values import is_id, is_text, is_time
from kbnd.records import RUNNING, STATUSES, EpochRecord, RunRecord, SearchEvent, SearchInfo
from kbnd.spec import PROTOCOL, Identity, RunSpec
from kbnd.words import counted

_PYTHON: dict[Kind, type] = {"text": str, "count": int, "number": float, "flag": bool, "json": dict, "bits": bytes}


def problems_of(run: StoredRun) -> Iterator[str]:
    """Yield one clause for each thing that cannot be true of a run."""
    record = run.record
    wrong = list(problems_of_fields(record)) or list(_consistency(record)) or list(_identity(record))
    yield from wrong
    if not wrong:
        yield from disagreements(record, RunSpec(**record.spec))
        if run.digest is not None and run.digest != (present := digest_of_run(record)):
            yield f"it was changed since it was finished: its digest was {run.digest!r:.40} and is {present}"


def problems_of_types(record: RunRecord) -> Iterator[str]:
    """Yield one clause for each field of a run or of its epochs that is not of its type, nested ones too."""
    parts = [(RUN_FIELDS, record, ""), *((EPOCH_FIELDS, epoch, f"epoch {epoch.epoch!r}: ") for epoch in record.epochs)]
    for fields, part, place in parts:
        clauses = ((name, _type(field, getattr(part, name))) for name, field in fields.items())
        yield from (f"{place}{name} {clause}" for name, clause in clauses if clause is not None)
    yield from _nested(record)


def problems_of_epochs(epochs: Iterable[EpochRecord]) -> Iterator[str]:
    """Yield one clause for each field of an epoch that holds what it cannot hold."""
    for epoch in epochs:
        yield from (f"epoch {epoch.epoch!r}: {clause}" for clause in _values(EPOCH_FIELDS, epoch))


def problems_of_fields(record: RunRecord) -> Iterator[str]:
    """Yield one clause for each field of a run or of its epochs that holds what it cannot hold."""
    yield from _values(RUN_FIELDS, record)
    yield from problems_of_epochs(record.epochs)
    if not is_time(record.started_at):
        yield f"started_at should be a date and time in ISO 8601, received {record.started_at!r:.80}"
    yield from _nested(record)


def problems_in(db: sqlite3.Connection) -> Iterator[str]:
    """Yield one sentence for each thing that is wrong in a ledger."""
    broken = list(broken_pages(db))
    yield from broken
    if broken:
        return  # rows of a broken file cannot be read reliably
    broken = [*misplaced(db), *undecodable(db)]
    yield from broken
    if broken:
        return  # neither can what rows mean together where one of them holds what it cannot
    yield from strays(db)
    yield from changed_rows(db)
    for run in read_runs(db):
        if run.record.status != RUNNING:
            yield from (f"run {run.record.run_id}: {clause}" for clause in problems_of(run))
    for (study,) in db.execute("SELECT study FROM studies ORDER BY study").fetchall():
        yield from (f"study {study}: {clause}" for clause in problems_of_labels(study, read_study(db, study), ()))
    for study, about, _, labels in read_labels(db):
        about = about._replace(title="", difference="", baselines={}, is_by_validation=False)  # looked at above
        yield from (f"study {study}: {clause}" for clause in problems_of_labels(study, about, labels))
    yield from mislabelled(db)
    for claim in all_claims(db):
        yield from (f"the claim on run {claim.run_id!r:.40}: {clause}" for clause in problems_of_claim(claim))
    for info, log in read_logs(db):
        search = f"search {info.name}, generation {info.generation}"
        yield from (f"{search}: {clause}" for clause in problems_of_logged(db, info, log))


def broken_pages(db: sqlite3.Connection) -> Iterator[str]:
    """Yield one sentence for each thing that SQLite finds wrong with the file: a query may miss or mix rows."""
    yield from (f"SQLite: {line}" for line in complaints(db))


def strays(db: sqlite3.Connection) -> Iterator[str]:
    """Yield one sentence for each row that belongs to nothing: whoever reads by run or by search does not see it."""
    for table, _, parent, _ in db.execute("PRAGMA foreign_key_check").fetchall():
        yield f"a row of {table} belongs to no row of {parent}"


def problems_of_logged(db: sqlite3.Connection, info: SearchInfo, log: Sequence[SearchEvent]) -> Iterator[str]:
    """Yield one clause for each thing that cannot be true of a search, by itself or beside the runs that are stored."""
    wrong = [*problems_of_search(info), *problems_of_log(log)]
    wrong = wrong or list(contradictions(info.definition, log, lambda run_id: _sound_run(db, run_id)))
    yield from wrong
    for event, digest in () if wrong else zip(log, read_event_digests(db, info), strict=True):
        if (clause := changed_event(LoggedEvent(info.name, info.generation, event, digest))) is not None:
            yield clause


def _sound_run(db: sqlite3.Connection, run_id: str) -> RunRecord | None:
    run = read_stored(db, run_id)
    return None if run is None or any(problems_of(run)) else run.record


def notes_on(db: sqlite3.Connection) -> Iterator[str]:
    """Yield one sentence for each thing that cannot be told of a ledger in which nothing is wrong."""
    (n_runs,) = db.execute("SELECT count(*) FROM runs WHERE digest IS NULL AND status <> ?", (RUNNING,)).fetchone()
    (n_entries,) = db.execute("SELECT count(*) FROM search_events WHERE digest IS NULL").fetchone()
    yield from before_digests(n_runs, n_entries)


def before_digests(n_runs: int, n_entries: int) -> Iterator[str]:
    """Yield a sentence where finished runs or entries in the logs of searches have no digest."""
    if parts := [counted(n, noun) for n, noun in ((n_runs, "run"), (n_entries, "search event")) if n]:
        yield f"{' and '.join(parts)} from before digests: of them only what is stored twice can be checked"


def changed_event(logged: LoggedEvent) -> str | None:
    """Return a clause where an entry in the log of a search is not what its digest was made from."""
    if logged.digest is None or logged.digest == digest_of_event(logged.search, logged.generation, logged.event):
        return None
    return f"event {logged.event.event!r:.40} was changed since it was stored: its digest was {logged.digest!r:.40}"


def _nested(record: RunRecord) -> Iterator[str]:
    """What is wrong inside the environment; a spec is checked as a whole, since it is also the run's identity."""
    if isinstance(record.environment, dict):
        yield from problems_of_environment(record.environment)


def _values(fields: dict[str, Field], record: RunRecord | EpochRecord) -> Iterator[str]:
    for name, field in fields.items():
        value = getattr(record, name)
        if (clause := _type(field, value)) is not None:
            yield f"{name} {clause}"
        elif value is not None and (clause := _range(name, field.kind, value)) is not None:
            yield f"{name} {clause}, received {value!r:.80}"


def _type(field: Field, value: Any) -> str | None:
    """Return what type the value should have, or None where it has it."""
    if value is None:
        return None if field.is_optional else "is missing"
    kind = _PYTHON[field.kind]
    return None if type(value) is kind else f"should be {kind.__name__}, received {value!r:.80}"


def _range(name: str, kind: Kind, value: Any) -> str | None:
    """Return what the value should be, or None where it is that."""
    if (bounds := bounds_of(name, kind)) is not None and not bounds.low <= value <= bounds.high:
        return bounds.in_words
    if kind == "text" and name in ("run_id", "recipe_id") and not is_id(value):
        return "should be 16 hexadecimal digits"
    if kind == "text" and not is_text(value):
        return "should be printable text"
    return None


def _consistency(record: RunRecord) -> Iterator[str]:
    if record.status not in STATUSES:
        yield f"status should be one of {', '.join(STATUSES)}, received {record.status!r}"
    numbers = [epoch.epoch for epoch in record.epochs]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"epochs should be numbered from 1 without gaps, received {numbers!r:.80}"
    if record.n_epochs != len(numbers):
        yield f"n_epochs is {record.n_epochs} but {len(numbers)} epochs are stored"
    if record.test_correct is not None and len(record.test_correct) != -(-(record.n_test or 0) // 8):
        yield f"test_correct holds {len(record.test_correct)} bytes for {record.n_test} test images"


def _identity(record: RunRecord) -> Iterator[str]:
    try:
        spec = RunSpec(**record.spec)
    except (UsageError, TypeError) as error:
        yield f"its spec is none of this kbnd: {error}"
        return
    described = {"seed": spec.seed, "replicate": spec.replicate, "model": spec.model.name, "dataset": spec.data.name}
    for name, value in described.items():
        if getattr(record, name) != value:
            yield f"{name} is {getattr(record, name)!r} but its spec says {value!r}"
    if record.recipe_id != spec.recipe_id:
        yield f"its recipe_id is not the digest of its spec, {spec.recipe_id}"
    setting = Identity(record.backend, record.backend_version, record.keras_version, record.device, record.fingerprint)
    if record.protocol == PROTOCOL and record.run_id != spec.run_id(setting):
        yield f"its run_id is not the digest of its spec and setting, {spec.run_id(setting)}"
