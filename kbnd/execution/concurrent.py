"""Several runs at once, wherever they train: pulled, started, told of, tried again where they were lost, recorded.

    tasks --pull--> active run --start--> crew (processes, Ray) --events--> observer | record

All of this happens in the driver's process and thread, because observers write to a ledger that belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from kbnd.errors import KbndError
from kbnd.printable import printable
from kbnd.records import FAILURES, EpochRecord, RunRecord

if TYPE_CHECKING:
    from kbnd.training.task import Observer, Task

FAILED_RETRIES = 1
"""How often a run that ended `failed` or `oom` of its own is tried again before that is its result."""


@dataclass(frozen=True)
class Call:
    """A run calls a method of its observer and, unless the name begins with `on_`, waits for the answer."""

    name: str
    arguments: tuple[Any, ...] = ()

    @property
    def is_answered(self) -> bool:
        """Whether the run waits."""
        return not self.name.startswith("on_")


@dataclass(frozen=True)
class Ended:
    """A run has ended; `rss_bytes` is the resident memory of its worker now."""

    record: RunRecord
    rss_bytes: int


@dataclass(frozen=True)
class Refused:
    """Something the user must mend, which ends everything."""

    error: KbndError


@dataclass(frozen=True)
class Lost:
    """Where a run was trained is gone; `reason` is the beginning of a sentence."""

    reason: str
    status: Literal["failed", "oom"] = "failed"


Event = Call | Ended | Refused | Lost


@dataclass(eq=False)
class ActiveRun:
    """One run between its pull and its record.

    Attributes:
        task: what is trained.
        observer: whom it tells.
        place: number of the place it has, from 0.
        attempt: from 1.
        is_concurrent: whether another run was active at any time of this one.
        first_record: what the attempt told of the run when it began.
        epochs: of the attempt, those resumed from a checkpoint too.
    """

    task: Task
    observer: Observer
    place: int
    attempt: int = 1
    is_concurrent: bool = False
    first_record: RunRecord | None = None
    epochs: list[EpochRecord] = field(default_factory=list)


class Crew(Protocol):
    """Who trains: workers of this machine, or of a cluster."""

    lost_retries: int
    """How often a run is tried again whose worker was lost."""

    def start(self, run: ActiveRun) -> None:
        """Have a run trained at its place, whatever became of the attempt before."""

    def events(self, active: Sequence[ActiveRun]) -> Iterable[tuple[ActiveRun, Event]]:
        """Wait a while for what runs have to say, and return it in the order it was said."""

    def answer(self, run: ActiveRun, answer: bool) -> None:
        """Answer the call for which a run waits."""

    def close(self) -> None:
        """End everything at once."""


def train_concurrently(
    tasks: Iterator[Task | None], *, observer: Callable[[Task], Observer], crew: Crew, n_places: int
) -> Iterator[RunRecord | None]:
    """Train tasks at so many places; the contract is that of `kbnd.execution.executors.Executor.execute`."""
    active: list[ActiveRun] = []
    is_over = is_idle = False
    try:
        while True:
            while len(active) < n_places and not (is_over or is_idle):
                try:
                    task = next(tasks)
                except StopIteration:
                    is_over = True
                    break
                is_idle = task is None
                if task is not None:
                    place = min(set(range(n_places)) - {run.place for run in active})
                    active.append(ActiveRun(task, observer(task), place))
                    _mark(active)
                    crew.start(active[-1])
            is_idle = False  # to be asked again after the next news: what is wanted also depends on other processes
            if not active:
                if is_over:
                    return
                yield None
                continue
            refusal = None
            for run, event in crew.events(active):
                if isinstance(event, Refused):
                    refusal = event.error
                    continue
                record = _after(run, event, crew)
                if record is not None:
                    active.remove(run)
                    yield record
            if refusal is not None:  # when what the others said with it is stored
                raise refusal
    finally:
        crew.close()


def _mark(active: list[ActiveRun]) -> None:
    """Note that runs are active together."""
    if len(active) > 1:
        for run in active:
            run.is_concurrent = True


def _after(run: ActiveRun, event: Call | Ended | Lost, crew: Crew) -> RunRecord | None:
    """Do what an event asks for; the run's record where that was its end."""
    if isinstance(event, Call):
        _call(run, event, crew)
        return None
    has_failed = isinstance(event, Lost) or event.record.status in FAILURES
    n_retries = crew.lost_retries if isinstance(event, Lost) else FAILED_RETRIES
    is_retried = has_failed and run.attempt <= n_retries
    if is_retried and not run.observer.should_stop():
        run.attempt, run.first_record, run.epochs = run.attempt + 1, None, []
        crew.start(run)
        return None
    record = _lost_record(run, event) if isinstance(event, Lost) else event.record
    if is_retried:  # told to stop with an attempt left: to be tried again by the next call, so no failure yet
        record = replace(record, status="interrupted", error=None)
    return replace(record, is_concurrent=run.is_concurrent)


def _call(run: ActiveRun, call: Call, crew: Crew) -> None:
    answer = getattr(run.observer, call.name)(*call.arguments)
    if call.name == "on_start":
        run.first_record, run.epochs = call.arguments[0], list(call.arguments[0].epochs)
    elif call.name == "on_epoch":
        run.epochs.append(call.arguments[0])
    if call.is_answered:
        crew.answer(run, bool(answer))


def _lost_record(run: ActiveRun, lost: Lost) -> RunRecord:
    """What is known of a run whose worker is gone; one that was to stop anyway counts as stopped."""
    first_record = run.first_record
    if first_record is None:
        from kbnd.training.run import blank  # brings Keras

        first_record = blank(run.task)
    record = replace(first_record, epochs=tuple(run.epochs), n_epochs=len(run.epochs))
    if run.observer.should_stop():
        return replace(record, status="interrupted", error=None)
    return replace(record, status=lost.status, error=printable(f"{lost.reason} (attempt {run.attempt})"))
