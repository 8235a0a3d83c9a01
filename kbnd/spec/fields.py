"""The kinds of fields that specs are made of, the frozen base of all specs, and a refused field as one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError

from kbnd.errors import UsageError, is_number, is_whole, shortened

NAME_PATTERN = r"^[A-Za-z0-9._+-]{1,64}$"
NAME_IN_WORDS = "1 to 64 letters, digits and the signs . _ + -"

LARGEST = 2**63 - 1
"""Largest whole number that SQLite, and so the ledger, can hold."""

LONGEST_NAME = 64

NO_FIELDS = ("function-", "constrained-", "dict[", "list[", "[key]")
"""How the parts of pydantic's locations begin that no user has written."""


def _whole(value: Any) -> int:
    if not is_whole(value):
        raise ValueError(f"should be a whole number, received {shortened(repr(value))}")
    return int(value)


def _number(value: Any) -> float:
    if not is_number(value):
        raise ValueError(f"should be a number, received {shortened(repr(value))}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"should be a finite number, received {shortened(repr(value))}") from None


# pydantic alone takes true for 1, 3.0 for 3 and "3" for 3.
Whole = Annotated[int, BeforeValidator(_whole)]
Number = Annotated[float, BeforeValidator(_number)]
Flag = Annotated[bool, Strict()]

Natural = Annotated[Whole, Field(ge=0, le=LARGEST)]
Positive = Annotated[Whole, Field(ge=1, le=LARGEST)]
Rate = Annotated[Number, Field(ge=0.0, lt=1.0)]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class Spec(BaseModel):
    """Base of the frozen specs: unknown fields are refused, errors are one sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)

    def __init__(self, **fields: Any) -> None:
        """Validate the fields.

        Raises:
            UsageError: one sentence naming the field, what is allowed and what was received.
        """
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise UsageError(sentence(error, fields=type(self).model_fields)) from None


def sentence(error: ValidationError, *, fields: Iterable[str] = ()) -> str:
    """Return one sentence for the first field that pydantic refused; `fields` are those there are, for a guess."""
    errors = error.errors(include_url=False)
    same_field = [other for other in errors if other["loc"][:1] == errors[0]["loc"][:1]]
    first = max(same_field, key=lambda one: len(one["loc"]))  # of a rate or a mapping, what was wrong *in* the mapping
    place = ".".join(str(part) for part in first["loc"] if not str(part).startswith(NO_FIELDS))
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        close = get_close_matches(place[:LONGEST_NAME], list(fields), n=1)
        return f"unknown field {shortened(repr(place))}" + (f" (did you mean {close[0]!r}?)" if close else "")
    if first["type"] == "missing":
        return f"{place} is missing"
    if first["type"] == "value_error":
        return f"{place} {message}".strip() if message.startswith("should") else message
    if first["type"] == "bool_type":
        message = "should be true or false"
    if first["type"] == "string_pattern_mismatch":  # names are the only texts with a pattern
        message = f"should be {NAME_IN_WORDS}"
    message = message.removeprefix("Input ").removeprefix("String ")
    return f"{place} {message}, received {shortened(repr(first['input']))}"
