"""A folder is read as a person would read it: splits, classes, and what is left out by name. No image is opened."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from kbnd.data.entries import MOST_LEVELS
from kbnd.data.layout import Layout, read
from kbnd.errors import UsageError


def make(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"") if file[-1] != "/" else (root / file).mkdir(exist_ok=True)
    return root


def images(layout: Layout) -> dict[str, Counter[str]]:
    """Split -> images of each class."""
    return {split: Counter(layout.classes[label] for _, label in files) for split, files in layout.splits.items()}


def skipped(layout: Layout) -> dict[str, str]:
    return {entry.path: entry.reason for entry in layout.skipped}


CLASSES = ("a/1.png", "a/2.JPG", "b/1.jpeg")


def below(*splits: str) -> tuple[str, ...]:
    return tuple(f"{split}/{file}" for split in splits for file in CLASSES)


ALL = Counter(a=2, b=1)


@pytest.mark.parametrize(
    ("splits", "read_as"),
    [
        (("train", "test"), ("train", "test")),
        (("train", "val"), ("train", "validation")),
        (("Train", "Test"), ("train", "test")),
        (("TRAIN", "Valid", "TEST"), ("train", "validation", "test")),
        (("training", "validation", "testing"), ("train", "validation", "test")),
        (("train",), ("train",)),
    ],
)
def test_folders_with_the_names_of_splits_are_splits(tmp_path, splits, read_as):
    layout = read(make(tmp_path, *below(*splits)))
    assert images(layout) == dict.fromkeys(read_as, ALL)
    assert (layout.classes, layout.skipped) == (("a", "b"), ())


@pytest.mark.parametrize(
    "splits", [("train", "dev"), ("train", "extra"), ("train_set", "test_set"), ("Dev", "holdout")]
)
def test_splits_under_other_names_are_asked_about(tmp_path, splits):
    with pytest.raises(UsageError, match=r"with the same class folders \('a', 'b'\): are they splits"):
        read(make(tmp_path, *below(*splits)))


def test_classes_that_are_sorted_into_the_same_folders_are_classes(tmp_path):
    assert read(make(tmp_path, *below("cat", "dog"))).classes == ("cat", "dog")


def test_a_train_beside_other_vehicles_is_a_class(tmp_path):
    layout = read(make(tmp_path, "train/1.png", "bus/1.png", "ship/1.png"))
    assert layout.classes == ("bus", "ship", "train")


def test_what_stands_beside_the_splits_is_left_out_by_name(tmp_path):
    layout = read(make(tmp_path, *below("train", "val"), "masks/1.png", "labels.csv", "cover.png"))
    assert images(layout) == {"train": ALL, "validation": ALL}
    assert skipped(layout) == {
        "cover.png": "image outside the class folders",
        "labels.csv": "no image by its ending",
        "masks/": "folder beside the splits",
    }


LEFT_OUT = {
    "a/.ipynb_checkpoints/": "hidden",
    "a/._1.png": "hidden",
    ".DS_Store": "hidden",
    "a/Thumbs.db": "left by a system",
    "desktop.ini": "left by a system",
    "__MACOSX/": "left by a system",
    "a/notes.txt": "no image by its ending",
    "stray.png": "image outside the class folders",
    "empty/": "folder without an image",
    "papers/": "folder without an image",
}


def test_what_no_person_put_there_is_neither_an_image_nor_a_class(tmp_path):
    layout = read(
        make(
            tmp_path, *CLASSES, "a/.ipynb_checkpoints/1-checkpoint.png", "a/._1.png", ".DS_Store", "a/Thumbs.db",
            "desktop.ini", "__MACOSX/a/._1.png", "a/notes.txt", "stray.png", "empty/", "papers/one.pdf",
        )
    )  # fmt: skip
    assert images(layout) == {"train": ALL}
    assert skipped(layout) == LEFT_OUT | {"papers/one.pdf": "no image by its ending"}


def test_an_empty_split_is_left_out(tmp_path):
    layout = read(make(tmp_path, *below("train", "val"), "test/a/", "test/b/"))
    assert list(layout.splits) == ["train", "validation"]
    assert skipped(layout)["test/"] == "folder without an image"


def test_images_in_folders_inside_a_class_are_of_that_class_and_counted(tmp_path):
    layout = read(make(tmp_path, *CLASSES, "b/2019/may/1.png", "b/2020/1.png"))
    assert (images(layout), layout.n_nested) == ({"train": Counter(a=2, b=3)}, 2)


REFUSED = {
    "only one class": (("a/1.png",), "2 or more classes, received 1 ('a')"),
    "one folder too high": (("pets/a/1.png", "pets/b/1.png"), "did you mean folder:{root}/pets?"),
    "no image": (("a/", "b/x.txt"), "received 0: it holds no image that ends in .bmp"),
    "no class folders": (("1.png", "2.png"), "holds images outside of any class folder ('1.png')"),
    "a test split without labels": ((*below("train"), "test/1.png"), "/test' holds images outside of any class folder"),
    "no training images": (below("val", "test"), "holds 'val', which is the name of a split, but no 'train' beside it"),
    "a test split beside classes": (("a/1.png", "b/1.png", "test/a/1.png"), "but no 'train' beside it"),
    "two validation splits": (below("train", "val", "valid"), "more than one validation split: 'val', 'valid'"),
    "classes outermost": (("a/train/1.png", "a/test/1.png", *CLASSES), "put the splits outermost, as test/a"),
    "a class that test lacks": ((*below("train"), "test/a/1.png"), "its test split lacks 'b'"),
    "a class that train lacks": (
        (*below("train", "val"), "val/emu/1.png"),
        "its validation split has, beyond those of train, 'emu'",
    ),
    "a class without a training image": (
        (*below("train", "test"), "train/emu/", "test/emu/1.png"),
        "its test split has, beyond those of train, 'emu'",
    ),
    "two spellings of one class": (("Cat/1.png", "cat/1.png"), "the classes 'Cat' and 'cat', which differ in capitals"),
    "accents in two encodings": (("\xe9/1.png", "e\u0301/1.png"), "which differ in capitals or accents' encoding only"),
    "too deep": ((*CLASSES, "a/" + "n/" * (MOST_LEVELS + 1) + "1.png"), f"allowed are {MOST_LEVELS} folders"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_that_can_be_meant_in_two_ways_or_none_is_refused_in_a_sentence(tmp_path, name):
    files, sentence = REFUSED[name]
    with pytest.raises(UsageError) as refused:
        read(make(tmp_path, *files))
    assert sentence.format(root=tmp_path) in str(refused.value)


def test_a_class_spelt_differently_in_a_split_is_the_same_class(tmp_path):
    layout = read(make(tmp_path, "train/Cat/1.png", "train/dog/1.png", "test/cat/1.png", "test/DOG/1.png"))
    assert layout.classes == ("Cat", "dog")
    assert images(layout)["test"] == Counter(Cat=1, dog=1)


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    make(tmp_path, *CLASSES)
    whole = os.scandir

    def deny(folder):
        if os.path.basename(folder) == "b":
            raise PermissionError(13, "Permission denied")
        return whole(folder)

    monkeypatch.setattr(os, "scandir", deny)
    with pytest.raises(UsageError, match=r"/b' cannot be read \(Permission denied\)"):
        read(tmp_path)


def test_links_are_followed_but_not_in_circles(tmp_path):
    store = make(tmp_path / "store", "cats/1.png", "cats/2.png", "dog.png")
    root = make(tmp_path / "pets", "b/1.png")
    (root / "a").symlink_to(store / "cats")
    (root / "b" / "2.png").symlink_to(store / "dog.png")
    (root / "b" / "gone.png").symlink_to(store / "gone.png")
    (root / "b" / "again").symlink_to(root)
    (root / "b" / "self").symlink_to(root / "b")
    (root / "b" / "itself").symlink_to("itself")
    os.mkfifo(root / "b" / "pipe.png")
    layout = read(root)
    assert images(layout) == {"train": Counter(a=2, b=2)}
    assert skipped(layout) == {
        "b/gone.png": "broken link",
        "b/again/": "folder that is read already",
        "b/self/": "folder that is read already",
        "b/itself": "broken link",
        "b/pipe.png": "no regular file",
    }


def test_folders_that_all_hold_links_to_each_other_are_read_once_for_a_class(tmp_path):
    names = [f"f{n}" for n in range(12)]  # 12! ways through them
    make(tmp_path / "store", *(f"{name}/{name}.png" for name in names))
    for name in names:
        for other in names:
            if other != name:
                (tmp_path / "store" / name / other).symlink_to(tmp_path / "store" / other)
    for label in ("a", "b"):
        (tmp_path / "pets").mkdir(exist_ok=True)
        (tmp_path / "pets" / label).symlink_to(tmp_path / "store")
    assert images(read(tmp_path / "pets")) == {"train": Counter(a=12, b=12)}


def test_names_of_any_bytes_have_a_state_and_can_be_shown(tmp_path):
    name = os.fsdecode(b"\xff\x1b[2J")
    make(tmp_path, f"{name}/1.png", f"{name}/x.txt", "b/1.png")
    layout = read(tmp_path)
    assert len(layout.state()) == 64
    assert layout.classes == ("b", name)


def test_the_state_follows_the_images_and_nothing_else(tmp_path):
    make(tmp_path, *CLASSES)
    states = [read(tmp_path).state()]
    make(tmp_path, "a/.DS_Store", "c/")
    assert read(tmp_path).state() == states[0]
    for change in (
        lambda: make(tmp_path, "a/3.png"),
        lambda: (tmp_path / "a/3.png").rename(tmp_path / "b/3.png"),
        lambda: (tmp_path / "b/3.png").write_bytes(b"more"),
        lambda: os.utime(tmp_path / "b/3.png", ns=(1, 1)),
        lambda: (tmp_path / "b").rename(tmp_path / "c2"),
    ):
        change()
        states.append(read(tmp_path).state())
    assert len(set(states)) == len(states)


def test_the_state_follows_the_rules(tmp_path, monkeypatch):
    before = read(make(tmp_path, *CLASSES)).state()
    monkeypatch.setattr("kbnd.data.layout.RULES", 0)
    assert read(tmp_path).state() != before
