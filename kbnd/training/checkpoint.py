"""Checkpoints: everything that a run needs to go on as if it had never stopped, in one file.

A checkpoint is a `.npz` of plain arrays (never pickled): the model's variables, the optimizer's, the generators'
states, and a JSON text with the run's id and its epochs so far. PyTorch's dropout masks need no state: its global
generator is set from (seed, epoch) at the start of every epoch. It is written as a whole (`kbnd.files`) and the one
before is kept, so that a crash at any instant leaves a readable one. One that cannot be read counts as none.
"""

from __future__ import annotations

import json
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kbnd.errors import ResumeMismatchError
from kbnd.files import check_file, disk_errors, remove_temporaries, replacing
from kbnd.ledger.checks import problems_of_epochs
from kbnd.ledger.values import is_name
from kbnd.records import EpochRecord

if TYPE_CHECKING:
    import keras

FORMAT = 1

_UNREADABLE = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError, SyntaxError),
)
"""What zipfile, NumPy, json and a record's fields raise for a file that is torn, foreign or of another kbnd."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read.

    Attributes:
        path: its file.
        arrays: the state, by key.
        epochs: trained so far.
        session: that wrote it.
        continued_from: the session that this one went on from, as in `kbnd.records.RunRecord`.
    """

    path: Path
    arrays: dict[str, np.ndarray]
    epochs: tuple[EpochRecord, ...]
    session: str
    continued_from: str | None = None


def save(
    path: Path,
    model: keras.Model,
    *,
    run_id: str,
    session: str,
    epochs: Sequence[EpochRecord],
    continued_from: str | None = None,
) -> None:
    """Write the state of a compiled model at the end of an epoch; the previous checkpoint is kept.

    Args:
        path: the checkpoint's file; its folder is made.
        model: compiled, with a built optimizer.
        run_id: what the checkpoint belongs to.
        session: the driver's session, so that times of two sessions are never joined unseen.
        epochs: every epoch so far.
        continued_from: the session whose checkpoint this training went on from.

    Raises:
        NoSpaceError: the disk is full; the checkpoint before this one stays.
        UsageError: the folder cannot be written.
    """
    about = {"format": FORMAT, "run_id": run_id, "session": session, "epochs": [asdict(epoch) for epoch in epochs]}
    about |= {} if continued_from is None else {"continued_from": continued_from}
    from keras import ops  # late: a driver without a backend drops checkpoints too

    arrays = {key: np.asarray(ops.convert_to_numpy(variable.value)) for key, variable in _variables(model).items()}
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with disk_errors(f"the checkpoint {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, what="checkpoint") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            # From here to the end of the block only the previous name holds a checkpoint, which `load` finds.
            if path.exists():
                path.replace(_previous(path))


def load(path: Path, *, run_id: str) -> Checkpoint | None:
    """Return the newest readable checkpoint of a run, or None where there is none."""
    for candidate in (path, _previous(path)):
        try:
            checkpoint = _read(candidate, run_id)
        except _UNREADABLE:
            continue
        if checkpoint is not None:
            return checkpoint
    return None


def restore(checkpoint: Checkpoint, model: keras.Model) -> None:
    """Put a checkpoint's state into a freshly built and compiled model.

    Raises:
        ResumeMismatchError: the arrays do not fit the model.
    """
    for key, variable in _variables(model).items():
        value = checkpoint.arrays.get(key)
        needed = f"{variable.dtype} of shape {tuple(variable.shape)}"
        content = "nothing" if value is None else f"{value.dtype} of shape {tuple(value.shape)}"
        if content != needed:
            raise ResumeMismatchError(
                f"the checkpoint {checkpoint.path} holds {content} for {key} where the model needs {needed}: delete it "
                "to train the run from its beginning"
            )
        variable.assign(value)


def remove(path: Path) -> None:
    """Delete a run's checkpoints."""
    with disk_errors(f"the folder {path.parent} of checkpoints"):
        for file in (path, _previous(path)):
            file.unlink(missing_ok=True)
    remove_temporaries(path)


def _read(path: Path, run_id: str) -> Checkpoint | None:
    """The checkpoint in a file, None where it belongs to another run or format; raises `_UNREADABLE`."""
    check_file(path, what="checkpoint")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        arrays = {key: stored[key] for key in stored.files}
    about = json.loads(arrays.pop("about").tobytes())
    if (about["format"], about["run_id"]) != (FORMAT, run_id):
        return None
    epochs = tuple(EpochRecord(**epoch) for epoch in about["epochs"])
    session, earlier = about["session"], about.get("continued_from")
    if [epoch.epoch for epoch in epochs] != list(range(1, len(epochs) + 1)):
        raise ValueError("epochs are not numbered from 1")
    for problem in problems_of_epochs(epochs):
        raise ValueError(problem)
    if not (is_name(session) and (earlier is None or is_name(earlier))):
        raise ValueError("a session has another name than kbnd gives")
    return Checkpoint(path, arrays, epochs, session, earlier)


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
