"""How a command ends: errors and warnings as one sentence each on stderr, and an exit code that is true.

| what ended it                                     | exit code                                              |
|---------------------------------------------------|--------------------------------------------------------|
| nothing, or the command itself                    | 0, or what it says                                     |
| an error of kbnd                                  | its own                                                |
| a command line that cannot be read                | 2                                                      |
| no memory, or a library that cannot be loaded     | 1                                                      |
| Ctrl-C while nothing was trained                  | 130                                                    |
| results that were not printed, nothing else wrong | 141 no reader any more (`| head`), 7 disk full, else 1 |
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from errno import EAGAIN, ENOMEM, EPIPE
from typing import Any

import typer

from kbnd.cli.options import note
from kbnd.errors import KbndError, NoSpaceError, UsageError
from kbnd.files import NO_SPACE
from kbnd.memory import LACKING, limit_note
from kbnd.quiet import warnings_in_a_line
from kbnd.streams import error_of, standard

SIGNALLED = 128
"""Added to the number of a signal, as shells do."""

UNREADABLE: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""What typer raises where a command line cannot be read; which package it is of depends on the version."""

NO_MEMORY = (ENOMEM, EAGAIN)
"""No memory for a mapping or a process, or no right to one more process or thread."""


def exit_code_of(call: Callable[[], Any]) -> int:
    """Run a command and return the exit code with which the process should end.

    Args:
        call: the command; it returns its exit code, None is 0.
    """
    with standard(), warnings_in_a_line():
        code = _run(call)
        error = error_of(sys.stdout)
        return code if error is None else code or _unprinted(error)


def _run(call: Callable[[], Any]) -> int:
    try:
        return call() or 0
    except KbndError as error:
        return _ended(str(error), error.exit_code)
    except UNREADABLE as error:
        return _unreadable(error)
    except typer.Abort:  # Ctrl-C, before typer 0.16
        return SIGNALLED + signal.SIGINT
    except (*LACKING, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_MEMORY:
            raise
        return _ended(_lacking(error), KbndError.exit_code)


def _ended(sentence: str, code: int) -> int:
    note(f"kbnd: {sentence}")
    return code


def _unreadable(error: Any) -> int:
    """Say what is wrong with a command line, and where the right ones are listed; the bare help is printed already."""
    context = getattr(error, "ctx", None)
    sentence = error.format_message()
    if sentence and type(error).__name__ != "NoArgsIsHelpError":
        note(f"kbnd: {sentence}" + (f" (see {context.command_path} --help)" if context else ""))
    return UsageError.exit_code


def _lacking(error: BaseException) -> str:
    """What keeps a library from being loaded, or a process from being started."""
    return f"{(str(error).strip().splitlines() or [type(error).__name__])[0].rstrip('.')}{limit_note()}"


def _unprinted(error: OSError) -> int:
    """Say that results could not be printed, and return the exit code; whoever left knows that."""
    if error.errno == EPIPE:
        return SIGNALLED + signal.SIGPIPE
    note(f"kbnd: the results could not be printed to stdout ({error.strerror}); nothing that is stored is lost")
    return NoSpaceError.exit_code if error.errno in NO_SPACE else KbndError.exit_code
