"""Runs that a ledger accepts: their ids are the digests of their specs."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from kbnd.records import EpochRecord, RunRecord
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
        fit_s=1.5 * n_epochs,
        test_correct=b"\xe0",
        n_test=4,
        peak_rss_bytes=2**33,
    )
    return replace(run, **changes)


def epoch(number: int, **changes: Any) -> EpochRecord:
    values = {"train_loss": 1.0 / number, "train_s": 1.5, "is_warmup": number == 1}
    return EpochRecord(epoch=number, **{**values, **changes})


def label(arm: str, run: RunRecord) -> tuple[str, int, int, str]:
    return (arm, run.seed, run.replicate, run.run_id)
