"""A recipe as a TOML file: everything of a run but its seed, for `kbnd train --recipe` and for people.

    [model]   fields of kbnd.ModelSpec       [data]   of kbnd.DataSpec       [train]   of kbnd.TrainSpec

Every field stands in it, so that it can be read alone; what is empty or None is left out. Above the tables may stand
`seed`, the one that `kbnd train` takes unless it is told another: of a recipe that was chosen by its results with some
seeds, one that had no part in that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from kbnd.errors import UsageError, checked_whole, unknown
from kbnd.printable import printable
from kbnd.spec import TABLES, DataSpec, ModelSpec, RunSpec, TrainSpec
from kbnd.toml import read_toml

SEED = "seed"


@dataclass(frozen=True)
class Recipe:
    """What a recipe says.

    Attributes:
        model: the network.
        data: the images.
        train: the training.
        seed: of a run that nobody gave another; None where the recipe says none.
    """

    model: ModelSpec
    data: DataSpec
    train: TrainSpec
    seed: int | None = None


def to_toml(spec: RunSpec, *, comments: Iterable[str] = (), seed: int | None = None) -> str:
    """Return a run's recipe as TOML, with lines of comment above it and the seed that it is to be trained with."""
    whole = spec.model_dump(mode="json", exclude_none=True)
    tables = {
        part: {name: value for name, value in whole[part].items() if value not in ((), [], {})} for part in TABLES
    }
    above = {} if seed is None else {SEED: seed}
    return "".join(f"# {printable(line)}\n" for line in comments) + tomli_w.dumps(above | tables)


def read(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        UsageError: the file is missing, no TOML, or no recipe; the sentence names the file and the field.
    """
    content = read_toml(path, what="recipe")
    seed = content.pop(SEED, None)
    if seed is not None:
        checked_whole(seed, f"the recipe {path}: seed")
    for part, table in content.items():
        if part not in TABLES:
            raise UsageError(f"the recipe {path}: {unknown('table', part, TABLES)}")
        if not isinstance(table, dict):
            raise UsageError(f"the recipe {path}: {part} should be a table, [{part}]")
    try:
        parts: dict[str, Any] = {part: kind(**content.get(part, {})) for part, kind in TABLES.items()}
    except UsageError as error:
        raise UsageError(f"the recipe {path}: {error}") from None
    return Recipe(**parts, seed=seed)
