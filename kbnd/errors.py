"""The errors of kbnd: one sentence each, saying what was wrong, what was received and what is allowed.

A command line ends with the ``exit_code`` of the error that stopped it; 0 is done, 1 unexpected, 3 means that
a study finished but some of its runs failed or diverged (`SOME_RUNS_FAILED`, which is a result, not an error).
What more than one room refuses is checked here: names outside a closed list, settings of the two layers out of range.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Integral, Real

SOME_RUNS_FAILED = 3

MOST_LISTED = 12
"""Allowed names that one sentence can hold."""


LONGEST_ECHO = 100
"""Characters of what was received that a sentence repeats."""


LONGEST_SENTENCE = 1500
"""Characters of an error: of a longer one, which echoes what fills pages, the beginning and the end are kept."""


class KbndError(Exception):
    """What kbnd raises on purpose; its text is one sentence for a person."""

    exit_code = 1

    def __init__(self, sentence: str = "") -> None:
        half = LONGEST_SENTENCE // 2
        is_long = len(sentence) > LONGEST_SENTENCE
        super().__init__(f"{sentence[:half]} ... {sentence[-half:]}" if is_long else sentence)


class UsageError(KbndError, ValueError):
    """Input that cannot be meant: unknown names, values out of range, files of the wrong kind."""

    exit_code = 2


class LedgerClaimedError(KbndError):
    """The runs asked for are being trained by another live process, and waiting was declined."""

    exit_code = 4


class LedgerLockedError(KbndError):
    """Another process held the whole ledger for longer than anybody waits; nothing is lost yet."""

    exit_code = 4


class ResumeMismatchError(KbndError):
    """What is stored cannot be continued with what was asked now."""

    exit_code = 5


class DataMissingError(KbndError):
    """A dataset is neither cached nor reachable, or its cached copy is damaged."""

    exit_code = 6


class NoSpaceError(KbndError):
    """The disk that holds a ledger, a cache or an output folder is full."""

    exit_code = 7


class InterruptedRunError(KbndError):
    """Ctrl-C (130) or another signal that stops: everything finished is stored, the same command continues."""

    exit_code = 130


def unknown(
    kind: str, received: object, allowed: Iterable[str], *, others: Iterable[str] = (), hint: str = ""
) -> UsageError:
    """Return the error for a name outside a closed list.

    Args:
        kind: what the name should have been, such as ``"model"``.
        received: the name as it was given.
        allowed: names that would have been right; of more than `MOST_LISTED` only the likest are listed.
        others: further right names that are never listed, only guessed.
        hint: what follows the list, such as where the others stand.

    Returns:
        A `UsageError` that names the allowed values and, where one is close, a guess.
    """
    names, text = list(dict.fromkeys(allowed)), f"{received!s:.{LONGEST_ECHO}}"
    close = get_close_matches(text, [*names, *others], n=1)
    guess = f" (did you mean {close[0]!r}?)" if close else ""
    return UsageError(f"unknown {kind} {shortened(repr(received))}{guess}: choose from {_listed(names, text)}{hint}")


def shortened(text: str) -> str:
    """Return as much of what was received as a sentence repeats."""
    return text if len(text) <= LONGEST_ECHO else f"{text[:LONGEST_ECHO]}..."


def is_whole(value: object) -> bool:
    """Return whether a value is a whole number, of Python or NumPy: neither true and false, nor 3.0, nor a text."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Return whether a value is a number, of Python or NumPy: neither true and false, nor a text."""
    return isinstance(value, Real) and not isinstance(value, bool)


def checked_whole(value: object, what: str, *, least: int = 1) -> int:
    """Return a whole number.

    Args:
        value: as it was received.
        what: it is, for the sentence.
        least: allowed.

    Raises:
        UsageError: it is none, or lies below.
    """
    if not is_whole(value) or int(value) < least:  # type: ignore[call-overload]
        raise UsageError(f"{what} should be a whole number from {least}, received {value!r}")
    return int(value)  # type: ignore[call-overload]


def checked_rate(rate: object) -> float:
    """Return a dropout rate as a float.

    Raises:
        UsageError: it does not lie in [0, 1).
    """
    if not is_number(rate) or not 0.0 <= float(rate) < 1.0:  # type: ignore[arg-type]
        raise UsageError(f"dropout should lie in [0, 1), received {rate!r}")
    return float(rate)  # type: ignore[arg-type]


def check_batch_norm(momentum: float, epsilon: float, *, prefix: str = "") -> None:
    """Refuse settings of Batch Normalization out of range.

    Args:
        momentum: weight of the old moving statistics in their update.
        epsilon: what is added to the variance.
        prefix: of both names in the sentence, such as ``"batch_norm_"``.

    Raises:
        UsageError: a momentum outside [0, 1), an epsilon that is not positive and finite.
    """
    if not is_number(momentum) or not 0.0 <= momentum < 1.0:
        raise UsageError(f"{prefix}momentum should lie in [0, 1), received {momentum!r}")
    if not is_number(epsilon) or not 0.0 < epsilon < math.inf:
        raise UsageError(f"{prefix}epsilon should be positive and finite, received {epsilon!r}")


def how_to_install(extra: str) -> str:
    """Return what to type for one of kbnd's extras, such as ``"ray"``."""
    return f"pip install 'kbnd[{extra}]', in a checkout pip install -e '.[{extra}]'"


def _listed(names: list[str], received: str) -> str:
    """The names with commas between them; of many those most like the received one, and how many there are."""
    if len(names) <= MOST_LISTED:
        return ", ".join(names)
    likest = get_close_matches(received, names, n=MOST_LISTED, cutoff=0.0)
    return f"{', '.join(name for name in names if name in likest)}, ... ({len(names)} in all)"
