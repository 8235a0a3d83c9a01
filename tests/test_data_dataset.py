"""`load` gives splits of exact sizes, nested subsets, and says clearly what is missing."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from kbnd.data import available, cache, epoch_order, fingerprint, load, prepare, resolve, tfds, verify
from kbnd.data.catalogue import ORIGINALS
from kbnd.data.splits import Split, arrange
from kbnd.errors import DataMissingError, InterruptedRunError, NoSpaceError, UsageError
from kbnd.spec import DataSpec


@pytest.fixture(autouse=True)
def empty_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("KBND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))


def rows(split):
    return {image.tobytes() for image in split.images}


def test_digits_are_split_1197_300_300_and_every_class_is_in_proportion():
    data = load(DataSpec(name="digits"))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [1_197, 300, 300]
    for part in (data.train, data.validation, data.test):
        shares = np.bincount(part.labels, minlength=10) / len(part)
        # 1,797 digits hold 174 to 183 of each class: 9.7 % to 10.2 %; one image of 300 is 0.33 %
        assert shares.min() > 0.093
        assert shares.max() < 0.107
    assert data.train.images.dtype == np.uint8
    assert data.train.labels.dtype == np.int64
    assert (data.label, data.note, data.classes, data.image_shape) == ("Digits", "", 10, (28, 28, 1))


def test_digits_use_the_whole_range_of_a_byte():
    images = load(DataSpec(name="digits")).train.images
    assert (images.min(), images.max()) == (0, 255)


def test_the_digits_are_the_ones_kbnd_knows():
    assert fingerprint(DataSpec(name="digits")) == ORIGINALS["digits"]


def test_the_spec_of_a_dataset_is_the_resolved_one():
    assert load(DataSpec(name="digits")).spec == resolve(DataSpec(name="digits"))


@pytest.mark.parametrize("n_validation", [0, 300])
def test_a_smaller_training_subset_lies_inside_a_larger_one(n_validation):
    parts = [load(DataSpec(name="digits", n_train=n, n_validation=n_validation)).train for n in (50, 400, None)]
    assert rows(parts[0]) < rows(parts[1]) < rows(parts[2])


def test_no_image_is_in_two_splits():
    # no two of the 1,797 digits are equal, so images can be told apart by their pixels
    data = load(DataSpec(name="digits", image_size=(8, 8)))
    parts = [rows(part) for part in (data.train, data.validation, data.test)]
    assert len(set.union(*parts)) == sum(len(part) for part in parts) == 1_797


def test_without_validation_its_images_are_training_images():
    assert len(load(DataSpec(name="digits", n_validation=0)).validation) == 0
    assert len(load(DataSpec(name="digits", n_validation=0)).train) == 1_497


def cached(name, **fields):
    """Put a small dataset into the cache under a name."""
    pixels = np.random.default_rng(0).integers(0, 256, (120, 5, 7, 3), dtype=np.uint8)
    arrays = arrange(Split(pixels, np.arange(120) % 4), None, classes=4)
    with cache.lock(name):
        cache.write(name, arrays, name=name, source="a test", **fields)


def test_a_cached_dataset_outside_the_table_needs_no_tensorflow_and_copies_nothing():
    cached("kmnist")
    before = set(sys.modules)
    data = load(DataSpec(name="kmnist"), download=False)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [90, 10, 20]
    assert isinstance(data.train.images, np.memmap)
    assert data.image_shape == (5, 7, 3)
    assert "kmnist" in [entry.name for entry in available()]
    assert not {"tensorflow", "keras", "jax", "torch"} & (set(sys.modules) - before)


def test_sizes_outside_the_table_are_checked_when_they_are_known():
    cached("kmnist")
    with pytest.raises(UsageError, match="has 90 training images beside 10 for validation, received n_train 91"):
        load(DataSpec(name="kmnist", n_train=91))


def test_missing_data_name_the_dataset_the_folders_and_the_way_out(tmp_path):
    with pytest.raises(DataMissingError) as caught:
        load(DataSpec(name="mnist"), download=False)
    sentence = str(caught.value)
    for part in ("'mnist'", str(tmp_path / "cache"), str(tmp_path / "tfds"), "--dataset digits"):
        assert part in sentence
    assert not (tmp_path / "tfds").exists()


@pytest.mark.parametrize("kind", [UsageError, DataMissingError, NoSpaceError, InterruptedRunError])
def test_an_error_of_the_decoding_process_arrives_with_its_kind_and_sentence(monkeypatch, kind):
    child = subprocess.CompletedProcess([], kind.exit_code, stdout="what was wrong\n")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: child)
    with pytest.raises(kind, match=r"^what was wrong$"):
        load(DataSpec(name="mnist"))


def test_a_decoding_process_that_dies_is_reported_as_missing_data(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: subprocess.CompletedProcess([], -9, stdout=""))
    with pytest.raises(DataMissingError, match="exit status -9"):
        load(DataSpec(name="mnist"))


def test_prepared_is_told_from_missing_without_tensorflow(tmp_path):
    states = {entry.name: entry.state for entry in available()}
    assert (states["digits"], states["mnist"]) == ("bundled", "missing")
    for version in ("incomplete.ABC_3.0.1", "3.0.1"):
        assert not tfds.is_prepared("mnist")
        folder = tmp_path / "tfds" / "mnist" / version
        folder.mkdir(parents=True)
        (folder / "dataset_info.json").write_text("{}")
    assert {entry.name: entry.state for entry in available()}["mnist"] == "prepared"
    assert tfds.is_prepared("mnist:3.0.1")
    assert not tfds.is_prepared("mnist:2.0.0")


def test_a_damaged_manifest_is_listed_as_damaged(tmp_path):
    cached("kmnist")
    (tmp_path / "cache" / "data" / "kmnist" / "manifest.json").write_text("{")
    assert {entry.name: entry.state for entry in available()}["kmnist"] == "damaged"
    with pytest.raises(DataMissingError, match="run kbnd data prepare kmnist --force"):
        load(DataSpec(name="kmnist"))


def test_digits_need_no_preparation():
    assert prepare("digits") == verify("digits")[0] == available()[0]


def test_verifying_what_is_not_cached_says_how_to_prepare_it():
    with pytest.raises(DataMissingError, match="run kbnd data prepare mnist"):
        verify("mnist")


def test_an_epoch_visits_every_digit():
    data = load(DataSpec(name="digits"))
    order = epoch_order(len(data.train), seed=3, epoch=1)
    np.testing.assert_array_equal(np.bincount(data.train.labels[order]), np.bincount(data.train.labels))
