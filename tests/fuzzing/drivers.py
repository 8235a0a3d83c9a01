"""Drivers of computed runs: a study and searches, in a process that has no backend."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import scipy.optimize

from fuzzing.computed import LEDGER, Computing, Journal
from fuzzing.texts import STUDY
from kbnd.execution import driver as driving
from kbnd.execution.settings import Settings
from kbnd.ledger import claims
from kbnd.study.choices import Choices, decide
from kbnd.study.definition import read
from kbnd.study.experiment import Experiment
from kbnd.study.runner import run
from kbnd.training import backend
from kbnd.tuning.defaults import space_for

SEARCHES: dict[str, dict[str, Any]] = {
    "random": {"oracle": "random", "max_trials": 6},
    "pruned": {"oracle": "random", "max_trials": 8, "is_pruned": True},
    "grid": {"oracle": "grid"},
    "bayesian": {"oracle": "bayesian", "max_trials": 8},
    "hyperband": {"oracle": "hyperband"},
}

GRID, RANGES = {"lr": "0.01,0.1", "dropout": "0,0.5"}, {"lr": "1e-3..1", "dropout": "0..0.8"}


def without_backend() -> None:
    """Let this process plan and drive runs as on TensorFlow on a CPU, which it never imports: forks stay cheap."""
    for owner, name in ((backend, "_imported"), (backend, "device_kind"), (driving, "POLL_S")):
        assert hasattr(owner, name), name
    backend._imported = lambda: None
    backend.device_kind = lambda: "cpu"
    driving.POLL_S = 0.01
    os.environ["KERAS_BACKEND"] = "tensorflow"


def with_light_keras() -> None:
    """Import Keras on NumPy, for keras-tuner's oracles, and let this process drive runs without a backend."""
    os.environ["KERAS_BACKEND"] = "numpy"
    import keras_tuner  # noqa: F401

    without_backend()


def hearing_every(beat_s: float, *, stale_s: float) -> None:
    """Let claims of this process be renewed, and those of others count as stale, after fractions of a second."""
    heart = claims.Heart
    claims.Heart = lambda path, token: heart(path, token, interval_s=beat_s)
    claims.STALE_S = stale_s


def experiment(folder: Path) -> Experiment:
    """The study above with all its arms."""
    file = folder / "computed.toml"
    file.write_text(STUDY)
    return decide(read(file), Choices(arms=("all",)))


def study_driven(folder: Path, of: Experiment, *, pause: Callable[[], None] = lambda: None) -> None:
    """Drive the study on the ledger in a folder until nothing is left."""
    settings = Settings(ledger=folder / LEDGER)
    run(of, settings, progress=Journal(folder), executor=Computing(folder, pause))


def search_driven(folder: Path, chosen: dict[str, Any], *, pause: Callable[[], None] = lambda: None) -> None:
    """Drive a search on digits on the ledger of a folder until nothing is left."""
    from kbnd.tuning.job import SearchJob
    from kbnd.tuning.plan import plan_search

    settings = Settings(ledger=folder / LEDGER)
    varied = GRID if chosen["oracle"] == "grid" else RANGES
    space = space_for("lenet5", dataset="digits", batch_norm="none,before_activation", epochs=3, **varied)
    plan = plan_search(space, settings, **chosen)
    job = SearchJob(plan=plan, settings=settings, test_seeds=1)
    job.run(progress=Journal(folder), executor=Computing(folder, pause))


def quicken_bayesian() -> None:
    """Let a Bayesian oracle look for its next proposal at fifty points only: a second each becomes tenths."""
    exact = scipy.optimize.minimize

    def quick(of: Callable[[Any], Any], x0: Any, **options: Any) -> Any:
        if options.get("jac"):  # a fit, not the search for its optimum
            return exact(of, x0, **options, options={"maxiter": 2})
        return SimpleNamespace(fun=of(x0).item(), x=x0)

    scipy.optimize.minimize = quick


def new(folder: Path) -> Path:
    """Make a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder
