"""A recipe as a TOML file: everything of a run but its seed, for `kbnd train --recipe` and for people.

    [model]   fields of kbnd.ModelSpec       [data]   of kbnd.DataSpec       [train]   of kbnd.TrainSpec

Every field stands in it, so that it can be read alone; what is empty or None is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import tomli_w

from kbnd.errors import UsageError, unknown
from kbnd.files import read_toml
from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec

PARTS: dict[str, type[ModelSpec] | type[DataSpec] | type[TrainSpec]] = {
    "model": ModelSpec,
    "data": DataSpec,
    "train": TrainSpec,
}


def to_toml(spec: RunSpec, *, comments: Iterable[str] = ()) -> str:
    """Return a run's recipe as TOML, with lines of comment above it."""
    whole = spec.model_dump(mode="json", exclude_none=True)
    tables = {part: {name: value for name, value in whole[part].items() if value not in ((), [], {})} for part in PARTS}
    return "".join(f"# {line}\n" for line in comments) + tomli_w.dumps(tables)


def read(path: Path) -> tuple[ModelSpec, DataSpec, TrainSpec]:
    """Read a recipe.

    Raises:
        UsageError: the file is missing, no TOML, or no recipe; the sentence names the file and the field.
    """
    content = read_toml(path, what="recipe")
    for part, table in content.items():
        if part not in PARTS:
            raise UsageError(f"the recipe {path}: {unknown('table', part, PARTS)}")
        if not isinstance(table, dict):
            raise UsageError(f"the recipe {path}: {part} should be a table, [{part}]")
    try:
        model, images, train = (kind(**content.get(part, {})) for part, kind in PARTS.items())
    except UsageError as error:
        raise UsageError(f"the recipe {path}: {error}") from None
    assert isinstance(model, ModelSpec)
    assert isinstance(images, DataSpec)
    assert isinstance(train, TrainSpec)
    return model, images, train
