"""The output folder: complete, whole files, and one sentence where it cannot be written."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic_runs import TABLES, make_epochs
from synthetic_runs import make_runs as runs_of

from kbnd.analysis.compare import compare
from kbnd.analysis.timing import time_ratios
from kbnd.errors import UsageError
from kbnd.ledger.frames import EPOCH_COLUMNS, RUN_COLUMNS
from kbnd.report.folder import CLAIM_COLUMNS, Outputs, check_writable, write_outputs
from kbnd.report.tables.study import report_tables

ARMS = ("baseline", "bn")


def make_runs(*, seeds: int) -> pd.DataFrame:
    return runs_of(seeds=seeds, arms=ARMS)


def write(folder: Path, runs: pd.DataFrame, **more: Any) -> list[Path]:
    comparison = compare(runs, baseline="baseline", arms=ARMS)
    tables = report_tables(comparison, published=TABLES)
    outputs = Outputs(runs=runs, epochs=make_epochs(runs), comparison=comparison, tables=tables, **more)
    return write_outputs(folder, outputs)


def test_every_promised_file_and_column_is_there(tmp_path: Path) -> None:
    runs = make_runs(seeds=2)
    ratios = time_ratios(runs, baseline="baseline")
    written = write(tmp_path / "a/b", runs, ratios=ratios, figures={"curves": {"svg": b"<svg/>"}})
    names = {str(path.relative_to(tmp_path / "a/b")) for path in written}
    assert names == {
        *("runs.csv", "epochs.csv", "comparison.csv", "times.csv", "claims.csv"),
        *("tables.md", "tables.tex", "figures/curves.svg", "report.html"),
    }
    assert sorted(p for p in (tmp_path / "a/b").rglob("*") if p.is_file()) == sorted(written)
    assert list(pd.read_csv(tmp_path / "a/b/runs.csv"))[: len(RUN_COLUMNS)] == list(RUN_COLUMNS)
    assert list(pd.read_csv(tmp_path / "a/b/epochs.csv"))[: len(EPOCH_COLUMNS)] == list(EPOCH_COLUMNS)
    assert "booktabs" in (tmp_path / "a/b/tables.tex").read_text()


def test_a_promised_column_that_was_not_measured_is_present_and_empty(tmp_path: Path) -> None:
    write(tmp_path, make_runs(seeds=1).drop(columns="energy_j"))
    assert pd.read_csv(tmp_path / "runs.csv")["energy_j"].isna().all()


def test_claims_that_nobody_judged_are_there_by_name(tmp_path: Path) -> None:
    write(tmp_path, make_runs(seeds=1), claims=pd.DataFrame({"claim": ["S0-C1", "S0-C2"]}))
    claims = pd.read_csv(tmp_path / "claims.csv")
    assert tuple(claims) == CLAIM_COLUMNS
    assert list(claims["claim"]) == ["S0-C1", "S0-C2"]
    assert claims.drop(columns="claim").isna().all(axis=None)


def test_csv_numbers_read_back_bit_for_bit(tmp_path: Path) -> None:
    runs = make_runs(seeds=2)
    write(tmp_path, runs)
    with (tmp_path / "runs.csv").open(newline="") as file:
        back = [float(row["test_accuracy"]) for row in csv.DictReader(file)]
    assert back == runs["test_accuracy"].tolist()


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    runs = make_runs(seeds=2)
    one, other = write(tmp_path / "one", runs), write(tmp_path / "other", runs)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_a_picture_with_nothing_to_show_any_more_is_removed(tmp_path: Path) -> None:
    runs = make_runs(seeds=1)
    (tmp_path / "mine.txt").write_text("kept")
    write(tmp_path, runs, figures={"cost": {"svg": b"old"}})
    write(tmp_path, runs, figures={"curves": {"svg": b"new"}})
    assert not (tmp_path / "figures/cost.svg").exists()
    assert (tmp_path / "mine.txt").read_text() == "kept"


def test_a_folder_that_is_a_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder, complaint in (("file", "should be a folder, received the file"), ("file/below", "cannot be written")):
        with pytest.raises(UsageError, match=f"output folder .*{complaint}") as caught:
            check_writable(tmp_path / folder)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="Permission denied"):
        check_writable(tmp_path)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder of somebody else's, with a picture that has the name of one of ours."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "cost.svg").write_text("theirs")
    return folder


def test_a_link_below_the_folder_is_never_written_or_deleted_through(tmp_path: Path, elsewhere: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "figures").symlink_to(elsewhere)
    for figures in ({"curves": {"svg": b"new"}}, {}):
        with pytest.raises(UsageError, match=r"figures is a link to .*elsewhere: remove it"):
            write(out, make_runs(seeds=1), figures=figures)
    with pytest.raises(UsageError, match="is a link"):  # before anything is trained
        check_writable(out)
    assert [path.name for path in elsewhere.iterdir()] == ["cost.svg"]
    assert list(out.iterdir()) == [out / "figures"]


def test_a_link_in_the_place_of_a_file_is_replaced_and_what_it_led_to_stays(tmp_path: Path, elsewhere: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/report.html").symlink_to(elsewhere / "cost.svg")
    write(tmp_path / "out", make_runs(seeds=1))
    assert not (tmp_path / "out/report.html").is_symlink()
    assert (elsewhere / "cost.svg").read_text() == "theirs"


def test_a_folder_that_is_a_link_is_the_persons_own(tmp_path: Path, elsewhere: Path) -> None:
    (tmp_path / "out").symlink_to(elsewhere)
    write(tmp_path / "out", make_runs(seeds=1), figures={"curves": {"svg": b"new"}})
    assert (elsewhere / "figures/curves.svg").read_bytes() == b"new"


def test_a_folder_in_the_place_of_a_file_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(UsageError, match=r"report\.html is a folder, and a file is to be written there"):
        check_writable(tmp_path)
    (tmp_path / "report.html").rmdir()
    (tmp_path / "figures").write_text("")
    with pytest.raises(UsageError, match=r"the folder .*figures cannot be written \(File exists\)"):
        check_writable(tmp_path)


def test_a_csv_is_safe_to_print_and_to_open_in_a_spreadsheet(tmp_path: Path) -> None:
    texts = {"=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0", "\x1b]0;x\x07two\nlines": "\\x1b]0;x\\x07two\nlines"}
    texts |= {"-bn+relu": "-bn+relu", "Größe, 0.5": "Größe, 0.5"}  # a name, and a text like most
    runs = make_runs(seeds=2).head(len(texts)).assign(error=list(texts))
    write(tmp_path, runs)
    with (tmp_path / "runs.csv").open(newline="") as file:
        assert [row["error"] for row in csv.DictReader(file)] == list(texts.values())
