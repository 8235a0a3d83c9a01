"""A ledger, a TOML file or a folder of somebody who means harm: what is shown of it tells the terminal nothing."""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from contextlib import closing
from pathlib import Path

import pytest
import typer
from ledger_records import label, record

from kbnd import cli
from kbnd.cli.ending import exit_code_of
from kbnd.ledger import Ledger

ATTACK = "\x1b]0;owned\x07\x9b31m\u202eevil\u2066\u2028\rnext\ttab [red]:bomb:[/red] <b>"
UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger of one experiment, a failed run among its runs, in which every text is an attack."""
    file = tmp_path / "hostile.sqlite"
    runs = [record(seed=seed, dropout=dropout) for seed in (1, 2) for dropout in (0.0, 0.5)]
    runs[-1] = record(seed=2, dropout=0.5, status="failed", error="boom")
    with Ledger.open(file) as opened:
        opened.merge(runs)
        opened.assign("small", "0" * 16, [label(f"d{run.spec['model'].get('dropout', 0)}", run) for run in runs])
    return file


def attacks(file: Path) -> list[list[tuple[str, str]]]:
    """Columns with texts to attack together: those of each table, and identities each for itself."""
    with closing(sqlite3.connect(file)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        columns = {table: [column for _, column, *_ in db.execute(f"PRAGMA table_info({table})")] for table in tables}
        texts = [
            (table, column)
            for table in tables
            for column in columns[table]
            if db.execute(f"SELECT count(*) FROM {table} WHERE typeof({column}) = 'text'").fetchone()[0]
        ]
    alone = ("run_id", "study", "status", "spec", "started_at")
    together = [[text for text in texts if text[0] == table and text[1] not in alone] for table in tables]
    return [group for group in together if group] + [[text] for text in texts if text[1] in alone]


def attack(file: Path, texts: list[tuple[str, str]]) -> None:
    with closing(sqlite3.connect(file)) as db, db:
        for table, column in texts:
            is_json = db.execute(f"SELECT min(json_valid({column}) AND {column} LIKE '{{%') FROM {table}").fetchone()[0]
            hostile = json.dumps({"machine": ATTACK, ATTACK: ATTACK}, ensure_ascii=False) if is_json else ATTACK
            db.execute(f"UPDATE {table} SET {column} = ?{'' if is_json else f' || {column}'}", (hostile,))


def assert_safe(text: str) -> None:
    unsafe = [c for c in text if unicodedata.category(c) in UNSAFE and c != "\n"]
    assert not unsafe, text
    assert "\N{BOMB}" not in text


def test_no_text_of_a_ledger_reaches_a_terminal_as_it_is(
    ledger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = ledger.read_bytes()
    commands = [
        *(["compare", str(ledger)], ["ledger", "list", str(ledger)], ["ledger", "verify", str(ledger)]),
        ["ledger", "show", record(seed=1).run_id, "--ledger", str(ledger)],
        ["ledger", "import", str(ledger), "--ledger", str(tmp_path / "new.sqlite")],
        ["ledger", "export", str(tmp_path / "csv"), "--format", "csv", "--ledger", str(ledger)],
    ]
    groups, kbnd = attacks(ledger), typer.main.get_command(cli.app)
    assert sum(map(len, groups)) > 15
    for texts in groups:
        ledger.write_bytes(sound)
        attack(ledger, texts)
        for command in commands:
            exit_code_of(lambda command=command: kbnd.main(command, standalone_mode=False))
            printed = capsys.readouterr()
            assert_safe(printed.out)
            assert_safe(printed.err)
        for file in (tmp_path / "csv").glob("*.csv"):
            assert_safe(file.read_text().replace("\t", ""))
