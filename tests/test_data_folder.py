"""A folder of class folders is a dataset: read with Pillow, cached, read again when it changes."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from image_folders import fill, pixels
from PIL import Image

from kbnd.data import available, fingerprint, folder, load, prepare, verify
from kbnd.errors import DataMissingError, UsageError
from kbnd.spec import DataSpec


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KBND_CACHE", str(tmp_path / "cache"))


def spec_of(root, **fields):
    return DataSpec(name=f"folder:{root}", **fields)


def test_a_sixth_of_plain_class_folders_becomes_the_test_part(tmp_path):
    data = load(spec_of(fill(tmp_path / "pets"), n_validation=4))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [16, 4, 4]
    assert [np.bincount(part.labels).tolist() for part in (data.validation, data.test)] == [[2, 2], [2, 2]]
    assert (data.classes, data.image_shape) == (2, (6, 6, 1))


def test_train_and_test_folders_are_kept_apart(tmp_path):
    fill(tmp_path / "pets" / "train", n=5)
    fill(tmp_path / "pets" / "test", n=3, first=50)
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
    fill(tmp_path / "pets", n=1, channels=3, first=50)
    assert load(spec_of(tmp_path / "pets")).image_shape == (6, 6, 3)


def test_images_of_several_sizes_are_fitted_and_cached_for_each_size(tmp_path):
    fill(tmp_path / "pets")
    fill(tmp_path / "pets", n=2, size=(8, 10), first=50)
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
    fill(root, n=1, first=50)
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


def test_every_broken_image_is_named_at_once(tmp_path):
    root = fill(tmp_path / "pets")
    for name in ("broken", "cut", "deep"):
        BROKEN[name](root / "cat" / f"{name}.png")
    with pytest.raises(UsageError) as refused:
        load(spec_of(root))
    sentence = str(refused.value)
    assert "cat/broken.png' is no image that Pillow can read; " in sentence
    assert "cat/deep.png' has mode I;16" in sentence
    (root / "cat" / "broken.png").unlink()
    (root / "cat" / "deep.png").unlink()
    with pytest.raises(UsageError, match=r"cut\.png' is damaged"):  # seen when it is decoded only
        load(spec_of(root))
    for n in range(7):
        (root / "dog" / f"broken{n}.png").write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"; and 2 images more$"):
        load(spec_of(root))


BROKEN = {
    "broken": lambda file: file.write_bytes(b"no image"),
    "cut": lambda file: (Image.fromarray(pixels(99)).save(file), os.truncate(file, file.stat().st_size - 30)),
    "deep": lambda file: Image.fromarray(np.zeros((6, 6), np.uint16)).save(file),
}

FINGERPRINTS = {
    "plain": "b7e6e1dcbda28b8a60ad58a5a125f3e0624cb699a647df13fd788be5b204258c",
    "parts": "803db2ae3ed700fbb1ac2b06e6a6ef82858db531c8c892b6a58627794662b5f3",
    "sizes": "25a9f4444e0717f029041e1c996b1ccc620b7d51b2091ae9513595a066529d3e",
    "modes": "c7caafd853274b0188b2b6d737c3e21072aeb01a44197a76dba57e281115dd9e",
}
"""What the first rules of reading gave for folders that they read right: runs on them keep their identity."""


def test_a_folder_that_was_read_right_before_keeps_its_fingerprint(tmp_path):
    fill(tmp_path / "plain")
    fill(tmp_path / "parts" / "train", channels=3)
    fill(tmp_path / "parts" / "test", first=50, n=3, channels=3)
    fill(fill(tmp_path / "sizes"), first=50, n=2, size=(8, 10))
    modes = fill(tmp_path / "modes")
    palette = Image.fromarray(pixels(80) % 4)
    palette.putpalette([0, 0, 0, 250, 10, 20, 30, 240, 50, 70, 80, 255])
    palette.save(modes / "cat" / "palette.png")
    palette.save(modes / "cat" / "palette.gif")
    Image.fromarray(pixels(77, channels=3)).convert("RGBA").save(modes / "cat" / "opaque.png")
    Image.fromarray(pixels(77, channels=3)).convert("CMYK").save(modes / "dog" / "ink.tif")
    Image.fromarray(pixels(78) > 127).save(modes / "dog" / "one_bit.png")
    (modes / "dog" / "deep").mkdir()
    Image.fromarray(pixels(79)).save(modes / "dog" / "deep" / "one.bmp")
    fields = {"sizes": {"image_size": (4, 4), "fit": "bilinear"}}
    read = {name: fingerprint(spec_of(tmp_path / name, **fields.get(name, {}))) for name in FINGERPRINTS}
    assert read == FINGERPRINTS


def rows(split):
    return {image.tobytes() for image in split.images}


@pytest.mark.parametrize("names", [("train", "val"), ("Train", "Validation", "Test")])
def test_validation_images_that_a_person_set_aside_are_used_as_such(tmp_path, names):
    root = tmp_path / "pets"
    train, validation, *test = names
    fill(root / train, n=12)
    fill(root / validation, n=4, first=50)
    for name in test:
        fill(root / name, n=3, first=90)
    data = load(spec_of(root))
    assert [len(part) for part in (data.train, data.validation, data.test)] == ([24, 8, 6] if test else [20, 8, 4])
    assert rows(data.validation) == {pixels(n + offset).tobytes() for n in range(50, 54) for offset in (0, 128)}
    if test:
        assert rows(data.test) == {pixels(n + offset).tobytes() for n in range(90, 93) for offset in (0, 128)}
    fewer = load(spec_of(root, n_validation=2, n_train=6))
    assert np.bincount(fewer.validation.labels).tolist() == [1, 1]
    assert rows(fewer.validation) < rows(data.validation)
    assert len(fewer.train) == 6
    with pytest.raises(UsageError, match="brings 8 validation images of its own, received n_validation 9"):
        load(spec_of(root, n_validation=9))
    (copy,) = verify(f"folder:{root}")
    assert copy.fingerprint == data.fingerprint


def test_the_same_images_with_and_without_a_validation_split_are_two_datasets(tmp_path):
    for name, first in (("one", 50), ("two", 51)):
        fill(tmp_path / name / "train", n=12)
        fill(tmp_path / name / "test", n=3, first=90)
        fill(tmp_path / name / "val", n=2, first=first)
    fill(tmp_path / "none" / "train", n=12)
    fill(tmp_path / "none" / "test", n=3, first=90)
    assert len({fingerprint(spec_of(tmp_path / name)) for name in ("one", "two", "none")}) == 3


def test_a_class_without_a_training_image_is_refused_with_its_name(tmp_path):
    root = fill(tmp_path / "pets", classes=("ape", "bee", "cat"))
    with pytest.raises(
        UsageError, match=r"the 2 training images of .* hold none of 1 of its 3 classes: 'cat'; allowed"
    ):
        load(spec_of(root, n_train=2, n_validation=0))
    assert np.bincount(load(spec_of(root, n_train=3, n_validation=0)).train.labels).tolist() == [1, 1, 1]


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_images_for_a_test_are_refused(tmp_path, n):
    with pytest.raises(UsageError, match=f"has {2 * n} images, of which none is left for a test: it needs 6 or more"):
        load(spec_of(fill(tmp_path / "pets", n=n)))


def test_what_is_left_out_is_counted_and_named_in_one_line(tmp_path):
    root = fill(tmp_path / "pets")
    fill(root / "cat" / ".ipynb_checkpoints", n=1, classes=(".",))
    fill(root / "__MACOSX", n=2, classes=("cat",))
    (root / "emu").mkdir()
    for name in ("a", "b", "c"):
        (root / "dog" / f"{name}.txt").touch()
    expected = (
        f"dataset 'folder:{root}': left out: 1 left by a system ('__MACOSX/'), 1 hidden ('cat/.ipynb_checkpoints/'), "
        "3 no image by its ending ('dog/a.txt', 'dog/b.txt' and 1 more), 1 folder without an image ('emu/'); "
        "kbnd data verify lists them"
    )
    for act in (load, load, fingerprint, lambda spec: prepare(spec.name)):  # decoded, then cached
        with pytest.warns(UserWarning, match="left out") as warned:
            act(spec_of(root))
        assert [str(one.message) for one in warned] == [expected]


def test_a_copy_for_another_size_is_not_taken_for_the_folder_as_it_is_now(tmp_path):
    root = fill(tmp_path / "pets")
    spec = spec_of(root, image_size=(12, 12))
    before = load(spec)
    fill(root, n=2, size=(8, 10), first=50)  # no longer of one size: cached under another key
    after = load(spec)
    assert len(after.train) + len(after.validation) + len(after.test) == 28
    assert after.fingerprint != before.fingerprint
    states = {copy.fingerprint: copy.state for copy in verify(f"folder:{root}")}
    assert states == {before.fingerprint: "outdated", after.fingerprint: "cached"}


def test_a_folder_cached_by_older_rules_is_read_again(tmp_path, monkeypatch):
    root = fill(tmp_path / "pets")
    with monkeypatch.context() as patch:
        patch.setattr("kbnd.data.layout.RULES", 1)
        load(spec_of(root))
    decoded = []
    whole = folder.decode
    monkeypatch.setattr(folder, "decode", lambda *a, **k: (decoded.append(1), whole(*a, **k))[1])
    load(spec_of(root))
    load(spec_of(root))
    assert decoded == [1]


def test_photos_turned_by_their_exif_are_of_one_size(tmp_path):
    root = fill(tmp_path / "pets", size=(6, 4))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(pixels(99, (6, 4)))).save(root / "cat" / "turned.png", exif=exif)
    data = load(spec_of(root))
    assert data.image_shape == (6, 4, 1)
    assert pixels(99, (6, 4)).tobytes() in rows(data.train) | rows(data.validation) | rows(data.test)


def test_photos_larger_than_the_network_takes_name_the_option_that_helps(tmp_path):
    fill(fill(tmp_path / "pets"), n=2, size=(8, 10), first=50)
    with pytest.raises(UsageError, match=r"fit 'pad' cannot shrink .* or --fit bilinear \(fit = 'bilinear' in a TOML"):
        load(spec_of(tmp_path / "pets", image_size=(4, 4)))


@pytest.mark.parametrize("path", ["pets", "./pets/", "{root}/pets", "~/pets", "{root}/link"])
def test_a_folder_is_one_however_it_is_named(tmp_path, monkeypatch, path):
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path / "pets")
    (tmp_path / "link").symlink_to("pets")
    load(DataSpec(name=f"folder:{tmp_path}/pets"))
    monkeypatch.setattr(folder, "decode", None)  # calling it would raise
    assert load(DataSpec(name="folder:" + path.format(root=tmp_path))).classes == 2


@pytest.mark.parametrize("path", ["", "none", "file.txt", "a\0b"])
def test_what_is_no_folder_is_a_sentence(tmp_path, path):
    (tmp_path / "file.txt").touch()
    with pytest.raises(UsageError, match="does not exist or is no folder"):
        load(DataSpec(name=f"folder:{path}"))


def test_what_is_damaged_in_the_cache_says_the_command_that_mends_it(tmp_path, monkeypatch):
    root = fill(fill(tmp_path / "my pets"), n=2, size=(8, 10), first=50)
    spec = spec_of(root, image_size=(4, 4), fit="bilinear")
    command = rf"run kbnd data prepare 'folder:{root}' --image-size 4x4 --fit bilinear --force$"
    for file in ("manifest.json", "*/test_labels.npy"):
        prepare(spec.name, image_size=(4, 4), fit="bilinear", force=True)
        (path,) = (tmp_path / "cache").glob(f"data/*/{file}")
        path.write_text("{")
        with pytest.raises(DataMissingError, match=command):
            load(spec)
