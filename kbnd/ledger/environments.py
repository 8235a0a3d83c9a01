"""What the environment of a run may hold: plain JSON values, of which those that kbnd reads have their types.

Whatever else an environment says, as that of a later kbnd may, is kept as it is, within the limits below.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kbnd.spec import LARGEST, sentence

MOST_VALUES = 1_000
"""Values in one environment: kbnd writes some 40."""

DEEPEST = 8
"""Objects and lists inside one another: kbnd writes two."""

LONGEST_TEXT = 1_000
"""Characters of a name or a text: a processor or a setting of threads has up to 100."""

_LONGEST_CLAUSE = 300

_Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
_Count = Annotated[int, Field(ge=0, le=LARGEST)]
_Load = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class _Environment(BaseModel):
    """What `kbnd.profiling.machine.environment` gives; None is what it could not learn."""

    model_config = ConfigDict(strict=True, extra="allow")

    machine: _Text | None = None
    os: _Text | None = None
    python: _Text | None = None
    cpu: _Text | None = None
    governor: _Text | None = None
    n_cores: _Count | None = None
    n_cores_physical: _Count | None = None
    n_cores_usable: _Count | None = None
    n_threads: _Count | None = None
    memory_bytes: _Count | None = None
    gpu: dict[_Text, _Text | None] | None = None
    packages: dict[_Text, _Text | None] | None = None
    threads: dict[_Text, _Count | _Text | None] | None = None
    load_average: Annotated[list[_Load], Field(max_length=3)] | None = None


def problems_of_environment(environment: dict[str, Any]) -> Iterator[str]:
    """Yield a clause where an environment holds what it cannot hold."""
    try:
        _Environment.model_validate(environment)
    except ValidationError as error:
        yield f"environment.{sentence(error):.{_LONGEST_CLAUSE}}"
        return
    if _n_values(environment, depth=0) > MOST_VALUES:
        yield (
            f"environment should hold up to {MOST_VALUES:,} values, {DEEPEST} deep, in texts of up to "
            f"{LONGEST_TEXT:,} characters"
        )


def _n_values(value: Any, depth: int) -> int:
    """Count the values in a JSON value; more than are allowed where one is too deep, too long or no JSON."""
    if depth > DEEPEST:
        return MOST_VALUES + 1
    if isinstance(value, dict):
        return sum(1 + _n_values(key, depth) + _n_values(part, depth + 1) for key, part in value.items())
    if isinstance(value, list):
        return len(value) + sum(_n_values(part, depth + 1) for part in value)
    return 0 if _is_short(value) else MOST_VALUES + 1


def _is_short(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_TEXT
    return value is None or isinstance(value, bool | int | float)
