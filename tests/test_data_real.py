"""Real MNIST and CIFAR-10, prepared in the folder that KBND_TEST_DATA names or downloaded.

kbnd reads tensorflow-datasets in a child process, with TensorFlow, whatever the backend.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from image_folders import fill, pixels
from PIL import Image

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


def test_photos_of_tensorflow_datasets_are_seen_as_those_of_a_folder_and_validation_stays_validation(empty, tmp_path):
    import tensorflow_datasets

    fill(tmp_path / "train", n=9, size=(6, 4), channels=3)
    fill(tmp_path / "validation", n=2, first=50, size=(6, 4), channels=3)
    fill(tmp_path / "test", n=3, first=90, size=(6, 4), channels=3)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    upright = pixels(99, (6, 4), 3)
    Image.fromarray(np.rot90(upright)).save(tmp_path / "train" / "cat" / "turned.png", exif=exif)
    Image.new("RGBA", (4, 6), (0, 0, 0, 0)).save(tmp_path / "test" / "dog" / "ghost.png")

    class Snapshots(tensorflow_datasets.core.GeneratorBasedBuilder):
        VERSION = tensorflow_datasets.core.Version("1.0.0")

        def _info(self):
            features = tensorflow_datasets.features.FeaturesDict(
                {
                    "image": tensorflow_datasets.features.Image(shape=(None, None, 3)),
                    "label": tensorflow_datasets.features.ClassLabel(names=["cat", "dog"]),
                }
            )
            return tensorflow_datasets.core.DatasetInfo(
                builder=self, features=features, supervised_keys=("image", "label")
            )

        def _split_generators(self, dl_manager):
            return {part: self._generate_examples(tmp_path / part) for part in ("train", "validation", "test")}

        def _generate_examples(self, part):
            for file in sorted(part.rglob("*.png")):
                yield str(file), {"image": file, "label": file.parent.name}

    Snapshots(data_dir=str(tmp_path / "prepared")).download_and_prepare()
    data = load(DataSpec(name="snapshots"), download=False)
    assert data.fingerprint == load(DataSpec(name=f"folder:{_alone(tmp_path)}")).fingerprint
    assert [len(part) for part in (data.train, data.validation, data.test)] == [19, 4, 7]
    assert upright.tobytes() in {image.tobytes() for image in data.train.images}
    assert (data.test.images == 255).all(axis=(1, 2, 3)).sum() == 1


def _alone(folder: Path) -> Path:
    """A folder with nothing but the splits of another one."""
    root = folder / "alone"
    root.mkdir()
    for part in ("train", "validation", "test"):
        (root / part).symlink_to(folder / part)
    return root
