"""What a search would cost, before it does anything: candidates, runs, epochs, and an estimate of the time.

The time is that of `kbnd.cost.estimate`, averaged over a few candidates drawn at random from the space.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import cycle
from statistics import fmean
from typing import Any

from kbnd import models
from kbnd.cost import estimate
from kbnd.cost.images import images_of
from kbnd.execution.settings import Settings
from kbnd.seeds import generator
from kbnd.training import backend
from kbnd.tuning.held import LogSummary
from kbnd.tuning.oracles import MOST_CANDIDATES
from kbnd.tuning.plan import SearchPlan

N_SAMPLES = 8
"""Candidates that an estimate averages over."""


@dataclass(frozen=True)
class Budget:
    """What a search would do; None where it cannot be told.

    Attributes:
        n_candidates: at most.
        n_runs: of candidates, at most.
        n_epochs: of all of these runs.
        n_fresh: further runs of the best recipe.
        seconds: of all runs, where runs share the machine as if they did not.
        memory_bytes: of the largest run.
        within: factor by which the time may well be wrong.
    """

    n_candidates: int
    n_runs: int
    n_epochs: int
    n_fresh: int
    seconds: float | None
    memory_bytes: float | None
    within: float = estimate.WITHIN


def expected(plan: SearchPlan) -> dict[str, int]:
    """Return how many runs of candidates a search has at most, `n_runs`, and their epochs, `n_epochs`.

    Both are 0 where only hours end it, so that nobody counts down from a number that means nothing.
    """
    return {"n_runs": 0, "n_epochs": 0} if plan.is_endless else _at_most(plan)


def budget(plan: SearchPlan, settings: Settings, *, test_seeds: int) -> Budget:
    """Return what a search would cost from nothing; what a ledger already holds costs less."""
    most = _at_most(plan)
    seconds, memory = _estimated(plan, settings)
    total = None if seconds is None else seconds * (most["n_epochs"] / plan.space.epochs + test_seeds)
    n_candidates = most["n_runs"] // plan.seeds
    return Budget(n_candidates, **most, n_fresh=test_seeds, seconds=total, memory_bytes=memory)


def as_json(cost: Budget, log: LogSummary | None) -> dict[str, Any]:
    """Return a budget as JSON values, with what the log of a ledger holds of the search."""
    return {**asdict(cost), "stored": None if log is None else asdict(log)}


def _at_most(plan: SearchPlan) -> dict[str, int]:
    """Runs and epochs of every candidate that the oracle would propose, were all of them equally good."""
    sweep = plan.oracle.sweep(plan.space, plan.space.epochs)
    n_sweep = sum(n_candidates for n_candidates, _ in sweep)
    most = plan.max_trials or (MOST_CANDIDATES if plan.has_many_sweeps else n_sweep)
    n_candidates = most if plan.has_many_sweeps else min(most, n_sweep)
    n_epochs, n_left = 0, n_candidates
    for n_round, epochs in cycle(sweep):
        n_taken = min(n_round, n_left)
        n_epochs, n_left = n_epochs + n_taken * epochs, n_left - n_taken
        if not n_left:
            break
    return {"n_runs": plan.seeds * n_candidates, "n_epochs": plan.seeds * n_epochs}


def _estimated(plan: SearchPlan, settings: Settings) -> tuple[float | None, float | None]:
    """Mean seconds and largest memory of a run of all epochs."""
    seconds, memory = list[float](), list[float]()
    name, speed = backend.choose(settings.backend), estimate.machine_speed()
    for sample in range(N_SAMPLES):
        spec = plan.space.run_spec(_random_values(plan, sample), seed=1)
        images = images_of(spec.data)
        if images is None:
            return None, None
        cost = models.cost(spec.model, input_shape=images.shape, classes=images.classes)
        seconds.append(estimate.run_seconds(cost, spec.train, images, speed=speed, backend=name))
        memory.append(estimate.run_memory(cost, spec.train, images, backend=name))
    return fmean(seconds), max(memory)


def _random_values(plan: SearchPlan, sample: int) -> dict[str, Any]:
    """Values drawn without an oracle: a grid's points, so that no backend is loaded for an estimate."""
    random = generator(plan.search_seed, "budget", sample)
    points = {path: parameter.points() for path, parameter in plan.space.hyperparameters.items()}
    return {path: values[int(random.integers(len(values)))] for path, values in points.items()}
