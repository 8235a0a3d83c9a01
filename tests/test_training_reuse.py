"""Runs that share a compiled model: the numbers of fresh builds, bit by bit, on the backend that is set."""

from __future__ import annotations

import functools
from pathlib import Path

import keras
import pytest

from kbnd import data
from kbnd.errors import NoSpaceError
from kbnd.execution import inline
from kbnd.layers import VariableDropout
from kbnd.profiling import meters
from kbnd.profiling.profiler import EpochProfiler
from kbnd.records import EpochRecord, RunRecord
from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec
from kbnd.training import backend, compiled
from kbnd.training.compiled import Networks
from kbnd.training.run import train
from kbnd.training.task import Observer, Task

pytestmark = pytest.mark.backend

BOTH = {"batch_norm": "before_activation", "dropout": {"conv2": 0.1, "dense": 0.5}}
OTHER = {"dropout": {"conv2": 0.3, "dense": 0.2}, "learning_rate": 0.01, "epochs": 3}

PLACEMENTS = ("none", "before_activation", "after_activation")

RECIPES = {
    "sgd": {
        "momentum": 0.9,
        "weight_decay": 0.001,
        "dropout_schedule": "linear",
        "dropout_schedule_epochs": 2,
        "augmentation": "crop_flip",
        "n_train_eval": 40,
    },
    "adam": {"optimizer": "adam", "learning_rate": 0.001},
}


def spec(*, seed: int = 1, replicate: int = 0, n_train: int = 80, network: str = "lenet5", **fields) -> RunSpec:
    model = {name: fields.pop(name) for name in list(fields) if name in ModelSpec.model_fields}
    settings = {"epochs": 2, "batch_size": 32, **fields}
    return RunSpec(
        model=ModelSpec(name=network, **{**BOTH, **model}),
        data=data.resolve(DataSpec(name="digits", n_train=n_train)),
        train=TrainSpec(**settings),
        seed=seed,
        replicate=replicate,
    )


def task(*, file: Path | None = None, **fields) -> Task:
    asked = spec(**fields)
    identity = backend.identity(data.fingerprint(asked.data))
    return Task(spec=asked, identity=identity, session="test", checkpoint=file)


def results(record: RunRecord) -> list[object]:
    """Everything of a run that is not time, exactly."""
    names = [f"{of}_{what}" for of in ("train", "train_eval", "val", "test") for what in ("loss", "accuracy")]
    curves = [[getattr(epoch, name) for name in names] for epoch in record.epochs]
    return [record.status, curves, record.test_loss, record.val_loss, record.test_correct]


@pytest.mark.parametrize("recipe", RECIPES)
def test_runs_on_one_model_end_as_on_fresh_ones_and_trace_nothing(monkeypatch, recipe: str) -> None:
    traced: list[object] = []

    @functools.wraps(VariableDropout.call)
    def call(*arguments, plain=VariableDropout.call, **options):
        traced.append(arguments[0])
        return plain(*arguments, **options)

    monkeypatch.setattr(VariableDropout, "call", call)
    one, other = task(**RECIPES[recipe]), task(seed=2, **RECIPES[recipe] | OTHER)
    runs = inline.execute(iter([one, None, other, one]), observer=lambda _: Observer())
    first, nothing = next(runs), next(runs)
    traced.clear()
    second, again = runs
    assert not traced or keras.config.backend() == "torch"  # where every step calls the layers
    assert nothing is None
    assert results(again) == results(first)
    assert results(second) == results(train(other))
    assert results(second) != results(first)
    assert (first.epochs[0].is_warmup, first.compile_s is not None) == (True, True)
    assert [(epoch.is_warmup, run.compile_s) for run in (second, again) for epoch in run.epochs] == [(False, 0.0)] * 5


SHARED = {"momentum": 0.9, "epochs": 3}


@pytest.fixture(scope="module")
def used() -> tuple[Networks, RunRecord]:
    """One model, compiled once for the tests below, and the run that it was built for."""
    networks = Networks()
    return networks, train(task(**SHARED), networks=networks)


def test_what_became_of_the_runs_before_changes_nothing(used, tmp_path: Path) -> None:
    networks, whole = used
    parts, other = task(file=tmp_path / "run.npz", **SHARED), task(seed=2, **SHARED)
    diverged = train(task(**SHARED | {"learning_rate": 1e38}), networks=networks)
    stopped = train(parts, networks=networks, observer=Observer(should_stop=lambda: True))
    pruned = train(other, networks=networks, observer=Observer(should_prune=lambda _: True))
    resumed = train(parts, networks=networks)
    assert [run.status for run in (diverged, stopped, pruned)] == ["diverged", "interrupted", "pruned"]
    assert results(resumed) == results(whole)
    assert [epoch.is_warmup for run in (diverged, stopped, pruned, resumed) for epoch in run.epochs].count(True) == 0
    assert networks.n_models == 1


def test_a_pruned_run_keeps_its_epochs_and_leaves_neither_result_nor_checkpoint(used, tmp_path: Path) -> None:
    asked: list[int] = []

    def is_hopeless(epoch: EpochRecord) -> bool:
        asked.append(epoch.epoch)
        return epoch.epoch == 2

    networks, whole = used
    file = tmp_path / "run.npz"
    # Told to stop as well: pruned all the same, as it would have been without the stop.
    observer = Observer(should_prune=is_hopeless, should_stop=lambda: asked == [1, 2])
    record = train(task(file=file, **SHARED), networks=networks, observer=observer)
    assert (record.status, record.n_epochs, asked) == ("pruned", 2, [1, 2])
    assert results(record)[1] == results(whole)[1][:2]
    assert (record.test_accuracy, record.val_accuracy, record.test_correct) == (None, None, None)
    assert not list(tmp_path.iterdir())


def test_nobody_is_asked_to_prune_after_the_last_epoch(used) -> None:
    asked: list[int] = []
    observer = Observer(should_prune=lambda epoch: bool(asked.append(epoch.epoch)))
    assert train(task(**SHARED), networks=used[0], observer=observer).status == "done"
    assert asked == [1, 2]


def test_the_model_of_a_run_that_raised_is_not_used_again(placed: dict[str, keras.Model]) -> None:
    def fail(error: Exception) -> Observer:
        def on_start(_: RunRecord) -> None:
            raise error

        return Observer(on_start=on_start)

    digits, networks = data.load(spec().data), Networks()
    networks.put_back(placed[BOTH["batch_norm"]], spec(), digits)
    assert train(task(), networks=networks, observer=fail(RuntimeError("the kernel is broken"))).status == "failed"
    assert networks.n_models == 0
    networks.put_back(placed[BOTH["batch_norm"]], spec(), digits)
    with pytest.raises(NoSpaceError):
        train(task(), networks=networks, observer=fail(NoSpaceError("the disk is full")))
    assert networks.n_models == 0


@pytest.mark.parametrize(
    ("change", "is_fresh"),
    [
        ({"seed": 2}, False),
        ({"replicate": 1}, False),
        (OTHER, False),
        ({"epochs": 5}, False),
        ({"dropout": {"conv2": 0.3, "dense1": 0.2}}, False),
        ({"dropout": {"conv2": 0.3, "dense": 0.0}}, True),
        ({"dropout": {"conv1": 0.1, "dense": 0.5}}, True),
        ({"dropout": 0.5}, True),
        ({"batch_norm": "after_activation"}, True),
        ({"batch_norm_momentum": 0.99}, True),
        ({"optimizer": "adam"}, True),
        ({"momentum": 0.9}, True),
        ({"batch_size": 16}, True),
        ({"n_train": 90}, True),
    ],
    ids=str,
)
def test_runs_share_a_model_that_differ_in_little_else_than_seed_and_rates(
    monkeypatch, placed: dict[str, keras.Model], change: dict, is_fresh: bool
) -> None:
    digits, networks = data.load(spec().data), Networks()
    model, fresh = placed[BOTH["batch_norm"]], keras.Sequential()
    networks.put_back(model, spec(), digits)
    monkeypatch.setattr(compiled, "compiled", lambda *_: fresh)
    taken = networks.take(spec(**change), digits)
    assert taken is (fresh if is_fresh else model)
    assert networks.n_models == int(is_fresh)


@pytest.fixture(scope="module")
def placed() -> dict[str, keras.Model]:
    """One compiled model for each placement of BN."""
    digits = data.load(spec().data)
    return {name: compiled.compiled(spec(batch_norm=name), digits) for name in PLACEMENTS}


def test_where_memory_ran_out_no_idle_model_keeps_any(monkeypatch, placed: dict[str, keras.Model]) -> None:
    networks = Networks()
    networks.put_back(placed["none"], spec(batch_norm="none"), data.load(spec().data))
    assert networks.n_models == 1

    def full(*_: object) -> None:
        raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")

    monkeypatch.setattr(Networks, "take", full)
    assert train(task(n_train=40, epochs=1, network="simple_cnn"), networks=networks).status == "oom"
    assert networks.n_models == 0


def test_a_learning_rate_that_moves_belongs_to_the_model() -> None:
    digits, networks = data.load(spec().data), Networks()
    model = compiled.compiled(spec(schedule="cosine"), digits)
    networks.put_back(model, spec(schedule="cosine"), digits)
    assert networks.take(spec(schedule="cosine", learning_rate=0.3), digits) is not model


def test_the_least_recently_used_models_are_dropped_by_number_and_by_size(
    monkeypatch, placed: dict[str, keras.Model]
) -> None:
    monkeypatch.setattr(compiled.gc, "collect", lambda: 0)  # slow, and the fixture keeps the models anyway
    digits, fresh = data.load(spec().data), keras.Sequential()
    arms = [spec(batch_norm=name) for name in PLACEMENTS]

    def kept(networks: Networks) -> list[bool]:
        for arm in (arms[0], arms[1], arms[0], arms[2]):
            monkeypatch.setattr(compiled, "compiled", lambda spec, _: placed[spec.model.batch_norm])
            networks.put_back(networks.take(arm, digits), arm, digits)
        monkeypatch.setattr(compiled, "compiled", lambda *_: fresh)
        return [networks.take(arm, digits) is not fresh for arm in arms]

    assert kept(Networks(most_models=2)) == [True, False, True]
    one = Networks()
    one.put_back(placed["before_activation"], arms[1], digits)
    assert one.n_bytes >= 4 * 61_990
    assert kept(Networks(most_bytes=one.n_bytes * 5 // 2)) == [True, False, True]
    assert kept(Networks(most_bytes=1)) == [False, False, True]


def test_idle_models_are_no_part_of_a_runs_peak(monkeypatch) -> None:
    monkeypatch.setattr(meters, "reset_peak_device", lambda _: True)
    monkeypatch.setattr(meters, "peak_device_bytes", lambda _: 1000)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    profiler = EpochProfiler(idle_bytes=300)
    model.fit(keras.ops.ones((4, 2)), keras.ops.ones((4, 1)), verbose=0, callbacks=[profiler])
    assert profiler.summary()["peak_device_bytes"] == 700
