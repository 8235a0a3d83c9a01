"""`Reader`: a ledger that is asked, by those who train and by those who only look; nothing here changes it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, get_args

from kbnd.errors import UsageError, unknown
from kbnd.ledger import claims, exports, rows, searches
from kbnd.ledger.checks import notes_on, problems_in, problems_of_types
from kbnd.ledger.claims import RunClaim
from kbnd.ledger.columns import damaged
from kbnd.ledger.database import Patience, impatient, open_database, sound_snapshot
from kbnd.ledger.jsonl import lines_of
from kbnd.ledger.rows import StudyInfo
from kbnd.ledger.schema import TABLES
from kbnd.ledger.search_checks import problems_of_event, problems_of_log, problems_of_search, run_ids_in
from kbnd.ledger.study_checks import problems_of_labels
from kbnd.ledger.threads import read_first_count
from kbnd.records import FRESH, RunRecord, SearchEvent, SearchInfo

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

Format = Literal["jsonl", "csv", "parquet"]


class Reader:
    """A ledger that is only read, for the thread that opened it; a context manager.

    Attributes:
        path: the file.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, *, is_patient: Patience = impatient) -> None:
        """Use `Reader.open`."""
        self.path = path
        self._db = db
        self._is_patient = is_patient

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open a ledger that exists; needs no write permission, and leaves one of an older format in it.

        Args:
            path: the file.

        Raises:
            UsageError: not a ledger, from a newer kbnd, damaged, missing or not readable.
        """
        file = Path(path)
        return cls(open_database(file, "ro"), file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def get(self, run_id: str) -> RunRecord | None:
        """Return a run with the epochs stored so far (status `running` while it is trained), or None."""
        with self._reading():
            record = rows.read_run(self._db, run_id)
        for clause in () if record is None else problems_of_types(record):
            raise damaged(self.path, f"run {run_id}: {clause}")
        return record

    def status(self, run_id: str) -> str | None:
        """Return the status of a run: `running`, one of `kbnd.records.Status`, or None where it is not stored."""
        with self._reading():
            row = self._db.execute("SELECT status FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return None if row is None else row[0]

    def records(self) -> list[RunRecord]:
        """Return every stored run by run_id."""
        with self._reading("runs", "epochs"):
            return [run.record for run in rows.read_runs(self._db)]

    def about(self, study: str) -> StudyInfo:
        """Return what the current definition of a study says of itself."""
        self._check_study(study)
        with self._reading("studies"):
            about = rows.read_study(self._db, study)
        for problem in problems_of_labels(study, about, ()):
            raise UsageError(f"study {study} in {self.path}: {problem}")
        return about

    def arms(self, study: str) -> list[str]:
        """Return the arms of a study in the order of its labels, planned ones too: the baseline first."""
        self._check_study(study)
        with self._reading("studies", "labels"):
            return rows.read_arms(self._db, study)

    def studies(self) -> list[str]:
        """Return the names of the studies, the one assigned last at the end."""
        with self._reading("studies"):
            return [study for (study,) in self._db.execute("SELECT study FROM studies ORDER BY assigned_at, study")]

    def n_recipes(self, study: str, arm: str) -> int:
        """Return how many recipes an arm has had with a finished run, those of earlier definitions among them."""
        query = (
            "SELECT count(DISTINCT recipe_id) FROM runs JOIN labels USING (run_id) "
            "WHERE study = ? AND arm = ? AND status = 'done'"
        )
        with self._reading("runs", "labels"):
            return int(self._db.execute(query, (study, arm)).fetchone()[0])

    def seeds(self, study: str, arm: str) -> list[int]:
        """Return the seeds of an arm, planned ones and those of earlier definitions among them."""
        query = "SELECT DISTINCT seed FROM labels WHERE study = ? AND arm = ? ORDER BY seed"
        with self._reading("labels"):
            return [seed for (seed,) in self._db.execute(query, (study, arm))]

    def candidates(self) -> set[str]:
        """Return the runs that nobody but searches asked for, as candidates: what they reach on test is not shown.

        Searches that were begun afresh since are among them; the best recipe of a search with fresh seeds is not.
        """
        with self._reading("searches", "search_events", "labels"):
            of_searches = [run_ids_in(*logged) for logged in searches.read_logs(self._db)]
            names = set(searches.read_names(self._db))
            labelled = self._db.execute("SELECT DISTINCT run_id, study, arm FROM labels").fetchall()
        asked_by_others = {run_id for run_id, study, arm in labelled if study not in names or arm == FRESH}
        return set().union(*of_searches) - asked_by_others

    def searches(self) -> list[str]:
        """Return the names of the searches, the one begun last at the end."""
        with self._reading("searches"):
            return searches.read_names(self._db)

    def search(self, name: str) -> SearchInfo | None:
        """Return the latest generation of a search, or None where none was begun under this name."""
        with self._reading("searches"):
            info = searches.read_search(self._db, name)
        for problem in () if info is None else problems_of_search(info):
            raise UsageError(f"search {name} in {self.path}: {problem}")
        return info

    def search_events(self, info: SearchInfo, *, after: int = 0) -> list[SearchEvent]:
        """Return the log of a search from the entry that follows number `after`."""
        with self._reading():
            log = searches.read_events(self._db, info, after=after)
        entries = (f"event {event.event!r}: {clause}" for event in log for clause in problems_of_event(event))
        for problem in entries if after else problems_of_log(log):
            raise UsageError(f"search {info.name} in {self.path}: {problem}")
        return log

    def runs(self, study: str | None = None, *, digest: str | None = None) -> pd.DataFrame:
        """Return the table of runs.csv: one row per stored run of a study, in the order of its labels.

        Args:
            study: its name; None is every run in the ledger, once for each study it serves.
            digest: an earlier definition of the study; None is the current one.
        """
        from kbnd.ledger.frames import read_run_frame

        self._check_study(study)
        with self._reading("runs", "studies", "labels"):
            return read_run_frame(self._db, study, digest)

    def epochs(self, study: str | None = None, *, digest: str | None = None) -> pd.DataFrame:
        """Return the table of epochs.csv: one row per epoch of the runs that `runs` returns."""
        from kbnd.ledger.frames import read_epoch_frame

        self._check_study(study)
        with self._reading("runs", "epochs", "studies", "labels"):
            return read_epoch_frame(self._db, study, digest)

    def correctness(self, run_ids: Iterable[str]) -> dict[str, NDArray[np.bool_]]:
        """Return whether runs were right on each test image, (N,) in their order; a run without is left out."""
        from kbnd.ledger.frames import read_correctness

        with self._reading("runs"):
            return read_correctness(self._db, run_ids)

    def export(self, path: str | os.PathLike[str], format: Format = "jsonl", *, study: str | None = None) -> list[Path]:
        """Write the ledger for other programs and return the files written.

        `jsonl` is everything in the file `path`, to be imported again; `csv` and `parquet` are runs and epochs as two
        tables in the folder `path`, where `study` limits them.
        """
        if format not in get_args(Format):
            raise unknown("format", format, get_args(Format))
        if format != "jsonl":
            from kbnd.ledger.frames import as_filed

            return exports.write_tables(
                Path(path), format, {"runs": as_filed(self.runs(study)), "epochs": self.epochs(study)}
            )
        if study is not None:
            raise UsageError("format 'jsonl' exports the whole ledger: leave out the study")
        with self._reading(*TABLES), closing(lines_of(self._db)) as lines:
            return [exports.write_lines(Path(path), lines)]

    def sessions(self, runs: pd.DataFrame) -> dict[str, RunRecord]:
        """Return, by session, the first of these runs that it trained.

        Args:
            runs: what `runs` returns, or a part of it, in any order.
        """
        first = runs.drop_duplicates("session")
        records = {str(run.session): self.get(str(run.run_id)) for run in first.itertuples()}
        return {session: record for session, record in records.items() if record is not None}

    def first_n_threads(self, name: str, planned: Callable[[], Iterable[str]] = tuple) -> int | None:
        """Return the threads that a study or search was begun with on a CPU: as settled, else as its first run had.

        Args:
            name: of the study or search; empty for a run of its own.
            planned: ids of the runs that are wanted, which count where none is stored under the name.

        Returns:
            None where it is not settled, and no run is stored or none says how many.
        """
        with self._reading("runs", "labels", "searches", "search_events", "thread_counts"):
            return read_first_count(self._db, name, planned)

    def live_claims(self) -> list[RunClaim]:
        """Return the claims of processes that live, this one's too, oldest first."""
        here = claims.this_process()
        with self._reading("claims"):
            return [claim for claim in claims.all_claims(self._db) if not claim.is_stale(here)]

    def verify(self) -> list[str]:
        """Return one sentence for each thing that is wrong: SQLite's own checks, counts, ranges, digests, logs."""
        with self._reading():
            return list(problems_in(self._db))

    def notes(self) -> list[str]:
        """Return one sentence for each thing that `verify` cannot tell and that is no fault, such as old runs."""
        with self._reading():
            return list(notes_on(self._db))

    def _reading(self, *tables: str) -> AbstractContextManager[None]:
        """See one state of the ledger; of tables that are read as a whole, one in which every value has its type."""
        return sound_snapshot(self._db, self.path, tables, is_patient=self._is_patient)

    def _check_study(self, study: str | None) -> None:
        if study is not None and study not in (names := self.studies()):
            raise unknown("study", study, names) if names else UsageError(f"{self.path} holds no study")
