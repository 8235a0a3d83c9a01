"""The TOML schema of a study: arms, budget, presets, published tables, claims.

One schema serves the studies of the sources and a user's own (`kbnd study my.toml`):

    name, title, source, baseline  seeds, control
    [model] [data] [train]         what all arms share
    [[arms]]                       a name, its group and baseline, and what it changes (`kbnd.study.variants`)
    [presets.NAME]                 changes for `--preset NAME`; `faithful` is the source's own budget
    [[tables]]                     the source's tables: a metric, columns, rows of arms and published numbers
    [[claims]]                     what the source says, and what decides it (`kbnd.study.claims`)

How the tables of changes are laid over each other is said in `kbnd.study.choices`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, Field, ValidationError, ValidationInfo, field_validator, model_validator

from kbnd.errors import UsageError, shortened, unknown
from kbnd.spec import Flag, Name, Positive, Spec, TrainSpec, sentence
from kbnd.study.claims import Claim
from kbnd.study.protocol import check_claims
from kbnd.study.published import PublishedTable
from kbnd.study.variants import ALL, FAITHFUL, PRESET_NAME, Arm, Changes, Preset, check_circles
from kbnd.toml import read_toml

SOURCE, FORMER_SOURCE = "source", "report"
"""Key of a study's source, and the one that files of earlier versions have; both are read."""

MOST_TABLES = 1_000
"""Arms, claims, tables and presets of a study, each."""

LONGEST_TEXT = 1_000
"""Characters of a title or a source."""

NAMED: dict[str, tuple[type[Spec], str]] = {"arms": (Arm, "name"), "claims": (Claim, "id")}
"""List of tables -> what each becomes, and the field that a person knows it by."""


class Study(Spec):
    """A whole study as its TOML file says it.

    Attributes:
        name: of the study, at most 20 characters; its module and file are called so.
        title: one line for headings.
        source: the paper or report that is reproduced, in words; empty where there is none.
        baseline: the arm that others are compared with unless they, or the preset, name another.
        seeds: default number of paired seeds.
        control: whether the baseline is trained twice in every block, the A/A control of all times.
        model: fields that all arms share.
        data: likewise.
        train: likewise.
        arms: the variants.
        presets: changes by preset name.
        tables: the source's tables.
        claims: what the source says, each with what decides it.
    """

    name: Annotated[Name, Field(max_length=20)]
    title: Annotated[str, Field(max_length=LONGEST_TEXT)]
    source: Annotated[str, Field(max_length=LONGEST_TEXT, validation_alias=AliasChoices(SOURCE, FORMER_SOURCE))] = ""
    baseline: Name
    seeds: Positive = 10
    control: Flag = True
    model: Changes
    data: Changes = {}
    train: Changes = {}
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)]
    presets: dict[str, Preset] = {}
    tables: tuple[PublishedTable, ...] = ()
    claims: tuple[Claim, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _has_one_source(cls, tables: Any) -> Any:
        if isinstance(tables, dict) and {SOURCE, FORMER_SOURCE} <= set(tables):
            raise ValueError(f"`{FORMER_SOURCE}` is the former name of `{SOURCE}`: leave one of the two out")
        return tables

    @field_validator("arms", "claims", mode="before")
    @classmethod
    def _say_which(cls, tables: Any, info: ValidationInfo) -> Any:
        """Build each arm and claim here, so that an error names it: in a list of 70, nobody counts."""
        field = str(info.field_name)
        kind, key = NAMED[field]
        if not isinstance(tables, list | tuple) or not all(isinstance(table, dict | kind) for table in tables):
            raise ValueError(f"{field} should be tables, [[{field}]]")
        entries = []
        for table in tables:
            try:
                entries.append(table if isinstance(table, kind) else kind(**table))
            except UsageError as error:
                raise ValueError(f"{field[:-1]} {shortened(repr(table.get(key)))}: {error}") from None
        return tuple(entries)

    @field_validator("arms", "claims", "tables", "presets", mode="before")
    @classmethod
    def _are_few(cls, tables: Any, info: ValidationInfo) -> Any:
        """Refuse long lists before each of their tables is looked at: of two such validators the later one is first."""
        if isinstance(tables, list | tuple | dict) and len(tables) > MOST_TABLES:
            raise ValueError(f"{info.field_name} should be at most {MOST_TABLES:,}, received {len(tables):,}")
        return tables

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
        check_circles(self.arms)
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
        arms = tuple(arm.name for arm in self.arms if name in (arm.name, arm.group))
        if not arms:
            every = [arm.name for arm in self.arms]
            hint = ", or an arm (--arms all --dry-run lists them)"
            raise unknown("arm or group", name, [*self.groups, ALL], others=every, hint=hint)
        return arms

    def preset(self, name: str) -> Preset:
        """Return a preset; `faithful` is there even where the file does not name it.

        Raises:
            UsageError: there is none of that name.
        """
        if name not in self.presets and name != FAITHFUL:
            raise unknown("preset", name, dict.fromkeys([FAITHFUL, *self.presets]))
        return self.presets.get(name, Preset())

    def faithful_training(self) -> dict[str, TrainSpec]:
        """Return how each arm is trained with the source's own budget.

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
        in_tables = [arm for table in self.tables for row in table.rows for arm in row.arms]
        in_claims = [arm for claim in self.claims for arm in claim.arms]
        return [self.baseline, *(name for name in baselines if name is not None), *in_tables, *in_claims]


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
