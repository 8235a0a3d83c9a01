"""Real MNIST and CIFAR-10, prepared in the folder that KBND_TEST_DATA names or downloaded.

kbnd reads tensorflow-datasets in a child process, with TensorFlow, whatever the backend.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from kbnd.data import available, load, verify
from kbnd.data.catalogue import ORIGINALS
from kbnd.errors import DataMissingError, UsageError
from kbnd.spec import DataSpec

pytestmark = pytest.mark.backend

__test__ = os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"  # it reads alike for every backend


@pytest.mark.real_data
def test_mnist_is_the_original_split_50000_10000_10000(real):
    data = real("mnist")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [50_000, 10_000, 10_000]
    assert (data.label, data.note, data.image_shape) == ("MNIST", "", (28, 28, 1))
    assert data.fingerprint == ORIGINALS["mnist"]
    # class counts of the published test set
    published = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(data.test.labels).tolist() == published
    whole = np.bincount(data.train.labels) + np.bincount(data.validation.labels)
    # stratified to one image: a sixth of each class is set aside
    assert np.abs(np.bincount(data.validation.labels) - whole / 6).max() <= 1
    assert verify("mnist")[0].state == "cached"


@pytest.mark.real_data
def test_cached_mnist_needs_no_tensorflow(real):
    real("mnist")
    code = (
        "import sys; from kbnd.data import load; from kbnd.spec import DataSpec; load(DataSpec(name='mnist'))\n"
        "print({'tensorflow', 'tensorflow_datasets', 'keras', 'sklearn'} & set(sys.modules))"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "set()"


@pytest.mark.real_data
def test_cifar10_is_split_45000_5000_10000_or_left_whole(real):
    data = real("cifar10")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [45_000, 5_000, 10_000]
    assert np.bincount(data.validation.labels).tolist() == [500] * 10
    assert len(load(DataSpec(name="cifar10", n_validation=0)).train) == 50_000
    assert data.label.startswith("CIFAR-10")
    assert next(entry for entry in available() if entry.name == "cifar10").label == data.label


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """Folders that hold nothing yet."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "prepared"))
    monkeypatch.setenv("KBND_CACHE", str(tmp_path / "cache"))


def test_a_dataset_that_is_not_prepared_is_missing_when_downloading_is_declined(empty):
    with pytest.raises(DataMissingError, match=r"'kmnist' is neither cached .* nor prepared"):
        load(DataSpec(name="kmnist"), download=False)


def test_text_is_refused_before_it_is_downloaded(empty):
    with pytest.raises(UsageError, match="'glue' is no image classification dataset"):
        load(DataSpec(name="glue"))
