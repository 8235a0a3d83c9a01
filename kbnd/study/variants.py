"""What a study varies: its arms, and the presets under which they are trained."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field

from kbnd.spec import Flag, Name, Positive, Spec

FAITHFUL = "faithful"
"""The preset that every study has, with or without a table of its own: the source's own budget."""

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

    seeds: Positive | None = None
    arms: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    baseline: Name | None = None
    needs_gpu: Flag = False
    model: Changes = {}
    data: Changes = {}
    train: Changes = {}


def check_circles(arms: Iterable[Arm]) -> None:
    """Refuse arms that are each other's baselines, at however many removes: none of them would be a root.

    Raises:
        ValueError: it names the first of them.
    """
    baselines = {arm.name: arm.baseline for arm in arms}
    for start in baselines:
        met, arm = {start}, baselines[start]
        while arm is not None and arm not in met:
            met.add(arm)
            arm = baselines[arm]
        if arm == start != baselines[start]:
            raise ValueError(
                f"arm {start!r} is its own baseline by way of {baselines[start]!r}: one of them needs none"
            )
