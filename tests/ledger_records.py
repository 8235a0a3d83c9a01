"""Runs that a ledger accepts: their ids are the digests of their specs."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from kbnd.clock import CLOCK_FIELDS, summarise
from kbnd.records import HITS, EpochRecord, RunRecord
from kbnd.spec import PROTOCOL, DataSpec, Identity, ModelSpec, RunSpec, TrainSpec

SETTING = Identity(
    backend="tensorflow", backend_version="2.21", keras_version="3.15", device="cpu", fingerprint="ab" * 32
)


def record(*, seed: int = 1, dropout: float = 0.0, n_epochs: int = 2, replicate: int = 0, **changes: Any) -> RunRecord:
    spec = RunSpec(
        model=ModelSpec(name="lenet5", dropout=dropout),
        data=DataSpec(name="digits"),
        train=TrainSpec(epochs=max(n_epochs, 1)),
        seed=seed,
        replicate=replicate,
    )
    run = RunRecord(
        run_id=spec.run_id(SETTING),
        recipe_id=spec.recipe_id,
        spec=spec.canonical(),
        model="lenet5",
        dataset="digits",
        seed=seed,
        replicate=replicate,
        status="done",
        **asdict(SETTING),
        protocol=PROTOCOL,
        session="s1",
        started_at="2026-01-02T03:04:05+00:00",
        environment={"machine": "m1", "load_average": [0.5, 0.25, 0.125]},
        epochs=tuple(epoch(i) for i in range(1, n_epochs + 1)),
        n_epochs=n_epochs,
        test_accuracy=0.75,
        test_loss=0.5,
        fit_s=0.0,
        peak_rss_bytes=0,
    )
    return replace(agreeing(replace(run, **changes)), **changes)


def agreeing(run: RunRecord) -> RunRecord:
    """The run with what follows from the rest: times from its epochs, correct images from its accuracy."""
    clock = summarise([asdict(one) for one in run.epochs])
    values: dict[str, Any] = {name: clock[name] for name in CLOCK_FIELDS if getattr(run, name) is not None}
    for name in ("val_loss", "val_accuracy"):
        if run.epochs and (last := getattr(run.epochs[-1], name)) is not None:
            values[name] = last
    if run.status in HITS:
        accuracy = float(run.test_accuracy or 0.0)
        n_test = next(n for n in (4, 100, 10_000) if abs(n * accuracy - round(n * accuracy)) < 1e-6)
        correct = [i < round(accuracy * n_test) for i in range(n_test)]
        values |= {"n_test": n_test, "test_correct": np.packbits(correct).tobytes()}
    else:
        values |= dict.fromkeys(("test_accuracy", "test_loss", "test_correct", "n_test"))
    return replace(run, **values)


def epoch(number: int, **changes: Any) -> EpochRecord:
    values = {"train_loss": 1.0 / number, "train_s": 1.5, "is_warmup": number == 1, "peak_rss_bytes": 2**33}
    return EpochRecord(epoch=number, **{**values, **changes})


def label(arm: str, run: RunRecord) -> tuple[str, int, int, str]:
    return (arm, run.seed, run.replicate, run.run_id)
