"""A folder of class folders is a dataset: read with Pillow, cached, read again when it changes."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from kbnd.data import available, fingerprint, folder, load, prepare, verify
from kbnd.errors import DataMissingError, UsageError
from kbnd.spec import DataSpec


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KBND_CACHE", str(tmp_path / "cache"))


def fill(root, *, n=12, size=(6, 6), mode="L", classes=("cat", "dog"), seed=0):
    """Write n images for each class and return their folder."""
    random = np.random.default_rng(seed)
    shape = (*size, 3) if mode == "RGB" else size
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(n):
            pixels = random.integers(0, 256, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{seed}-{index}.png")
    return root


def spec_of(root, **fields):
    return DataSpec(name=f"folder:{root}", **fields)


def test_a_sixth_of_plain_class_folders_becomes_the_test_part(tmp_path):
    data = load(spec_of(fill(tmp_path / "pets"), n_validation=4))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [16, 4, 4]
    assert [np.bincount(part.labels).tolist() for part in (data.validation, data.test)] == [[2, 2], [2, 2]]
    assert (data.classes, data.image_shape) == (2, (6, 6, 1))


def test_train_and_test_folders_are_kept_apart(tmp_path):
    fill(tmp_path / "pets" / "train", n=5)
    fill(tmp_path / "pets" / "test", n=3, seed=1)
    data = load(spec_of(tmp_path / "pets"))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [9, 1, 6]


def test_pixels_and_labels_are_those_of_the_files(tmp_path):
    root = fill(tmp_path / "pets")
    data = load(spec_of(root, n_validation=0))
    found = {
        (image.tobytes(), int(label))
        for part in (data.train, data.test)
        for image, label in zip(part.images, part.labels, strict=True)
    }
    written = {
        (np.asarray(Image.open(file)).tobytes(), label)
        for label, name in enumerate(("cat", "dog"))
        for file in (root / name).iterdir()
    }
    assert found == written


def test_one_colour_image_makes_all_images_colour(tmp_path):
    fill(tmp_path / "pets")
    fill(tmp_path / "pets", n=1, mode="RGB", seed=1)
    assert load(spec_of(tmp_path / "pets")).image_shape == (6, 6, 3)


def test_images_of_several_sizes_are_fitted_and_cached_for_each_size(tmp_path):
    fill(tmp_path / "pets")
    fill(tmp_path / "pets", n=2, size=(8, 10), seed=1)
    with pytest.raises(UsageError, match=r"differ in size \(6x6 to 8x10\): give --image-size HxW"):
        load(spec_of(tmp_path / "pets"))
    assert load(spec_of(tmp_path / "pets", image_size=(12, 12))).image_shape == (12, 12, 1)
    assert load(spec_of(tmp_path / "pets", image_size=(4, 4), fit="bilinear")).image_shape == (4, 4, 1)
    assert len(verify(f"folder:{tmp_path / 'pets'}")) == 2


def test_the_second_load_reads_the_cache(tmp_path, monkeypatch):
    spec = spec_of(fill(tmp_path / "pets"))
    first = load(spec)
    monkeypatch.setattr(folder, "decode", None)  # calling it would raise
    assert load(spec).fingerprint == first.fingerprint == fingerprint(spec)
    assert isinstance(load(spec).train.images, np.memmap)


def test_a_folder_that_changed_is_read_again(tmp_path):
    root = fill(tmp_path / "pets")
    before = load(spec_of(root))
    fill(root, n=1, seed=1)
    after = load(spec_of(root))
    assert after.fingerprint != before.fingerprint
    assert len(after.train) + len(after.validation) + len(after.test) == 26


def test_two_processes_decode_a_folder_once(tmp_path):
    root = fill(tmp_path / "pets")
    code = (
        "import os, pathlib, sys, time\n"
        "from kbnd.data import folder, fingerprint\nfrom kbnd.spec import DataSpec\n"
        "whole = folder.decode\n"
        "def slow(*a, **k):\n"
        "    print('decoding', file=sys.stderr)\n"
        "    while len(list(pathlib.Path().glob('begun-*'))) < 2: time.sleep(0.01)\n"
        "    time.sleep(0.1)\n"
        "    return whole(*a, **k)\n"
        "folder.decode = slow\n"
        "pathlib.Path(f'begun-{os.getpid()}').touch()\n"
        f"print(fingerprint(DataSpec(name='folder:{root}')))\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    (first, errors), (second, more_errors) = (child.communicate() for child in children)
    assert first == second == fingerprint(spec_of(root)) + "\n"
    assert errors + more_errors == "decoding\n"


def test_a_cached_folder_is_listed_verified_and_repaired(tmp_path):
    name = f"folder:{fill(tmp_path / 'pets')}"
    prepared = prepare(name)
    assert prepared in available()
    assert verify(name) == [prepared]
    (file,) = (tmp_path / "cache").glob("data/*/*/train_images.npy")
    os.truncate(file, 50)
    for refused in (verify, lambda name: load(DataSpec(name=name))):
        with pytest.raises(DataMissingError, match=r"train_images\.npy is damaged: run kbnd data prepare folder:"):
            refused(name)
    assert prepare(name, force=True) == prepared
    assert verify(name) == [prepared]


def _broken_image(root):
    (root / "cat" / "broken.png").write_bytes(b"no image")


def _cut_image(root):
    file = next((root / "cat").iterdir())
    os.truncate(file, file.stat().st_size - 30)


def _deep_image(root):
    Image.fromarray(np.zeros((6, 6), np.uint16)).save(root / "cat" / "deep.png")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_broken_image, "broken.png' is no image that Pillow can read"),
        (_cut_image, "is damaged"),
        (_deep_image, "has mode I;16, allowed are images of 8 bits a channel"),
    ],
)
def test_a_bad_image_is_named(tmp_path, spoil, sentence):
    spoil(fill(tmp_path / "pets"))
    with pytest.raises(UsageError, match=sentence):
        load(spec_of(tmp_path / "pets"))


def test_one_class_is_no_dataset(tmp_path):
    with pytest.raises(UsageError, match="2 or more classes, received 1"):
        load(spec_of(fill(tmp_path / "pets", classes=("cat",))))


def test_class_folders_without_images_are_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no image"):
        load(spec_of(fill(tmp_path / "pets", n=0)))


def test_a_test_class_that_training_lacks_is_named(tmp_path):
    fill(tmp_path / "pets" / "train")
    fill(tmp_path / "pets" / "test", classes=("cat", "emu"))
    with pytest.raises(UsageError, match="lacks: emu"):
        load(spec_of(tmp_path / "pets"))
