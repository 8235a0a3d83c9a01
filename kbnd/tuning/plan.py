"""From settings to a checked plan of a search: everything that can be refused is refused here."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from kbnd.analysis.objectives import Objective, objective
from kbnd.errors import UsageError, checked_whole, how_to_install, is_number
from kbnd.execution.runs import check_count
from kbnd.execution.settings import Settings
from kbnd.profiling import machine
from kbnd.profiling.meters import nvml_meter
from kbnd.spec import NAME_IN_WORDS, NAME_PATTERN, Identity
from kbnd.training import backend
from kbnd.tuning.oracles import Oracle, oracle_named
from kbnd.tuning.space import Space
from kbnd.words import counted

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
        oracle: who proposes candidates.
        objective: what is looked for.
        seeds: runs of each candidate, with the seeds 1...N.
        search_seed: of the oracle.
        is_pruned: whether runs that lag behind are given up.
        max_trials: candidates in all, those of earlier calls too; None is until the oracle has no more.
        max_hours: of training in all; no candidate is begun after them.
    """

    name: str
    space: Space
    oracle: Oracle
    objective: Objective
    seeds: int = 2
    search_seed: int = 1
    is_pruned: bool = False
    max_trials: int | None = None
    max_hours: float | None = None

    @property
    def title(self) -> str:
        """What is looked for, and of which network."""
        return f"Search for {self.objective.name} of {self.space.model['name']}"

    @property
    def sweeps(self) -> int | None:
        """How often an oracle goes through its rounds: once, or until trials or hours end the search."""
        return 1 if self.max_trials is None and self.max_hours is None else None

    @property
    def has_many_sweeps(self) -> bool:
        """Whether the oracle begins a sweep of rungs anew as often as the search has room for it."""
        return self.oracle.has_rungs and self.sweeps is None

    @property
    def has_end(self) -> bool:
        """Whether the oracle has no more to propose when every point of the space was a candidate."""
        return self.oracle.has_end(self.space)

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
            "oracle": self.oracle.name,
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
    goal = objective(looked_for)
    seeds, search_seed = checked_whole(seeds, "seeds"), checked_whole(search_seed, "search_seed")
    if search_seed > MOST_SEED:
        raise UsageError(f"search_seed should be at most {MOST_SEED:,}, received {search_seed}")
    max_trials = None if max_trials is None else checked_whole(max_trials, "max_trials")
    check_count(
        (max_trials or 1) * seeds,
        of=f"{counted(max_trials or 1, 'candidate')} with {counted(seeds, 'seed')}",
        remedy="candidates (max_trials) or seeds",
    )
    if max_hours is not None and not (is_number(max_hours) and max_hours > 0):
        raise UsageError(f"max_hours should be a number above 0, received {max_hours!r}")
    row = oracle_named(oracle)
    row.check(space, space.epochs)
    _check_trials(row, space, max_trials, is_insisting=is_insisting, is_pruned=is_pruned)
    _check_objective(goal, space, settings, oracle=row, is_pruned=is_pruned)
    return SearchPlan(
        name=_name(name, space, row, settings),
        space=space,
        oracle=row,
        objective=goal,
        seeds=seeds,
        search_seed=search_seed,
        is_pruned=is_pruned,
        max_trials=row.n_trials if max_trials is None and max_hours is None else max_trials,
        max_hours=max_hours,
    )


def _check_trials(oracle: Oracle, space: Space, max_trials: int | None, *, is_insisting: bool, is_pruned: bool) -> None:
    """Refuse a number of candidates that an oracle cannot end with, and what it does itself."""
    if oracle.has_rungs and max_trials is not None:
        n_sweep = sum(n_candidates for n_candidates, _ in oracle.sweep(space, space.epochs))
        if max_trials < n_sweep:
            raise UsageError(
                f"oracle {oracle.name!r} with {space.epochs} epochs needs {n_sweep} candidates for a sweep, fewer "
                f"never train for all epochs: received max_trials {max_trials}, leave it out or give fewer epochs"
            )
    if is_pruned and not oracle.can_prune:
        raise UsageError(f"oracle {oracle.name!r} gives up candidates itself: leave out prune")
    if oracle.has_points and max_trials is None and space.size > MOST_POINTS and not is_insisting:
        raise UsageError(
            f"the {oracle.name} has {space.size:,} points, more than {MOST_POINTS:,}: give shorter lists or "
            "max_trials, or insist with --yes (yes=True)"
        )


def _check_objective(goal: Objective, space: Space, settings: Settings, *, oracle: Oracle, is_pruned: bool) -> None:
    """Refuse an objective that no run would have, or whose numbers would not compare."""
    is_timed = not goal.is_reproducible
    if is_timed and (settings.executor.startswith("ray") or settings.make_executor().is_concurrent):
        raise UsageError(
            f"objective {goal.name!r} is measured by the clock, and runs that share a machine, or ran on several, do "
            "not compare: use executor 'inline' or 'processes:1'"
        )
    fewest = min(epochs for _, epochs in oracle.sweep(space, space.epochs))
    if is_timed and fewest < LEAST_TIMED_EPOCHS:
        raise UsageError(
            f"objective {goal.name!r} needs {LEAST_TIMED_EPOCHS} epochs or more, the first one holds compilation: "
            f"with {space.epochs} epochs, oracle {oracle.name!r} trains candidates for {fewest}"
        )
    if (is_timed or is_pruned) and space.train.get("validation_curve") is False:
        wish = f"objective {goal.name!r}" if is_timed else "prune"
        raise UsageError(f"{wish} looks at validation images after every epoch: leave validation_curve on")
    if goal.is_of_energy and nvml_meter() is None:
        raise UsageError(
            f"objective {goal.name!r} needs an NVIDIA GPU whose energy can be read ({how_to_install('gpu')}), "
            "and there is none here: no run would have a score"
        )


def _name(name: str | None, space: Space, oracle: Oracle, settings: Settings) -> str:
    if name is not None:
        if not re.fullmatch(NAME_PATTERN, name):
            raise UsageError(f"a search's name should be {NAME_IN_WORDS}, received {name!r}")
        return name
    options = space.model.get("options", {})
    network = f"{space.model['name']}{options.get('depth', '')}{'b' * (options.get('block') == 'bottleneck')}"
    dataset = "".join(c if c.isalnum() or c in "_-" else "_" for c in space.images.name)[-16:]
    return f"tune.{network}.{dataset}.{oracle.name}.{backend.choose(settings.backend)}"
