"""What the log of a search in a ledger says, for those who only look: nothing is written, nothing is trained.

Settings are compared with those that the search was begun with only where its data are decoded: what a run is depends
on their fingerprint.
"""

from __future__ import annotations

from dataclasses import dataclass

from kbnd import data
from kbnd.data import sources
from kbnd.execution import threads
from kbnd.execution.settings import Settings
from kbnd.files import kind_of
from kbnd.ledger import Reader
from kbnd.ledger.searches import check_same
from kbnd.ledger.sqlite_errors import EmptyLedgerError
from kbnd.training import backend
from kbnd.tuning.plan import SearchPlan


@dataclass(frozen=True)
class LogSummary:
    """How far the search is that a ledger has under the name of a plan.

    Attributes:
        n_candidates: that were asked for.
        n_ended: of these.
        n_epochs: that the runs of those were to train, all seeds together.
        n_threads: that the first run was computed with on a CPU; None where none is stored or none says.
    """

    n_candidates: int
    n_ended: int
    n_epochs: int
    n_threads: int | None = None


def log_summary(plan: SearchPlan, settings: Settings, *, is_fresh: bool = False) -> LogSummary | None:
    """Return what the ledger of the settings holds of a search; None where it has none of this name.

    Args:
        plan: of the search.
        settings: the engine's.
        is_fresh: whether it will be begun anew, so that other settings are no mistake.

    Raises:
        UsageError: the file is no ledger.
        ResumeMismatchError: the search was begun with other settings.
    """
    if kind_of(settings.ledger, what="ledger") == "nothing":
        return None
    try:
        reader = Reader.open(settings.ledger)
    except EmptyLedgerError:
        return None
    with reader as ledger:
        info = ledger.search(plan.name)
        if info is None:
            return None
        images, n_threads = plan.space.images, ledger.first_n_threads(plan.name)
        if not is_fresh and sources.is_decoded(images):
            backend.load(settings.backend, n_threads=n_threads if threads.is_here(settings) else None)
            check_same(info, plan.definition(backend.identity(data.fingerprint(images, download=False))))
        events = ledger.search_events(info)
    asked = {event.ordinal: event.body["epochs"] or plan.space.epochs for event in events if event.kind == "ask"}
    epochs = {ordinal: plan.seeds * n for ordinal, n in asked.items()}
    ended = [event.ordinal for event in events if event.kind == "end"]
    return LogSummary(len(epochs), len(ended), sum(epochs[ordinal] for ordinal in ended), n_threads)
