"""What a folder holds is counted as it will be used: splits, what was done to images, twins."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import numpy as np
import pytest
from image_folders import fill, pixels
from PIL import Image

from kbnd import cli
from kbnd.data import census_of, load
from kbnd.data.census import Twins
from kbnd.data.pixels import LAID_ON_WHITE
from kbnd.errors import UsageError
from kbnd.spec import DataSpec


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KBND_CACHE", str(tmp_path / "cache"))


def loaded_counts(root) -> dict[str, tuple[int, ...]]:
    data = load(DataSpec(name=f"folder:{root}"))
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    return {split: tuple(np.bincount(part.labels, minlength=2).tolist()) for split, part in parts.items()}


def test_splits_are_counted_as_they_will_be_used(tmp_path):
    fill(tmp_path / "plain", n=30)
    fill(tmp_path / "parts" / "train", n=20)
    fill(tmp_path / "parts" / "val", first=50, n=4)
    fill(tmp_path / "all" / "train", n=20)
    fill(tmp_path / "all" / "val", first=50, n=4)
    fill(tmp_path / "all" / "test", first=90, n=3, classes=("cat", "dog"))
    carved = {"plain": ("test", "validation"), "parts": ("test",), "all": ()}
    for name, parts in carved.items():
        census = census_of(f"folder:{tmp_path / name}")
        assert (dict(census.counts), census.carved) == (loaded_counts(tmp_path / name), parts)
    assert census.counts == {"train": (20, 20), "validation": (4, 4), "test": (3, 3)}
    assert (census.sizes, census.channels, census.unreadable, census.twins) == (((6, 6),), 1, (), ())


def test_twins_are_found_in_the_splits_in_which_they_will_lie(tmp_path):
    root = fill(tmp_path / "pets", n=60)
    for n in range(60):
        shutil.copy(root / "cat" / f"{n}.png", root / "dog" / f"cat{n}.png")
    with pytest.warns(UserWarning, match="1 image for evaluation equal one to train on"):
        data = load(DataSpec(name=f"folder:{root}"))
    rows = {split: {i.tobytes() for i in getattr(data, split).images} for split in ("train", "validation", "test")}
    placed = {
        f"cat/{n}.png": tuple(split for split in sorted(rows) if pixels(n).tobytes() in rows[split]) for n in range(60)
    }
    twins = census_of(f"folder:{root}").twins
    assert {group.files[0]: group.splits for group in twins} == placed
    assert {group.classes for group in twins} == {("cat", "dog")}
    assert {("test", "validation"), ("train", "validation")} < {group.splits for group in twins}


def test_twins_between_splits_come_first_and_are_warned_of(tmp_path):
    root = tmp_path / "pets"
    fill(root / "train", n=10)
    fill(root / "test", first=50, n=3)
    shutil.copy(root / "train" / "cat" / "1.png", root / "train" / "cat" / "copy.png")
    shutil.copy(root / "train" / "dog" / "129.png", root / "test" / "dog" / "leak.png")
    assert census_of(f"folder:{root}").twins == (
        Twins(("train/dog/129.png", "test/dog/leak.png"), ("test", "train"), ("dog",)),
        Twins(("train/cat/1.png", "train/cat/copy.png"), ("train",), ("cat",)),
    )
    for _ in range(2):  # read from the files, then from the cache
        with pytest.warns(UserWarning, match="1 image for evaluation equal one to train on; kbnd data verify lists"):
            load(DataSpec(name=f"folder:{root}"))


def test_equal_pixels_of_another_shape_are_no_twins(tmp_path):
    fill(tmp_path, classes=("a", "b"))
    Image.fromarray(pixels(3, (4, 9))).save(tmp_path / "a" / "wide.png")
    Image.fromarray(pixels(3, (9, 4))).save(tmp_path / "a" / "high.png")
    census = census_of(f"folder:{tmp_path}")
    assert (census.twins, census.sizes) == ((), ((4, 9), (9, 4)))


def kbnd(capsys, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def test_verify_shows_a_person_what_a_folder_holds(tmp_path, capsys):
    root = fill(tmp_path / "pets", n=30)
    (root / "cat" / ".ipynb_checkpoints").mkdir()
    (root / "cat" / "notes.txt").write_text("")
    shutil.copy(root / "cat" / "0.png", root / "dog" / "copy.png")
    Image.new("LA", (6, 6), (7, 0)).save(root / "cat" / "ghost.png")
    code, out, _ = kbnd(capsys, "data", "verify", f"folder:{root}")
    assert code == 0
    for line in (
        "cat       24           2     5",
        "'cat/.ipynb_checkpoints/'",
        "no image by its ending       1  'cat/notes.txt'",
        "'cat/0.png', 'dog/copy.png'",
        "transparent ones are laid on white",
        f"1 image {LAID_ON_WHITE}.",
    ):
        assert line in out, out
    assert "Sound" not in out
    code, out, _ = kbnd(capsys, "data", "verify", f"folder:{root}", "--json")
    values = json.loads(out)
    assert (values["cached"], values["remarks"]) == ([], {LAID_ON_WHITE: 1})
    assert Counter(entry["reason"] for entry in values["skipped"]) == {"hidden": 1, "no image by its ending": 1}


def test_verify_lists_every_image_that_cannot_be_used_and_ends_with_2(tmp_path, capsys):
    root = fill(tmp_path / "pets")
    for name in ("one", "two"):
        (root / "cat" / f"{name}.png").write_bytes(b"no image")
    code, out, _ = kbnd(capsys, "data", "verify", f"folder:{root}")
    assert code == UsageError.exit_code
    assert "one.png' is no image that Pillow can read" in out
    assert "two.png' is no image that Pillow can read" in out


def test_verify_says_whether_the_cached_copy_is_of_the_folder_as_it_is(tmp_path, capsys):
    root = fill(tmp_path / "pets")
    kbnd(capsys, "data", "prepare", f"folder:{root}")
    code, out, _ = kbnd(capsys, "data", "verify", f"folder:{root}")
    assert (code, "  cached  " in out, "  outdated  " in out) == (0, True, False)
    fill(root, first=50, n=1)
    code, out, _ = kbnd(capsys, "data", "verify", f"folder:{root}")
    assert (code, "  cached  " in out, "  outdated  " in out) == (0, False, True)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("none", "does not exist or is no folder"), ("~nosuchuser/x", "user that this system does not know")],
)
def test_verify_of_no_folder_is_a_sentence(tmp_path, capsys, path, sentence):
    code, _, err = kbnd(capsys, "data", "verify", f"folder:{path}")
    assert (code, sentence in err, err.count("\n")) == (2, True, 1)


@pytest.mark.parametrize(
    "command",
    [("train", "--dataset"), ("tune", "--dry-run", "--dataset"), ("data", "prepare")],
    ids=lambda words: words[0],
)
def test_how_images_are_fitted_is_refused_by_name_wherever_it_can_be_said_wherever_their_size_can(
    tmp_path, capsys, command
):
    fill(fill(tmp_path / "pets"), n=2, size=(8, 10), first=50)
    words = (*command, f"folder:{tmp_path / 'pets'}", "--image-size", "4x4", "--fit")
    code, _, err = kbnd(capsys, *words, "cubic")
    assert (code, "fit should be 'pad' or 'bilinear', received 'cubic'" in err) == (2, True), err


def test_photos_are_shrunk_for_a_network_on_request(tmp_path, capsys):
    root = fill(fill(tmp_path / "pets"), n=2, size=(8, 10), first=50)
    words = ("data", "prepare", f"folder:{root}", "--image-size", "4x4")
    code, _, err = kbnd(capsys, *words)
    assert (code, "--fit bilinear" in err) == (2, True)
    assert kbnd(capsys, *words, "--fit", "bilinear")[0] == 0
