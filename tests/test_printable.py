"""Text that is safe to show: nothing hidden, turned around or told to a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbnd.printable import is_printable, printable

TEXTS = st.text(st.characters(exclude_categories=()))  # surrogates too
UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(TEXTS)
def test_no_character_of_it_drives_a_terminal(text: str) -> None:
    shown = printable(text)
    assert not {unicodedata.category(c) for c in shown} & UNSAFE
    assert not any(unicodedata.bidirectional(c) in ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI") for c in shown)
    assert shown.encode().decode() == shown  # no lone surrogate
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
    assert (shown == text) == is_printable(text)


@given(TEXTS, st.sampled_from(["\n", "\t", "\n\t"]))
def test_what_is_kept_is_kept(text: str, keep: str) -> None:
    shown = printable(text, keep=keep)
    assert [c for c in shown if c in keep] == [c for c in text if c in keep]
    assert is_printable(shown, keep=keep)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lenet5: 98.6 ± 0.3 %", "lenet5: 98.6 ± 0.3 %"),
        ("  indented  twice", "  indented  twice"),
        ("Größe, размер, 大きさ, حجم", "Größe, размер, 大きさ, حجم"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("abc\u202egnp.exe", r"abc\u202egnp.exe"),
        ("one\r\ntwo\u2028three\xa0four\t\x0bfive", "one two three four five"),
        ("\udcff\ufeff\x9b1m\0", r"\udcff\ufeff\x9b1m\x00"),
    ],
)
def test_what_was_there_can_be_seen(text: str, shown: str) -> None:
    assert printable(text) == shown
