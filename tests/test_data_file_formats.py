"""One dataset is the same in every file format in which tensorflow-datasets can prepare it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from kbnd.errors import UsageError
from kbnd.spec import DataSpec

pytestmark = pytest.mark.backend

__test__ = os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"  # it reads alike for every backend

FORMATS = ("tfrecord", "array_record")


@pytest.fixture(scope="module")
def builders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Builders of a dataset with three classes, prepared in each format."""
    import tensorflow_datasets as tfds

    class ThreeClasses(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc,name-defined]
        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = None

        def _info(self):
            features = {"image": tfds.features.Image(shape=(8, 8, 1)), "label": tfds.features.ClassLabel(num_classes=3)}
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features), supervised_keys=("image", "label")
            )

        def _split_generators(self, _):
            return {"train": self._generate_examples(60, 0), "test": self._generate_examples(30, 1)}

        def _generate_examples(self, n, seed):
            pixels = np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
            yield from ((i, {"image": pixels[i], "label": i % 3}) for i in range(n))

    prepared = {name: ThreeClasses(data_dir=str(tmp_path_factory.mktemp(name)), file_format=name) for name in FORMATS}
    for builder in prepared.values():
        builder.download_and_prepare()
    return prepared


def test_arrays_are_the_same_in_every_format(builders: dict[str, Any]) -> None:
    from kbnd.data import decoding

    spec = DataSpec(name="three_classes")
    found = {name: decoding._arrays(builder, spec, "image", "label", 3)[0] for name, builder in builders.items()}
    assert len({arrays.fingerprint for arrays in found.values()}) == 1
    assert np.bincount(found["array_record"].train.labels).tolist() == [20, 20, 20]


@pytest.mark.parametrize("reader", ["_read", "_read_as_seen"])
def test_every_reader_gives_the_same_images_in_the_same_order(builders: dict[str, Any], reader: str) -> None:
    from kbnd.data import decoding

    parts = [list(getattr(decoding, reader)(builder, "train", "image", "label")) for builder in builders.values()]
    assert len(parts[0]) == len(parts[1]) == 60
    for (image, label), (other_image, other_label) in zip(*parts, strict=True):
        np.testing.assert_array_equal(image, other_image)
        assert label == other_label


def test_files_that_cannot_be_read_are_named(builders: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from kbnd.data import decoding

    def without_library(**_: object) -> None:
        raise ImportError("no library for this")

    monkeypatch.setattr(builders["array_record"], "as_data_source", without_library)
    sentence = r"prepared in files of a kind, array_record, that cannot be read here \(no library for this\)"
    with pytest.raises(UsageError, match=sentence):
        decoding._arrays(builders["array_record"], DataSpec(name="three_classes"), "image", "label", 3)
