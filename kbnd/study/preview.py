"""What an experiment would do and cost, before it does anything: the numbers of `--dry-run`.

| a run's time is | where                                                                                        |
|-----------------|----------------------------------------------------------------------------------------------|
| `measured`      | the ledger holds runs of the same recipe, on this machine, backend and device                |
| `scaled`        | it holds runs of other arms: the estimate times their median ratio of measured to estimated  |
| `estimated`     | nothing was measured here (`kbnd.cost.estimate`)                                             |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any, Literal

from kbnd import models
from kbnd.cost import estimate
from kbnd.cost.images import Images, images_of
from kbnd.execution import threads
from kbnd.execution.settings import Settings
from kbnd.profiling.machine import environment
from kbnd.spec import DataSpec
from kbnd.study.differences import changed, described
from kbnd.study.experiment import Experiment
from kbnd.study.held import Held, held
from kbnd.study.runner import label
from kbnd.training import backend

Basis = Literal["measured", "scaled", "estimated"]

LONG_S = 2 * 3600.0
"""Estimated seconds on a CPU above which a user's own dataset or epochs are refused as the preset's own are."""

JSON_KEYS = {"source": "report", "basis": "source"}
"""Field -> its key in `--dry-run --json`, which has the names that the fields had first."""


@dataclass(frozen=True)
class ArmPreview:
    """One arm of what would be trained.

    Attributes:
        arm: its name.
        baseline: the arm it is compared with.
        changes: in words, what it has otherwise than that one; what is its own baseline says what it is.
        recipe_id: of its runs.
        n_runs: seeds and replicates.
        n_held: those that need no training; None where that cannot be told.
        n_parameters: trainable.
        macs: multiply-accumulates of one image's forward pass.
        run_s: seconds of one run; it and what follows is None where nothing is known of the images.
        basis: what `run_s` stands on.
        memory_bytes: of one run.
        ledger_bytes: that all of its runs leave.
        checkpoint_bytes: of one run while it is trained.
    """

    arm: str
    baseline: str
    changes: str
    recipe_id: str
    n_runs: int
    n_held: int | None
    n_parameters: int | None = None
    macs: int | None = None
    run_s: float | None = None
    basis: Basis = "estimated"
    memory_bytes: float | None = None
    ledger_bytes: float | None = None
    checkpoint_bytes: float | None = None

    @property
    def n_left(self) -> int:
        """Runs still to be trained, all of them where that cannot be told."""
        return self.n_runs - (self.n_held or 0)


@dataclass(frozen=True)
class Preview:
    """What an experiment would do.

    Attributes:
        label: the experiment's name in the ledger.
        title: of the study.
        difference: in words, what makes it another experiment than the source's.
        backend: what it would be trained on.
        data: the dataset as it would be used.
        seeds: number of paired seeds.
        needs_gpu: whether a CPU would be refused.
        gpu: name of a GPU that the driver lists; times are those of the CPU all the same.
        speed: multiply-accumulates per second of this machine's cores in a matrix product.
        within: factor by which an estimated time may well be wrong.
        seconds: of all runs that are left, one after another; it and what follows is None where nothing is known.
        memory_bytes: of the largest arm.
        disk_bytes: that the ledger and the dataset cache grow by, and the largest checkpoint.
        arms: the baseline first.
        source: the paper or report that the study reproduces, in words; empty for a user's own.
        claims: in words, which claims of the study these arms could decide; empty where it makes none.
        placements: where Batch Normalization stands, of each arm.
        n_threads: that each run would be computed with on a CPU; None where a cluster decides.
        threads: the same in words, with what it follows from.
    """

    label: str
    title: str
    difference: str
    backend: str
    data: DataSpec
    seeds: int
    needs_gpu: bool
    gpu: str | None
    speed: float
    within: float
    seconds: float | None
    memory_bytes: float | None
    disk_bytes: float | None
    arms: list[ArmPreview]
    source: str = ""
    claims: str = ""
    placements: tuple[str, ...] = ()
    n_threads: int | None = None
    threads: str = ""

    @property
    def n_left(self) -> int:
        """Runs still to be trained, all of them where that cannot be told."""
        return sum(arm.n_left for arm in self.arms)


def preview(experiment: Experiment, settings: Settings) -> Preview:
    """Return what would be trained and what that would cost; nothing is made or written.

    Raises:
        UsageError: a backend or executor that cannot be, or a ledger that is none.
    """
    settings.check()
    stock = held(experiment, settings)
    images, speed = images_of(experiment.data), estimate.machine_speed()
    arms = [_arm(experiment, name, stock) for name in experiment.arms]
    seconds = memory = disk = None
    if images is not None:
        name = backend.choose(settings.backend)
        arms = _timed([_costed(arm, experiment, images, name, speed) for arm in arms], stock.run_s)
        seconds = sum((arm.run_s or 0) * arm.n_left for arm in arms)
        memory = max(arm.memory_bytes or 0 for arm in arms)
        rows = sum((arm.ledger_bytes or 0) * arm.n_left / arm.n_runs for arm in arms)
        disk = rows + max(arm.checkpoint_bytes or 0 for arm in arms) + images.n_new_bytes
    return Preview(
        label=label(experiment, settings),
        title=experiment.title,
        difference=experiment.difference,
        backend=backend.choose(settings.backend),
        data=experiment.data,
        seeds=experiment.seeds,
        needs_gpu=experiment.needs_gpu and (experiment.has_own_budget or seconds is None or seconds > LONG_S),
        gpu=(environment()["gpu"] or {}).get("name"),
        speed=speed,
        within=estimate.WITHIN,
        seconds=seconds,
        memory_bytes=memory,
        disk_bytes=disk,
        arms=arms,
        source=experiment.source,
        claims=experiment.claims,
        placements=tuple(model.batch_norm for model, _ in experiment.arms.values()),
        n_threads=stock.n_threads or threads.expected(settings),
        threads=threads.in_words(stock.n_threads, settings),
    )


def as_json(preview: Preview) -> dict[str, Any]:
    """Return a preview as JSON values."""
    arms = [_by_keys(asdict(arm)) | {"n_left": arm.n_left} for arm in preview.arms]
    return _by_keys(asdict(preview)) | {"data": preview.data.model_dump(mode="json"), "arms": arms}


def _by_keys(fields: dict[str, Any]) -> dict[str, Any]:
    return {JSON_KEYS.get(name, name): value for name, value in fields.items()}


def _arm(experiment: Experiment, name: str, stock: Held) -> ArmPreview:
    own = [run for run in stock.runs if run.arm == name]
    baseline = experiment.baselines[name]
    recipe, other = experiment.arms[name], experiment.arms[baseline]
    return ArmPreview(
        arm=name,
        baseline=baseline,
        changes=described(*recipe) if name == baseline else changed(other, recipe),
        recipe_id=own[0].spec.recipe_id,
        n_runs=len(own),
        n_held=None if stock.hits is None else sum(run.run_id in stock.hits for run in own),
    )


def _costed(arm: ArmPreview, experiment: Experiment, images: Images, backend_name: str, speed: float) -> ArmPreview:
    model, train = experiment.arms[arm.arm]
    cost = models.cost(model, input_shape=images.shape, classes=images.classes)
    return replace(
        arm,
        n_parameters=cost.n_parameters,
        macs=cost.macs,
        run_s=estimate.run_seconds(cost, train, images, speed=speed, backend=backend_name),
        memory_bytes=estimate.run_memory(cost, train, images, backend=backend_name),
        ledger_bytes=estimate.run_rows(train, images) * arm.n_runs,
        checkpoint_bytes=estimate.run_checkpoints(cost, train),
    )


def _timed(arms: list[ArmPreview], measured_s: Mapping[str, float]) -> list[ArmPreview]:
    """Put what was measured in place of what was estimated, and scale the other estimates by it."""
    ratios = [measured_s[arm.recipe_id] / arm.run_s for arm in arms if arm.recipe_id in measured_s and arm.run_s]
    if not ratios:
        return arms
    return [
        replace(arm, run_s=measured_s[arm.recipe_id], basis="measured")
        if arm.recipe_id in measured_s
        else replace(arm, run_s=(arm.run_s or 0) * median(ratios), basis="scaled")
        for arm in arms
    ]
