"""How a decoding child that ends early is reported."""

import signal
import sys

import pytest

from kbnd.data import tfds
from kbnd.errors import DataMissingError, InterruptedRunError, NoSpaceError
from kbnd.spec import DataSpec


@pytest.fixture
def heeds_sigint():
    """Children inherit an ignored SIGINT (a shell's background job has one), never a handler."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.mark.parametrize(
    ("script", "kind", "sentence"),
    [
        ("kill -INT $$", InterruptedRunError, "stopped while decoding dataset 'mnist'"),
        ("kill -HUP $$", InterruptedRunError, "stopped while decoding dataset 'mnist'"),
        ("exit 130", InterruptedRunError, "stopped while decoding dataset 'mnist'"),
        ("echo the disk is full; exit 7", NoSpaceError, "^the disk is full$"),
        ("exit 1", DataMissingError, "decoding dataset 'mnist' stopped with exit status 1"),
        ("kill -KILL $$", DataMissingError, "exit status -9"),
    ],
)
def test_the_end_of_the_child_becomes_the_error_it_means(script, kind, sentence, tmp_path, monkeypatch, heeds_sigint):
    child = tmp_path / "child"
    child.write_text(f"#!/bin/sh\n{script}\n")
    child.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(child))
    with pytest.raises(kind, match=sentence) as raised:
        tfds.decode_in_child(DataSpec(name="mnist"), download=False, force=False)
    assert type(raised.value) is kind
    assert raised.value.exit_code == (129 if "HUP" in script else kind.exit_code)
