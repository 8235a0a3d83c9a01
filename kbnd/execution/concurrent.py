"""Several runs at once, wherever they train: pulled, started, told of, tried again where they were lost, recorded.

    tasks --pull--> flight --start--> crew (processes, Ray) --events--> observer | record

All of this happens in the driver's process and thread, because observers write to a ledger that belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from kbnd.errors import KbndError
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
class Flight:
    """One run between its pull and its record.

    Attributes:
        task: what is trained.
        observer: whom it tells.
        place: number of the place it has, from 0.
        attempt: from 1.
        is_concurrent: whether another run was in flight at any time of this one.
        begun: what the attempt told when it began.
        epochs: of the attempt, those resumed from a checkpoint too.
    """

    task: Task
    observer: Observer
    place: int
    attempt: int = 1
    is_concurrent: bool = False
    begun: RunRecord | None = None
    epochs: list[EpochRecord] = field(default_factory=list)


class Crew(Protocol):
    """Who trains: workers of this machine, or of a cluster."""

    lost_retries: int
    """How often a run is tried again whose worker was lost."""

    def start(self, flight: Flight) -> None:
        """Have a run trained at its place, whatever became of the attempt before."""

    def events(self, flights: Sequence[Flight]) -> Iterable[tuple[Flight, Event]]:
        """Wait a while for what runs have to say, and return it in the order it was said."""

    def answer(self, flight: Flight, answer: bool) -> None:
        """Answer the call for which a run waits."""

    def close(self) -> None:
        """End everything at once."""


def fly(
    tasks: Iterator[Task | None], *, observer: Callable[[Task], Observer], crew: Crew, n_places: int
) -> Iterator[RunRecord | None]:
    """Train tasks at so many places; the contract is that of `kbnd.execution.executors.Executor.execute`."""
    flights: list[Flight] = []
    is_over = is_idle = False
    try:
        while True:
            while len(flights) < n_places and not (is_over or is_idle):
                try:
                    task = next(tasks)
                except StopIteration:
                    is_over = True
                    break
                is_idle = task is None
                if task is not None:
                    place = min(set(range(n_places)) - {flight.place for flight in flights})
                    flights.append(Flight(task, observer(task), place))
                    _mark(flights)
                    crew.start(flights[-1])
            is_idle = False  # to be asked again after the next news: what is wanted also depends on other processes
            if not flights:
                if is_over:
                    return
                yield None
                continue
            refused = None
            for flight, event in crew.events(flights):
                if isinstance(event, Refused):
                    refused = event.error
                    continue
                record = _after(flight, event, crew)
                if record is not None:
                    flights.remove(flight)
                    yield record
            if refused is not None:  # when what the others said with it is stored
                raise refused
    finally:
        crew.close()


def _mark(flights: list[Flight]) -> None:
    """Note that runs are in flight together."""
    if len(flights) > 1:
        for flight in flights:
            flight.is_concurrent = True


def _after(flight: Flight, event: Call | Ended | Lost, crew: Crew) -> RunRecord | None:
    """Do what an event asks for; the run's record where that was its end."""
    if isinstance(event, Call):
        _call(flight, event, crew)
        return None
    has_failed = isinstance(event, Lost) or event.record.status in FAILURES
    n_retries = crew.lost_retries if isinstance(event, Lost) else FAILED_RETRIES
    is_retried = has_failed and flight.attempt <= n_retries
    if is_retried and not flight.observer.should_stop():
        flight.attempt, flight.begun, flight.epochs = flight.attempt + 1, None, []
        crew.start(flight)
        return None
    record = _lost_record(flight, event) if isinstance(event, Lost) else event.record
    if is_retried:  # told to stop with an attempt left: to be tried again by the next call, so no failure yet
        record = replace(record, status="interrupted", error=None)
    return replace(record, is_concurrent=flight.is_concurrent)


def _call(flight: Flight, call: Call, crew: Crew) -> None:
    answer = getattr(flight.observer, call.name)(*call.arguments)
    if call.name == "on_start":
        flight.begun, flight.epochs = call.arguments[0], list(call.arguments[0].epochs)
    elif call.name == "on_epoch":
        flight.epochs.append(call.arguments[0])
    if call.is_answered:
        crew.answer(flight, bool(answer))


def _lost_record(flight: Flight, lost: Lost) -> RunRecord:
    """What is known of a run whose worker is gone; one that was to stop anyway counts as stopped."""
    begun = flight.begun
    if begun is None:
        from kbnd.training.run import blank  # brings Keras

        begun = blank(flight.task)
    record = replace(begun, epochs=tuple(flight.epochs), n_epochs=len(flight.epochs))
    if flight.observer.should_stop():
        return replace(record, status="interrupted", error=None)
    return replace(record, status=lost.status, error=f"{lost.reason} (attempt {flight.attempt})")
