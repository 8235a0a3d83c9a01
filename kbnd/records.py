"""What a run leaves behind: plain frozen records, handed from the training side to the ledger.

Times are seconds, sizes bytes, accuracies and rates lie in [0, 1]. None means *not measured*; it is never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Status = Literal["done", "diverged", "failed", "oom", "pruned", "interrupted"]
"""How a run ended."""

STATUSES: tuple[str, ...] = get_args(Status)

RUNNING = "running"
"""Status of a run that some process began and has not finished (or was killed in)."""

HITS = ("done", "diverged")
"""Statuses that a repeated request takes from the ledger instead of training."""

FAILURES = ("failed", "oom")
"""Statuses that a repeated request takes as they are, unless a retry is asked for."""

CUT_SHORT = ("pruned", "interrupted")
"""Statuses of runs that stopped before their last epoch, so that there is nothing to evaluate."""

TO_TRAIN = (None, RUNNING, *CUT_SHORT)
"""Statuses of runs that a repeated request trains without being asked to; None is a run that is not stored."""

UNFINISHED = (*FAILURES, *CUT_SHORT, RUNNING)
"""Statuses of runs that have no result and enter no statistic."""

ENDED_BADLY = (*FAILURES, "diverged")
"""Statuses of runs that ended and are no good result: a command that has some of them says so by its exit code."""

TELLING_DIVERGENCE = (*HITS, "pruned")
"""Statuses of trials that trained, so that they say whether a trial diverges."""

NEEDING_NO_CHECKPOINT = (*HITS, "pruned")
"""Statuses of runs that will never go on from where they were."""

Ending = Literal["done", "diverged", "failed", "pruned"]
"""How a candidate of a search ended."""

ENDINGS: dict[str, Ending] = {
    "done": "done",
    "diverged": "diverged",
    "failed": "failed",
    "oom": "failed",
    "pruned": "pruned",
}
"""Status of a run that has ended -> how its candidate ends, if all of its other runs are done."""

FRESH = "best_fresh_seeds"
"""Arm of a search's best recipe with seeds that the search did not use: the only one that test images are for."""

SHORTEST_METERED_S = 0.5
"""Windows shorter than this have no energy: the counter of an NVIDIA GPU moves every 20 to 100 ms."""

FIRST_OWN_REPLICATE = 1_000_000
"""Replicates from here on belong to searches by the clock; below they are counted."""

EventKind = Literal["ask", "again", "end"]
"""What happens in a search: a candidate is proposed, some of its runs are measured again, it has its score."""


def is_own(replicate: int) -> bool:
    """Return whether a replicate belongs to a search by the clock, so that its number tells nobody anything."""
    return replicate >= FIRST_OWN_REPLICATE


def arm_of(ordinal: int) -> str:
    """Return what a candidate of a search is called in tables, labels and exports."""
    return f"trial{ordinal:03d}"


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One epoch of a run.

    Attributes:
        epoch: number, from 1.
        train_loss: mean over the epoch in train mode (dropout on), as `fit` gives it.
        train_accuracy: likewise.
        train_eval_loss: eval mode at the end of the epoch, on a fixed subset of the training images.
        train_eval_accuracy: likewise.
        val_loss: eval mode, validation images.
        val_accuracy: likewise.
        test_loss: eval mode, test images.
        test_accuracy: likewise.
        train_s: training part of the epoch, device synchronised at both edges.
        val_s: validation part.
        is_warmup: whether the epoch held tracing or compilation.
        images_per_s: training images over `train_s`.
        hook_s: what the profiler itself spent.
        peak_rss_bytes: highest resident memory of the process so far.
        peak_device_bytes: highest memory allocated on the accelerator during the epoch.
        energy_j: energy of the accelerator during `train_s`.
        power_w: mean power during `train_s`.
    """

    epoch: int
    train_loss: float | None = None
    train_accuracy: float | None = None
    train_eval_loss: float | None = None
    train_eval_accuracy: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None
    train_s: float | None = None
    val_s: float | None = None
    is_warmup: bool = False
    images_per_s: float | None = None
    hook_s: float | None = None
    peak_rss_bytes: int | None = None
    peak_device_bytes: int | None = None
    energy_j: float | None = None
    power_w: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One finished (or stopped) run.

    Attributes:
        run_id: digest of spec and setting.
        recipe_id: digest of the spec without seed and replicate.
        spec: canonical JSON values of the RunSpec (fields at their default left out).
        model: name of the network.
        dataset: name of the dataset.
        seed: from 1.
        replicate: 0 unless repeated for its time.
        status: one of `Status`; `running` in what the ledger gives of a run that is being trained.
        error: text of the failure, None unless `failed` or `oom`.
        backend: `tensorflow`, `jax` or `torch`.
        backend_version: major.minor.
        keras_version: major.minor.
        device: `cpu` or `gpu`.
        fingerprint: SHA-256 of the dataset's arrays.
        protocol: `kbnd.spec.PROTOCOL` when it ran.
        session: one driver process on one machine; times compare only within it.
        continued_from: session whose checkpoint this one went on from (several, joined by plus signs, in runs that a
            ledger held before format 4): no time or energy of such a run compares with any. None where one session
            trained them all.
        block: one seed of a study with its arms shuffled; times pair within it. None outside studies.
        position: place within the block, from 0.
        is_concurrent: whether another run was training on the machine meanwhile.
        started_at: UTC, ISO 8601.
        environment: machine, versions, threads, load.
        epochs: one record each, in order.
        n_epochs: epochs trained.
        n_parameters: trainable parameters.
        n_steps: training steps in one epoch.
        test_accuracy: eval mode after the last epoch.
        test_loss: likewise.
        val_accuracy: likewise.
        val_loss: likewise.
        fit_s: training time of all epochs.
        steady_train_s: training time of the epochs that are no warm-up.
        epoch_s: median training time of an epoch that is no warm-up.
        compile_s: first epoch's excess over `epoch_s`, an estimate of tracing and compilation; 0 on a model that an
            earlier run compiled.
        wall_s: the whole run: build, train, evaluate; not the loading of data and the storing of the result.
        peak_rss_bytes: highest resident memory.
        peak_device_bytes: highest accelerator memory.
        energy_j: accelerator energy over all training.
        test_correct: one bit per test image (`numpy.packbits`), 1 where the prediction is right.
        n_test: test images.
    """

    run_id: str
    recipe_id: str
    spec: dict[str, Any]
    model: str
    dataset: str
    seed: int
    replicate: int
    status: Status
    backend: str
    backend_version: str
    keras_version: str
    device: str
    fingerprint: str
    protocol: str
    session: str
    started_at: str
    error: str | None = None
    continued_from: str | None = None
    block: int | None = None
    position: int | None = None
    is_concurrent: bool = False
    environment: dict[str, Any] = field(default_factory=dict)
    epochs: tuple[EpochRecord, ...] = ()
    n_epochs: int = 0
    n_parameters: int | None = None
    n_steps: int | None = None
    test_accuracy: float | None = None
    test_loss: float | None = None
    val_accuracy: float | None = None
    val_loss: float | None = None
    fit_s: float | None = None
    steady_train_s: float | None = None
    epoch_s: float | None = None
    compile_s: float | None = None
    wall_s: float | None = None
    peak_rss_bytes: int | None = None
    peak_device_bytes: int | None = None
    energy_j: float | None = None
    test_correct: bytes | None = None
    n_test: int | None = None


@dataclass(frozen=True)
class SearchInfo:
    """One search for good hyperparameters, begun once and continued ever after.

    Attributes:
        name: of the search.
        generation: from 1; a search that is begun afresh under its name is the next one.
        definition: JSON values of everything that makes its proposals what they are.
        created_at: when it was begun; UTC, ISO 8601.
    """

    name: str
    generation: int
    definition: dict[str, Any]
    created_at: str = field(default="", compare=False)


@dataclass(frozen=True)
class SearchEvent:
    """One entry in the log of a search; the state of a search is a function of its log.

    Attributes:
        event: place in the log, from 1.
        kind: `ask` (a candidate was proposed), `again` (runs of it are measured once more) or `end` (it has its score).
        ordinal: number of the candidate, from 1.
        body: of `ask`: values, epochs (None where the search has one number of them), run_ids by seed; of `again`:
            run_ids of the seeds it is about; of `end`: status (`done`, `diverged`, `failed` or `pruned`), score (None
            where there is none), told (what the oracle was given), wall_s, sessions (by seed, of what had ended).
        at: when; UTC, ISO 8601.
    """

    event: int
    kind: EventKind
    ordinal: int
    body: dict[str, Any]
    at: str
