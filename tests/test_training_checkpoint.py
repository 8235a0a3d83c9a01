"""Checkpoints: unreadable ones count as none, foreign ones are named, and a full disk is no failed run."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from kbnd.errors import NoSpaceError, ResumeMismatchError, UsageError
from kbnd.records import EpochRecord
from kbnd.training import checkpoint

pytestmark = pytest.mark.backend

RUN = "0123456789abcdef"


def network(*, units: int = 2) -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units), keras.layers.Dropout(0.5)])
    model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9), loss="mse")
    return model


def save(file: Path, model: keras.Model, *, n_epochs: int) -> None:
    epochs = [EpochRecord(epoch=number, train_loss=1.0 / number) for number in range(1, n_epochs + 1)]
    checkpoint.save(file, model, run_id=RUN, session="s1", epochs=epochs)


def n_epochs_in(file: Path) -> int | None:
    """Epochs of what is found; None where nothing is."""
    found = checkpoint.load(file, run_id=RUN)
    return None if found is None else len(found.epochs)


def rewrite(file: Path, change: Callable[[dict], object]) -> None:
    """Change the text in a checkpoint, leaving its arrays."""
    with np.load(file) as stored:
        arrays = dict(stored)
    about = change(json.loads(arrays["about"].tobytes()))
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with file.open("wb") as opened:  # by its name, NumPy would add .npz to it
        np.savez(opened, **arrays)


def test_a_model_goes_on_where_it_stopped(tmp_path: Path) -> None:
    model, other = network(), network()
    save(tmp_path / "folder" / "run.npz", model, n_epochs=2)
    found = checkpoint.load(tmp_path / "folder" / "run.npz", run_id=RUN)
    assert (len(found.epochs), found.session) == (2, "s1")
    checkpoint.restore(found, other)
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    "change",
    [
        lambda about: {key: about[key] for key in about if key != "format"},
        lambda about: {key: about[key] for key in about if key != "session"},
        lambda about: {key: about[key] for key in about if key != "epochs"},
        lambda about: about | {"format": 99},
        lambda about: about | {"session": None},
        lambda about: about | {"epochs": None},
        lambda about: about | {"epochs": [{"epoch": 1, "mood": "calm"}]},
        lambda about: about | {"epochs": [{"train_loss": 1.0}]},
        lambda about: about | {"epochs": [{"epoch": 7}]},
        lambda about: about | {"epochs": [{"epoch": 1, "train_loss": "low"}]},
        lambda about: about | {"epochs": [{"epoch": 1, "val_accuracy": 1.5}]},
        lambda about: about | {"epochs": [{"epoch": 1, "train_s": -1.0}]},
        lambda about: about | {"run_id": "another"},
        lambda about: [],
        lambda about: "text",
        lambda about: None,
    ],
)
def test_what_says_something_else_counts_as_none(tmp_path: Path, change: Callable[[dict], object]) -> None:
    file = tmp_path / "run.npz"
    model = network()
    save(file, model, n_epochs=1)
    save(file, model, n_epochs=2)
    rewrite(file, change)
    assert n_epochs_in(file) == 1  # the one before
    rewrite(file.with_suffix(".previous"), change)
    assert n_epochs_in(file) is None


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x93NUMPY", b"hello", b"\x00" * 1000, b"PK\x05\x06" + b"\0" * 18]
)
def test_what_is_no_checkpoint_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.npz").write_bytes(content)
    assert n_epochs_in(tmp_path / "run.npz") is None


def test_a_flipped_bit_anywhere_is_found_or_harmless(tmp_path: Path) -> None:
    file = tmp_path / "run.npz"
    save(file, network(), n_epochs=2)
    whole = file.read_bytes()
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        assert n_epochs_in(file) in (2, None)


def test_a_folder_in_its_place_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "run.npz").mkdir()
    assert n_epochs_in(tmp_path / "run.npz") is None


def test_one_of_another_model_names_the_file_to_delete(tmp_path: Path) -> None:
    file = tmp_path / "run.npz"
    save(file, network(), n_epochs=1)
    found = checkpoint.load(file, run_id=RUN)
    with pytest.raises(ResumeMismatchError, match=rf"{file} holds float32 of shape \(3, 2\) .* delete it to train"):
        checkpoint.restore(found, network(units=5))


def test_a_full_disk_is_no_space_and_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.npz"
    model = network()
    save(file, model, n_epochs=1)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for _ in range(2):
            with pytest.raises(NoSpaceError, match=f"no space is left to write the checkpoint {file}"):
                save(file, model, n_epochs=2)
            assert n_epochs_in(file) == 1
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part"))
    save(file, model, n_epochs=3)
    assert n_epochs_in(file) == 3


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"the checkpoint .* cannot be written"):
        save(tmp_path / "file" / "run.npz", network(), n_epochs=1)


def test_removing_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "run.npz"
    save(file, network(), n_epochs=1)
    save(file, network(), n_epochs=2)
    (tmp_path / ".run.npz.0123abcd.part").touch()  # a killed process left it
    checkpoint.remove(file)
    assert list(tmp_path.iterdir()) == []
