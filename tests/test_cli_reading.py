"""Commands that only look, over a ledger with known contents."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_records import SETTING, label, record

from kbnd import cli
from kbnd.data.catalogue import COPIES
from kbnd.ledger import Ledger
from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec

BASELINE = {1: 0.90, 2: 0.92, 3: 0.94}
DROPOUT = {1: 0.93, 2: 0.94, 3: 0.95}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """One experiment of two arms and three seeds, one of the runs diverged in a third arm."""
    file = tmp_path / "kbnd.sqlite"
    arms = {"baseline": (0.0, BASELINE), "dropout0.5": (0.5, DROPOUT)}
    labels = []
    with Ledger.open(file) as opened:
        for arm, (dropout, accuracies) in arms.items():
            for seed, accuracy in accuracies.items():
                run = record(seed=seed, dropout=dropout, test_accuracy=accuracy, block=seed, position=0, epoch_s=1.5)
                opened.merge([run])
                labels.append(label(arm, run))
        opened.assign("small.digits.tensorflow", "0" * 16, labels)
    return file


def kbnd(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def test_compare_gives_mean_interval_and_paired_difference(capsys, ledger: Path) -> None:
    code, out, _ = kbnd(capsys, "compare", ledger, "--json")
    assert code == 0
    rows = {(row["arm"], row["metric"]): row for row in json.loads(out)["comparison"]}
    row = rows["dropout0.5", "test_accuracy"]
    assert row["n"] == 3
    assert row["mean"] == pytest.approx(0.94)
    assert row["diff"] == pytest.approx(0.02)
    # mean 0.02, sd 0.01, n = 3: t(0.975, 2) = 4.303
    assert row["diff_ci_low"] == pytest.approx(0.02 - 4.3027 * 0.01 / 3**0.5, abs=1e-6)
    assert rows["baseline", "test_accuracy"]["diff"] is None


def test_compare_prints_the_same_for_a_person(capsys, ledger: Path) -> None:
    code, out, _ = kbnd(capsys, "compare", ledger, "--study", "small.digits.tensorflow", "--baseline", "dropout0.5")
    assert code == 0
    assert "arms against dropout0.5" in out
    assert "\N{MINUS SIGN}2.00" in out


def test_compare_claims_no_time_without_a_control_and_says_whose_it_took(capsys, ledger: Path) -> None:
    without = " ".join(kbnd(capsys, "compare", ledger, "--baseline", "dropout0.5")[1].split())
    assert "No noise floor was measured, so no ratio is called slower or faster" in without
    with Ledger.open(ledger) as opened:
        again = [record(seed=seed, replicate=1, test_accuracy=0.9, block=seed, epoch_s=1.5) for seed in BASELINE]
        opened.merge(again)
        known = opened.runs("small.digits.tensorflow")[["arm", "seed", "replicate", "run_id"]]
        labels = [*known.itertuples(index=False, name=None), *(label("baseline", run) for run in again)]
        opened.assign("small.digits.tensorflow", "0" * 16, labels)
    table = kbnd(capsys, "compare", ledger, "--baseline", "dropout0.5")[1]
    assert "Noise floor: baseline against itself in 3 blocks" in " ".join(table.split())
    code, out, _ = kbnd(capsys, "compare", ledger, "--baseline", "dropout0.5", "--json")
    assert code == 0
    control = next(row for row in json.loads(out)["times"] if row["arm"] == "baseline (A/A)")
    assert (control["baseline"], control["n"], control["ratio"]) == ("baseline", 3, 1.0)


def test_an_unknown_study_or_arm_names_the_known_ones(capsys, ledger: Path) -> None:
    code, _, err = kbnd(capsys, "compare", ledger, "--study", "small")
    assert (code, "small.digits.tensorflow" in err) == (2, True)
    code, _, err = kbnd(capsys, "compare", ledger, "--baseline", "bn")
    assert (code, "choose from baseline, dropout0.5" in err) == (2, True)


def test_the_ledger_is_listed_shown_and_verified(capsys, ledger: Path) -> None:
    code, out, _ = kbnd(capsys, "ledger", "list", ledger)
    assert code == 0
    assert out.count("dropout0.5") == 3
    code, out, _ = kbnd(capsys, "ledger", "list", ledger, "--json")
    run_id = json.loads(out)[0]["run_id"]
    code, out, _ = kbnd(capsys, "ledger", "show", run_id[:10], "--ledger", ledger)
    assert code == 0
    assert run_id in out
    shown = [line.split() for line in out.splitlines()]
    for field in (["learning_rate", "0.05"], ["batch_norm", "none"], ["initial_weights", "torch_default"]):
        assert field in shown
    assert ["train", "epochs", "2"] in shown
    code, out, _ = kbnd(capsys, "ledger", "show", run_id, "--ledger", ledger, "--json")
    assert json.loads(out)["test_correct"] == "ff" * 11 + "c000"  # 90 of 100
    code, out, _ = kbnd(capsys, "ledger", "verify", ledger)
    assert (code, out.strip()) == (0, "sound")
    code, _, err = kbnd(capsys, "ledger", "show", "zzzz", "--ledger", ledger)
    assert (code, "no runs whose id starts with 'zzzz'" in err) == (2, True)


def test_an_export_is_imported_again_and_conflicts_are_refused(capsys, ledger: Path, tmp_path: Path) -> None:
    code, out, _ = kbnd(capsys, "ledger", "export", tmp_path / "runs.jsonl", "--ledger", ledger)
    assert (code, out.strip()) == (0, str(tmp_path / "runs.jsonl"))
    other = tmp_path / "other.sqlite"
    code, out, _ = kbnd(capsys, "ledger", "import", tmp_path / "runs.jsonl", "--ledger", other)
    assert (code, out.split()[0]) == (0, "6")
    assert kbnd(capsys, "compare", other, "--json")[1] == kbnd(capsys, "compare", ledger, "--json")[1]
    with Ledger.open(tmp_path / "strange.sqlite") as strange:
        strange.merge([record(seed=1, test_accuracy=0.1, session="elsewhere")])
    code, _, err = kbnd(capsys, "ledger", "import", tmp_path / "strange.sqlite", "--ledger", ledger)
    assert code == 2
    assert "0.1" in err
    assert "0.9" in err


def test_an_export_replaces_an_earlier_one_and_nothing_else(capsys, ledger: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("hello")
    before = ledger.read_bytes()
    for target in (ledger, notes):
        code, _, err = kbnd(capsys, "ledger", "export", target, "--ledger", ledger)
        assert (code, "is no export of kbnd" in err) == (2, True)
    assert (ledger.read_bytes(), notes.read_text()) == (before, "hello")
    for _ in range(2):
        assert kbnd(capsys, "ledger", "export", tmp_path / "runs.jsonl", "--ledger", ledger)[0] == 0


def test_csv_export_writes_runs_and_epochs(capsys, ledger: Path, tmp_path: Path) -> None:
    code, out, _ = kbnd(capsys, "ledger", "export", tmp_path / "tables", "--ledger", ledger, "--format", "csv")
    assert code == 0
    assert {Path(line).name for line in out.split()} == {"runs.csv", "epochs.csv"}


def test_data_are_listed(capsys) -> None:
    code, out, _ = kbnd(capsys, "data", "list", "--json")
    assert code == 0
    assert {row["name"]: row["state"] for row in json.loads(out)}["digits"] == "bundled"
    assert "digits" in kbnd(capsys, "data", "list")[1]


def test_digits_are_verified(capsys) -> None:
    code, out, _ = kbnd(capsys, "data", "verify", "digits")
    assert code == 0
    assert "Sound" in out


def test_compare_takes_the_studys_own_baseline(capsys, tmp_path: Path) -> None:
    file = tmp_path / "kbnd.sqlite"
    runs = {arm: record(seed=1, dropout=dropout, test_accuracy=0.9) for arm, dropout in (("plain", 0.0), ("drop", 0.5))}
    with Ledger.open(file) as opened:
        opened.merge(runs.values())
        opened.assign("mine", "0" * 16, [label(arm, run) for arm, run in runs.items()])
    assert "arms against plain" in kbnd(capsys, "compare", file)[1]


def two_networks(file: Path, *, unfinished: str = "") -> Path:
    """Two networks, each with a baseline of its own; the runs of one arm may be planned only."""
    arms = {"plain": 0.0, "drop": 0.1, "other": 0.2, "other-drop": 0.3}
    baselines = {"plain": "plain", "drop": "plain", "other": "plain", "other-drop": "other"}
    runs = {
        arm: [record(seed=seed, dropout=dropout, test_accuracy=0.9 + dropout / 10 + seed / 1000) for seed in (1, 2)]
        for arm, dropout in arms.items()
    }
    with Ledger.open(file) as opened:
        opened.merge([run for arm, own in runs.items() for run in own if arm != unfinished])
        labels = [label(arm, run) for arm, own in runs.items() for run in own]
        opened.assign("nets", "0" * 16, labels, baselines=baselines)
    return file


def baselines_in(printed: str) -> dict[str, str]:
    rows = json.loads(printed)["comparison"]
    return {row["arm"]: row["baseline"] for row in rows if row["metric"] == "test_accuracy"}


def test_compare_pairs_each_arm_with_its_own_baseline(capsys, tmp_path: Path) -> None:
    file = two_networks(tmp_path / "kbnd.sqlite")
    code, out, _ = kbnd(capsys, "compare", file, "--json")
    assert code == 0
    assert baselines_in(out) == {"plain": "plain", "drop": "plain", "other": "plain", "other-drop": "other"}
    rows = {(row["arm"], row["metric"]): row for row in json.loads(out)["comparison"]}
    assert rows["other-drop", "test_accuracy"]["diff"] == pytest.approx(0.01)
    assert "Against" in kbnd(capsys, "compare", file)[1]


def test_a_baseline_that_is_asked_for_is_everyones(capsys, tmp_path: Path) -> None:
    file = two_networks(tmp_path / "kbnd.sqlite")
    code, out, _ = kbnd(capsys, "compare", file, "--json", "--baseline", "drop")
    assert code == 0
    assert set(baselines_in(out).values()) == {"drop"}


@pytest.mark.parametrize("unfinished", ["plain", "other"])
def test_a_baseline_without_runs_yet_is_not_replaced_by_another_arm(capsys, tmp_path: Path, unfinished: str) -> None:
    """While a study trains, its arms come in any order."""
    file = two_networks(tmp_path / "kbnd.sqlite", unfinished=unfinished)
    code, out, _ = kbnd(capsys, "compare", file, "--json")
    assert code == 0
    assert baselines_in(out) == {"plain": "plain", "drop": "plain", "other": "plain", "other-drop": "other"}
    waiting = "drop" if unfinished == "plain" else "other-drop"
    rows = {(row["arm"], row["metric"]): row for row in json.loads(out)["comparison"]}
    assert rows[waiting, "test_accuracy"]["n_pairs"] == 0


def test_own_baselines_travel_with_an_export(capsys, tmp_path: Path) -> None:
    file = two_networks(tmp_path / "kbnd.sqlite")
    kbnd(capsys, "ledger", "export", tmp_path / "runs.jsonl", "--ledger", file)
    kbnd(capsys, "ledger", "import", tmp_path / "runs.jsonl", "--ledger", tmp_path / "other.sqlite")
    assert kbnd(capsys, "compare", tmp_path / "other.sqlite", "--json") == kbnd(capsys, "compare", file, "--json")


def test_a_re_encoded_dataset_is_named_wherever_its_numbers_are(capsys, tmp_path: Path) -> None:
    jpeg = next(fingerprint for fingerprint, copy in COPIES.items() if "JPEG" in copy.label)
    spec = RunSpec(model=ModelSpec(name="lenet5"), data=DataSpec(name="cifar10"), train=TrainSpec(epochs=2), seed=1)
    setting = replace(SETTING, fingerprint=jpeg)
    run = record(
        run_id=spec.run_id(setting),
        recipe_id=spec.recipe_id,
        spec=spec.canonical(),
        dataset="cifar10",
        fingerprint=jpeg,
    )
    with Ledger.open(tmp_path / "kbnd.sqlite") as opened:
        opened.merge([run])
        opened.assign("jpeg", "0" * 16, [label("plain", run)])
    note = "Data: CIFAR-10 (JPEG), re-encoded as JPEG: results compare among themselves"
    printed = kbnd(capsys, "compare", tmp_path / "kbnd.sqlite")[1]
    assert printed.count(note) == printed.count("arms against") + printed.count("ratio to") == 1
    assert note in kbnd(capsys, "ledger", "list", tmp_path / "kbnd.sqlite")[1]
    assert note in kbnd(capsys, "ledger", "show", run.run_id, "--ledger", tmp_path / "kbnd.sqlite")[1]
