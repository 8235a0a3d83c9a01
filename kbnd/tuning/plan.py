"""From settings to a checked plan of a search: everything that can be refused is refused here."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from kbnd.errors import UsageError, how_to_install, unknown
from kbnd.execution.settings import Settings
from kbnd.profiling import machine
from kbnd.profiling.meters import nvml_meter
from kbnd.spec import NAME_IN_WORDS, NAME_PATTERN, Identity
from kbnd.training import backend
from kbnd.tuning.objectives import Objective, objective
from kbnd.tuning.oracles import ORACLES
from kbnd.tuning.rounds import check_rounds, hyperband_rounds
from kbnd.tuning.space import Space

N_TRIALS = 20
"""Candidates of an oracle that would never end by itself."""

MOST_SEED = 2**32 - 1
"""What NumPy's generators take."""

LEAST_TIMED_EPOCHS = 2
MOST_POINTS = 10_000
"""Points of a grid above which a user has to insist."""


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """What is searched, how, and for how long.

    Attributes:
        name: of the search in the ledger.
        space: what varies, and what does not.
        oracle: `random`, `grid`, `bayesian` or `hyperband`.
        objective: what is looked for.
        seeds: runs of each candidate, with the seeds 1...N.
        search_seed: of the oracle.
        is_pruned: whether runs that lag behind are given up.
        max_trials: candidates in all, those of earlier calls too; None is until the oracle has no more.
        max_hours: of training in all; no candidate is begun after them.
    """

    name: str
    space: Space
    oracle: str
    objective: Objective
    seeds: int = 2
    search_seed: int = 1
    is_pruned: bool = False
    max_trials: int | None = None
    max_hours: float | None = None

    @property
    def sweeps(self) -> int | None:
        """How often Hyperband goes through its brackets: once, or until trials or hours end the search."""
        return 1 if self.max_trials is None and self.max_hours is None else None

    @property
    def has_end(self) -> bool:
        """Whether the oracle has no more to propose when every point of the space was a candidate."""
        return self.oracle == "grid" or (self.space.is_finite and self.oracle != "hyperband")

    @property
    def is_endless(self) -> bool:
        """Whether only hours end the search."""
        return self.max_hours is not None and self.max_trials is None and not self.has_end

    def definition(self, identity: Identity) -> dict[str, Any]:
        """Return everything that must not change between two calls that go on with one search.

        A search by the clock is of one machine, too.
        """
        clock = {} if self.objective.is_reproducible else {"machine": machine.in_words()}
        return {
            "space": self.space.definition(),
            "oracle": self.oracle,
            "objective": self.objective.name,
            "seeds": self.seeds,
            "search_seed": self.search_seed,
            "prune": self.is_pruned,
            "setting": asdict(identity),
            **clock,
        }


def plan_search(
    space: Space,
    settings: Settings,
    *,
    oracle: str = "bayesian",
    looked_for: str = "val_accuracy",
    seeds: int = 2,
    max_trials: int | None = None,
    max_hours: float | None = None,
    is_pruned: bool = False,
    search_seed: int = 1,
    name: str | None = None,
    is_insisting: bool = False,
) -> SearchPlan:
    """Return a checked plan; arguments as of `tune`, and `is_insisting` lets a huge grid pass.

    Raises:
        UsageError: a setting that cannot be.
    """
    settings.check()
    found = objective(looked_for)
    for what, value in (("seeds", seeds), ("max_trials", max_trials), ("search_seed", search_seed)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise UsageError(f"{what} should be a whole number, received {value!r}")
        if value is not None and value < 1:
            raise UsageError(f"{what} should be 1 or more, received {value}")
    if search_seed > MOST_SEED:
        raise UsageError(f"search_seed should be at most {MOST_SEED:,}, received {search_seed}")
    if max_hours is not None and not max_hours > 0:
        raise UsageError(f"max_hours should be above 0, received {max_hours:g}")
    if oracle not in ORACLES:
        raise unknown("oracle", oracle, ORACLES)
    check_rounds(space, oracle=oracle, max_epochs=space.epochs)
    if oracle == "hyperband" and max_trials is not None:
        n_sweep = sum(n_candidates for n_candidates, _ in hyperband_rounds(space.epochs))
        if max_trials < n_sweep:
            raise UsageError(
                f"oracle 'hyperband' with {space.epochs} epochs needs {n_sweep} candidates for a sweep, fewer never "
                f"train for all epochs: received max_trials {max_trials}, leave it out or give fewer epochs"
            )
    if is_pruned and oracle == "hyperband":
        raise UsageError("oracle 'hyperband' gives up candidates itself: leave out prune")
    if oracle == "grid" and max_trials is None and space.size > MOST_POINTS and not is_insisting:
        raise UsageError(
            f"the grid has {space.size:,} points, more than {MOST_POINTS:,}: give shorter lists or max_trials, or "
            "insist with --yes (yes=True)"
        )
    _check_objective(found, space, settings, oracle=oracle, is_pruned=is_pruned)
    if max_trials is None and max_hours is None and oracle in ("random", "bayesian"):
        max_trials = N_TRIALS
    return SearchPlan(
        name=_name(name, space, oracle, settings),
        space=space,
        oracle=oracle,
        objective=found,
        seeds=seeds,
        search_seed=search_seed,
        is_pruned=is_pruned,
        max_trials=max_trials,
        max_hours=max_hours,
    )


def _check_objective(found: Objective, space: Space, settings: Settings, *, oracle: str, is_pruned: bool) -> None:
    """Refuse an objective that no run would have, or whose numbers would not compare."""
    is_timed = not found.is_reproducible
    if is_timed and (settings.executor.startswith("ray") or settings.make_executor().is_concurrent):
        raise UsageError(
            f"objective {found.name!r} is measured by the clock, and runs that share a machine, or ran on several, do "
            "not compare: use executor 'inline' or 'processes:1'"
        )
    shortest = min(epochs for _, epochs in hyperband_rounds(space.epochs)) if oracle == "hyperband" else space.epochs
    if is_timed and shortest < LEAST_TIMED_EPOCHS:
        raise UsageError(
            f"objective {found.name!r} needs {LEAST_TIMED_EPOCHS} epochs or more, the first one holds compilation: "
            f"with {space.epochs} epochs, oracle {oracle!r} trains candidates for {shortest}"
        )
    if (is_timed or is_pruned) and space.train.get("validation_curve") is False:
        what = f"objective {found.name!r}" if is_timed else "prune"
        raise UsageError(f"{what} looks at validation images after every epoch: leave validation_curve on")
    if found.needs_energy and nvml_meter() is None:
        raise UsageError(
            f"objective {found.name!r} needs an NVIDIA GPU whose energy can be read ({how_to_install('gpu')}), "
            "and there is none here: no run would have a score"
        )


def _name(name: str | None, space: Space, oracle: str, settings: Settings) -> str:
    if name is not None:
        if not re.fullmatch(NAME_PATTERN, name):
            raise UsageError(f"a search's name should be {NAME_IN_WORDS}, received {name!r}")
        return name
    options = space.model.get("options", {})
    network = f"{space.model['name']}{options.get('depth', '')}{'b' * (options.get('block') == 'bottleneck')}"
    dataset = "".join(c if c.isalnum() or c in "_-" else "_" for c in space.images.name)[-16:]
    return f"tune.{network}.{dataset}.{oracle}.{backend.choose(settings.backend)}"
