"""TOML of a person: whatever is wrong with it is one sentence, soon, wherever it is read."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kbnd import recipe
from kbnd.cli.options import builder_options
from kbnd.errors import UsageError
from kbnd.study import definition
from kbnd.toml import LARGEST_BYTES, MOST_LEVELS, NotTomlError, parse_toml, read_toml
from kbnd.tuning import space_for

STUDIES = Path(__file__).parents[1] / "studies"

SOON_S = 10.0
"""Far less than what Python's reader takes for the long key, hours; a crowded machine reads the rest in a second."""

DEEP = {
    "brackets": "x = " + "[" * 5_000,
    "closed brackets": "x = " + "[" * 40 + "]" * 40,
    "inline tables": "x = " + "{ a = " * 5_000,
    "a dotted key": "x." * 200_000 + "y = 1",
    "a dotted key with blanks": "x . " * 200_000 + "y = 1",
    "a quoted key": '"x".' * 100_000 + "y = 1",
    "a header": "[" + "x." * 200_000 + "y]",
    "many short headers": "\n".join(f"[{'.'.join(['x'] * depth)}]" for depth in range(1, 40)),
}
NOT_TOML = {"no value": "x =", "twice": "x = 1\nx = 2", "words": "this is a study"}

READERS: dict[str, Callable[[Path], Any]] = {
    "study": definition.read,
    "recipe": recipe.read,
    "space": lambda file: space_for("lenet5", file=file),
}


def file_of(folder: Path, text: str | bytes) -> Path:
    file = folder / "a.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize("what", READERS)
@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_what_nests_too_deep_is_refused_in_a_sentence_and_soon(tmp_path: Path, what: str, text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(UsageError) as error:
        READERS[what](file_of(tmp_path, text))
    assert time.perf_counter() - started < SOON_S
    assert str(error.value) == (
        f"the {what} {tmp_path / 'a.toml'} nests deeper than {MOST_LEVELS} tables or lists within each other"
    )


@pytest.mark.parametrize("what", READERS)
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        *((text, "is not TOML: ") for text in NOT_TOML.values()),
        (b"x = '\xff'", "is not TOML: 'utf-8' codec"),
        ("x = " + "9" * 5_000, "holds a whole number of thousands of digits"),
        (b"#" * (LARGEST_BYTES + 1), "is larger than 4 MB, the most that is read"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(
    tmp_path: Path, what: str, text: str | bytes, sentence: str
) -> None:
    with pytest.raises(UsageError, match=rf"^the {what} .*a\.toml {re.escape(sentence)}"):
        READERS[what](file_of(tmp_path, text))


def test_what_is_deep_and_large_enough_for_any_purpose_is_read(tmp_path: Path) -> None:
    deep = MOST_LEVELS - 1  # the file itself is the first table
    assert parse_toml("x = " + "[" * deep + "]" * deep, what="it")
    assert parse_toml(".".join("x" * MOST_LEVELS) + " = 1", what="it")
    text = 'x = "e.g. this. And so on... ' + "a.b " * 1_000 + '"\n#' + "." * 10_000
    assert list(read_toml(file_of(tmp_path, text), what="text")) == ["x"]
    assert len(read_toml(file_of(tmp_path, b"#" * LARGEST_BYTES), what="text")) == 0
    for file in STUDIES.glob("*.toml"):
        assert file.stat().st_size < LARGEST_BYTES / 100


def test_an_option_is_toml_or_a_text_but_never_deep() -> None:
    assert builder_options(["depth=20", "order=pre", "head=[512, 512]"]) == {
        "depth": 20,
        "order": "pre",
        "head": [512, 512],
    }
    with pytest.raises(UsageError, match=r"^the value of option 'depth' nests deeper than 32 tables or lists"):
        builder_options(["depth=" + "[" * 5_000])
    with pytest.raises(UsageError, match=r"^the value of option 'depth' holds a whole number of thousands of digits"):
        builder_options(["depth=" + "9" * 5_000])


@pytest.mark.parametrize("text", NOT_TOML.values(), ids=NOT_TOML)
def test_what_is_no_toml_is_told_from_what_is_too_deep(text: str) -> None:
    with pytest.raises(NotTomlError, match=r"^it is not TOML"):
        parse_toml(text, what="it")
