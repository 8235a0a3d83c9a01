"""Files are whole or absent, and a disk that cannot take them is one sentence."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from kbnd import files
from kbnd.errors import NoSpaceError, UsageError
from kbnd.files import remove_temporaries, replacing, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    assert write_whole(tmp_path / "x", b"old") == tmp_path / "x"
    write_whole(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"
    assert names(tmp_path) == ["x"]


def test_nobody_sees_a_file_before_it_is_whole(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "x", b"old")
    with replacing(path) as file:
        file.write(b"ne")
        file.flush()
        assert path.read_bytes() == b"old"
        file.write(b"w")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("number", files.NO_SPACE)
def test_a_full_disk_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = write_whole(tmp_path / "runs.csv", b"old")

    def full(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpaceError, match=rf"^no space is left to write the table {path}"):
        write_whole(path, b"new", what="table")
    assert names(tmp_path) == ["runs.csv"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_whatever_stops_a_writer_leaves_no_litter(tmp_path: Path, stop: type[BaseException]) -> None:
    def half() -> None:
        with replacing(tmp_path / "x") as file:
            file.write(b"half")
            raise stop

    with pytest.raises(stop):
        half()
    assert names(tmp_path) == []


def test_a_folder_that_is_missing_or_a_file_is_one_sentence(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"")
    for folder in ("missing", "file"):
        with pytest.raises(UsageError, match=r"the folder .* of the export x does not exist") as caught:
            write_whole(tmp_path / folder / "x", b"", what="export")
        assert "\n" not in str(caught.value)


def test_a_remedy_ends_the_sentence() -> None:
    full = files.explained(OSError(errno.ENOSPC, "full"), "data in /x", remedy="set KBND_CACHE")
    assert str(full) == "no space is left to write data in /x: set KBND_CACHE"
    closed = files.explained(OSError(errno.EACCES, "Permission denied"), "data in /x", remedy="set KBND_CACHE")
    assert str(closed) == "data in /x cannot be written (Permission denied): set KBND_CACHE"


@pytest.mark.parametrize(("umask", "mode"), [(0o027, 0o640), (0o077, 0o600), (0o000, 0o666)])
def test_files_can_be_read_by_whom_the_umask_lets(tmp_path: Path, umask: int, mode: int) -> None:
    previous = os.umask(umask)
    try:
        path = write_whole(tmp_path / "x", b"")
    finally:
        os.umask(previous)
    assert path.stat().st_mode & 0o777 == mode


def test_writing_never_touches_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It belongs to all threads: one that makes a file meanwhile would make it writable for everybody."""

    def refuse(_mask: int) -> int:
        raise AssertionError("the umask was set")

    monkeypatch.setattr(os, "umask", refuse)
    write_whole(tmp_path / "x", b"")


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    contents = [bytes([i]) * 100_000 for i in range(4)]
    writers = [threading.Thread(target=write_whole, args=(tmp_path / "x", content)) for content in contents]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (tmp_path / "x").read_bytes() in contents
    assert names(tmp_path) == ["x"]


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".run.npz.0123abcd.part", "run.npz", "run.npz.part", ".other.npz.0123abcd.part", ".run.npz.swp"):
        (tmp_path / name).touch()
    remove_temporaries(tmp_path / "run.npz")
    assert names(tmp_path) == [".other.npz.0123abcd.part", ".run.npz.swp", "run.npz", "run.npz.part"]
    remove_temporaries(tmp_path / "missing" / "run.npz")
