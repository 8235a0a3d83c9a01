"""`Ledger`: what training and analysis ask of the one file that remembers every run.

A driver claims a run, begins it, adds its epochs, finishes it; a reader asks for tables. Each write is one transaction,
so that `kill -9` at any instant loses at most the epoch in flight.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, get_args

from kbnd.errors import LedgerClaimedError, UsageError, unknown
from kbnd.ledger import claims, exchange, neighbours, rows
from kbnd.ledger.checks import problems_in, problems_of_labels
from kbnd.ledger.claims import Claim, ClaimResult
from kbnd.ledger.database import open_database, snapshot, transaction, translated
from kbnd.ledger.exchange import Merged
from kbnd.ledger.jsonl import lines_of
from kbnd.ledger.rows import Label, StudyInfo
from kbnd.records import HITS, EpochRecord, RunRecord

if TYPE_CHECKING:
    import pandas as pd

FAILURES = ("failed", "oom")
"""Statuses that are taken as they are unless a retry is asked for."""

Format = Literal["jsonl", "csv", "parquet"]


class Ledger:
    """One open ledger, for the thread that opened it; a context manager."""

    def __init__(self, db: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
        """Use `Ledger.open`."""
        self.path = path
        self.is_read_only = read_only
        self._db = db
        self._here = claims.this_process()
        self._token = uuid.uuid4().hex
        self._trainer = rows.Trainer(self._here.host, self._here.boot_id, self._token)
        self._held: set[str] = set()
        self._heart = claims.Heart(path, self._token)
        weakref.finalize(self, self._heart.stop)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, create: bool = True, read_only: bool = False) -> Self:
        """Open a ledger, and make it where it does not exist.

        Args:
            path: the file.
            create: whether a missing file is made; its folder must exist.
            read_only: only read; needs no write permission, and leaves a ledger of an older format in it.

        Raises:
            UsageError: not a ledger, from a newer kbnd, damaged, missing or not writable.
            NoSpaceError: the disk is full.
        """
        file = Path(path)
        return cls(open_database(file, create=create, read_only=read_only), file, read_only=read_only)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back all claims and close the file."""
        self._heart.stop()
        if self._held:
            with suppress(sqlite3.Error):  # a full disk must not hide what led here; the claims end with the process
                self._db.execute("DELETE FROM claims WHERE token = ?", (self._token,))
            self._held.clear()
        self._db.close()

    def get(self, run_id: str) -> RunRecord | None:
        """Return a run with the epochs stored so far (status `running` while it is trained), or None."""
        with snapshot(self._db, self.path):
            return rows.read_run(self._db, run_id)

    def status(self, run_id: str) -> str | None:
        """Return the status of a run: `running`, one of `kbnd.records.Status`, or None where it is not stored."""
        with translated(self.path):
            row = self._db.execute("SELECT status FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return None if row is None else row[0]

    def records(self) -> list[RunRecord]:
        """Return every stored run by run_id."""
        with snapshot(self._db, self.path):
            return list(rows.read_runs(self._db))

    def begin(self, record: RunRecord, *, keep_epochs: int = 0) -> None:
        """Store that a run is being trained (status `running`).

        Args:
            record: what is known of it so far, with the epochs that a checkpoint brings; its status is ignored.
            keep_epochs: stored epochs of an earlier attempt that go on to count; later ones are deleted.

        Raises:
            LedgerClaimedError: another process holds the claim.
            UsageError: the run has a result.
        """
        with self._writing(record.run_id):
            rows.write_run(self._db, record, status=rows.RUNNING, trainer=self._trainer)
            rows.keep_epochs(self._db, record.run_id, keep_epochs)
            rows.write_epochs(self._db, record.run_id, record.epochs)
            rows.count_epochs(self._db, record.run_id)

    def add_epoch(self, run_id: str, epoch: EpochRecord) -> None:
        """Store an epoch of a run that was begun; raises as `begin` does."""
        with self._writing(run_id):
            if self.status(run_id) is None:
                raise UsageError(f"run {run_id} was not begun: an epoch belongs to a run")
            rows.write_epochs(self._db, run_id, [epoch])
            rows.count_epochs(self._db, run_id)

    def finish(self, record: RunRecord) -> None:
        """Store a run with exactly the record's epochs and give back its claim; raises as `begin` does."""
        with self._writing(record.run_id):
            rows.replace_run(self._db, record, trainer=self._trainer)
            self._db.execute("DELETE FROM claims WHERE run_id = ?", (record.run_id,))
        self._let_go(record.run_id)

    def claim(self, run_id: str, *, retry_failed: bool = False) -> ClaimResult:
        """Ask for the right to train a run.

        Args:
            run_id: the run.
            retry_failed: whether runs that failed or ran out of memory are wanted again.

        Returns:
            `claimed`: train it, then `finish`; `hit`: its result is stored; `taken`: another live process trains it.
        """
        with self._writing():
            status = self.status(run_id)
            if status in HITS or (status in FAILURES and not retry_failed):
                return "hit"
            other = claims.claim_of(self._db, run_id)
            if other is not None and other.token != self._token and not other.is_stale(self._here):
                return "taken"
            claims.write_claim(self._db, run_id, token=self._token, here=self._here)
        self._held.add(run_id)
        self._heart.start()
        return "claimed"

    def live_claims(self) -> list[Claim]:
        """Return the claims of processes that live, this one's too, oldest first."""
        with translated(self.path):
            return [claim for claim in claims.all_claims(self._db) if not claim.is_stale(self._here)]

    def is_shared(self, since: str) -> bool:
        """Whether somebody else trained on this machine through this ledger since a time (ISO 8601, UTC)."""
        with translated(self.path):
            return neighbours.is_shared(self._db, self._here, token=self._token, since=since)

    def assign(
        self,
        study: str,
        digest: str,
        labels: Iterable[Label],
        *,
        title: str = "",
        difference: str = "",
        baselines: Mapping[str, str] | None = None,
    ) -> None:
        """Map the arms of a study to runs, stored or still to come, and make this its current definition.

        The labels of an earlier definition are seen only by its digest, those of other studies are untouched.

        Args:
            study: its name.
            digest: of everything that makes its arms what they are: dataset, epochs, backend, ...
            labels: (arm, seed, replicate, run_id), in the order tables show them.
            title: what its tables are headed.
            difference: in words, what makes it another experiment than the report's; empty where nothing does.
            baselines: arm -> the arm it is compared with, where that is not the first arm.
        """
        mapped, about = list(labels), StudyInfo(title, difference, digest, dict(baselines or {}))
        for problem in problems_of_labels(study, about, mapped):
            raise UsageError(problem)
        with self._writing():
            rows.write_labels(self._db, study, digest, mapped, replace=True)
            rows.write_study(self._db, study, about, replace=True)

    def about(self, study: str) -> StudyInfo:
        """Return what the current definition of a study says of itself."""
        self._check_study(study)
        with translated(self.path):
            about = rows.read_study(self._db, study)
        for problem in problems_of_labels(study, about, ()):
            raise UsageError(f"study {study} in {self.path}: {problem}")
        return about

    def arms(self, study: str) -> list[str]:
        """Return the arms of a study in the order of its labels, planned ones too: the baseline first."""
        self._check_study(study)
        with translated(self.path):
            return rows.read_arms(self._db, study)

    def studies(self) -> list[str]:
        """Return the names of the studies, the one assigned last at the end."""
        with translated(self.path):
            return [study for (study,) in self._db.execute("SELECT study FROM studies ORDER BY assigned_at, study")]

    def runs(self, study: str | None = None, *, digest: str | None = None) -> pd.DataFrame:
        """Return the table of runs.csv: one row per stored run of a study, in the order of its labels.

        Args:
            study: its name; None is every run in the ledger, once for each study it serves.
            digest: an earlier definition of the study; None is the current one.
        """
        from kbnd.ledger.frames import read_run_frame

        self._check_study(study)
        with translated(self.path):
            return read_run_frame(self._db, study, digest)

    def epochs(self, study: str | None = None, *, digest: str | None = None) -> pd.DataFrame:
        """Return the table of epochs.csv: one row per epoch of the runs that `runs` returns."""
        from kbnd.ledger.frames import read_epoch_frame

        self._check_study(study)
        with translated(self.path):
            return read_epoch_frame(self._db, study, digest)

    def export(self, path: str | os.PathLike[str], format: Format = "jsonl", *, study: str | None = None) -> list[Path]:
        """Write the ledger for other programs and return the files written.

        `jsonl` is everything in the file `path`, to be imported again; `csv` and `parquet` are runs and epochs as two
        tables in the folder `path`, where `study` limits them.
        """
        if format not in get_args(Format):
            raise unknown("format", format, get_args(Format))
        if format != "jsonl":
            return exchange.write_tables(Path(path), format, {"runs": self.runs(study), "epochs": self.epochs(study)})
        if study is not None:
            raise UsageError("format 'jsonl' exports the whole ledger: leave out the study")
        with snapshot(self._db, self.path):
            return [exchange.write_lines(Path(path), lines_of(self._db))]

    def import_(self, path: str | os.PathLike[str]) -> Merged:
        """Merge the runs and labels of another ledger, or of JSON lines exported from one; all of them or none.

        Raises:
            UsageError: no such file, a run that cannot be true, or one run with two results (both are shown).
        """
        source = Path(path)
        if source.exists() and source.samefile(self.path):
            raise UsageError(f"{source} is the ledger it would be imported into")
        with exchange.things_of(source) as things, self._writing():
            return exchange.merge(self._db, things, here=self.path, source=str(source))

    def merge(self, records: Iterable[RunRecord]) -> Merged:
        """Store runs that were trained elsewhere, as `import_` does."""
        with self._writing():
            return exchange.merge(self._db, records, here=self.path, source="what was given")

    def verify(self) -> list[str]:
        """Return one sentence for each thing that is wrong: SQLite's own checks, counts, ranges, digests."""
        with snapshot(self._db, self.path):
            return list(problems_in(self._db))

    @contextmanager
    def _writing(self, run_id: str | None = None) -> Iterator[None]:
        """Hold the write lock; with a run, only while nobody else trains it and it has no result."""
        if self.is_read_only:
            raise UsageError(f"the ledger {self.path} was opened for reading only")
        with transaction(self._db, self.path):
            if run_id is not None:
                self._check_mine(run_id)
            yield

    def _check_mine(self, run_id: str) -> None:
        other = claims.claim_of(self._db, run_id)
        is_foreign = other is not None and other.token != self._token
        is_lost = run_id in self._held and (other is None or is_foreign)
        if is_lost or (other is not None and is_foreign and not other.is_stale(self._here)):
            self._let_go(run_id)
            holder = other or "another process, which has ended since"
            raise LedgerClaimedError(f"run {run_id} was taken over by {holder}: this result was not stored")
        if (status := self.status(run_id)) in HITS:
            raise UsageError(f"run {run_id} is {status}: a result is never replaced")

    def _check_study(self, study: str | None) -> None:
        if study is not None and study not in (known := self.studies()):
            raise unknown("study", study, known) if known else UsageError(f"{self.path} holds no study")

    def _let_go(self, run_id: str) -> None:
        self._held.discard(run_id)
        if not self._held:
            self._heart.stop()
