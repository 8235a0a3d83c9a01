"""A command says what it has to say on streams of any encoding."""

from __future__ import annotations

import io
import runpy
import sys

import pytest

from kbnd import __version__, cli

SIGNS = {"ascii": r"\xe4\u2026\udcff", "latin-1": "ä\\u2026\\udcff", "utf-8": "ä…\\udcff"}
"""Encoding -> how it takes a letter, an ellipsis and a byte of a file's name that is no text."""


class Streams:
    """Standard streams of one encoding."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
        self.encoding, self.written = encoding, {name: io.BytesIO() for name in ("stdout", "stderr")}
        for name, buffer in self.written.items():
            monkeypatch.setattr(sys, name, io.TextIOWrapper(buffer, encoding=encoding, write_through=True))

    def text(self, name: str) -> str:
        return self.written[name].getvalue().decode(self.encoding)


def kbnd(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(list(arguments))
    return int(stop.value.code or 0)


@pytest.mark.parametrize("encoding", SIGNS)
def test_help_is_shown_in_every_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    streams = Streams(monkeypatch, encoding)
    commands = [[], ["study"], ["train"], ["tune"], ["compare"], ["export"], ["doctor"], ["data"], ["ledger"]]
    monkeypatch.setenv("COLUMNS", "40")  # narrow, so that it is cut with an ellipsis
    assert [kbnd(*command, "--help") for command in commands] == [0] * len(commands)
    assert streams.text("stdout").count("Usage: kbnd") == len(commands)
    assert streams.text("stderr") == ""


@pytest.mark.parametrize("encoding", SIGNS)
def test_a_sentence_names_a_file_in_every_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    streams = Streams(monkeypatch, encoding)
    assert kbnd("compare", "ä…\udcff.sqlite") == 2
    assert streams.text("stderr") == f"kbnd: the ledger {SIGNS[encoding]}.sqlite does not exist\n"


def test_the_package_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["kbnd", "--version"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("kbnd", run_name="__main__")
    assert (stop.value.code, capsys.readouterr().out) == (0, f"kbnd {__version__}\n")
