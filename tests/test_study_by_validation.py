"""Where something is to be chosen, by a preset or a search, validation images are looked at and test images are not."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
from ledger_records import SETTING, agreeing, label, record
from study_files import grouped

from kbnd.analysis.blinding import VALIDATION_METRICS
from kbnd.data.catalogue import ORIGINALS
from kbnd.ledger import Ledger
from kbnd.records import EpochRecord, RunRecord
from kbnd.report.comparison import compare_ledger
from kbnd.report.table import to_text
from kbnd.spec import PROTOCOL
from kbnd.study import outputs
from kbnd.study.choices import Choices, decide
from kbnd.study.plan import plan
from kbnd.study.results import Results, gather
from kbnd.study.runner import Outcome

MNIST = replace(SETTING, fingerprint=ORIGINALS["mnist"])
NOTE = "nothing was looked at on test images"
STUDY = grouped(
    presets={"validation": {"train": {"test_curve": False}}, "no_images": {"train": {"test_curve": False},
             "data": {"n_validation": 0}}, "scaled": {"train": {"epochs": 2}}},
    tables=[{"title": "Reported", "metric": "test_accuracy", "columns": ["all"],
             "rows": [{"label": "bn", "arms": ["bn"], "published": [0.99]}]}],
    claims=[{"id": "ahead", "statement": "BN is ahead",
             "tests": [{"metric": "aulc", "rule": "superiority", "contrast": {"bn": 1, "plain": -1}}]}],
)  # fmt: skip


def reached(arm: str, seed: int) -> dict[str, float]:
    """Test images would choose the other arm."""
    val = {"plain": 0.80, "bn": 0.90}[arm] + seed / 1000
    return {"val_accuracy": val, "val_loss": 1 - val, "test_accuracy": 1.61 - val, "test_loss": val}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "kbnd.sqlite"


@pytest.fixture
def report(ledger: Path) -> Results:
    experiment = decide(STUDY, Choices(preset="validation"))
    planned = plan(experiment, identity=MNIST)
    with Ledger.open(ledger) as opened:
        for run in planned:
            numbers = reached(run.arm, run.spec.seed)
            opened.merge(
                [
                    agreeing(
                        RunRecord(
                            run_id=run.run_id,
                            recipe_id=run.spec.recipe_id,
                            spec=run.spec.canonical(),
                            model="lenet5",
                            dataset="mnist",
                            seed=run.spec.seed,
                            replicate=run.spec.replicate,
                            status="done",
                            **asdict(MNIST),
                            protocol=PROTOCOL,
                            session="s1",
                            started_at="2026-01-02T03:04:05+00:00",
                            block=run.block,
                            environment={"machine": "m1"},
                            epochs=tuple(EpochRecord(epoch=i, train_s=1.0, **numbers) for i in range(1, 6)),
                            n_epochs=5,
                            fit_s=5.0,
                            epoch_s=1.0,
                            **numbers,
                        )
                    )
                ]
            )
        labels = [(run.arm, run.spec.seed, run.spec.replicate, run.run_id) for run in planned]
        labels.sort(key=lambda one: list(experiment.arms).index(one[0]))
        opened.assign(
            "nets",
            "0" * 16,
            labels,
            difference=experiment.difference,
            is_by_validation=experiment.is_by_validation,
            baselines=experiment.baselines,
        )
    return gather(STUDY, experiment, Outcome("nets", "0" * 16, planned, 0), ledger=ledger)


def test_a_preset_without_the_test_curve_compares_by_validation(report: Results, ledger: Path) -> None:
    assert tuple(dict.fromkeys(report.comparison["metric"])) == VALIDATION_METRICS
    text = "\n".join(map(to_text, report.tables)).lower()
    assert "validation accuracy, %: arms against plain" in text or "validation accuracy: arms against plain" in text
    assert "test accuracy" not in text
    assert "90.20" in text  # validation, bn
    assert not any(number in text for number in ("71.", "81."))  # test
    again = compare_ledger(ledger)
    assert again.comparison["metric"].tolist() == report.comparison["metric"].tolist()
    assert [table.rows for table in again.tables[1:]] == [table.rows for table in report.tables[1:]]


def test_it_is_said_once_below_each_table_that_no_test_image_was_looked_at(report: Results) -> None:
    for table in report.tables[1:]:
        assert sum(NOTE in note for note in table.notes) == 1
    assert report.tables[0].notes[0].endswith("none (0 of 1; 1 needs test images).")


def test_its_files_hold_no_test_result_and_its_pictures_show_validation(report: Results, tmp_path: Path) -> None:
    files = {path.name: path for path in outputs.write(report, tmp_path / "out")}
    assert "accuracy.svg" in files
    for frame in (report.runs, report.epochs):
        assert frame[["test_accuracy", "test_loss"]].isna().all(axis=None)
        assert frame["val_accuracy"].notna().all()
    assert report.metric == "val_accuracy"


@pytest.mark.parametrize("preset", ["faithful", "scaled", "no_images"])
def test_other_presets_look_at_test_images(preset: str) -> None:
    experiment = decide(STUDY, Choices(preset=preset))
    assert not experiment.is_by_validation
    assert NOTE not in experiment.difference


def test_a_study_that_never_had_a_test_curve_has_its_last_test_result() -> None:
    study = grouped(train={"epochs": 5}, presets={"scaled": {"train": {"epochs": 2}}})
    assert not decide(study, Choices()).is_by_validation
    assert not decide(study, Choices(preset="scaled")).is_by_validation


def test_candidates_of_a_search_are_compared_by_validation_and_only_the_fresh_runs_by_test(ledger: Path) -> None:
    runs = [
        (arm, record(seed=seed, dropout=dropout, val_accuracy=0.9 + dropout / 10, test_accuracy=0.5 + dropout))
        for arm, dropout, seeds in (("t1", 0.0, (1, 2)), ("t2", 0.2, (1, 2)), ("best_fresh_seeds", 0.2, (3, 4)))
        for seed in seeds
    ]
    with Ledger.open(ledger) as opened:
        opened.merge([run for _, run in runs])
        opened.begin_search("s", {"oracle": "random"})
        opened.assign("s", "0" * 16, [label(arm, run) for arm, run in runs])
    overview = compare_ledger(ledger)
    assert set(overview.comparison["metric"]) == set(VALIDATION_METRICS)
    text = "\n".join(map(to_text, overview.tables))
    assert "Validation accuracy: arms against t1" in text
    assert "compared by validation images alone" in " ".join(text.split())
    assert text.count("Test accuracy") == text.count("Test accuracy of best_fresh_seeds: 70.00") == 1
    assert "50.00" not in text  # what t1 reached on test images
