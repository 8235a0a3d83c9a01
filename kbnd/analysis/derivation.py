"""What the log of a search must say, derived again from the runs it speaks of: what can be is never believed.

| of the log         | derived from                                                    | where                         |
|--------------------|-----------------------------------------------------------------|-------------------------------|
| run ids of `ask`   | seed, setting and training of these runs                        | a run is stored               |
| `again`            | whether something else was trained beside                       | the run is stored             |
| score              | the mean over the runs                                          | all are done, as they were    |
| status             | how the runs ended; what is done or has diverged stays so       | all are as they were          |
| told               | the score, or else all that was told before                     | always                        |
|                    | of a pruned candidate, and of a time: what the runs had reached | all are as they were          |
| that one is pruned | the curves of the candidates that had finished by then          | all are as they were          |

A run is *as it was* where the session that trained it is the one in the log. What cannot be derived is no
contradiction: runs that are not in this ledger, as after an import of a search alone, runs that are kept from another
training (an import leaves the one that is here, with other threads maybe) and what was pruned by their curves, failed
and pruned runs that were trained again since, the seconds of a candidate, and what logs without sessions (of before)
say of failed and pruned candidates. Who goes on with a search derives the values of its candidates, too, which takes
its oracle and network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kbnd.analysis.endings import LoggedEnd, scores_of
from kbnd.analysis.objectives import Objective, is_measured_alone, objective
from kbnd.analysis.pruning import MedianRule
from kbnd.errors import UsageError
from kbnd.records import ENDINGS, Ending, RunRecord, SearchEvent
from kbnd.spec import TrainSpec

RunOf = Callable[[str], RunRecord | None]
"""From the id of a run to what is stored of it, None where that is nothing that can be relied on."""

TOLERANCE = 1e-9
"""Relative, between two scores: they have 12 significant digits, and earlier logs all that a sum leaves."""

_SETTING = ("backend", "backend_version", "keras_version", "device", "fingerprint")
_FEWEST_CLASSES = 2
_LARGEST_LOSS = 40.0
"""Above it twice the logarithm of no number of classes lies."""


@dataclass
class _Candidate:
    """What the log has said of a candidate so far.

    Attributes:
        run_ids: by seed.
        n_finished: curves, by seed, that its runs could be compared with when it was asked for.
    """

    run_ids: dict[str, str]
    n_finished: dict[int, int]


def contradictions(definition: Mapping[str, Any], log: Iterable[SearchEvent], run_of: RunOf) -> Iterator[str]:
    """Yield one clause, with both values, for each thing that the log of a search says and its runs deny.

    Args:
        definition: of the search; one without an objective that this kbnd knows is believed.
        log: from its first entry on, in which each candidate is asked for before it ends.
        run_of: what is stored of a run.
    """
    try:
        looked_for = objective(str(definition.get("objective")))
    except UsageError:
        return
    derivation = Derivation(looked_for, definition, run_of)
    for event in log:
        yield from (f"event {event.event}: {clause}" for clause in derivation.problems_of(event))
        derivation.take(event)


class Derivation:
    """Follows the log of one search, and says what its runs deny.

    Args:
        objective: of the search.
        definition: of the search.
        run_of: what is stored of a run.
        n_classes: of the dataset; None is any number.

    Attributes:
        rule: by which runs are given up now.
    """

    def __init__(
        self, objective: Objective, definition: Mapping[str, Any], run_of: RunOf, *, n_classes: int | None = None
    ) -> None:
        self.rule = MedianRule(objective)
        self._objective = objective
        self._definition = definition
        self._run_of = run_of
        self._n_classes = n_classes
        self._candidates: dict[int, _Candidate] = {}
        self._told: list[float] = []
        self._has_all_curves = True

    def problems_of(self, event: SearchEvent) -> Iterator[str]:
        """Yield one clause, with both values, for each thing the next entry says that its runs deny."""
        of = {"ask": self._of_ask, "again": self._of_again, "end": self._of_end}[event.kind]
        yield from (f"candidate {event.ordinal}: {clause}" for clause in of(event))

    def take(self, event: SearchEvent) -> None:
        """Go one entry further."""
        body = event.body
        if event.kind == "ask":
            n_finished = {int(seed): self.rule.n_finished(int(seed)) for seed in body["run_ids"]}
            self._candidates[event.ordinal] = _Candidate(dict(body["run_ids"]), n_finished)
            return
        candidate = self._candidates[event.ordinal]
        if event.kind == "again":
            candidate.run_ids |= body["run_ids"]
            return
        self._told.append(body["told"])
        if self._definition.get("prune") and body["status"] == "done":
            ended = self._ended(candidate)
            end = LoggedEnd.of(body, runs=ended, n_runs=len(candidate.run_ids))
            self._has_all_curves &= end.as_then is not None or end.sessions is None
            for seed, run in ended.items():
                self.rule.learn(int(seed), run.epochs)

    def _of_ask(self, event: SearchEvent) -> Iterator[str]:
        setting = self._definition.get("setting")
        for seed, run_id in event.body["run_ids"].items():
            run = self._run_of(run_id)
            if run is not None:
                place = f"run {run_id} of seed {seed}"
                yield from _differences(place, {"seed": int(seed)}, {"seed": run.seed})
                if isinstance(setting, Mapping):
                    yield from _differences(place, setting, {name: getattr(run, name) for name in _SETTING})
                yield from _of_training(place, event.body, run)

    def _of_again(self, event: SearchEvent) -> Iterator[str]:
        run_ids = self._candidates[event.ordinal].run_ids
        for seed in event.body["run_ids"]:
            run = self._run_of(run_ids.get(seed, ""))
            if seed not in run_ids or self._objective.is_reproducible:
                yield f"seed {seed} is measured again, which no search for {self._objective.name} does"
            elif run is not None and run.status == "done" and is_measured_alone(run):
                yield f"seed {seed} is measured again, but nothing else was trained beside its run {run.run_id}"

    def _of_end(self, event: SearchEvent) -> Iterator[str]:
        candidate = self._candidates[event.ordinal]
        end = LoggedEnd.of(event.body, runs=self._ended(candidate), n_runs=len(candidate.run_ids))
        if end.status != "done" and end.score is not None:
            yield f"its status is {end.status} and its score {end.score!r}: only what is done has one"
            return
        status = end.status_by_runs
        if status != end.status:
            yield f"its status is {end.status} in the log, by its runs {status or 'open'}"
            return
        yield from self._of_score(end)
        if end.status == "pruned" and end.as_then is not None:
            yield from self._of_pruning(end.as_then, candidate)

    def _of_score(self, end: LoggedEnd) -> Iterator[str]:
        runs = list((end.runs if end.as_then is None else end.as_then).values())
        is_known = end.as_then is not None or end.sessions is None  # else the score is of other trainings
        if is_known and end.status == "done" and [run.status for run in runs] == ["done"] * end.n_runs:
            scores = self._objective.scores(runs)
            if not any(_is_close(end.score, score) for score in scores):
                yield f"its score is {end.score!r} in the log, by its runs {scores[0]!r}"
                return
        if end.score is not None:
            if not _is_close(end.told, end.score):
                yield f"its score is {end.score!r}, but the oracle was told {end.told!r}"
        elif end.as_then is not None or (end.status != "pruned" and not self._objective.is_of_time):
            told = [self._told_of(runs, end, n_classes) for n_classes in self._numbers_of_classes(end.told)]
            if not any(_is_close(end.told, number) for number in told):
                yield f"the oracle was told {end.told!r} in the log, by its runs and what was told before {told[0]!r}"

    def _told_of(self, runs: Sequence[RunRecord], end: LoggedEnd, n_classes: int) -> float:
        status: Ending = "failed" if end.status == "done" else end.status  # it is done, and has no score
        return scores_of(runs, status, objective=self._objective, earlier=self._told, n_classes=n_classes)[1]

    def _numbers_of_classes(self, told: float) -> Sequence[int]:
        """The numbers of classes that may have made a loss count as worse than guessing."""
        if self._n_classes is not None:
            return (self._n_classes,)
        return (_FEWEST_CLASSES, max(_FEWEST_CLASSES, round(math.exp(min(told, _LARGEST_LOSS) / 2))))

    def _of_pruning(self, runs: Mapping[str, RunRecord], candidate: _Candidate) -> Iterator[str]:
        if not self._definition.get("prune"):
            yield "it was pruned by a search that prunes nothing"
            return
        for seed, run in runs.items():
            first, last = candidate.n_finished[int(seed)], self.rule.n_finished(int(seed))
            counts = range(first, last + 1)  # whoever pruned it may not have heard of the last ends yet
            if run.status == "pruned" and any(
                self.rule.is_hopeless(int(seed), run.epochs, n_finished=n) for n in counts
            ):
                return
        if self._has_all_curves:
            yield "it was pruned, but no run of it lagged behind the candidates that had finished by then"

    def _ended(self, candidate: _Candidate) -> dict[str, RunRecord]:
        """The runs of a candidate that are stored and have ended, by seed, in the order of these."""
        runs = {seed: self._run_of(candidate.run_ids[seed]) for seed in sorted(candidate.run_ids, key=int)}
        return {seed: run for seed, run in runs.items() if run is not None and run.status in ENDINGS}


def _of_training(place: str, body: Mapping[str, Any], run: RunRecord) -> Iterator[str]:
    """Say where a candidate's epochs and values would have its run trained otherwise."""
    stored = dict(run.spec.get("train", {}))
    values = {path.removeprefix("train."): value for path, value in body["values"].items() if path.startswith("train.")}
    values |= {} if body["epochs"] is None else {"epochs": body["epochs"]}
    if {**stored, **values}.get("optimizer", "sgd") != "sgd":
        values.pop("momentum", None)  # its candidates do without
    try:
        asked = TrainSpec(**{**stored, **values})
    except (UsageError, TypeError) as error:
        yield f"its values make no run: {error}"
        return
    yield from _differences(place, asked.model_dump(), TrainSpec(**stored).model_dump())


def _differences(place: str, logged: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[str]:
    for name, value in stored.items():
        if logged.get(name) != value:
            yield f"its {name} is {logged.get(name)!r:.80} in the log, {value!r:.80} in {place}"


def _is_close(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=TOLERANCE)
