"""The memory of searches: continued or refused, appended to by one driver at a time, carried by exports, verified."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_formats import older_ledger, unsealed
from ledger_records import record

from kbnd.errors import ResumeMismatchError, UsageError
from kbnd.ledger import Ledger, Merged, Reader
from kbnd.records import SearchEvent, SearchInfo

DEFINITION = {"oracle": "bayesian", "seed": 1, "space": {"model.dropout": [0.0, 0.8], "train.epochs": 5}}
AT = "2026-01-02T03:04:05+00:00"

# Another driver: appends its own candidates until the log holds enough, and says which numbers were stored.
DRIVER = """
import sys, time
from kbnd.ledger import Ledger, Reader
from kbnd.records import SearchEvent
path, driver, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
with Ledger.open(path) as ledger:
    info = ledger.search("s")
    print("ready", flush=True)
    sys.stdin.readline()
    while len(log := ledger.search_events(info)) < n:
        body = {"values": {"driver": driver}, "epochs": None, "run_ids": {}}
        if ledger.append_event(info, SearchEvent(len(log) + 1, "ask", len(log) + 1, body, "2026-01-02T03:04:05")):
            print(len(log) + 1, flush=True)
"""


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "kbnd.sqlite") as opened:
        yield opened


@pytest.fixture
def other(tmp_path: Path):
    with Ledger.open(tmp_path / "other.sqlite") as opened:
        yield opened


def ask(event: int, ordinal: int, **body) -> SearchEvent:
    values = {"values": {"model.dropout": 0.1 * ordinal}, "epochs": 5, "run_ids": {"1": record(seed=ordinal).run_id}}
    return SearchEvent(event, "ask", ordinal, {**values, **body}, AT)


def end(event: int, ordinal: int, **body) -> SearchEvent:
    values = {"status": "done", "score": 0.9, "told": 0.9, "wall_s": 12.5}
    return SearchEvent(event, "end", ordinal, {**values, **body}, AT)


def again(event: int, ordinal: int) -> SearchEvent:
    return SearchEvent(event, "again", ordinal, {"run_ids": {"1": record(seed=ordinal, replicate=7).run_id}}, AT)


def searched(ledger: Ledger, *events: SearchEvent, fresh: bool = False) -> SearchInfo:
    info = ledger.begin_search("s", DEFINITION, fresh=fresh)
    for event in events:
        assert ledger.append_event(info, event)
    return info


LOG = (ask(1, 1), ask(2, 2), end(3, 2), end(4, 1, status="diverged", score=None, told=0.0))


def test_a_search_is_continued_where_its_definition_is_the_same(ledger: Ledger) -> None:
    assert ledger.searches() == []
    assert ledger.search("s") is None
    first = searched(ledger, *LOG)
    assert ledger.begin_search("s", DEFINITION) == first == ledger.search("s") == SearchInfo("s", 1, DEFINITION)
    assert ledger.search("s").created_at == first.created_at != ""
    assert ledger.search_events(first) == list(LOG)
    assert ledger.search_events(first, after=3) == [LOG[3]]
    ledger.begin_search("a", {})
    assert ledger.searches() == ["s", "a"]
    assert ledger.verify() == []


def test_other_settings_are_refused_and_each_is_named(ledger: Ledger) -> None:
    searched(ledger)
    asked = {"oracle": "random", "space": {"model.dropout": [0.0, 0.8], "train.epochs": 10}, "objective": "val_loss"}
    with pytest.raises(ResumeMismatchError) as refused:
        ledger.begin_search("s", asked)
    assert refused.value.exit_code == 5
    assert str(refused.value) == (
        "search 's' was begun with other settings (objective: stored nothing, asked \"val_loss\"; oracle: stored "
        '"bayesian", asked "random"; seed: stored 1, asked nothing; space.train.epochs: stored 5, asked 10): ask for '
        "the stored ones, begin it anew with --fresh (fresh=True), or give this one another name"
    )


def test_a_fresh_search_leaves_the_earlier_one_as_it_was(ledger: Ledger) -> None:
    first = searched(ledger, *LOG)
    second = ledger.begin_search("s", {"oracle": "grid"}, fresh=True)
    assert (second.generation, second.definition) == (2, {"oracle": "grid"})
    assert ledger.search("s") == ledger.begin_search("s", {"oracle": "grid"}) == second
    assert ledger.search_events(second) == []
    assert ledger.search_events(first) == list(LOG)


def test_only_the_next_entry_is_stored(ledger: Ledger) -> None:
    info = searched(ledger, ask(1, 1))
    assert not ledger.append_event(info, ask(1, 1))
    assert not ledger.append_event(info, ask(3, 2))
    assert ledger.search_events(info) == [ask(1, 1)]


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        (ask(0, 1), "event should be a whole number from 1, received 0"),
        (replace(ask(1, 1), ordinal=True), "ordinal should be a whole number"),
        (replace(ask(1, 1), kind="told"), "kind should be one of ask, again, end, received 'told'"),
        (replace(ask(1, 1), at="noon"), "at should be a date and time"),
        (replace(ask(1, 1), body=[]), "body should be a JSON object"),
        (ask(1, 1, epochs=0), "epochs should be a whole number from 1 or null, received 0"),
        (ask(1, 1, run_ids={"1": "x"}), "run_ids should be an object of run ids by seed"),
        (ask(1, 1, values={"a": "\x1b[2J"}), "printable text"),
        (replace(again(1, 1), body={}), "run_ids should be an object of run ids by seed"),
        (again(1, 1), "received a second or early 'again'"),
        (end(1, 1, status="lost"), "status should be one of done, diverged, failed, pruned, received 'lost'"),
        (end(1, 1, told=float("nan")), "body should be a JSON object"),
        (end(1, 1, told=None), "told should be a number, received None"),
        (end(1, 1, wall_s=-1.0), "wall_s should be a number of seconds"),
    ],
)
def test_what_cannot_be_true_is_not_stored(ledger: Ledger, event: SearchEvent, complaint: str) -> None:
    info = searched(ledger)
    with pytest.raises(UsageError, match=complaint):
        ledger.append_event(info, event)
    assert ledger.search_events(info) == []


def test_searches_of_nobody_are_refused(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="'none', generation 1, was not begun in"):
        ledger.append_event(SearchInfo("none", 1, {}), ask(1, 1))
    with pytest.raises(UsageError, match="the search name 'a b' does not match"):
        ledger.begin_search("a b", {})


def driver(ledger: Ledger, name: str, n: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", DRIVER, str(ledger.path), name, str(n)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_of_two_drivers_one_is_first_and_no_entry_is_lost(ledger: Ledger) -> None:
    info = searched(ledger)
    drivers = {name: driver(ledger, name, 40) for name in ("left", "right")}
    for process in drivers.values():
        process.stdin.write("go\n")
        process.stdin.flush()
    stored = {name: list(map(int, process.communicate()[0].split())) for name, process in drivers.items()}
    log = ledger.search_events(info)
    assert [process.returncode for process in drivers.values()] == [0, 0]
    assert [event.event for event in log] == list(range(1, len(log) + 1))
    assert sorted(stored["left"] + stored["right"]) == list(range(1, len(log) + 1))
    assert {event.event: event.body["values"]["driver"] for event in log} == {
        number: name for name, numbers in stored.items() for number in numbers
    }
    assert ledger.verify() == []


def test_a_killed_driver_loses_nothing_that_it_was_told_is_stored(ledger: Ledger) -> None:
    info = searched(ledger)
    for name, delay_s in (("first", 0.03), ("second", 0.11)):
        process = driver(ledger, name, 10_000)
        process.stdin.write("go\n")
        process.stdin.flush()
        time.sleep(delay_s)
        os.kill(process.pid, signal.SIGKILL)
        told = list(map(int, process.communicate()[0].split()))
        log = ledger.search_events(info)
        assert ledger.verify() == []
        assert len(told) <= len([event for event in log if event.body["values"] == {"driver": name}]) <= len(told) + 1
        assert ledger.append_event(info, ask(len(log) + 1, len(log) + 1))


@pytest.mark.parametrize("through", ["jsonl", "sqlite"])
def test_searches_travel_with_an_export_and_grow_by_what_is_new(ledger: Ledger, other: Ledger, through: str) -> None:
    searched(ledger, *LOG[:2])
    searched(other, LOG[0])
    assert other.import_(exported(ledger, through)) == Merged(0, 0, 0, n_events=1)
    searched(ledger, ask(1, 1), fresh=True)
    assert ledger.append_event(SearchInfo("s", 1, DEFINITION), LOG[2])
    assert other.import_(exported(ledger, through)) == Merged(0, 0, 0, n_events=2)
    assert other.import_(exported(ledger, through)) == Merged(0, 0, 0, n_events=0)
    assert ledger.import_(exported(other, through)) == Merged(0, 0, 0, n_events=0)
    assert other.search("s") == ledger.search("s") == SearchInfo("s", 2, DEFINITION)
    assert other.search_events(SearchInfo("s", 1, DEFINITION)) == list(LOG[:3])
    assert other.verify() == []


def exported(ledger: Ledger, through: str) -> Path:
    return ledger.path if through == "sqlite" else ledger.export(ledger.path.with_suffix(".jsonl"))[0]


def test_times_of_a_repeated_search_may_differ(ledger: Ledger, other: Ledger) -> None:
    searched(ledger, ask(1, 1), end(2, 1))
    searched(other, replace(ask(1, 1), at="2027-01-01T00:00:00+00:00"), end(2, 1, wall_s=99.0))
    assert other.import_(ledger.path).n_events == 0
    assert other.search_events(other.search("s"))[1].body["wall_s"] == 99.0


def test_runs_that_are_measured_again_are_of_the_candidate(ledger: Ledger, other: Ledger) -> None:
    log = (ask(1, 1), again(2, 1), end(3, 1))
    info = searched(ledger, *log)
    assert ledger.candidates() == {record().run_id, record(replicate=7).run_id}
    assert ledger.verify() == []
    with pytest.raises(UsageError, match="received a second or early 'again'"):
        ledger.append_event(info, again(4, 1))
    other.import_(exported(ledger, "jsonl"))
    assert other.search_events(info) == list(log)


def test_two_logs_or_definitions_of_one_search_are_refused_and_both_are_shown(ledger: Ledger, other: Ledger) -> None:
    searched(ledger, ask(1, 1), end(2, 1))
    searched(other, ask(1, 1), ask(2, 2))
    ledger.merge([record()])
    with pytest.raises(UsageError, match=r"event 2 is ask 2 .* in .*other.sqlite and end 1 .* in .*kbnd.sqlite"):
        other.import_(ledger.path)
    assert other.records() == []
    ledger.begin_search("a", {"seed": 1})
    other.begin_search("a", {"seed": 2})
    with pytest.raises(UsageError, match=r"seed: in .*kbnd.sqlite 1, in .*other.sqlite 2"):
        ledger.import_(other.path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda lines: lines[1]["search"].update(generation=0), "generation should be at least 1"),
        (lambda lines: lines[1]["search"].update(definition=5), "definition should be a JSON object"),
        (lambda lines: lines[1]["search"].update(created_at=None), "created_at should be a date"),
        (lambda lines: lines[1]["search"].update(name=["s"]), "search name"),
        (lambda lines: lines[1]["search"].pop("created_at"), "line 2: the field 'created_at' is missing"),
        (lambda lines: lines.pop(1), "belongs to no search"),
        (lambda lines: lines.pop(2), "the entries before it are missing"),
        (lambda lines: lines[3]["search_event"].update(generation=[1]), "belongs to no search"),
        (lambda lines: lines[3]["search_event"].update(code="x"), "line 4: unknown field 'code'"),
        (lambda lines: lines[3]["search_event"].update(event="2"), "event should be a whole number"),
        (lambda lines: lines[4]["search_event"].update(ordinal=3), "event 3: candidate 3 ends unasked"),
        (lambda lines: lines[5]["search_event"].update(ordinal=2), "event 4: candidate 2 ends twice"),
        (lambda lines: lines[3]["search_event"].update(ordinal=7), "candidate 7 was asked for in place of candidate 2"),
    ],
)
def test_what_a_stranger_wrote_is_refused_as_a_whole(ledger: Ledger, other: Ledger, change, complaint: str) -> None:
    searched(ledger, *LOG)
    file = exported(ledger, "jsonl")
    lines = unsealed(file)
    change(lines)
    file.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(UsageError, match=complaint):
        other.import_(file)
    assert other.searches() == []


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE searches SET definition = '{'", "search s, generation 1: the definition should be a JSON object"),
        ("UPDATE search_events SET body = '{'", "event 1: body should be a JSON object"),
        ("DELETE FROM search_events WHERE event = 1", "numbered from 1 without gaps, received 2 in place 1"),
        ("UPDATE search_events SET ordinal = 9 WHERE kind = 'end'", "event 3: candidate 9 ends unasked"),
        ("DELETE FROM searches", "a row of search_events belongs to no row of searches"),
    ],
)
def test_verify_finds_what_was_tampered_with(ledger: Ledger, statement: str, complaint: str) -> None:
    searched(ledger, *LOG)
    ledger._db.execute("PRAGMA foreign_keys = OFF")
    ledger._db.execute(statement)
    assert any(complaint in sentence for sentence in ledger.verify())


def test_a_search_that_was_tampered_with_is_not_continued(ledger: Ledger) -> None:
    info = searched(ledger, *LOG)
    ledger._db.execute("UPDATE search_events SET body = '{}' WHERE event = 3")
    with pytest.raises(UsageError, match=r"search s in .*: event 3: status should be one of"):
        ledger.search_events(info)
    ledger._db.execute("UPDATE searches SET definition = '[]'")
    with pytest.raises(UsageError, match=r"search s in .*: the definition should be a JSON object"):
        ledger.search("s")


def test_a_ledger_from_before_searches_has_none_until_it_is_written_to(
    tmp_path: Path,
) -> None:
    file = tmp_path / "old.sqlite"
    with older_ledger(file, 2) as old:
        old.finish(record())
    before = file.read_bytes()
    with Reader.open(file) as reader:
        assert reader.searches() == []
        assert reader.search("s") is None
        assert reader.get(record().run_id) == record()
        assert reader.verify() == []
    assert file.read_bytes() == before
    with Ledger.open(file) as ledger:
        info = searched(ledger, *LOG)
        assert ledger.search_events(info) == list(LOG)
        assert ledger.get(record().run_id) == record()
