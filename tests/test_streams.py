"""Streams that are closed, full, without a reader or hung up: the work is done, and the exit code says what was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
import stream_worker
from patience import HANG_S
from stream_worker import ENDLESS, Case, Ending

from kbnd.streams import error_of, tolerant

EXIT_CODES = {"open": 0, "closed": 0, "full": 7, "broken": 141, "half": 141}
"""Fate of stdout -> how a command ends whose work is done."""


def endings(*cases: Case) -> list[Ending]:
    """How commands end, one after another, in the test's own folder."""
    command = [sys.executable, stream_worker.__file__, os.curdir, json.dumps(cases)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=HANG_S).stdout
    return [Ending(*ending) for ending in json.loads(printed)]


def test_what_cannot_be_shown_stops_no_training() -> None:
    fates = list(EXIT_CODES)
    pairs = [(out, err) for out in fates for err in fates if "open" in (out, err) or out == err]
    cases = [*(Case(("open", *pair)) for pair in pairs), Case(("closed", "closed", "closed"))]
    for case, ending in zip(cases, endings(*cases), strict=True):
        _, out, err = case.streams
        assert ending.code == EXIT_CODES[out], case
        assert ending.log == "1\n2\n3\nend\n", case
        assert "Traceback" not in ending.out + ending.err
        if err == "open":
            assert "plain, seed 1: done, test accuracy 0.7500" in ending.err
            assert "written to nowhere\n" in ending.err
            assert ("could not be printed to stdout (No space left on device)" in ending.err) == (out == "full")
        if out == "open":
            assert ending.out.count("75.0") == len(stream_worker.ROWS)


def test_what_a_command_says_of_its_work_goes_before_what_was_not_printed() -> None:
    cases = [Case(("open", fate, "open"), work=work) for work in ("failed", "sentence") for fate in EXIT_CODES]
    assert [ending.code for ending in endings(*cases)] == [3] * 5 + [6] * 5


def test_a_library_that_cannot_be_loaded_is_a_sentence() -> None:
    (ending,) = endings(Case(work="memory"))
    sentence = "libbackend.so: failed to map segment from shared object; memory is limited to 550 GB (ulimit -v)"
    assert ending == (1, "", f"kbnd: {sentence}\n", "")


STOPS = {
    (signal.SIGHUP,): 129,
    (signal.SIGTERM,): 143,
    (signal.SIGHUP, signal.SIGHUP, signal.SIGHUP): 129,  # shell and system send one each
    (signal.SIGHUP, signal.SIGINT): 129,
}
"""Signals -> exit code of a training that they stop."""


def test_signals_stop_a_training_after_its_epoch() -> None:
    at_once = Case(n_epochs=ENDLESS, signals=(signal.SIGHUP, signal.SIGINT, signal.SIGTERM))
    stopped = [Case(("open", "open", "full"), n_epochs=ENDLESS, signals=signals) for signals in STOPS]
    hung_up = Case(n_epochs=ENDLESS, terminal="closed")
    kept = Case(n_epochs=9, terminal="nohup", signals=(signal.SIGHUP,))
    first, *others, last, nohup = endings(at_once, *stopped, hung_up, kept)
    assert (first.code, first.log.endswith("end\n")) == (143, False)
    assert "stopped at once; the same command continues" in first.err
    assert [ending.code for ending in others] == list(STOPS.values())
    assert last.code == 129
    assert all(ending.log.endswith("\nend\n") for ending in (*others, last))
    assert (nohup.code, nohup.log.endswith("9\nend\n")) == (0, True)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def test_a_stream_keeps_its_first_error_and_drops_what_follows(pipe: tuple[int, int]) -> None:
    with open(pipe[1], "w", closefd=False) as inner:
        stream = tolerant(inner)
        stream.write("seen\n")
        assert error_of(stream) is None
        assert os.read(pipe[0], 99) == b"seen\n"
        os.close(pipe[0])
        for _ in range(3):
            print("lost" * 10_000, file=stream)
        assert isinstance(error_of(stream), BrokenPipeError)


def test_a_stream_has_an_escape_for_what_its_encoding_lacks(pipe: tuple[int, int]) -> None:
    with open(pipe[1], "w", encoding="latin-1", closefd=False) as inner:
        stream = tolerant(inner)
        stream.write("0.5 \N{PLUS-MINUS SIGN} \N{MINUS SIGN}1 \udcff\n")
        assert error_of(stream) is None
        assert os.read(pipe[0], 99) == b"0.5 \xb1 \\u22121 \\udcff\n"


def test_a_pipe_that_does_not_wait_gets_everything(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    text, pieces = "x" * 300_000, []

    def read() -> None:
        while piece := os.read(pipe[0], 4096):
            pieces.append(piece)

    with open(pipe[1], "w", closefd=False) as inner:
        reader = threading.Thread(target=read)
        reader.start()
        stream = tolerant(inner)
        stream.write(text)
        assert error_of(stream) is None
    os.close(pipe[1])
    reader.join(HANG_S)
    assert b"".join(pieces).decode() == text


def test_streams_of_others_stay(capsys: pytest.CaptureFixture[str]) -> None:
    assert tolerant(sys.stdout) is sys.stdout
    nowhere = tolerant(None)
    nowhere.write("nothing")
    assert error_of(nowhere) is None
    assert capsys.readouterr().out == ""
