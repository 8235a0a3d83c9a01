"""A user without a home folder, as in a container, works in one that is made; nobody else's is taken."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path

import pytest

from kbnd import data, home
from kbnd.data import cache, tfds
from kbnd.errors import UsageError
from kbnd.training import backend


@pytest.fixture
def unknown_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No HOME, no entry in the list of users, none of the variables that name folders; returns the stand-in."""

    def unlisted(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("HOME", "KBND_CACHE", "KERAS_HOME", "TFDS_DATA_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")  # so that what is set meanwhile is undone
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", unlisted)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"kbnd-home-{os.getuid()}"


@pytest.mark.parametrize("look", [data.available, cache.cache_dir, tfds.data_dir, backend.choose])
def test_an_unknown_user_has_a_home_for_all_libraries(unknown_user: Path, look) -> None:
    with pytest.warns(UserWarning, match=f"no home folder: .* goes to {unknown_user}"):
        look()
    assert os.environ["HOME"] == os.path.expanduser("~") == str(unknown_user)
    assert unknown_user.stat().st_mode & 0o777 == 0o700
    look()  # no second warning


def test_a_relative_home_is_none(unknown_user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "somewhere")
    with pytest.warns(UserWarning, match="no home folder"):
        assert home.folder() == unknown_user


def test_what_others_may_write_to_is_no_home(unknown_user: Path) -> None:
    unknown_user.mkdir()
    unknown_user.chmod(0o777)
    with pytest.raises(UsageError, match=f"{unknown_user} is open to others: set HOME"):
        home.folder()


def test_a_link_is_no_home(unknown_user: Path, tmp_path: Path) -> None:
    unknown_user.symlink_to(tmp_path)
    with pytest.raises(UsageError, match="is open to others"):
        home.folder()


def test_where_nothing_can_be_made_a_sentence_says_so(unknown_user: Path, tmp_path: Path) -> None:
    unknown_user.write_text("a file")
    with pytest.raises(UsageError, match=f"{unknown_user} cannot be made .*: set HOME"):
        home.folder()


@pytest.mark.parametrize("variable", ["KBND_CACHE", "TFDS_DATA_DIR"])
def test_the_home_of_a_user_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "~no_such_user/data")
    with pytest.raises(UsageError, match="~no_such_user/data begins with the home folder of a user"):
        data.available()
