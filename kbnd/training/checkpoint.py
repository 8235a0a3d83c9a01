"""Checkpoints: everything that a run needs to go on as if it had never stopped, in one file.

A checkpoint is a `.npz` of plain arrays (never pickled): the model's variables, the optimizer's, the generators'
states, and a JSON text with the run's id and its epochs so far. PyTorch's dropout masks need no state: its global
generator is set from (seed, epoch) at the start of every epoch. It is written to a temporary name, synced and
renamed, and the one before is kept, so that a crash at any instant leaves a readable one.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from kbnd.errors import ResumeMismatchError
from kbnd.records import EpochRecord

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read: the arrays by key, and the epochs trained so far with their session."""

    arrays: dict[str, np.ndarray]
    epochs: tuple[EpochRecord, ...]
    session: str


def save(path: Path, model: keras.Model, *, run_id: str, session: str, epochs: Sequence[EpochRecord]) -> None:
    """Write the state of a compiled model at the end of an epoch; the previous checkpoint is kept.

    Args:
        path: the checkpoint's file; its folder is made.
        model: compiled, with a built optimizer.
        run_id: what the checkpoint belongs to.
        session: the driver's session, so that times of two sessions are never joined unseen.
        epochs: every epoch so far.
    """
    about = {"format": FORMAT, "run_id": run_id, "session": session, "epochs": [asdict(epoch) for epoch in epochs]}
    arrays = {
        key: np.asarray(keras.ops.convert_to_numpy(variable.value)) for key, variable in _variables(model).items()
    }
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        path.replace(_previous(path))
    temporary.replace(path)


def load(path: Path, *, run_id: str) -> Checkpoint | None:
    """Return the newest readable checkpoint of a run, or None where there is none."""
    for candidate in (path, _previous(path)):
        try:
            with candidate.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {key: stored[key] for key in stored.files}
            about = json.loads(arrays.pop("about").tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            continue
        if about["format"] == FORMAT and about["run_id"] == run_id:
            epochs = tuple(EpochRecord(**epoch) for epoch in about["epochs"])
            return Checkpoint(arrays=arrays, epochs=epochs, session=about["session"])
    return None


def restore(checkpoint: Checkpoint, model: keras.Model) -> None:
    """Put a checkpoint's state into a freshly built and compiled model.

    Raises:
        ResumeMismatchError: the arrays do not fit the model.
    """
    for key, variable in _variables(model).items():
        value = checkpoint.arrays.get(key)
        if value is None or tuple(value.shape) != tuple(variable.shape):
            found = "nothing" if value is None else f"shape {tuple(value.shape)}"
            raise ResumeMismatchError(
                f"the checkpoint holds {found} for {key}, the model needs shape {tuple(variable.shape)}"
            )
        variable.assign(value)


def remove(path: Path) -> None:
    """Delete a run's checkpoints."""
    for file in (path, _previous(path), path.with_suffix(".part")):
        file.unlink(missing_ok=True)


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Every variable that training changes: weights, statistics, seed generators, optimizer (metrics start anew)."""
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)
    metrics = {id(variable) for variable in model.metrics_variables}
    own = [variable for variable in model.variables if id(variable) not in metrics]
    return {f"model/{i}": v for i, v in enumerate(own)} | {
        f"optimizer/{i}": v for i, v in enumerate(optimizer.variables)
    }


def _previous(path: Path) -> Path:
    return path.with_suffix(".previous")
