"""An export that was cut, or whose lines were doubled, swapped, changed or lost, is refused with what is missing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from ledger_formats import unsealed
from ledger_records import label, record

from kbnd.errors import UsageError
from kbnd.ledger import Ledger, import_into
from kbnd.records import SearchEvent

N_RUNS = 50


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Line 1, a study, 50 runs, a search with two entries, the last line."""
    folder = tmp_path_factory.mktemp("export")
    runs = [record(seed=seed) for seed in range(1, N_RUNS + 1)]
    with Ledger.open(folder / "kbnd.sqlite") as ledger:
        ledger.merge(runs)
        ledger.assign("grid", "0" * 16, [label("bn", run) for run in runs])
        info = ledger.begin_search("hunt", {})
        for number in (1, 2):
            body = {"values": {}, "epochs": None, "run_ids": {}}
            ledger.append_event(info, SearchEvent(number, "ask", number, body, "2026-01-02"))
        return ledger.export(folder / "runs.jsonl")[0]


@pytest.fixture
def new(tmp_path: Path):
    with Ledger.open(tmp_path / "new.sqlite") as opened:
        yield opened


def changed(export: Path, tmp_path: Path, change: Callable[[list[bytes]], object]) -> Path:
    lines = export.read_bytes().splitlines(keepends=True)
    change(lines)
    (tmp_path / "changed.jsonl").write_bytes(b"".join(lines))
    return tmp_path / "changed.jsonl"


def test_a_whole_export_says_what_it_holds_and_is_imported(export: Path, new: Ledger) -> None:
    first, *lines, end = map(json.loads, export.read_text().splitlines())
    assert first == {"ledger": {"format": 4, "holds": {"study": 1, "run": N_RUNS, "search": 1, "search_event": 2}}}
    assert [next(iter(line)) for line in lines] == ["study", *["run"] * N_RUNS, "search", *["search_event"] * 2]
    assert re.fullmatch("[0-9a-f]{64}", end["end"]["digest"])
    merged = new.import_(export)
    assert (merged.n_added, merged.notes) == (N_RUNS, ())
    assert new.export(export.with_name("again.jsonl"))[0].read_bytes() == export.read_bytes()


def test_an_export_that_was_cut_anywhere_is_refused_with_what_is_missing(export: Path, new: Ledger) -> None:
    whole = export.read_bytes()
    lines = whole.splitlines(keepends=True)
    file = new.path.with_name("cut.jsonl")
    for n_lines in range(1, len(lines)):
        file.write_bytes(b"".join(lines[:n_lines]))
        with pytest.raises(UsageError, match="is not whole: ") as refusal:
            new.import_(file)
        n_runs = min(max(n_lines - 2, 0), N_RUNS)
        assert (f"{n_runs} of {N_RUNS} runs" in str(refusal.value)) == (n_runs < N_RUNS)
    for n_bytes in range(len(lines[0]), len(whole) - 1, 2_003):
        file.write_bytes(whole[:n_bytes])
        with pytest.raises(UsageError, match=r"is not whole: |was changed since it was exported"):
            new.import_(file)
    assert new.records() == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda lines: lines.pop(5), "it holds 49 of 50 runs; export it again"),
        (lambda lines: lines.insert(5, lines[5]), "it holds 51 runs instead of 50; export it again"),
        (lambda lines: lines.pop(1), "it holds 0 of 1 study definition; export"),
        (lambda lines: (lines.pop(-2), lines.pop(7)), "it holds 49 of 50 runs and 1 of 2 search events; export"),
        (lambda lines: lines.insert(5, lines.pop(6)), "was changed since it was exported"),
        (lambda lines: lines.__setitem__(5, lines[6]), "was changed since it was exported"),
        (lambda lines: lines.__setitem__(5, lines[5].replace(b"0.75", b"0.25")), "was changed since it was exported"),
        (lambda lines: lines.append(lines[-1]), "was changed since it was exported"),
        (lambda lines: lines.append(b"\n"), "was changed since it was exported"),
        (lambda lines: lines.append(b'{"code":{}}\n'), "was changed since it was exported"),
        (lambda lines: lines.__setitem__(-1, b'{"end":[]}\n'), "was changed since it was exported"),
        (lambda lines: lines.__setitem__(0, lines[0].replace(b"50", b"51")), "it holds 50 of 51 runs"),
        (lambda lines: lines.__setitem__(0, lines[0].replace(b'"run":50', b'"run":"50"')), "line 1: should be"),
        (lambda lines: lines.__setitem__(0, lines[0].replace(b'"run":50', b'"x":50')), "line 1: should be"),
        (lambda lines: lines.__setitem__(0, b'{"ledger":{"format":4}}\n'), "line 1: should be"),
        (lambda lines: lines.__setitem__(0, lines[0].replace(b'"run":50,', b"")), "was changed since it was exported"),
    ],
)
def test_lines_that_are_not_those_that_were_written_are_refused(
    export: Path, new: Ledger, tmp_path: Path, change: Callable[[list[bytes]], object], complaint: str
) -> None:
    file = changed(export, tmp_path, change)
    with pytest.raises(UsageError, match=re.escape(complaint)) as refusal:
        new.import_(file)
    assert str(file) in str(refusal.value)
    assert (new.records(), new.studies(), new.searches()) == ([], [], [])


@pytest.mark.parametrize("format", [2, 3])
def test_an_older_export_is_taken_and_said_to_know_nothing_of_its_end(
    export: Path, new: Ledger, tmp_path: Path, format: int
) -> None:
    file = tmp_path / "old.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in unsealed(export, format)[:20]))
    merged = new.import_(file)
    assert merged.n_added == 18
    assert merged.notes == (
        f"an export of format {format} cannot tell whether it is whole: export it again",
        "18 runs from before digests: of them only what is stored twice can be checked",
    )


def test_an_import_that_fails_leaves_no_new_ledger_and_nothing_else(export: Path, tmp_path: Path) -> None:
    cut = changed(export, tmp_path, lambda lines: lines.pop())
    not_one = tmp_path / "text"
    not_one.write_text("hello")
    before = sorted(tmp_path.iterdir())
    for source in (tmp_path / "missing.jsonl", tmp_path, cut, not_one):
        with pytest.raises(UsageError):
            import_into(tmp_path / "kbnd.sqlite", source)
        assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(UsageError, match=r"the folder .*nowhere of the ledger kbnd.sqlite does not exist"):
        import_into(tmp_path / "nowhere" / "kbnd.sqlite", export)
    for n_added, n_kept in ((N_RUNS, 0), (0, N_RUNS)):
        merged = import_into(tmp_path / "kbnd.sqlite", export)
        assert (merged.n_added, merged.n_kept) == (n_added, n_kept)
        assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "kbnd.sqlite"])


@pytest.mark.parametrize("has_links", [True, False])
def test_a_ledger_that_another_process_begins_meanwhile_is_imported_into(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    place = tmp_path / "kbnd.sqlite"
    link = os.link

    def link_too_late(new: Path, old: Path) -> None:
        with Ledger.open(place) as other:
            other.finish(record(seed=99))
        if not has_links:
            raise PermissionError
        link(new, old)

    monkeypatch.setattr(os, "link", link_too_late)
    assert import_into(place, export).n_added == N_RUNS
    with Ledger.open(place) as ledger:
        assert len(ledger.records()) == N_RUNS + 1
    assert [file.name for file in tmp_path.iterdir()] == ["kbnd.sqlite"]


def test_without_hard_links_a_new_ledger_has_its_name_all_the_same(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", Mock(side_effect=PermissionError))
    assert import_into(tmp_path / "kbnd.sqlite", export).n_added == N_RUNS
    assert [file.name for file in tmp_path.iterdir()] == ["kbnd.sqlite"]
