"""Searches whose runs are computed, not trained: an executor that knows what every recipe would reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.optimize

from kbnd.execution.progress import Silent
from kbnd.execution.settings import Settings
from kbnd.ledger import Reader
from kbnd.records import EpochRecord, RunRecord
from kbnd.spec import RunSpec
from kbnd.training.run import blank
from kbnd.training.task import Observer, Task
from kbnd.tuning.defaults import space_for
from kbnd.tuning.job import SearchJob
from kbnd.tuning.plan import plan_search

EPOCHS = 3

N_IMAGES = 300
"""Of the digits for validation, and for test."""


class Killed(BaseException):
    """What a `kill -9` is to a search: nothing after it happens."""


def reached(spec: RunSpec) -> float:
    """Validation accuracy of a recipe: best at a learning rate of 0.03 and a dropout rate of 0.2, with BN."""
    distance = abs(math.log10(spec.train.learning_rate) - math.log10(0.03)) / 4
    rate = spec.model.dropout if isinstance(spec.model.dropout, float) else 0.0
    bonus = 0.0 if spec.model.batch_norm == "none" else 0.05
    return max(0.1, 0.9 - 0.5 * distance - 0.3 * abs(rate - 0.2) + bonus + 0.004 * (spec.seed % 3))


def minimize_quickly(of: Callable[[Any], Any], x0: Any, *, exact: Any = scipy.optimize.minimize, **options: Any) -> Any:
    """Fit in a few steps and look for the optimum at the 50 starting points only: seconds a proposal become tenths."""
    if options.get("jac"):  # a fit, not the search for its optimum
        return exact(of, x0, **options, options={"maxiter": 2})
    return SimpleNamespace(fun=of(x0).item(), x=x0)


@dataclass
class Scripted:
    """An executor that trains nothing.

    Attributes:
        diverges: which recipes diverge.
        equal: what every recipe reaches, where all are the same.
        kill_after: epochs after which everything ends at once.
        trained: id of every run that it trained to its end, and `n_epochs` so far.
    """

    diverges: Callable[[RunSpec], bool] = lambda spec: spec.train.learning_rate > 0.6
    kill_after: float = math.inf
    equal: float | None = None
    places: int = 1
    is_concurrent: bool = False
    n_epochs: int = 0
    trained: list[str] = field(default_factory=list)

    def execute(
        self, tasks: Iterator[Task | None], *, observer: Callable[[Task], Observer]
    ) -> Iterator[RunRecord | None]:
        for task in tasks:
            yield None if task is None else self._run(task, observer(task))

    def _run(self, task: Task, observer: Observer) -> RunRecord:
        record = blank(task)
        observer.on_start(record)
        epochs: list[EpochRecord] = []
        n_epochs = task.spec.train.epochs
        for number in range(1, n_epochs + 1):
            is_lost = self.diverges(task.spec)
            accuracy = round(N_IMAGES * (self.equal or reached(task.spec) * (1 - 0.5**number))) / N_IMAGES
            epochs.append(
                EpochRecord(
                    epoch=number,
                    train_loss=math.nan if is_lost else 1 - accuracy,
                    val_accuracy=None if is_lost else accuracy,
                    val_loss=math.nan if is_lost else 1 - accuracy,
                    train_s=0.5,
                )
            )
            observer.on_epoch(epochs[-1])
            self.n_epochs += 1
            if self.n_epochs >= self.kill_after:
                raise Killed
            if is_lost:
                return self._ended(record, epochs, "diverged")
            if number < n_epochs and observer.should_prune(epochs[-1]):
                return self._ended(record, epochs, "pruned")
        self.trained.append(task.run_id)
        return self._ended(record, epochs, "done")

    @staticmethod
    def _ended(record: RunRecord, epochs: list[EpochRecord], status: Any) -> RunRecord:
        fields: dict[str, Any] = {"epochs": tuple(epochs), "n_epochs": len(epochs), "status": status, "epoch_s": 0.5}
        if status == "done":
            last = epochs[-1]
            fields |= {"val_accuracy": last.val_accuracy, "val_loss": last.val_loss}
            n_right = round(N_IMAGES * (last.val_accuracy or 0.0))
            bits = np.packbits(np.arange(N_IMAGES) < n_right).tobytes()
            fields |= {"test_accuracy": n_right / N_IMAGES, "test_loss": last.val_loss}
            fields |= {"test_correct": bits, "n_test": N_IMAGES}
        return replace(record, wall_s=0.5 * len(epochs), fit_s=0.5 * len(epochs), **fields)


def searched(
    folder: Path,
    engine: Scripted,
    *,
    is_fresh: bool = False,
    test_seeds: int = 2,
    should_stop: Callable[[], bool] = lambda: False,
    **chosen: Any,
) -> Any:
    """Return the result of a search on digits with a scripted executor.

    `chosen` are arguments of `plan_search`, of the space (`lr`, `dropout`) and of the settings (`executor`).
    """
    folder.mkdir(exist_ok=True)
    settings = Settings(ledger=folder / "kbnd.sqlite", executor=chosen.pop("executor", "inline"))
    varied = {"lr": chosen.pop("lr", "1e-3..1"), "dropout": chosen.pop("dropout", "0..0.8")}
    space = space_for("lenet5", dataset="digits", batch_norm="none,before_activation", epochs=EPOCHS, **varied)
    plan = plan_search(space, settings, **{"max_trials": 12, "oracle": "random", **chosen})
    job = SearchJob(plan=plan, settings=settings, test_seeds=test_seeds, is_fresh=is_fresh)
    return job.run(progress=Silent(), should_stop=should_stop, executor=engine)


def oracle_scores(folder: Path, name: str) -> dict[int, float]:
    """What the oracle of a search in this folder was given, by candidate."""
    with Reader.open(folder / "kbnd.sqlite") as ledger:
        info = ledger.search(name)
        assert info is not None
        return {event.ordinal: event.body["told"] for event in ledger.search_events(info) if event.kind == "end"}
