"""The TOML schema of a study: arms, budget, presets, published tables, claims.

One schema serves the studies of the source reports and a user's own (`kbnd study my.toml`):

    name, title, baseline          seeds, control
    [model] [data] [train]         what all arms share
    [[arms]]                       a name, its group and baseline, and what it changes
    [presets.NAME]                 changes for `--preset NAME`; `faithful` is the report's own budget
    [[tables]]                     the report's tables: a metric, columns, rows of arms and published numbers
    [[claims]]                     what the report says, and what decides it (`kbnd.study.claims`)

How the tables of changes are laid over each other is said in `kbnd.study.choices`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from kbnd.errors import UsageError, unknown
from kbnd.files import read_toml
from kbnd.spec import Name, Spec, TrainSpec, sentence
from kbnd.study.claims import Claim
from kbnd.study.protocol import check_claims
from kbnd.study.published import PublishedTable

FAITHFUL = "faithful"
"""The preset that every study has, with or without a table of its own: the report's budget."""

CORE = "core"
"""Group of an arm that names none; what is trained unless a preset or `--arms` says otherwise."""

ALL = "all"
"""What chooses every arm; no arm and no group may be called so."""

Changes = dict[str, Any]
PRESET_NAME = re.compile(r"[A-Za-z0-9_]{1,20}")


class Arm(Spec):
    """One variant: a name and the fields it changes in the shared model and training.

    Attributes:
        name: letters, digits and the signs . _ + -
        group: what it is chosen by together with others.
        baseline: the arm it is compared with; None is the preset's or the study's. An arm that names itself is a
            root: it is compared with nothing, as the plain version of a network of its own.
        model: changes; its `options` are merged key by key.
        train: changes; they hold in every preset.
    """

    name: Name
    group: Name = CORE
    baseline: Name | None = None
    model: Changes = {}
    train: Changes = {}


NAMED: dict[str, tuple[type[Spec], str]] = {"arms": (Arm, "name"), "claims": (Claim, "id")}
"""List of tables -> what each becomes, and the field that a person knows it by."""


class Preset(Spec):
    """What `--preset NAME` changes.

    Attributes:
        seeds: number of paired seeds; None is the study's.
        arms: arms and groups that are trained unless `--arms` says otherwise; None is the group `core`.
        baseline: what arms without a baseline of their own are compared with; None is the study's.
        needs_gpu: whether a CPU is refused, with the time it would take, unless the user insists.
        model: changes; `options` are merged key by key.
        data: changes.
        train: changes; what an arm changes itself stays as the arm says.
    """

    seeds: Annotated[int, Field(ge=1)] | None = None
    arms: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    baseline: Name | None = None
    needs_gpu: bool = False
    model: Changes = {}
    data: Changes = {}
    train: Changes = {}


class Study(Spec):
    """A whole study as its TOML file says it.

    Attributes:
        name: of the study, at most 20 characters; its module and file are called so.
        title: one line for headings.
        report: the source report, in words.
        baseline: the arm that others are compared with unless they, or the preset, name another.
        seeds: default number of paired seeds.
        control: whether the baseline is trained twice in every block, the A/A control of all times.
        model: fields that all arms share.
        data: likewise.
        train: likewise.
        arms: the variants.
        presets: changes by preset name.
        tables: the report's tables.
        claims: what the report says, each with what decides it.
    """

    name: Annotated[Name, Field(max_length=20)]
    title: str
    report: str = ""
    baseline: Name
    seeds: Annotated[int, Field(ge=1)] = 10
    control: bool = True
    model: Changes
    data: Changes = {}
    train: Changes = {}
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)]
    presets: dict[str, Preset] = {}
    tables: tuple[PublishedTable, ...] = ()
    claims: tuple[Claim, ...] = ()

    @field_validator("arms", "claims", mode="before")
    @classmethod
    def _say_which(cls, tables: Any, info: ValidationInfo) -> Any:
        """Build each arm and claim here, so that an error names it: in a list of 70, nobody counts."""
        field = str(info.field_name)
        kind, key = NAMED[field]
        if not isinstance(tables, list | tuple) or not all(isinstance(table, dict | kind) for table in tables):
            raise ValueError(f"{field} should be tables, [[{field}]]")
        built = []
        for table in tables:
            try:
                built.append(table if isinstance(table, kind) else kind(**table))
            except UsageError as error:
                raise ValueError(f"{field[:-1]} {table.get(key)!r}: {error}") from None
        return tuple(built)

    @model_validator(mode="after")
    def _names_agree(self) -> Study:
        names = [arm.name for arm in self.arms]
        _check_unique("arms", names)
        _check_unique("claims", [claim.id for claim in self.claims])
        for group in self.groups:
            if group in names:
                raise ValueError(f"an arm and a group are both called {group!r}")
        if ALL in (*names, *self.groups):
            raise ValueError(f"no arm or group can be called {ALL!r}: it chooses every arm")
        for used in self._arms_used():
            if used not in names:
                raise ValueError(str(unknown("arm", used, names)))
        _check_circles({arm.name: arm.baseline for arm in self.arms})
        for name, preset in self.presets.items():
            if not PRESET_NAME.fullmatch(name):
                raise ValueError(f"a preset's name is 1 to 20 letters, digits and _, received {name!r}")
            for used in preset.arms or ():
                self.members(used)
        return self

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group of arms, once, in the order of the arms."""
        return tuple(dict.fromkeys(arm.group for arm in self.arms))

    def members(self, name: str) -> tuple[str, ...]:
        """Return the arms that a name chooses: an arm itself, a group's arms, or all of them.

        Raises:
            UsageError: it is none of them; groups are listed, and the closest arm is guessed.
        """
        if name == ALL:
            return tuple(arm.name for arm in self.arms)
        found = tuple(arm.name for arm in self.arms if name in (arm.name, arm.group))
        if not found:
            arms = [arm.name for arm in self.arms]
            hint = ", or an arm (--arms all --dry-run lists them)"
            raise unknown("arm or group", name, [*self.groups, ALL], others=arms, hint=hint)
        return found

    def preset(self, name: str) -> Preset:
        """Return a preset; `faithful` is there even where the file does not name it.

        Raises:
            UsageError: there is none of that name.
        """
        if name not in self.presets and name != FAITHFUL:
            raise unknown("preset", name, dict.fromkeys([FAITHFUL, *self.presets]))
        return self.presets.get(name, Preset())

    def faithful_training(self) -> dict[str, TrainSpec]:
        """Return how each arm is trained with the report's own budget.

        Raises:
            UsageError: a training that cannot be; it names the arm.
        """
        shared = {**self.train, **self.preset(FAITHFUL).train}
        training = {}
        for arm in self.arms:
            with naming(self, arm):
                training[arm.name] = TrainSpec(**{**shared, **arm.train})
        return training

    def _arms_used(self) -> list[str]:
        """Names that should be those of arms, wherever the file says them."""
        baselines = [arm.baseline for arm in self.arms] + [preset.baseline for preset in self.presets.values()]
        shown = [arm for table in self.tables for row in table.rows for arm in row.arms]
        named = [name for name in baselines if name is not None]
        return [self.baseline, *named, *shown, *(arm for claim in self.claims for arm in claim.arms)]


def read(path: Path) -> Study:
    """Read a study's TOML file.

    Raises:
        UsageError: the file is missing, no TOML, not a study, or claims what its own training could not decide; the
            sentence names the file and the field.
    """
    content = read_toml(path, what="study")
    try:
        study = Study.model_validate(content)
        check_claims(study.claims, training=study.faithful_training(), seeds=study.seeds)
    except ValidationError as error:
        raise UsageError(f"the study {path}: {sentence(error)}") from None
    except UsageError as error:
        raise UsageError(f"the study {path}: {error}") from None
    return study


@contextmanager
def naming(study: Study, arm: Arm) -> Iterator[None]:
    """Let an error inside say which arm of which study it is about; one that changes nothing is no arm's fault."""
    try:
        yield
    except UsageError as error:
        of_arm = f"arm {arm.name!r} of " if arm.model or arm.train else ""
        raise UsageError(f"{of_arm}study {study.name!r}: {error}") from None


def _check_unique(what: str, names: list[str]) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"two {what} are called {min(repeated)!r}")


def _check_circles(baselines: Mapping[str, str | None]) -> None:
    """Refuse arms that are each other's baselines, at however many removes: none of them would be a root."""
    for start in baselines:
        met, arm = {start}, baselines[start]
        while arm is not None and arm not in met:
            met.add(arm)
            arm = baselines[arm]
        if arm == start != baselines[start]:
            raise ValueError(
                f"arm {start!r} is its own baseline by way of {baselines[start]!r}: one of them needs none"
            )
