"""Names are resolved from a table to one spec for equal data."""

from __future__ import annotations

import pytest

from kbnd.data import DATASETS, label_for, note_for, resolve, training_defaults
from kbnd.data.catalogue import COPIES, ORIGINALS
from kbnd.errors import UsageError
from kbnd.spec import DataSpec


@pytest.fixture(autouse=True)
def empty_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("KBND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))


@pytest.mark.parametrize(
    ("name", "n_train", "n_validation", "image_size"),
    [
        ("digits", 1_197, 300, (28, 28)),
        ("mnist", 50_000, 10_000, (28, 28)),
        ("fashion_mnist", 50_000, 10_000, (28, 28)),
        ("cifar10", 45_000, 5_000, (32, 32)),
        ("cifar100", 45_000, 5_000, (32, 32)),
    ],
)
def test_defaults_are_the_splits_of_the_table(name, n_train, n_validation, image_size):
    spec = resolve(DataSpec(name=name))
    assert (spec.n_train, spec.n_validation, spec.image_size) == (n_train, n_validation, image_size)


def test_no_validation_gives_the_full_training_part():
    assert resolve(DataSpec(name="cifar10", n_validation=0)).n_train == 50_000


@pytest.mark.parametrize("name", DATASETS)
def test_resolving_twice_changes_nothing(name):
    once = resolve(DataSpec(name=name))
    assert resolve(once) == once


def test_a_default_written_out_is_the_same_data():
    assert resolve(DataSpec(name="mnist", n_validation=10_000)) == resolve(DataSpec(name="mnist"))
    assert resolve(DataSpec(name="mnist", fit="bilinear")) == resolve(DataSpec(name="mnist"))


def test_a_size_that_must_be_fitted_keeps_how():
    assert resolve(DataSpec(name="mnist", image_size=(32, 32), fit="bilinear")).fit == "bilinear"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "mnst"}, r"unknown dataset 'mnst' \(did you mean 'mnist'\?\): choose from digits, mnist"),
        ({"name": "../mnist"}, "unknown dataset"),
        ({"name": "huggingface:mnist"}, "unknown dataset"),
        ({"name": "m" * 70_000}, "unknown dataset 'mmm"),
        ({"name": "folder:/does/not/exist"}, "no folder"),
        ({"name": "digits", "n_train": 1_198}, r"1,197 training images .* received n_train 1,198"),
        ({"name": "digits", "n_validation": 1_497}, "allowed 0 to 1496"),
        ({"name": "mnist", "image_size": (20, 20)}, "cannot shrink"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(fields, sentence):
    with pytest.raises(UsageError, match=sentence):
        resolve(DataSpec(**fields))


def test_a_name_outside_the_table_stays_open():
    spec = DataSpec(name="kmnist", image_size=(32, 32))
    assert resolve(spec) == spec


def test_digits_bring_their_own_batch_and_epochs():
    assert training_defaults("digits") == {"batch_size": 32, "epochs": 20}
    assert training_defaults("mnist") == training_defaults("folder:x") == {}


def test_the_jpeg_copy_of_cifar10_is_printed_as_what_it_is():
    (fingerprint,) = (key for key, copy in COPIES.items() if copy.label == "CIFAR-10 (JPEG)")
    assert label_for("cifar10", fingerprint) == "CIFAR-10 (JPEG)"
    assert "compare among themselves" in note_for("cifar10", fingerprint)
    assert label_for("cifar10", "0" * 64) == "CIFAR-10"


def test_a_changed_mnist_does_not_pass_as_mnist():
    assert (label_for("mnist", ORIGINALS["mnist"]), note_for("mnist", ORIGINALS["mnist"])) == ("MNIST", "")
    assert label_for("mnist", "0" * 64) == "MNIST (altered)"
    assert "not the original MNIST" in note_for("mnist", "0" * 64)
    assert label_for("mnist") == "MNIST"
