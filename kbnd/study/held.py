"""What a ledger already holds of an experiment: runs that need no training, and the times of its recipes here.

A run's identity needs the data's fingerprint and the device that the backend computes on. So where there is no
ledger, or its data are not decoded yet, neither is asked for: no backend is loaded and nothing is decoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kbnd import data
from kbnd.data import sources
from kbnd.execution import threads
from kbnd.execution.runs import PlannedRun
from kbnd.execution.settings import Settings
from kbnd.files import kind_of
from kbnd.ledger import Reader
from kbnd.profiling.machine import environment
from kbnd.records import FAILURES, TO_TRAIN
from kbnd.spec import Identity
from kbnd.study.experiment import Experiment
from kbnd.study.plan import plan
from kbnd.study.runner import label
from kbnd.training import backend

NOWHERE = Identity("", "", "", "", "")
"""In place of a setting where only the number of runs and their recipes are asked for."""


@dataclass(frozen=True)
class Held:
    """A plan, and what a ledger knows of it.

    Attributes:
        runs: the plan; without a ledger its run ids mean nothing.
        hits: ids of the runs that need no training; None where that cannot be told.
        run_s: recipe -> median seconds of a run of it on this machine, backend and device.
        n_threads: that the first of these runs was computed with on a CPU; None where none is stored or none says.
    """

    runs: list[PlannedRun]
    hits: frozenset[str] | None = frozenset()
    run_s: Mapping[str, float] = field(default_factory=dict)
    n_threads: int | None = None


def held(experiment: Experiment, settings: Settings) -> Held:
    """Return the plan of an experiment and what the ledger of the settings knows of it; writes nothing.

    Raises:
        UsageError: the file is no ledger.
    """
    if kind_of(settings.ledger, what="ledger") == "nothing":
        return Held(_planned(experiment, settings, NOWHERE))
    with Reader.open(settings.ledger) as ledger:
        if not sources.is_decoded(experiment.data):
            return Held(_planned(experiment, settings, NOWHERE), hits=None)
        n_threads = _load(experiment, settings, ledger)
        identity = backend.identity(data.fingerprint(experiment.data, download=False))
        runs = _planned(experiment, settings, identity)
        to_train = {*TO_TRAIN, *(FAILURES if settings.retry_failed else ())}
        hits = frozenset(run.run_id for run in runs if ledger.status(run.run_id) not in to_train)
        return Held(runs, hits, _measured_times(ledger, identity), n_threads)


def load_backend(experiment: Experiment, settings: Settings) -> str:
    """Load the backend with the threads that an experiment was begun with, as far as the ledger knows them.

    Returns:
        Its name.
    """
    if kind_of(settings.ledger, what="ledger") != "nothing" and sources.is_decoded(experiment.data):
        with Reader.open(settings.ledger) as ledger:
            _load(experiment, settings, ledger)
    return backend.load(settings.backend)


def _load(experiment: Experiment, settings: Settings, ledger: Reader) -> int | None:
    """Load the backend; return the threads that the first run of an experiment was computed with."""
    on_cpu = backend.identity(data.fingerprint(experiment.data, download=False), device="cpu")
    n_threads = ledger.first_n_threads(
        label(experiment, settings), lambda: (run.run_id for run in _planned(experiment, settings, on_cpu))
    )
    backend.load(settings.backend, n_threads=n_threads if threads.is_here(settings) else None)
    return n_threads


def _planned(experiment: Experiment, settings: Settings, identity: Identity) -> list[PlannedRun]:
    return plan(experiment, identity=identity, control=settings.control, retime=settings.retime)


def _measured_times(ledger: Reader, identity: Identity) -> dict[str, float]:
    runs = ledger.runs()
    is_here = (
        (runs["status"] == "done")
        & (runs["machine"] == environment()["machine"])
        & (runs["backend"] == identity.backend)
        & (runs["device"] == identity.device)
        & ~runs["is_concurrent"]
        & runs["continued_from"].isna()  # else only its last part was timed
    )
    return runs[is_here].groupby("recipe_id")["wall_s"].median().dropna().to_dict()
