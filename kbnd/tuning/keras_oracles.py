"""keras-tuner's four oracles as kbnd drives them: in memory, silent, each proposal a function of the log of a search.

What they are told apart from a keras-tuner search, and why (numbers are issues of keras-team/keras-tuner):

| of keras-tuner 1.4                                       | here                                                      |
|----------------------------------------------------------|-----------------------------------------------------------|
| writes JSON at every step, not atomically                | nothing is written: the log of the ledger is the memory   |
| proposes 0.30000000000000004                             | values are rounded before they are remembered             |
| gives up after 20 collisions, with points left (#901)    | after 20 for each point of the space                      |
| bayesian: proposes the same point again (#227)           | a random point that was not tried takes its place         |
| bayesian: one stream of random numbers for all proposals | one for each proposal, from its number                    |
| bayesian: open trials are guessed from the last fit      | from a fit to the trials that have ended                  |
| grid: the next point waits for the end of the last       | every point can be asked for at once, in the grid's order |
| hyperband: a point is drawn once in a search             | again in a later bracket, when all were drawn             |
| momentum varies beside an optimizer that has none        | its first value there, so that no two points are one run  |

Nothing is resumed from keras-tuner's own files: its grid, for one, raises KeyError then (keras-team/keras-tuner#1055).
The three differences of `bayesian` make a proposal depend on nothing but its number and the trials so far. So a log
is replayed without a single fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from keras_tuner import Objective
from keras_tuner.oracles import BayesianOptimizationOracle, GridSearchOracle, HyperbandOracle, RandomSearchOracle

from kbnd.seeds import subseed
from kbnd.tuning.keras_values import encode, hyperparameters_of
from kbnd.tuning.oracles import FACTOR, n_random_first, oracle_named
from kbnd.tuning.parameters import Range
from kbnd.tuning.space import Space

RUNNING, STOPPED = "RUNNING", "STOPPED"
"""keras-tuner's statuses of a trial that is to be trained, and of one that never will be."""

SCORE = "score"
MOST_COLLISIONS = 20
"""Points drawn in vain, for each point of a finite space, before it counts as exhausted; keras-tuner's own number."""

Response = dict[str, Any]


class _Replayable:
    """What the four have in common; it stands before keras-tuner's class.

    Attributes:
        rounding: hyperparameter -> its rounding, where it has one.
        hosted: hyperparameter -> another, the value of that without which it is read by nobody, and what it is then.
        n_points: candidates of a finite space; None for others.
        logged: what the next trial was in the log that is replayed; None where it is new.
        proposed: what the oracle proposed for the last trial, before the log was asked.
    """

    rounding: Mapping[str, Callable[[float], float]]
    hosted: Mapping[str, tuple[str, Any, Any]]
    n_points: int | None
    logged: Response | None = None
    proposed: Response | None = None

    @staticmethod
    def arguments(space: Space, *, max_epochs: int, sweeps: int | None) -> dict[str, Any]:  # noqa: ARG004
        """Return what its class is made from besides; without a number of trials an oracle goes on."""
        return {"max_trials": None}

    def populate_space(self, trial_id: str) -> Response:
        """Return the next values; those of the log take the place of what is proposed."""
        before = self._seed_state  # type: ignore[has-type]
        response = self.propose(trial_id)
        if response["status"] != RUNNING:
            self._seed_state = before  # an oracle that proposes nothing has not moved
            return response
        self.proposed = response["values"]
        return {**response, "values": {**response["values"], **(self.logged or {})}}

    def propose(self, trial_id: str) -> Response:
        """Return what keras-tuner proposes."""
        return super().populate_space(trial_id)  # type: ignore[misc]

    def is_exhausted(self) -> bool:
        """Return whether every point of a finite space was tried."""
        return self.n_points is not None and len(self._tried_so_far) >= self.n_points  # type: ignore[attr-defined]

    def round(self, values: Response) -> Response:
        """Return the values with the digits that are kept."""
        return {name: self.rounding[name](v) if name in self.rounding else v for name, v in values.items()}

    def settled(self, values: Response) -> Response:
        """Return the values, with one for all of those that make no difference."""
        idle = {name: value for name, (host, needed, value) in self.hosted.items() if values[host] != needed}
        return {**values, **idle}

    def _duplicate(self, values: Response) -> bool:
        """Round a random draw in its place, the last thing keras-tuner does with it, and say whether it was tried."""
        values.update(self.settled(self.round(values)))
        return super()._duplicate(values)  # type: ignore[misc]

    def save(self, *_: object) -> None:
        """Write nothing."""

    def _save_trial(self, _trial: object) -> None:
        """Write nothing."""


class Random(_Replayable, RandomSearchOracle):
    """Points at random."""

    def propose(self, trial_id: str) -> Response:
        """Return the next random point; nothing when all were tried."""
        return {"status": STOPPED, "values": None} if self.is_exhausted() else super().propose(trial_id)


class Grid(_Replayable, GridSearchOracle):
    """Every point of the grid, the last hyperparameter fastest."""

    def propose(self, trial_id: str) -> Response:
        """Return the next point, and let the one behind it be asked for without waiting for this one's end."""
        response = super().propose(trial_id)
        if response["status"] == RUNNING:
            self._populate_next.append(trial_id)
        return response

    def _get_next_combination(self, values: Response) -> Response | None:
        following = super()._get_next_combination(values)
        while following is not None and self.settled(following) != following:
            following = super()._get_next_combination(following)
        return following


class Bayesian(_Replayable, BayesianOptimizationOracle):
    """Random points first, then the optimum of an upper confidence bound of a Gaussian process."""

    trials: dict[str, Any]
    ongoing_trials: dict[str, Any]

    @staticmethod
    def arguments(space: Space, *, max_epochs: int, sweeps: int | None) -> dict[str, Any]:  # noqa: ARG004
        """Return what its class is made from besides."""
        return {"max_trials": None, "num_initial_points": n_random_first(space)}

    def is_guided(self) -> bool:
        """Return whether the next proposal comes from the Gaussian process."""
        return sum(trial.status == "COMPLETED" for trial in self.trials.values()) >= self.num_initial_points

    def propose(self, trial_id: str) -> Response:
        """Return the next point; of a log that is replayed its own, without a fit."""
        if self.is_exhausted():
            return {"status": STOPPED, "values": None}
        if not self.is_guided():
            return super().propose(trial_id)
        if self.logged is not None:
            return {"status": RUNNING, "values": dict(self.logged)}
        self._random_state = np.random.RandomState(subseed(self.seed, "acquisition", trial_id) % 2**32)
        response = super().propose(trial_id)
        return self._elsewhere(trial_id) if self._duplicate(response["values"]) else response

    def _elsewhere(self, trial_id: str) -> Response:
        """Return a random point that was not tried, from a stream of its own."""
        before, self._seed_state = self._seed_state, subseed(self.seed, "elsewhere", trial_id)
        response = self._random_populate_space()
        self._seed_state = before
        return response

    def _vectorize_trials(self) -> tuple[np.ndarray, np.ndarray]:
        """Return points and scores; what open trials are guessed from is a fit to those that have ended."""
        if self.ongoing_trials:
            trials, ongoing = self.trials, self.ongoing_trials
            self.trials = {name: trial for name, trial in trials.items() if trial.status == "COMPLETED"}
            self.ongoing_trials = {}
            self.gpr.fit(*super()._vectorize_trials())
            self.trials, self.ongoing_trials = trials, ongoing
        return super()._vectorize_trials()


class Hyperband(_Replayable, HyperbandOracle):
    """Brackets of random points, of which the best third goes on to three times the epochs, round after round.

    Attributes:
        sweeps: times that it goes through its brackets, and to the end of the one that a log has begun.
    """

    sweeps: float

    @staticmethod
    def arguments(space: Space, *, max_epochs: int, sweeps: int | None) -> dict[str, Any]:  # noqa: ARG004
        """Return what its class is made from besides."""
        return {"max_epochs": max_epochs, "factor": FACTOR, "hyperband_iterations": sweeps}

    def propose(self, trial_id: str) -> Response:
        """Return the next point; a log may have gone beyond the sweeps that are wanted now."""
        is_logged = self.logged is not None
        self.hyperband_iterations = math.inf if is_logged else max(self.sweeps, self._current_iteration + 1)
        return super().propose(trial_id)

    def _random_values(self) -> Response | None:
        values = super()._random_values()
        if values is None:  # every point was drawn: a later bracket has other epochs, so that they may come again
            self._tried_so_far.clear()
            values = super()._random_values()
        return values


KINDS: dict[str, Any] = {"random": Random, "grid": Grid, "bayesian": Bayesian, "hyperband": Hyperband}
"""Name in `kbnd.tuning.oracles.ORACLES` -> keras-tuner's oracle."""


def new_oracle(
    space: Space, *, oracle: str, direction: str, seed: int, max_epochs: int, sweeps: int | None
) -> Random | Grid | Bayesian | Hyperband:
    """Return an oracle that has proposed nothing yet; arguments as of `kbnd.tuning.asker.Asker`."""
    row, kind = oracle_named(oracle), KINDS[oracle]
    parameters, n_points = row.parameters(space), row.n_points(space)
    new: Any = kind(
        objective=Objective(SCORE, direction),
        hyperparameters=hyperparameters_of(parameters),
        allow_new_entries=False,
        seed=seed,
        max_consecutive_failed_trials=float("inf"),
        **kind.arguments(space, max_epochs=max_epochs, sweeps=sweeps),
    )
    new.verbose, new.sweeps = 0, sweeps or math.inf
    new.n_points = n_points
    new._max_collisions = MOST_COLLISIONS * (n_points or 1)
    new.hosted = {
        path: (
            host,
            encode(parameters[host], value) if value in parameters[host].bounds() else None,
            encode(parameters[path], parameters[path].bounds()[0]),
        )
        for path, (host, value) in space.hosted.items()
    }
    new.rounding = {path: parameter.rounded for path, parameter in parameters.items() if isinstance(parameter, Range)}
    return new


def end(oracle: Any, trial: Any, score: float) -> None:
    """Tell an oracle the score of a trial, which ends it."""
    oracle.update_trial(trial.trial_id, {SCORE: score})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
