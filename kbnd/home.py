"""The person's home folder, and what takes its place where the system knows none.

A container may run under a number that is in no list of users, and without `HOME`: then there is no `~`, and every
library that looks for it fails or litters in a way of its own. So kbnd settles it for all of them, once, in `HOME`.
"""

from __future__ import annotations

import os
import stat
import tempfile
import warnings
from pathlib import Path

from kbnd.errors import UsageError


def folder() -> Path:
    """Return the home folder; where the system knows none, it is from now on one of this user's among temporary files.

    Raises:
        UsageError: there is none, and none can be made that others cannot write to.
    """
    known = os.path.expanduser("~")
    if os.path.isabs(known):
        return Path(known)
    stand_in = _stand_in(Path(tempfile.gettempdir()) / f"kbnd-home-{os.getuid()}")
    os.environ["HOME"] = str(stand_in)
    warnings.warn(
        f"this user has no home folder: what is kept for the next command goes to {stand_in}, set HOME to another",
        stacklevel=2,
    )
    return stand_in


def expanded(path: str) -> Path:
    """Return a path with `~` and `~NAME` replaced by the home folder of this user or of NAME.

    Raises:
        UsageError: there is no such user.
    """
    if path.startswith("~"):
        folder()
    full = os.path.expanduser(path)
    if full.startswith("~"):
        raise UsageError(f"{path} begins with the home folder of a user that this system does not know")
    return Path(full)


def _stand_in(path: Path) -> Path:
    """Make a folder that only this user can write to, or refuse one that somebody else has put there."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        about = path.lstat()
    except OSError as error:
        raise UsageError(
            f"this user has no home folder and {path} cannot be made ({error.strerror}): set HOME"
        ) from error
    is_own = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and not about.st_mode & 0o022
    if not is_own:
        raise UsageError(f"this user has no home folder and {path} is open to others: set HOME to a folder of yours")
    return path
