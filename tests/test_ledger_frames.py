from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from ledger_records import label, record

from kbnd.errors import UsageError
from kbnd.ledger import Ledger, StudyInfo
from kbnd.records import FIRST_OWN_REPLICATE

FIRST, SECOND = "1" * 16, "2" * 16
PLAIN = [record(seed=seed) for seed in (1, 2)]
DROPOUT = [record(seed=seed, dropout=0.5) for seed in (1, 2)]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "kbnd.sqlite") as opened:
        opened.merge([*PLAIN, *DROPOUT])
        yield opened


def labels() -> list[tuple[str, int, int, str]]:
    return [*(label("dropout0.5", run) for run in DROPOUT), *(label("baseline", run) for run in PLAIN)]


def test_runs_start_with_the_columns_that_outputs_promise(ledger: Ledger) -> None:
    assert ledger.runs().columns[:20].tolist() == [
        *("study", "arm", "seed", "replicate", "status", "backend", "epochs", "test_accuracy", "test_loss"),
        *("val_accuracy", "val_loss", "fit_s", "steady_train_s", "epoch_s", "compile_s", "peak_rss_bytes"),
        *("peak_device_bytes", "energy_j", "run_id", "recipe_id"),
    ]
    assert {"session", "block", "position", "machine", "is_concurrent"} <= set(ledger.runs().columns)


def test_epochs_start_with_the_columns_that_outputs_promise(ledger: Ledger) -> None:
    assert ledger.epochs().columns[:13].tolist() == [
        *("run_id", "arm", "seed", "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"),
        *("test_loss", "test_accuracy", "train_s", "val_s", "is_warmup"),
    ]


def test_a_study_names_the_arms_of_its_runs_in_its_own_order(ledger: Ledger) -> None:
    ledger.assign("grid", FIRST, labels())
    runs = ledger.runs("grid")
    assert runs["arm"].tolist() == ["dropout0.5"] * 2 + ["baseline"] * 2
    assert runs["seed"].tolist() == [1, 2, 1, 2]
    assert runs["machine"].tolist() == ["m1"] * 4
    assert ledger.epochs("grid")["arm"].tolist() == ["dropout0.5"] * 4 + ["baseline"] * 4


def test_arms_come_in_the_order_of_the_labels_planned_ones_too(ledger: Ledger) -> None:
    ledger.assign("grid", FIRST, [*labels(), label("planned", record(seed=3))])
    assert ledger.arms("grid") == ["dropout0.5", "baseline", "planned"]
    ledger.assign("grid", SECOND, labels()[2:])
    assert ledger.arms("grid") == ["baseline"]


def test_a_planned_run_has_no_row_yet(ledger: Ledger) -> None:
    ledger.assign("grid", FIRST, [*labels(), label("baseline", record(seed=3))])
    assert len(ledger.runs("grid")) == 4
    ledger.begin(replace(record(seed=3), epochs=()))
    assert ledger.runs("grid")["status"].tolist() == ["done"] * 4 + ["running"]


def test_a_new_definition_replaces_the_rows_of_its_own_study_only(ledger: Ledger) -> None:
    ledger.assign("grid", FIRST, labels())
    ledger.assign("other", FIRST, labels())
    ledger.assign("grid", SECOND, labels()[2:])
    assert ledger.runs("grid")["arm"].tolist() == ["baseline"] * 2
    assert len(ledger.runs("other")) == 4
    assert len(ledger.runs("grid", digest=FIRST)) == 4
    assert ledger.studies() == ["other", "grid"]
    ledger.assign("grid", FIRST, labels())
    assert len(ledger.runs("grid")) == 4


def test_a_study_says_what_it_is_and_how_it_differs(ledger: Ledger) -> None:
    ledger.assign("grid", FIRST, labels())
    assert ledger.about("grid") == StudyInfo(title="", difference="", digest=FIRST)
    ledger.assign("grid", SECOND, labels(), title="The grid", difference="2 epochs instead of 10")
    assert ledger.about("grid") == StudyInfo("The grid", "2 epochs instead of 10", SECOND)
    with pytest.raises(UsageError, match="unknown study 'gird'"):
        ledger.about("gird")
    with pytest.raises(UsageError, match="the title should be printable text"):
        ledger.assign("grid", SECOND, labels(), title="\x1b[2J")


def test_more_seeds_of_one_definition_add_to_it(ledger: Ledger) -> None:
    ledger.assign("grid", FIRST, labels()[2:3])
    ledger.assign("grid", FIRST, labels()[2:])
    assert ledger.runs("grid")["seed"].tolist() == [1, 2]


def test_one_run_serves_many_arms_and_studies(ledger: Ledger) -> None:
    ledger.assign("grid", FIRST, [label("baseline", PLAIN[0]), label("control", PLAIN[0])])
    ledger.assign("other", FIRST, [label("lenet", PLAIN[0])])
    of_run = ledger.runs().query(f"run_id == '{PLAIN[0].run_id}'")
    assert of_run[["study", "arm"]].to_numpy().tolist() == [
        ["grid", "baseline"],
        ["grid", "control"],
        ["other", "lenet"],
    ]
    assert len(ledger.runs()) == 3 + 3  # and the runs of no study


def test_counts_stay_whole_and_what_was_not_measured_is_missing(ledger: Ledger) -> None:
    runs = ledger.runs()
    assert runs["peak_rss_bytes"].dtype == "Int64"
    assert runs["peak_rss_bytes"].tolist() == [2**33] * 4
    assert runs["energy_j"].dtype == "float64"
    assert runs["energy_j"].isna().all()
    assert runs["is_concurrent"].dtype == "bool"
    assert ledger.epochs()["is_warmup"].tolist() == [True, False] * 4


def test_an_empty_ledger_gives_empty_tables_of_the_same_types(ledger: Ledger, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "empty.sqlite") as empty:
        for mine, theirs in ((empty.runs(), ledger.runs()), (empty.epochs(), ledger.epochs())):
            assert len(mine) == 0
            numeric = theirs.select_dtypes(["number", "bool"])
            pd.testing.assert_series_equal(mine.dtypes[numeric.columns], numeric.dtypes)


def test_an_unknown_study_names_the_known_ones(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="holds no study"):
        ledger.runs("grid")
    ledger.assign("grid", FIRST, labels())
    with pytest.raises(UsageError, match=r"unknown study 'gird' \(did you mean 'grid'\?\): choose from grid"):
        ledger.runs("gird")


@pytest.mark.parametrize(
    ("study", "digest", "row", "complaint"),
    [
        ("my study", FIRST, ("bn", 1, 0, FIRST), "study name 'my study'"),
        ("grid", "short", ("bn", 1, 0, FIRST), "digest 'short'"),
        ("grid", FIRST, ("b n", 1, 0, FIRST), "is not an"),
        ("grid", FIRST, ("bn", 0, 0, FIRST), "is not an"),
        ("grid", FIRST, ("bn", 1, 0, "run"), "is not an"),
    ],
)
def test_labels_that_are_none_are_refused(ledger: Ledger, study: str, digest: str, row: tuple, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        ledger.assign(study, digest, [row])
    assert ledger.studies() == []


def test_a_strangers_text_among_numbers_is_one_sentence(ledger: Ledger) -> None:
    with closing(sqlite3.connect(ledger.path)) as db:
        db.execute("UPDATE runs SET fit_s = 'long'")
        db.commit()
    with pytest.raises(UsageError, match=r"table runs, row '.*': fit_s should be a number or nothing, it holds text"):
        ledger.runs()


def test_who_groups_by_arm_counts_a_repeated_seed_once(ledger: Ledger) -> None:
    again = [record(seed=seed, replicate=replicate) for replicate in (1, 2) for seed in (1, 2)]
    ledger.merge(again)
    ledger.assign("grid", FIRST, [*labels(), *(label("baseline", run) for run in again)])
    expected = {"baseline": 2, "baseline (A/A)": 2, "baseline (A/A 2)": 2, "dropout0.5": 2}
    assert ledger.runs("grid").groupby("arm").size().to_dict() == expected
    epochs = ledger.epochs("grid")
    assert epochs.groupby("arm")["run_id"].nunique().to_dict() == expected
    assert ledger.arms("grid") == ["dropout0.5", "baseline"]


def test_runs_of_no_study_and_those_of_searches_by_the_clock_have_no_other_name(ledger: Ledger) -> None:
    own = record(seed=3, replicate=FIRST_OWN_REPLICATE + 5)
    ledger.merge([own, record(seed=4, replicate=1)])
    ledger.assign("grid", FIRST, [label("trial001", own)])
    runs = ledger.runs()
    assert set(runs["arm"].dropna()) == {"trial001"}
    assert runs["arm"].isna().sum() == 5
