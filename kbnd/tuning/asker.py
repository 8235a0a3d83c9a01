"""Who proposes candidates: one of keras-tuner's oracles, driven by ask and tell, and replayed exactly from a log.

    ask  ->  proposal (values, epochs)        tell(ordinal, score)        replay(event of the log)

The state of an `Asker` is a function of the asks and ends of a log, in their order. What it proposed is recomputed as
the log is replayed and must agree; the proposals that a Gaussian process made are taken from the log, and the last of
them is recomputed when the next new one is asked for.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from kbnd.errors import ResumeMismatchError, UsageError, checked_whole, is_number, unknown
from kbnd.records import SearchEvent
from kbnd.tuning.oracles import oracle_named
from kbnd.tuning.space import Space

NOTHING: dict[str, Literal["idle", "stopped"]] = {"IDLE": "idle", "STOPPED": "stopped"}
"""keras-tuner's status of a trial that is none -> what is answered."""

EPOCHS = "tuner/epochs"
"""What Hyperband calls the epochs of a trial."""

CHANGED = "its oracle, or what that computes with, has changed: --fresh (fresh=True) begins anew"

Step = tuple[Literal["ask", "end"], int, Any]
"""What happened, to which candidate, and the outcome: its values or its score."""


@dataclass(frozen=True)
class Proposal:
    """A candidate to be trained.

    Attributes:
        ordinal: its number, from 1.
        values: by path, one for each hyperparameter of the space.
        epochs: that it is trained for; None is the space's own.
    """

    ordinal: int
    values: dict[str, Any]
    epochs: int | None = None


class Asker:
    """Asks an oracle for candidates and tells it their scores.

    Making one loads keras-tuner, and with it the backend that is chosen by then.

    Args:
        space: what varies.
        oracle: one of `kbnd.tuning.oracles.ORACLES`.
        direction: which way scores are better, `max` or `min`.
        seed: of the oracle, from 1.
        max_epochs: of Hyperband's last rounds.
        sweeps: times that Hyperband goes through its brackets; None is for ever.

    Raises:
        UsageError: an unknown oracle, a seed or epochs out of range, or a space that is too small for Hyperband.
    """

    def __init__(
        self,
        space: Space,
        *,
        oracle: str,
        direction: Literal["max", "min"],
        seed: int,
        max_epochs: int,
        sweeps: int | None = 1,
    ) -> None:
        row = oracle_named(oracle)
        if direction not in ("max", "min"):
            raise unknown("direction", direction, ("max", "min"))
        seed = checked_whole(seed, "the seed of a search")
        if not space.hyperparameters:
            raise UsageError("nothing to search: every field has one value")
        row.check(space, max_epochs)
        self._arguments: dict[str, Any] = {
            "oracle": oracle,
            "direction": direction,
            "seed": seed,
            "max_epochs": max_epochs,
            "sweeps": sweeps,
        }
        self.space = space
        from kbnd.tuning import keras_oracles, keras_values  # they bring keras-tuner, and with it the backend

        self._keras, self._values = keras_oracles, keras_values
        self._parameters = row.parameters(space)
        self._oracle: Any = keras_oracles.new_oracle(space, **self._arguments)
        self._open: dict[int, Any] = {}
        self._n = 0
        self._steps: list[Step] | None = []  # of the log; None when its last fit was checked
        self._n_before_fit: int | None = None

    @property
    def open(self) -> tuple[int, ...]:
        """Ordinals of the candidates whose score was not told yet."""
        return tuple(self._open)

    def fresh(self) -> Asker:
        """Return another one as this one was when it was made."""
        return Asker(self.space, **self._arguments)

    def ask(self) -> Proposal | Literal["idle", "stopped"]:
        """Return the next candidate.

        Returns:
            A proposal; `idle` where the oracle waits for candidates that are open; `stopped` where it has no more.

        Raises:
            ResumeMismatchError: the log that was replayed holds a proposal that this oracle does not make.
        """
        self._check_last_fit()
        return self._next(None)

    def tell(self, ordinal: int, score: float) -> None:
        """Tell the score of an open candidate.

        Args:
            ordinal: its number.
            score: finite; of a candidate without one, the caller's choice.

        Raises:
            UsageError: the candidate is not open, or the score not finite.
        """
        if ordinal not in self._open:
            raise UsageError(f"candidate {ordinal} is not open: open are {', '.join(map(str, self._open)) or 'none'}")
        if not is_number(score) or not math.isfinite(score):
            raise UsageError(f"the score of candidate {ordinal} should be a finite number, received {score!r}")
        trial = self._open.pop(ordinal)
        with _quietly():
            self._keras.end(self._oracle, trial, float(score))
        self._remember(("end", ordinal, float(score)))

    def replay(self, event: SearchEvent) -> None:
        """Take a step of the log.

        Args:
            event: the next one; its body holds `values` (and `epochs`) of an `ask`, `told` of an `end`.

        Raises:
            ResumeMismatchError: the oracle proposes something else than the log holds.
        """
        if event.kind == "ask":
            self._replay_ask(event.ordinal, event.body["values"], event.body.get("epochs"))
        elif event.kind == "end":
            self.tell(event.ordinal, event.body["told"])

    def _replay_ask(self, ordinal: int, stored: Mapping[str, Any], epochs: int | None) -> None:
        if ordinal != self._n + 1:
            raise ResumeMismatchError(f"the log of the search holds candidate {ordinal} where {self._n + 1} is next")
        if self._steps is not None and getattr(self._oracle, "is_guided", bool)():
            self._n_before_fit = len(self._steps)
        answer = self._next(stored)
        if isinstance(answer, str):
            raise ResumeMismatchError(f"candidate {ordinal} of the search: stored {dict(stored)}, asked none")
        self._check_agreement(ordinal, stored, self._decoded(self._oracle.proposed))
        if answer.epochs not in (None, epochs):
            raise ResumeMismatchError(f"candidate {ordinal}, epochs: stored {epochs}, asked {answer.epochs}; {CHANGED}")
        self._remember(("ask", ordinal, dict(stored)))

    def _next(self, logged: Mapping[str, Any] | None) -> Proposal | Literal["idle", "stopped"]:
        ordinal = self._n + 1
        self._oracle.logged = None if logged is None else self._encoded(ordinal, logged)
        with _quietly():
            trial = self._oracle.create_trial(f"candidate {ordinal}")
        if trial.status in NOTHING:
            return NOTHING[trial.status]
        self._n, self._open[ordinal] = ordinal, trial
        values = trial.hyperparameters.values
        return Proposal(ordinal, self._decoded(values), values.get(EPOCHS))

    def _check_last_fit(self) -> None:
        """Recompute the last proposal of the log that a Gaussian process made, once for all."""
        steps, self._steps = self._steps, None
        if steps is None or self._n_before_fit is None:
            return
        again = self.fresh()
        for kind, ordinal, outcome in steps[: self._n_before_fit]:
            if kind == "ask":
                again._next(outcome)
            else:
                again.tell(ordinal, outcome)
        _, ordinal, stored = steps[self._n_before_fit]
        answer = again._next(None)
        self._check_agreement(ordinal, stored, {} if isinstance(answer, str) else answer.values)

    def _check_agreement(self, ordinal: int, stored: Mapping[str, Any], proposed: Mapping[str, Any]) -> None:
        for path, parameter in self.space.hyperparameters.items():
            if path not in proposed or not parameter.agrees(proposed[path], stored[path]):
                raise ResumeMismatchError(
                    f"candidate {ordinal}, {self.space.names[path]}: stored {stored[path]!r}, "
                    f"asked {proposed.get(path)!r}; {CHANGED}"
                )

    def _remember(self, step: Step) -> None:
        if self._steps is not None:
            self._steps.append(step)

    def _decoded(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values that keras-tuner's stand for."""
        return {path: self._values.decode(parameter, values[path]) for path, parameter in self._parameters.items()}

    def _encoded(self, ordinal: int, values: Mapping[str, Any]) -> dict[str, Any]:
        """A candidate's values as keras-tuner writes them."""
        try:
            return {path: self._values.encode(parameter, values[path]) for path, parameter in self._parameters.items()}
        except (KeyError, ValueError):
            raise ResumeMismatchError(
                f"candidate {ordinal} of the search is stored as {dict(values)}, which is no point of its space now"
            ) from None


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep warnings of keras-tuner about its own code, and of scikit-learn about its fits, from the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
