"""What a command has to do: everything that a user asked for, read, decided and checked before anything is trained.

    a study     TOML file --> experiment --> engine --> arms against each other, images and batches --> GPU --> folder
    a run       recipe --> one spec --> its images and batch

A dry run is checked likewise, up to what only a training asks for: the GPU and the output folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kbnd import data, models
from kbnd.cost.images import check_batch, check_images, check_size
from kbnd.execution.settings import Settings
from kbnd.recipe import Recipe
from kbnd.report.folder import check_writable
from kbnd.spec import RunSpec
from kbnd.study.choices import Choices, check_differences, decide
from kbnd.study.definition import Study, read
from kbnd.study.experiment import Experiment
from kbnd.study.gpu import check_gpu
from kbnd.study.plan import check_n_runs
from kbnd.study.runner import label

RESULTS = Path("results")
"""Folder of the output folders that nobody named."""


@dataclass(frozen=True)
class Job:
    """A study, what is trained of it, how and where its outputs go.

    Attributes:
        study: as its file says it.
        experiment: with every choice made.
        settings: the engine's, with the study's own A/A control.
        out: folder for tables and figures.
    """

    study: Study
    experiment: Experiment
    settings: Settings
    out: Path


def prepare(
    file: Path,
    choices: Mapping[str, Any],
    settings: Settings,
    *,
    out: Path | None = None,
    is_dry_run: bool = False,
    is_insisting: bool = False,
) -> Job:
    """Read a study and make its job; what cannot be is refused in the order that the module shows.

    Args:
        file: the study's TOML file.
        choices: fields of `kbnd.study.choices.Choices`, checked after the file is read.
        settings: the engine's; whether there is an A/A control is for the study to say.
        out: folder for tables and figures, made here unless it is a dry run; None is `RESULTS` and the experiment.
        is_dry_run: whether nothing will be trained or written.
        is_insisting: whether a preset that needs a GPU may start on a CPU.

    Raises:
        UsageError: a file, a choice, an engine, images, a GPU or a folder that cannot be.
        NoSpaceError: the output folder's disk is full.
    """
    study = read(file)
    experiment = decide(study, Choices(**choices))
    settings = replace(settings, control=study.control)
    settings.check()
    check_n_runs(experiment, control=settings.control, retime=settings.retime)
    check_differences(experiment)
    for model, train in experiment.arms.values():
        check_images(model, experiment.data)
        check_size(model, experiment.data)
        check_batch(train, experiment.data)
    if not (is_dry_run or is_insisting):
        check_gpu(study, experiment, settings)
    job = Job(study, experiment, settings, out or RESULTS / label(experiment, settings))
    if not is_dry_run:
        check_writable(job.out)
    return job


def single_run(recipe: Recipe, *, seed: int | None = None, replicate: int = 0) -> RunSpec:
    """Return the one run that a recipe asks for, with defaults filled in; nothing is read or made.

    Args:
        recipe: network, images, training and maybe a seed.
        seed: before the recipe's own; without either it is 1.
        replicate: above 0, the same run once more, for its time.

    Raises:
        UsageError: parts that do not fit each other.
    """
    spec = RunSpec(
        model=models.resolve(recipe.model),
        data=data.resolve(recipe.data),
        train=recipe.train,
        seed=seed if seed is not None else recipe.seed or 1,
        replicate=replicate,
    )
    check_images(spec.model, spec.data)
    check_size(spec.model, spec.data)
    check_batch(spec.train, spec.data)
    return spec
