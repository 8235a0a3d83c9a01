"""Time, memory and disk of a run from counts alone: known numbers, and the properties that an estimate must have."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_folders import fill

from kbnd.cost import estimate
from kbnd.cost.images import Images, check_batch, images_of
from kbnd.models import Cost
from kbnd.spec import DataSpec, TrainSpec

LENET = Cost(n_parameters=61_706, macs=416_520, n_activations=14_602)
MNIST = Images((28, 28, 1), 10, n_train=50_000, n_validation=10_000, n_test=10_000)
S0 = TrainSpec(epochs=5, batch_size=128, test_curve=True)
GIGA = 1e9


def seconds(train: TrainSpec = S0, images: Images = MNIST, *, backend: str = "tensorflow") -> float:
    return estimate.run_seconds(LENET, train, images, speed=76 * GIGA, backend=backend)


def test_work_is_three_passes_over_training_images_and_one_over_those_evaluated() -> None:
    of_pass = LENET.macs + estimate.ACTIVATION_MACS * LENET.n_activations
    per_epoch = 3 * 50_000 + 10_000 + 10_000
    assert estimate.run_work(LENET, S0, MNIST) == of_pass * (5 * per_epoch + 20_000)
    without = TrainSpec(epochs=1, validation_curve=False)
    assert estimate.run_work(LENET, without, MNIST) == of_pass * (150_000 + 20_000)
    of_some = TrainSpec(epochs=1, validation_curve=False, n_train_eval=1_000)
    assert estimate.run_work(LENET, of_some, MNIST) == of_pass * (151_000 + 20_000)


def test_the_estimate_of_a_measured_run_is_within_the_factor_it_claims() -> None:
    # The committed runs of lenet_grid took 16 to 23 s (baseline, TensorFlow, 2 cores of 38 G multiply-accumulates/s).
    assert 19 / estimate.WITHIN < seconds() < 19 * estimate.WITHIN


def test_a_run_takes_longer_with_more_epochs_images_and_a_slower_machine() -> None:
    assert seconds(TrainSpec(epochs=10, test_curve=True)) > 1.8 * seconds()
    assert seconds(images=Images((28, 28, 1), 10, 5_000, 1_000, 1_000)) < seconds() / 5
    slow = estimate.run_seconds(LENET, S0, MNIST, speed=GIGA, backend="tensorflow")
    start = estimate.START_S["tensorflow"]
    assert slow - start == pytest.approx(76 * (seconds() - start))


@pytest.mark.parametrize(
    ("train", "slots"),
    [
        (TrainSpec(optimizer="sgd"), 0),
        (TrainSpec(optimizer="sgd", momentum=0.9), 1),
        (TrainSpec(optimizer="adam"), 2),
    ],
)
def test_memory_and_checkpoints_hold_what_the_optimizer_keeps(train: TrainSpec, slots: int) -> None:
    expected = 4 * ((2 + slots) * 61_706 + 2 * 128 * 14_602) + 70_000 * 28 * 28
    memory = estimate.run_memory(LENET, train, MNIST, backend="torch")
    assert memory - estimate.PROCESS_BYTES["torch"] == pytest.approx(expected)
    assert estimate.run_checkpoints(LENET, train) == 2 * 4 * (1 + slots) * 61_706


def test_rows_of_the_ledger_grow_with_epochs_and_test_images() -> None:
    one, five = (estimate.run_rows(TrainSpec(epochs=n), MNIST) for n in (1, 5))
    assert five - one == 4 * estimate.EPOCH_ROW_BYTES
    assert one == estimate.RUN_ROW_BYTES + 10_000 / 8 + estimate.EPOCH_ROW_BYTES


def test_what_is_known_of_images_comes_from_the_catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KBND_CACHE", str(tmp_path))
    cifar = images_of(DataSpec(name="cifar10", image_size=(224, 224), fit="bilinear"))
    assert cifar is not None
    assert (cifar.shape, cifar.classes) == ((224, 224, 3), 10)
    assert (cifar.n_train, cifar.n_validation, cifar.n_test) == (45_000, 5_000, 10_000)
    assert cifar.n_new_bytes == 60_000 * 32 * 32 * 3
    assert cifar.n_bytes == 60_000 * 224 * 224 * 3
    digits = images_of(DataSpec(name="digits"))
    assert digits is not None
    assert (digits.shape, digits.n_new_bytes) == ((28, 28, 1), 0)


def test_of_images_that_nobody_has_counted_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KBND_CACHE", str(tmp_path))
    fill(tmp_path / "pictures")
    assert images_of(DataSpec(name=f"folder:{tmp_path / 'pictures'}")) is None


def test_the_speed_of_a_machine_is_a_rate_of_multiply_accumulates() -> None:
    assert 1e7 < estimate.machine_speed(budget_s=0.02) < 1e14


def test_a_batch_that_no_epoch_fills_is_warned_of() -> None:
    digits = DataSpec(name="digits", n_train=64)
    with pytest.warns(UserWarning, match="batch_size 128 is more than the 64 training images of digits"):
        check_batch(TrainSpec(batch_size=128), digits)
    check_batch(TrainSpec(batch_size=64), digits)
