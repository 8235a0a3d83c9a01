"""`Ledger`: the one file that remembers every run, opened for writing.

A driver claims a run, begins it, adds its epochs, finishes it; what a reader asks for stands in `kbnd.ledger.reader`.
Each write is one transaction, so that `kill -9` at any instant loses at most the epoch in flight.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from kbnd.errors import LedgerClaimedError, UsageError
from kbnd.files import check_file
from kbnd.ledger import claims, imports, neighbours, rows, searches, threads
from kbnd.ledger.database import Patience, impatient, open_database, transaction
from kbnd.ledger.incoming import things_of
from kbnd.ledger.plain import digest_of_event
from kbnd.ledger.reader import Reader
from kbnd.ledger.search_checks import problems_of_event, problems_of_search
from kbnd.ledger.study_checks import problems_of_labels
from kbnd.records import FAILURES, HITS, RUNNING, EpochRecord, RunRecord, SearchEvent, SearchInfo


class Ledger(Reader):
    """One open ledger, for the thread that opened it; a context manager.

    Who is answered `claimed` trains the run and stores it:

    >>> with Ledger.open("kbnd.sqlite") as ledger:
    ...     answer = ledger.claim("0123456789abcdef")
    ...     stored = ledger.get("0123456789abcdef")
    ...     print(answer, stored, ledger.studies(), len(ledger.runs()))
    claimed None [] 0
    """

    def __init__(self, db: sqlite3.Connection, path: Path, *, is_patient: Patience = impatient) -> None:
        """Use `Ledger.open`."""
        super().__init__(db, path, is_patient=is_patient)
        self._here, self._token = claims.this_process(), uuid.uuid4().hex
        self._origin = rows.Origin(self._here.host, self._here.boot_id, self._token)
        self._held: set[str] = set()
        self._heart = claims.Heart(path, self._token)
        weakref.finalize(self, self._heart.stop)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, create: bool = True, is_patient: Patience = impatient) -> Self:
        """Open a ledger for writing, and make it where it does not exist; `Reader.open` opens one to look at.

        Args:
            path: the file.
            create: whether a missing file is made; its folder must exist.
            is_patient: asked whenever another process has kept the ledger locked for half a minute; while it is true,
                every later call waits instead of failing.

        Raises:
            UsageError: not a ledger, from a newer kbnd, damaged, missing or not writable.
            NoSpaceError: the disk is full.
        """
        return cls(open_database(Path(path), "rwc" if create else "rw"), Path(path), is_patient=is_patient)

    def close(self) -> None:
        """Give back all claims and close the file."""
        self._heart.stop()
        if self._held:
            with suppress(sqlite3.Error):  # a full disk must not hide what led here; the claims end with the process
                self._db.execute("DELETE FROM claims WHERE token = ?", (self._token,))
            self._held.clear()
        super().close()

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
            rows.write_run(self._db, record, status=RUNNING, origin=self._origin)
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
            rows.replace_run(self._db, rows.finished(record), origin=self._origin)
            self._db.execute("DELETE FROM claims WHERE run_id = ?", (record.run_id,))
        self._let_go(record.run_id)

    def claim(self, run_id: str, *, retry_failed: bool = False, is_alone: bool = False) -> claims.ClaimResult:
        """Ask for the right to train a run.

        Args:
            run_id: the run.
            retry_failed: whether runs that failed or ran out of memory are wanted again.
            is_alone: whether it is trained only while nobody else trains on this machine through this ledger.

        Returns:
            `claimed`: train it, then `finish`; `hit`: its result is stored; `taken`: another live process trains it, or
            anything where it is to be alone.
        """
        with self._writing():
            status = self.status(run_id)
            if status in HITS or (status in FAILURES and not retry_failed):
                return "hit"
            other = claims.claim_of(self._db, run_id)
            if other is not None and other.token != self._token and not other.is_stale(self._here):
                return "taken"
            if is_alone and neighbours.is_anybody(self._db, self._here, token=self._token):
                return "taken"
            claims.write_claim(self._db, run_id, token=self._token, here=self._here)
        self._held.add(run_id)
        self._heart.start()
        return "claimed"

    def is_shared(self, since: str) -> bool:
        """Whether somebody else trained on this machine through this ledger since a time (ISO 8601, UTC)."""
        with self._reading():
            return neighbours.is_shared(self._db, self._here, token=self._token, since=since)

    def settle_n_threads(self, name: str, planned: Callable[[], Iterable[str]], *, usual: int | None) -> int | None:
        """Return `first_n_threads`; where that is None, settle the count of a study or search for `usual`, once."""
        with self._writing():
            return threads.settle_count(self._db, name, planned, usual=usual)

    def assign(
        self,
        study: str,
        digest: str,
        labels: Iterable[rows.Label],
        *,
        title: str = "",
        difference: str = "",
        baselines: Mapping[str, str] | None = None,
        is_by_validation: bool = False,
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
            is_by_validation: whether something is chosen by validation images, so that nobody looks at test images.
        """
        mapped, about = list(labels), rows.StudyInfo(title, difference, digest, dict(baselines or {}), is_by_validation)
        for problem in problems_of_labels(study, about, mapped):
            raise UsageError(problem)
        with self._writing():
            rows.write_labels(self._db, study, digest, mapped, is_replaced=True)
            rows.write_study(self._db, study, about, is_replaced=True)

    def begin_search(self, name: str, definition: Mapping[str, Any], *, fresh: bool = False) -> SearchInfo:
        """Begin a search, or return the one to continue: the latest of this name, begun with the same definition.

        Args:
            name: of the search.
            definition: JSON values of everything that makes its proposals what they are.
            fresh: begin anew in any case; the searches of this name that there are stay as they are.

        Raises:
            ResumeMismatchError: the latest was begun with another definition; every field that differs is named.
            UsageError: a name or definition that cannot be stored.
        """
        plain = dict(definition)
        for problem in problems_of_search(SearchInfo(name, 1, plain, searches.now())):
            raise UsageError(problem)
        with self._writing():
            return searches.begin(self._db, name, plain, is_fresh=fresh)

    def append_event(self, info: SearchInfo, event: SearchEvent) -> bool:
        """Store the next entry of a search's log, if it is that, and return whether it was.

        False means that another driver has stored an entry of this number first: read the log again before you append.

        Raises:
            UsageError: an entry that cannot be true, or a search that was not begun in this ledger.
        """
        for problem in problems_of_event(event):
            raise UsageError(f"event {event.event!r} of search {info.name}: {problem}")
        with self._writing():
            if searches.read_search(self._db, info.name, info.generation) is None:
                raise UsageError(f"search {info.name!r}, generation {info.generation}, was not begun in {self.path}")
            if event.event == searches.last_event(self._db, info) + 1:
                searches.check_candidate(self._db, info, event)
            return searches.append(self._db, info, event, digest=digest_of_event(info.name, info.generation, event))

    def import_(self, path: str | os.PathLike[str]) -> imports.Merged:
        """Merge what another ledger, or JSON lines exported from one, holds; all or nothing.

        Raises:
            UsageError: no such file, what cannot be true, two results of one run or two logs of one search, both shown.
        """
        source = Path(path)
        check_file(source, what="file to import")
        if self.path.exists() and source.samefile(self.path):
            raise UsageError(f"{source} is the ledger it would be imported into")
        with things_of(source) as things, self._writing():
            return imports.merge(self._db, things, here=self.path, source=str(source))

    def merge(self, records: Iterable[RunRecord]) -> imports.Merged:
        """Store runs that were trained elsewhere, as `import_` does."""
        with self._writing():
            return imports.merge(self._db, map(rows.finished, records), here=self.path, source="what was given")

    @contextmanager
    def _writing(self, run_id: str | None = None) -> Iterator[None]:
        """Hold the write lock; with a run, only while nobody else trains it and it has no result."""
        with transaction(self._db, self.path, is_patient=self._is_patient):
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

    def _let_go(self, run_id: str) -> None:
        self._held.discard(run_id)
        if not self._held:
            self._heart.stop()
