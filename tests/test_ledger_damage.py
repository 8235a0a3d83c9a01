"""A ledger in which any one value is anything is read, or refused in a sentence that says what is wrong where."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from ledger_damage import FIRST, STUDY, VALUES, columns, new_ledger, put

from kbnd import cli
from kbnd.errors import KbndError
from kbnd.ledger import Ledger, Reader
from kbnd.ledger.columns import misplaced, undecodable
from kbnd.ledger.schema import TABLES
from kbnd.report.comparison import compare_ledger
from kbnd.report.json_values import as_rows
from kbnd.report.runs import run_as_json, run_table, run_tables, stored_run, stored_runs
from kbnd.report.terminal import print_tables

MOST_S = 10.0
"""Of one command on one damaged ledger: what takes longer hangs."""


def listed(path: Path) -> None:
    runs = stored_runs(path)
    print_tables(run_tables(runs, path))
    json.dumps(as_rows(runs), allow_nan=False)


def shown(path: Path) -> None:
    run = stored_run(path, FIRST)
    print_tables([run_table(run)])
    json.dumps(run_as_json(run), allow_nan=False)


def compared(path: Path) -> None:
    comparison = compare_ledger(path, study=STUDY)
    print_tables(comparison.tables)
    json.dumps(comparison.as_json(), allow_nan=False)


def exported(path: Path) -> None:
    with Reader.open(path) as ledger:
        ledger.export(path.with_suffix(".jsonl"))
        ledger.export(path.with_name("tables"), "csv")


def imported(path: Path) -> None:
    new = path.with_name("new.sqlite")
    try:
        with Ledger.open(new) as ledger:
            ledger.import_(path)
            assert ledger.verify() == [], "what was imported is not sound"
    finally:
        new.unlink()


def looked_up(path: Path) -> None:
    with Reader.open(path) as ledger:
        ledger.live_claims()
        ledger.first_n_threads("search")
        ledger.correctness([FIRST])
        for name in ledger.searches():
            if (info := ledger.search(name)) is not None:
                ledger.search_events(info)


COMMANDS: tuple[Callable[[Path], None], ...] = (listed, shown, exported, imported, looked_up, compared)

STRIDE = 1 if os.environ.get("KBND_SWEEP") == "all" else 6
"""Of all columns with all values so many are left out; none with `KBND_SWEEP=all`, which takes minutes."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return new_ledger(tmp_path_factory.mktemp("whole") / "kbnd.sqlite").read_bytes()


def refusal(command: Callable[[Path], Any], path: Path) -> str:
    """What a command says against a ledger, empty where it reads it; anything but a sentence with exit code 2 fails."""
    start = time.perf_counter()
    sentence, exit_code = "", 2
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            command(path)
    except KbndError as error:
        sentence, exit_code = str(error), error.exit_code
    assert exit_code == 2, sentence
    assert "\n" not in sentence
    assert time.perf_counter() - start < MOST_S
    return sentence


def verified(path: Path) -> list[str]:
    with Reader.open(path) as ledger:
        return ledger.verify()


def cases(path: Path) -> list[tuple[str, str, str]]:
    """Every column with every value, or each `STRIDE`-th of them, so that each column and each value is there."""
    return [(*column, name) for column in columns(path) for name in VALUES][::STRIDE]


def test_the_ledger_that_is_damaged_below_is_sound(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "kbnd.sqlite"
    path.write_bytes(whole)
    assert [refusal(command, path) for command in COMMANDS] == [""] * len(COMMANDS)
    assert verified(path) == []
    assert {table for table, _ in columns(path)} == set(TABLES)


def test_any_value_in_any_column_is_read_or_one_sentence(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "kbnd.sqlite"
    path.write_bytes(whole)
    commands, n_refused = itertools.cycle(COMMANDS), 0
    for table, column, name in cases(path):
        path.write_bytes(whole)
        if not put(path, table, column, VALUES[name]):
            continue
        with Reader.open(path) as ledger:
            clauses = [*misplaced(ledger._db), *undecodable(ledger._db)]
            problems = ledger.verify()
        if clauses:
            assert problems == clauses
            assert clauses[0].startswith(f"table {table}, row ")
            assert f": {column} " in clauses[0]
        sentence = refusal(next(commands), path)
        n_refused += bool(sentence)
        assert not (sentence and not problems), (table, column, name, sentence)
    assert n_refused > len(cases(path)) // 4


@pytest.mark.parametrize(
    ("table", "column", "value", "command", "complaint"),
    [
        ("runs", "seed", "infinity", listed, "seed should be a whole number, it holds a number"),
        ("runs", "model", "bytes", compared, "model should be text, it holds bytes"),
        ("runs", "model", "invalid text", shown, "model is no text in UTF-8"),
        ("runs", "recipe_id", "nothing", exported, "recipe_id should be text, it holds nothing"),
        ("epochs", "train_s", "text", shown, "epoch 1: train_s should be float, received 'no number'"),
        ("labels", "ordinal", "number", compared, "ordinal should be a whole number, it holds a number"),
        ("studies", "baselines", "nested", compared, "the baselines should map arms to arms"),
        ("claims", "heartbeat_at", "bytes", looked_up, "heartbeat_at should be a number, it holds bytes"),
        ("search_events", "body", "huge", listed, "body should be a JSON object of printable text, received 922"),
        ("search_events", "event", "negative", listed, "events should be numbered from 1 without gaps"),
        ("searches", "definition", "brackets", looked_up, "the definition should be a JSON object"),
    ],
)
def test_the_sentence_says_what_is_wrong_where(
    whole: bytes, tmp_path: Path, table: str, column: str, value: str, command: Callable[[Path], None], complaint: str
) -> None:
    path = tmp_path / "kbnd.sqlite"
    path.write_bytes(whole)
    assert put(path, table, column, VALUES[value])
    assert complaint in refusal(command, path)
    assert any(column in sentence for sentence in verified(path))


def test_a_driver_does_not_begin_on_a_ledger_that_it_could_not_read(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "kbnd.sqlite"
    path.write_bytes(whole)
    put(path, "claims", "pid", "nobody")
    with pytest.raises(KbndError, match=r"table claims, row .*: pid should be a whole number, it holds text"):
        Ledger.open(path)


def test_an_index_that_misses_rows_hides_no_run(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "kbnd.sqlite"
    path.write_bytes(whole)
    with closing(sqlite3.connect(path)) as db:
        (size,) = db.execute("PRAGMA page_size").fetchone()
        pages = db.execute("SELECT name, rootpage FROM sqlite_schema WHERE type = 'index'").fetchall()
    assert len(pages) == 3
    for index, number in pages:
        page = whole[(number - 1) * size : number * size]
        for word in (STUDY.encode(), FIRST.encode()):
            if word in page:
                damaged = page.replace(word, b"zz" + word[2:])
                path.write_bytes(whole[: (number - 1) * size] + damaged + whole[number * size :])
                sentence = refusal(compared, path)
                assert f"missing from index {index}; `kbnd ledger verify` lists all" in sentence
                assert any(f"missing from index {index}" in problem for problem in verified(path))


def test_damaged_files_are_one_sentence(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "kbnd.sqlite"
    size, random = 4096, Random(1)
    cut = [whole[:n] for n in range(0, len(whole), size // 2 + 17)]
    starts = range(0, len(whole), size)
    zeroed = [whole[:start] + bytes(size) + whole[start + size :] for start in starts]
    filled = [whole[:start] + b"\xff" * size + whole[start + size :] for start in starts]
    flipped = []
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(random.choice((1, 2, 8))):
            content[random.randrange(len(content))] = random.randrange(256)
        flipped.append(bytes(content))
    for content in (*cut, *zeroed, *filled, *flipped):
        path.write_bytes(content)
        for command in (verified, shown, looked_up):
            refusal(command, path)


@pytest.mark.parametrize(("command", "exit_code"), [("list", 2), ("verify", 1)])
def test_a_command_ends_with_its_exit_code(
    whole: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, exit_code: int
) -> None:
    path = tmp_path / "kbnd.sqlite"
    path.write_bytes(whole)
    put(path, "runs", "host", VALUES["invalid text"])
    put(path, "runs", "dataset", VALUES["invalid text"])
    with pytest.raises(SystemExit) as stop:
        cli.main(["ledger", command, str(path)])
    printed = capsys.readouterr()
    assert stop.value.code == exit_code
    assert "dataset is no text in UTF-8" in printed.out + printed.err
