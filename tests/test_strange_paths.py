"""What is no regular file is refused in a sentence that says what it is, by every command that takes a path."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ledger_records import record

from kbnd import cli
from kbnd.data import cache
from kbnd.errors import UsageError
from kbnd.execution.settings import Settings
from kbnd.ledger import Ledger, Reader
from kbnd.ledger.database import LONGEST_NAME, LONGEST_PATH
from kbnd.report.folder import check_writable
from kbnd.training import checkpoint

MOST_S = 20

STRANGE = {
    "pipe": "is a named pipe",
    "socket": "is a socket",
    "null": "is a device",
    "zero": "is a device",
    "full": "is a device",
    "nowhere": "it is a symlink to nothing",
    "circle": "it is a symlink that leads in a circle",
    "long": "the name is longer than names can be",
}
"""Name of what no command works with -> what is said of it."""

FOLDER, FILE = "received the folder", "received the file"
STUDY = str(Path(__file__).parents[1] / "studies" / "lenet_grid.toml")

COMMANDS: list[tuple[list[str], dict[str, str]]] = [
    (["compare", "PATH"], {"folder": FOLDER}),
    (["ledger", "list", "PATH"], {"folder": FOLDER}),
    (["ledger", "show", "x", "--ledger", "PATH"], {"folder": FOLDER}),
    (["ledger", "verify", "PATH"], {"folder": FOLDER}),
    (["ledger", "export", "x.jsonl", "--ledger", "PATH"], {"folder": FOLDER}),
    (["ledger", "export", "PATH", "--ledger", "LEDGER"], {"folder": FOLDER}),
    (["ledger", "export", "PATH", "--ledger", "LEDGER", "--format", "csv"], {"file": FILE}),
    (["ledger", "import", "PATH", "--ledger", "LEDGER"], {"folder": FOLDER}),
    (["ledger", "import", "LEDGER", "--ledger", "PATH"], {"folder": FOLDER}),
    (["export", "PATH", "--to", "jsonl", "--out", "x"], {"folder": FOLDER}),
    (["export", "LEDGER", "--to", "tensorboard", "--out", "PATH"], {"file": FILE}),
    (["study", "PATH"], {"folder": FOLDER}),
    (["study", STUDY, "--dataset", "digits", "--ledger", "PATH", "--dry-run"], {"folder": FOLDER}),
    (["study", STUDY, "--dataset", "digits", "--out", "PATH", "--ledger", "LEDGER"], {"file": FILE}),
    (["train", "--recipe", "PATH"], {"folder": FOLDER}),
    (["train", "--save-weights", "PATH", "--ledger", "LEDGER"], {"folder": FOLDER}),
    (["tune", "--space", "PATH"], {"folder": FOLDER}),
    (["tune", "--ledger", "PATH", "--dataset", "digits", "--dry-run"], {"folder": FOLDER}),
    (["tune", "--dataset", "digits", "--out", "PATH", "--ledger", "LEDGER"], {"file": FILE}),
]


@contextmanager
def patience() -> Iterator[None]:
    """Fail what hangs."""

    def end(*_: object) -> None:
        raise TimeoutError("it hangs")

    usual = signal.signal(signal.SIGALRM, end)
    signal.alarm(MOST_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, usual)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """One of everything that a path can be."""
    home = tmp_path_factory.mktemp("paths")
    names = {name: home / name for name in ("pipe", "socket", "nowhere", "circle", "folder", "file", "ledger.sqlite")}
    names |= {name: Path("/dev", name) for name in ("null", "zero", "full")} | {"long": home / ("n" * 300)}
    os.mkfifo(names["pipe"])
    names["nowhere"].symlink_to("gone")
    names["circle"].symlink_to("circle")
    names["folder"].mkdir()
    names["file"].write_text("")
    with Ledger.open(names["ledger.sqlite"]) as ledger:
        ledger.finish(record())
    with socket.socket(socket.AF_UNIX) as plug, pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)  # the address of a socket is short
        plug.bind("socket")
        patch.undo()
        yield names


@pytest.mark.parametrize(
    ("command", "others"), COMMANDS, ids=[" ".join(c).replace(STUDY, "STUDY") for c, _ in COMMANDS]
)
def test_every_command_says_what_a_strange_path_is(
    paths: dict[str, Path],
    command: list[str],
    others: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger = str(paths["ledger.sqlite"])
    monkeypatch.chdir(tmp_path)
    for name, complaint in {**STRANGE, **others}.items():
        arguments = [{"PATH": str(paths[name]), "LEDGER": ledger}.get(word, word) for word in command]
        with patience(), pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        printed = capsys.readouterr()
        assert stop.value.code == 2, printed.err
        assert complaint in printed.err
        assert printed.err.count("\n") == 1, printed.err
        assert list(tmp_path.iterdir()) == []
    assert Path("/dev/null").is_char_device(), "an export took its place"


@pytest.mark.parametrize(
    "use", [Ledger.open, Reader.open, check_writable, lambda path: Settings(ledger=path, weights=path).check()]
)
def test_a_name_that_no_file_can_have_is_refused(use: Callable[[Path], object]) -> None:
    for name in ("a\0b", "\ud800"):
        with pytest.raises(UsageError, match="holds a character that no name of a file can"):
            use(Path(name))


def test_a_ledgers_name_leaves_room_for_its_journal(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / ("n" * LONGEST_NAME)) as ledger:
        ledger.finish(record())
    with pytest.raises(UsageError, match=f"has {LONGEST_NAME + 1} bytes, SQLite works with up to {LONGEST_NAME}"):
        Ledger.open(tmp_path / ("n" * (LONGEST_NAME + 1)))
    deep = tmp_path / ("n" * 200) / ("n" * 200)
    deep.mkdir(parents=True)
    room = LONGEST_PATH - len(str(deep)) - 1
    with Ledger.open(deep / ("n" * room)) as ledger:
        ledger.finish(record())
    with pytest.raises(UsageError, match=f"has {LONGEST_PATH + 1} bytes"):
        Ledger.open(deep / ("n" * (room + 1)))


@pytest.mark.parametrize("how", ["deleted", "replaced", "moved"])
def test_a_ledger_that_is_taken_away_while_it_is_open_is_said_to_be(tmp_path: Path, how: str) -> None:
    path, other = tmp_path / "kbnd.sqlite", tmp_path / "other.sqlite"
    Ledger.open(other).close()
    with Ledger.open(path) as ledger:
        ledger.finish(record())
        take = {"deleted": path.unlink, "replaced": lambda: other.replace(path), "moved": lambda: path.rename(other)}
        take[how]()
        with pytest.raises(UsageError, match="was deleted, moved or replaced while it was open"):
            ledger.finish(record(seed=2))
        assert [stored.run_id for stored in ledger.records()] == [record().run_id]


def test_a_pipe_in_place_of_a_checkpoint_or_a_cache_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv("KBND_CACHE", str(tmp_path / "pipe"))
    with patience():
        assert checkpoint.load(tmp_path / "pipe", run_id=record().run_id) is None
        with pytest.raises(UsageError, match=r"the cache \(KBND_CACHE\) .*pipe is a named pipe"):
            cache.cached_keys()
