"""The cache is whole or absent: it survives kills, full disks, two writers and flipped bits."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from kbnd import locks
from kbnd.data import cache
from kbnd.data.splits import Split, arrange
from kbnd.errors import DataMissingError, NoSpaceError, UsageError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KBND_CACHE", str(tmp_path))
    return tmp_path / "data" / "tiny"


def arrays(seed=0, n=60):
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
    return arrange(Split(pixels, np.arange(n) % 3), None, classes=3)


def store(data):
    with cache.lock("tiny"):
        cache.write("tiny", data, name="tiny", source="a test")


def python(code, **options):
    """Start a child that sees `arrays` and `store` of this file."""
    setup = f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); from test_data_cache import *\n"
    return subprocess.Popen([sys.executable, "-c", setup + textwrap.dedent(code)], text=True, **options)


@pytest.mark.parametrize("number", locks.LACKING)
def test_a_file_system_without_locks_is_named_and_holds_a_dataset_all_the_same(home, monkeypatch, number):
    def lacking(*_):
        raise OSError(number, os.strerror(number))

    store(arrays(seed=0))
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", lacking)
        (home / "writing-elsewhere").mkdir()  # by another process, which nothing keeps away
        with pytest.warns(UserWarning, match=r"cache \(.+, mounted at /.*\) has no locks: let one command at a time"):
            store(arrays(seed=1))
    assert cache.read("tiny").fingerprint == arrays(seed=1).fingerprint
    assert (home / "writing-elsewhere").is_dir()
    store(arrays(seed=2))
    assert {path.name for path in home.iterdir() if path.is_dir()} == {arrays(seed=2).fingerprint}


def test_another_failure_of_a_lock_is_not_a_missing_one(monkeypatch):
    def failing(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", failing)
    with pytest.raises(OSError, match="Input/output error"):
        store(arrays())


def test_what_was_written_is_read_as_read_only_memory_maps():
    written = arrays()
    store(written)
    found = cache.read("tiny", is_thorough=True)
    assert isinstance(found.train.images, np.memmap)
    assert not found.train.images.flags.writeable
    for part in ("train", "test"):
        np.testing.assert_array_equal(getattr(found, part).images, getattr(written, part).images)
        np.testing.assert_array_equal(getattr(found, part).labels, getattr(written, part).labels)
    assert (found.classes, found.fingerprint) == (3, written.fingerprint)


def test_nothing_cached_is_none_and_cannot_be_read():
    assert cache.manifest_of("tiny") is None
    with pytest.raises(DataMissingError, match="nothing is cached as 'tiny'"):
        cache.read("tiny")


@pytest.mark.parametrize("file", cache.FILES)
def test_one_flipped_bit_is_found_and_the_file_named(home, file):
    store(arrays())
    (path,) = home.glob(f"*/{file}.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataMissingError, match=rf"{file}\.npy is damaged: run kbnd data prepare tiny --force"):
        cache.read("tiny", is_thorough=True)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: os.truncate(path, 100)])
def test_a_lost_or_cut_file_is_found_without_a_thorough_check(home, damage):
    store(arrays())
    cache.read("tiny")
    (path,) = home.glob("*/test_images.npy")
    damage(path)
    with pytest.raises(DataMissingError, match=r"test_images\.npy is damaged"):
        cache.read("tiny")


@pytest.mark.parametrize(
    "change",
    [
        *({"format": 99}, {"fingerprint": "../../elsewhere"}, {"unknown": 1}, {"sha256": {}}, {"sha256": 1}),
        *({"name": 1.5}, {"classes": 4}, {"classes": "3"}, {"n_twins": 1}, {"class_names": ["a"]}, {"digest": 0}),
    ],
)
def test_a_manifest_that_kbnd_did_not_write_is_refused(home, change):
    store(arrays())
    path = home / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataMissingError, match="is damaged"):
        cache.read("tiny")


def test_a_manifest_from_before_digests_is_read_and_its_fields_are_checked(home):
    store(arrays())
    path = home / "manifest.json"
    old = {key: value for key, value in json.loads(path.read_text()).items() if key != "digest"}
    path.write_text(json.dumps(old))
    assert cache.read("tiny").classes == 3
    path.write_text(json.dumps(old | {"classes": 0}))
    with pytest.raises(DataMissingError, match="is damaged"):
        cache.read("tiny")


def test_writing_again_replaces_and_repairs(home):
    store(arrays(seed=0))
    (home / "manifest.json").write_text("{")
    store(arrays(seed=1))
    assert cache.read("tiny").fingerprint == arrays(seed=1).fingerprint
    assert sorted(path.name for path in home.iterdir() if path.is_dir()) == [arrays(seed=1).fingerprint]


def test_a_map_that_is_open_outlives_its_replacement():
    store(arrays(seed=0))
    images = cache.read("tiny").train.images
    store(arrays(seed=1))
    np.testing.assert_array_equal(images, arrays(seed=0).train.images)


@pytest.mark.parametrize("files_before_the_kill", [0, 1, 2, 3])
def test_a_writer_killed_half_way_leaves_the_previous_state_and_no_litter(home, files_before_the_kill):
    store(arrays(seed=0))
    child = python(
        f"""
        import time
        whole, written = cache._write_array, []
        def slow(path, array):
            if len(written) == {files_before_the_kill}:
                print("half-way", flush=True)
                time.sleep(60)
            written.append(path)
            return whole(path, array)
        cache._write_array = slow
        store(arrays(seed=1))
        """,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout.readline() == "half-way\n"
        child.send_signal(signal.SIGKILL)
    assert cache.read("tiny").fingerprint == arrays(seed=0).fingerprint
    store(arrays(seed=2))  # the lock died with its holder
    assert cache.read("tiny").fingerprint == arrays(seed=2).fingerprint
    assert not list(home.glob("writing-*"))


def test_a_writer_killed_before_the_manifest_leaves_the_previous_state(home):
    store(arrays(seed=0))
    child = python(
        """
        def die(folder):
            os.kill(os.getpid(), signal.SIGKILL)
        cache.synchronise_folder = die  # first called between the files and the manifest
        store(arrays(seed=1))
        """
    )
    assert child.wait() == -signal.SIGKILL
    assert cache.read("tiny").fingerprint == arrays(seed=0).fingerprint


def test_a_second_writer_waits_for_the_first(tmp_path):
    with cache.lock("tiny"):
        child = python("print('asks', flush=True); store(arrays()); print('stored')", stdout=subprocess.PIPE)
        assert child.stdout.readline() == "asks\n"
        time.sleep(0.3)  # what it would need to write, many times over
        assert cache.manifest_of("tiny") is None
    assert child.communicate()[0] == "stored\n"
    assert cache.manifest_of("tiny") is not None


def test_a_full_disk_is_one_sentence_and_keeps_the_previous_state(home):
    store(arrays(seed=0))
    child = python(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
        try:
            store(arrays(seed=1, n=300))
        except NoSpaceError as error:
            print(error)
        """,
        stdout=subprocess.PIPE,
    )
    assert child.communicate()[0].startswith(f"no space is left to write data in {home}: set KBND_CACHE to")
    assert cache.read("tiny").fingerprint == arrays(seed=0).fingerprint
    assert not list(home.glob("writing-*"))


@pytest.mark.parametrize("number", cache.NO_SPACE)
def test_every_way_of_having_no_space_is_the_same_error(monkeypatch, number):
    def refuse(handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(NoSpaceError):
        store(arrays())
    assert cache.manifest_of("tiny") is None


def test_a_cache_that_is_a_file_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KBND_CACHE", str(tmp_path / "file"))
    with pytest.raises(UsageError, match=r"the cache \(KBND_CACHE\) should be a folder, received the file"):
        store(arrays())
