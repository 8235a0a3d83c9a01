"""What a call needs before it can drive anything: the ledger opened, the threads settled, the backend loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from kbnd import data
from kbnd.execution import resources, threads
from kbnd.execution.settings import Settings
from kbnd.files import kind_of
from kbnd.ledger import Ledger
from kbnd.spec import DataSpec, Identity
from kbnd.training import backend


class Opened(NamedTuple):
    """What a call works on.

    Attributes:
        ledger: open, for writing.
        identity: the setting that run ids are made from.
        n_threads: that its runs are computed with on a CPU, as settled by who began; None where a cluster decides.
    """

    ledger: Ledger
    identity: Identity
    n_threads: int | None


@contextmanager
def opened(
    settings: Settings,
    data_spec: DataSpec,
    *,
    name: str = "",
    planned: Callable[[Identity], Iterable[str]] = lambda _: (),
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Opened]:
    """Open the ledger and load the backend; a ledger that does not exist is made only when the data are there.

    Args:
        settings: the engine's.
        data_spec: what is trained on.
        name: of the study or search in the ledger; empty for a run of its own.
        planned: ids of the runs that are wanted, as far as they are known.
        should_stop: until it is true, a ledger that another process keeps locked is waited for.

    Raises:
        UsageError: a backend, an executor or a ledger that cannot be.
        DataMissingError: the dataset is not there.
    """
    settings.check()
    fingerprint = data.fingerprint(data_spec) if kind_of(settings.ledger, what="ledger") == "nothing" else None
    with Ledger.open(settings.ledger, is_patient=lambda: not should_stop()) as ledger:
        fingerprint = fingerprint or data.fingerprint(data_spec)
        # Threads matter on CPUs alone, and are settled before the backend can say what it computes on.
        on_cpu = backend.identity(fingerprint, device="cpu")
        own = threads.own(settings)
        n_threads = ledger.settle_n_threads(
            name, lambda: planned(on_cpu), usual=None if name and resources.gpus() else own
        )
        backend.load(settings.backend, n_threads=n_threads if threads.is_here(settings) else None)
        identity = backend.identity(fingerprint)
        if identity.device == "cpu":
            if n_threads is None:  # a GPU that the backend has no use for
                n_threads = ledger.settle_n_threads(name, lambda: planned(identity), usual=own)
            if n_threads != own:
                threads.warn(n_threads, settings)
        yield Opened(ledger, identity, n_threads)
