"""`--dry-run` and presets that need a GPU: what is said before anything starts, and that nothing is written for it."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from study_files import FOLDER, grouped, write_tiny

from kbnd import cli
from kbnd.cost import estimate
from kbnd.errors import UsageError
from kbnd.execution.runs import PlannedRun
from kbnd.execution.settings import Settings
from kbnd.ledger import Ledger
from kbnd.profiling import device
from kbnd.profiling.machine import environment
from kbnd.records import EpochRecord, RunRecord
from kbnd.report.table import to_text
from kbnd.spec import PROTOCOL, Identity
from kbnd.study.choices import Choices, decide
from kbnd.study.definition import read
from kbnd.study.experiment import Experiment
from kbnd.study.gpu import check_gpu
from kbnd.study.plan import plan
from kbnd.study.preview import preview
from kbnd.study.preview_tables import preview_tables
from kbnd.training import backend

HERE = Identity("tensorflow", "2.21", "3.15", "cpu", "")
NEEDING = {"faithful": {"needs_gpu": True}, "smoke": {"train": {"epochs": 1}}, "scaled": {"train": {"epochs": 2}}}


@pytest.fixture(autouse=True)
def _moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine's speed is measured in a moment: which it is decides nothing here."""
    monkeypatch.setattr(estimate, "machine_speed", partial(estimate.machine_speed, budget_s=0.002))


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that is loaded at once and sees no GPU."""
    monkeypatch.setattr(backend, "load", lambda name=None, **_: name or "tensorflow")
    monkeypatch.setattr(device, "device_kind", lambda: "cpu")
    monkeypatch.setattr(backend, "identity", lambda text, **_: replace(HERE, fingerprint=text))


@pytest.fixture
def tiny(tmp_path: Path) -> Experiment:
    return decide(read(write_tiny(tmp_path, control=True)), Choices())


def settings(folder: Path, **changes: bool) -> Settings:
    return Settings(ledger=folder / "kbnd.sqlite", backend="tensorflow", **changes)


def planned(experiment: Experiment) -> list[PlannedRun]:
    from kbnd import data

    return plan(experiment, identity=replace(HERE, fingerprint=data.fingerprint(experiment.data)))


def stored(run: PlannedRun, experiment: Experiment, **changes: object) -> RunRecord:
    from kbnd import data

    setting = asdict(replace(HERE, fingerprint=data.fingerprint(experiment.data)))
    about = {"recipe_id": run.spec.recipe_id, "spec": run.spec.canonical(), "model": "lenet5", "dataset": "digits"}
    record = RunRecord(
        run_id=run.run_id,
        seed=run.spec.seed,
        replicate=run.spec.replicate,
        status="done",
        protocol=PROTOCOL,
        session="s1",
        started_at="2026-01-02T03:04:05+00:00",
        environment={"machine": environment()["machine"]},
        epochs=tuple(EpochRecord(epoch=i + 1, train_s=1.0) for i in range(run.spec.train.epochs)),
        n_epochs=run.spec.train.epochs,
        wall_s=8.0,
        **about,
        **setting,
    )
    return replace(record, **changes)


def put(folder: Path, *records: RunRecord) -> None:
    with Ledger.open(folder / "kbnd.sqlite") as ledger:
        for record in records:
            assert ledger.claim(record.run_id) == "claimed"
            ledger.begin(record)
            ledger.finish(record)


# What is previewed


def test_a_plan_goes_on_with_the_threads_of_its_first_run(tmp_path: Path, tiny: Experiment, on_cpu: None) -> None:
    assert preview(tiny, settings(tmp_path)).threads == f"{preview(tiny, settings(tmp_path)).n_threads} for each run"
    first = stored(planned(tiny)[0], tiny, environment={"n_threads": 977})
    put(tmp_path, first)
    cost = preview(tiny, settings(tmp_path))
    assert cost.n_threads == 977
    assert cost.threads.startswith("977 for each run, as the first one had (by itself inline would take ")
    assert "977 for each run, as the first one had" in "".join(map(to_text, preview_tables(cost)))


def test_without_a_ledger_everything_is_to_be_trained_and_estimated(tmp_path: Path, tiny: Experiment) -> None:
    cost = preview(tiny, settings(tmp_path))
    assert [(arm.arm, arm.n_runs, arm.n_held, arm.basis) for arm in cost.arms] == [
        ("plain", 4, 0, "estimated"),  # 2 seeds, each with its A/A control
        ("bn", 2, 0, "estimated"),
        ("bn+dropout0.5", 2, 0, "estimated"),
    ]
    assert cost.arms[1].changes == "batch_norm before_activation"
    assert cost.arms[0].changes.startswith("lenet5, optimizer sgd, learning_rate 0.05, batch_size 32, epochs 2")
    assert (cost.arms[0].n_parameters, cost.arms[1].n_parameters) == (61_706, 61_990)
    assert cost.seconds == pytest.approx(sum(arm.run_s * arm.n_runs for arm in cost.arms if arm.run_s))
    assert cost.seconds > 0
    assert cost.memory_bytes > 5e8
    assert not (tmp_path / "kbnd.sqlite").exists()


def test_runs_that_the_ledger_holds_are_counted_and_their_times_taken(
    on_cpu: None, tmp_path: Path, tiny: Experiment
) -> None:
    of_bn = [run for run in planned(tiny) if run.arm == "bn"]
    of_plain = [run for run in planned(tiny) if run.arm == "plain"]
    put(tmp_path, stored(of_bn[0], tiny, wall_s=6.0), stored(of_bn[1], tiny, wall_s=10.0))
    put(tmp_path, stored(of_plain[0], tiny, status="failed", error="no", epochs=(), n_epochs=0, wall_s=1.0))
    cost = preview(tiny, settings(tmp_path))
    plain, bn, _ = cost.arms
    assert (bn.n_held, bn.n_left, bn.run_s, bn.basis) == (2, 0, 8.0, "measured")
    assert (plain.n_held, plain.n_left, plain.basis) == (1, 3, "scaled")
    assert preview(tiny, settings(tmp_path, retry_failed=True)).arms[0].n_left == 4
    alone = preview(tiny, settings(tmp_path / "elsewhere"))
    assert plain.run_s == pytest.approx(alone.arms[0].run_s * 8.0 / alone.arms[1].run_s, rel=0.5)  # two calibrations
    assert cost.seconds == pytest.approx(3 * plain.run_s + 2 * cost.arms[2].run_s)


@pytest.mark.parametrize(
    "changes",
    [{"environment": {"machine": "another"}}, {"is_concurrent": True}, {"continued_from": "s0"}, {"wall_s": None}],
    ids=["another machine", "beside others", "continued", "not timed"],
)
def test_times_of_other_conditions_are_not_taken(
    on_cpu: None, tmp_path: Path, tiny: Experiment, changes: dict[str, object]
) -> None:
    run = next(run for run in planned(tiny) if run.arm == "bn")
    put(tmp_path, stored(run, tiny, **changes))
    bn = preview(tiny, settings(tmp_path)).arms[1]
    assert (bn.n_held, bn.basis) == (1, "estimated")


def test_before_the_data_are_decoded_it_is_said_what_cannot_be_told(
    on_cpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KBND_CACHE", str(tmp_path / "cache"))
    put(tmp_path)
    cost = preview(decide(grouped(), Choices(seeds=1)), settings(tmp_path))
    assert [arm.n_held for arm in cost.arms] == [None, None]
    assert cost.disk_bytes > 70_000 * 28 * 28  # MNIST's own cache
    text = " ".join("".join(map(to_text, preview_tables(cost))).split())
    assert "the ledger's cannot be told before the data are decoded, 3 to train" in text
    assert not (tmp_path / "cache").exists()


# The command


def kbnd(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main(list(arguments))
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def test_a_dry_run_loads_no_backend_and_writes_nothing(tmp_path: Path) -> None:
    file = write_tiny(tmp_path)
    code = (
        "import sys, kbnd.cli\n"
        f"try: kbnd.cli.main(['study', {str(file)!r}, '--dry-run', '--json', '--arms', 'bn'])\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    plan, loaded = done.stdout.splitlines()
    assert loaded == "[]"
    assert [arm["arm"] for arm in json.loads(plan)["arms"]] == ["plain", "bn"]
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


def test_a_dry_run_prints_tables(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = kbnd(capsys, "study", str(write_tiny(tmp_path)), "--dry-run", "--arms", "all", "--seeds", "7")
    assert (code, err) == (0, "")
    assert "21: 3 arms x 7 seeds; 0 in the ledger, 21 to train" in out
    assert "bn+dropout0.5" in out


def test_a_dry_run_refuses_what_the_run_would_refuse(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = kbnd(capsys, "study", str(write_tiny(tmp_path)), "--dry-run", "--arms", "bnn")
    assert (code, err.count("\n")) == (2, 1)
    assert "unknown arm or group 'bnn' (did you mean 'bn'?)" in err


def test_a_module_of_studies_has_the_same_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ["--dry-run", "--json", "--arms", "core", "--ledger", "nowhere.sqlite", "--backend", "tensorflow"]
    module = str(FOLDER / "lenet_grid.py")
    monkeypatch.setattr(sys, "argv", [module, *options])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(module, run_name="__main__")
    assert not stop.value.code
    assert json.loads(capsys.readouterr().out)["label"] == "lenet_grid.mnist.tensorflow"
    assert not list(tmp_path.iterdir())


# Presets that need a GPU


def test_a_preset_for_a_gpu_is_refused_on_a_cpu_with_its_time_and_a_way_out(on_cpu: None, tmp_path: Path) -> None:
    study = grouped(presets=NEEDING, train={"epochs": 50_000})
    with pytest.raises(UsageError) as error:
        check_gpu(study, decide(study, Choices()), settings(tmp_path))
    sentence = str(error.value)
    assert sentence.startswith(
        "preset 'faithful' needs a GPU and tensorflow sees none, on this CPU it would take about "
    )
    assert " days (an estimate): --preset scaled fits a CPU, --yes starts it all the same" in sentence
    check_gpu(study, decide(study, Choices(preset="smoke")), settings(tmp_path))  # which needs none


@pytest.mark.parametrize(
    ("choices", "own_epochs", "is_refused"),
    [
        ({"dataset": "digits"}, 5, False),
        ({"epochs": 1}, 5, False),
        ({"dataset": "cifar100"}, 50_000, True),
        ({"epochs": 49_999}, 50_000, True),
    ],
    ids=["small dataset", "few epochs", "large dataset", "many epochs"],
)
def test_what_is_not_the_presets_own_budget_is_refused_where_it_would_take_hours(
    on_cpu: None, tmp_path: Path, choices: dict[str, Any], own_epochs: int, is_refused: bool
) -> None:
    study = grouped(presets=NEEDING, train={"epochs": own_epochs})
    experiment = decide(study, Choices(**choices))
    assert not experiment.has_own_budget
    assert preview(experiment, settings(tmp_path)).needs_gpu == is_refused
    if is_refused:
        with pytest.raises(UsageError, match=r"it would take about \d+ days \(an estimate\)"):
            check_gpu(study, experiment, settings(tmp_path))
    else:
        check_gpu(study, experiment, settings(tmp_path))


def test_what_the_ledger_holds_needs_no_gpu_but_a_retry_does(on_cpu: None, tmp_path: Path) -> None:
    file = write_tiny(tmp_path)
    file.write_text(file.read_text() + "\n[presets.faithful]\nneeds_gpu = true\n")
    study = read(file)
    experiment = decide(study, Choices())
    first, *others = planned(experiment)
    put(tmp_path, *(stored(run, experiment) for run in others))
    with pytest.raises(UsageError, match="needs a GPU"):
        check_gpu(study, experiment, settings(tmp_path))
    put(tmp_path, stored(first, experiment, status="failed", error="no", epochs=(), n_epochs=0))
    check_gpu(study, experiment, settings(tmp_path))
    with pytest.raises(UsageError, match="needs a GPU"):
        check_gpu(study, experiment, settings(tmp_path, retry_failed=True))


def test_without_another_preset_only_insisting_is_offered(on_cpu: None, tmp_path: Path) -> None:
    study = grouped(presets={"faithful": {"needs_gpu": True}})
    with pytest.raises(UsageError, match=r"\(an estimate\): --yes starts it all the same$"):
        check_gpu(study, decide(study, Choices()), settings(tmp_path))


def test_a_preset_for_a_gpu_starts_where_the_backend_sees_one(
    on_cpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(device, "device_kind", lambda: "gpu")
    study = grouped(presets=NEEDING)
    check_gpu(study, decide(study, Choices()), settings(tmp_path))


@pytest.mark.parametrize("insists", [False, True])
def test_on_the_command_line_nothing_is_made_before_that_check(
    on_cpu: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    insists: bool,
) -> None:
    file = write_tiny(tmp_path)
    file.write_text(file.read_text() + "\n[presets.faithful]\nneeds_gpu = true\n[presets.scaled]\nseeds = 1\n")
    monkeypatch.setattr("kbnd.study.runner.run", stop)
    code, out, err = kbnd(capsys, "study", str(file), "--out", "out", *(["--yes"] if insists else []))
    if insists:
        assert err == "kbnd: started\n"
        return
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "--preset scaled fits a CPU, --yes starts it all the same" in err
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]


def stop(*_: object, **__: object) -> None:
    raise UsageError("started")
