from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ledger_records import record
from patience import HANG_S

from kbnd.errors import LedgerLockedError, UsageError
from kbnd.ledger import Ledger, Reader, sqlite_errors
from kbnd.ledger.schema import MIGRATIONS

KINDS: tuple[type[Reader], ...] = (Ledger, Reader)
WORKER = Path(__file__).with_name("ledger_worker.py")
MODES = (("444", "777"), ("444", "555"), ("666", "555"))
"""Of the file and its folder."""

STATES = ("whole", "torn")
Answers = dict[tuple[str, str, str], tuple[Path, list[str]]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)
        os.chmod(name, 0o700)


@pytest.fixture
def path(folder: Path) -> Path:
    """A ledger with one run."""
    with Ledger.open(folder / "kbnd.sqlite") as ledger:
        ledger.finish(record())
    return folder / "kbnd.sqlite"


def worker(verb: str, *arguments: object) -> str:
    command = [sys.executable, str(WORKER), verb, *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=HANG_S, check=False).stdout.strip()


@pytest.fixture(scope="module")
def as_nobody() -> Iterator[Answers]:
    """By modes of file and folder and state: a ledger, what nobody is told who reads it, writes it, makes another."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        cases = {(*modes, state): Path(name, "-".join((*modes, state))) for modes in MODES for state in STATES}
        for folder in cases.values():
            folder.mkdir()
            with Ledger.open(folder / "kbnd.sqlite") as ledger:
                ledger.finish(record())
        files = {case: folder / "kbnd.sqlite" for case, folder in cases.items()}
        answers = worker("open_as_nobody", *(text for case, file in files.items() for text in (file, *case)))
        lines = iter(answers.splitlines())
        yield {case: (file, [next(lines) for _ in range(3)]) for case, file in files.items()}
        for folder in cases.values():
            folder.chmod(0o700)


def journal_of(path: Path) -> Path:
    return path.with_name(path.name + "-journal")


def test_what_is_no_ledger_is_refused_and_left_alone(folder: Path) -> None:
    other = folder / "other.sqlite"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE recipes (cake)")
    text = folder / "notes.txt"
    text.write_text("study, arm, seed\n" * 100)
    for file, complaint in (
        (text, "not an SQLite file"),
        (other, "not a ledger of kbnd"),
        (folder, "received the folder"),
    ):
        before = file.read_bytes() if file.is_file() else b""
        for kind in KINDS:
            with pytest.raises(UsageError, match=complaint):
                kind.open(file)
        assert not file.is_file() or file.read_bytes() == before


def test_a_missing_file_or_folder_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"the ledger .* does not exist"):
        Ledger.open(folder / "new.sqlite", create=False)
    with pytest.raises(UsageError, match=r"the ledger .* does not exist"):
        Reader.open(folder / "new.sqlite")
    with pytest.raises(UsageError, match="does not exist"):
        Ledger.open(folder / "nowhere" / "new.sqlite")
    assert list(folder.iterdir()) == []


def test_an_empty_file_becomes_a_ledger_but_cannot_be_read_as_one(folder: Path) -> None:
    (folder / "empty").touch()
    with pytest.raises(UsageError, match="is empty: nothing was stored"):
        Reader.open(folder / "empty")
    with Ledger.open(folder / "empty") as ledger:
        assert ledger.records() == []


def test_a_ledger_of_a_newer_kbnd_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 7")
    complaint = rf"newer kbnd \(ledger format 7, this kbnd knows up to {len(MIGRATIONS)}\): upgrade"
    for kind in KINDS:
        with pytest.raises(UsageError, match=complaint):
            kind.open(path)


def test_a_ledger_with_sql_of_its_own_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TRIGGER sly AFTER INSERT ON runs BEGIN DELETE FROM runs; END")
    with pytest.raises(UsageError, match="trigger 'sly', which kbnd did not write"):
        Reader.open(path)


def test_a_damaged_ledger_is_one_sentence(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"x" * (len(content) - 4096)
    path.write_bytes(content)
    with Reader.open(path) as ledger, pytest.raises(UsageError, match="is damaged"):
        ledger.records()


def test_a_page_with_many_faults_is_one_short_sentence(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.merge(record(seed=seed, n_epochs=40) for seed in range(2, 6))
    whole = path.read_bytes()
    sentences: list[str] = []
    for page in range(1, len(whole) // 4096):
        path.write_bytes(whole[: 4096 * page + 8] + bytes(120) + whole[4096 * page + 128 :])
        for ask in (Reader.verify, Reader.runs):
            try:
                with Reader.open(path) as ledger:
                    answer = ask(ledger)
                sentences += answer if isinstance(answer, list) else []
            except UsageError as error:
                sentences.append(str(error))
    assert sentences
    assert max(map(len, sentences)) < 400
    assert not any("\n" in sentence for sentence in sentences)


@pytest.mark.parametrize(("file_mode", "folder_mode"), MODES)
def test_a_read_only_ledger_can_be_read_and_refuses_to_be_written(
    as_nobody: Answers, file_mode: str, folder_mode: str
) -> None:
    path, (reading, writing, creating) = as_nobody[file_mode, folder_mode, "whole"]
    assert reading == "opened, 1 runs"
    assert writing == f"2 the ledger {path} cannot be written: the file or its folder is read-only"
    assert creating.startswith("opened" if folder_mode == "777" else "2 the ledger")


@pytest.mark.parametrize(("file_mode", "folder_mode"), MODES)
def test_a_crash_journal_that_cannot_be_rolled_back_is_named(
    as_nobody: Answers, file_mode: str, folder_mode: str
) -> None:
    path, (reading, writing, _) = as_nobody[file_mode, folder_mode, "torn"]
    assert reading == writing
    assert reading.startswith(f"2 the ledger {path} was left by a crash in the middle of a write and is read-only here")
    assert journal_of(path).exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_torn_write_is_undone_at_the_next_opening(path: Path, kind: type[Reader]) -> None:
    worker("tear", path)
    assert journal_of(path).stat().st_size > 0
    with kind.open(path) as ledger:
        assert ledger.records() == [record()]
        assert ledger.verify() == []
        assert ledger.studies() == []
    assert not journal_of(path).exists()


def test_nothing_acknowledged_is_lost_to_kills_at_any_instant(path: Path) -> None:
    assert worker("kills", path.with_name("killed.sqlite"), 10, 0) == "survived"


def test_a_full_disk_stops_writing_and_loses_nothing(path: Path) -> None:
    refusal = worker("fill", path)
    assert refusal.startswith("7 ")
    assert str(path) in refusal
    with Ledger.open(path) as ledger:
        stored = ledger.records()
        assert ledger.verify() == []
        assert all(len(run.epochs) == run.n_epochs for run in stored)
        ledger.finish(record(seed=10_001))


def test_sqlites_own_report_of_a_full_disk_is_no_space(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger._db.execute("PRAGMA max_page_count = 1")
        with pytest.raises(Exception, match="is full: what was stored before is safe") as caught:
            ledger.merge(record(seed=seed, n_epochs=50) for seed in range(2, 50))
        assert caught.value.exit_code == 7
        assert ledger.records() == [record()]


def test_a_new_ledger_on_a_full_disk_is_refused(folder: Path) -> None:
    assert worker("create_without_space", folder / "new.sqlite").startswith("7 ")


def test_a_ledger_locked_too_long_is_an_error_of_its_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_errors, "BUSY_TIMEOUT_S", 0.05)
    with Ledger.open(path) as ledger, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerLockedError, match="locked by another process"):
            ledger.finish(record(seed=2))
        other.execute("ROLLBACK")
        ledger.finish(record(seed=2))


@pytest.mark.parametrize(
    ("code", "is_told"),
    [(sqlite3.SQLITE_BUSY, False), (sqlite3.SQLITE_BUSY, True), (sqlite3.SQLITE_IOERR_LOCK, True)],
)
def test_a_file_system_without_locks_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int, is_told: bool
) -> None:
    def lacking(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    if is_told:
        monkeypatch.setattr(fcntl, "lockf", lacking)
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = code  # of NFS without lockd the one, of FUSE and the like the other
    sentence = r"lies on a file system without locks \(.+, mounted at /" if is_told else "locked by another process"
    with pytest.raises(UsageError if is_told else LedgerLockedError, match=sentence), sqlite_errors.translated(path):
        raise error
