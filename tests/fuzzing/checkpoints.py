"""Damaged checkpoints: what is restored is what was saved, or nothing, or a sentence says that it does not fit.

The model is a few NumPy arrays behind the names that Keras gives them, so that no backend is needed.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np

from fuzzing.cases import Fault
from fuzzing.computed import SETTING, record_of
from fuzzing.drivers import new
from fuzzing.hostile import HOSTILE
from fuzzing.mutations import damaged, leaves, with_value
from kbnd.errors import KbndError
from kbnd.ledger.values import is_name
from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec
from kbnd.training import checkpoint
from kbnd.training.task import Task


@dataclass
class Variable:
    """A variable of the model."""

    value: np.ndarray

    @property
    def dtype(self) -> str:
        return str(self.value.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    def assign(self, value: np.ndarray) -> None:
        self.value = value.copy()


@dataclass
class Model:
    """What `kbnd.training.checkpoint` asks of a Keras model."""

    variables: list[Variable]
    optimizer: Any
    trainable_variables: tuple[Variable, ...] = ()
    metrics_variables: tuple[Variable, ...] = ()

    def state(self) -> list[bytes]:
        return [variable.value.tobytes() for variable in (*self.variables, *self.optimizer.variables)]


@dataclass(frozen=True)
class Saved:
    """A checkpoint of two epochs and the one before, of one.

    Attributes:
        folder: of both files.
        run_id: whose they are.
        states: what each restores, by its number of epochs.
    """

    folder: Path
    run_id: str
    states: dict[int, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.run_id}.npz"


def saved(folder: Path) -> Saved:
    """Write both checkpoints, and read each."""
    spec = RunSpec(model=ModelSpec(name="lenet5"), data=DataSpec(), train=TrainSpec(epochs=3))
    record = record_of(Task(spec=spec, identity=SETTING, session="s1"))
    one = Saved(new(folder / "checkpoints"), record.run_id)
    for n in (1, 2):
        about = {"format": checkpoint.FORMAT, "run_id": one.run_id, "session": "s1", "continued_from": "s0"}
        epochs = [asdict(epoch) for epoch in record.epochs[:n]]
        if one.path.exists():
            one.path.replace(one.path.with_suffix(".previous"))
        model = _model(n)
        variables = {f"model/{i}": v.value for i, v in enumerate(model.variables)}
        variables |= {f"optimizer/{i}": v.value for i, v in enumerate(model.optimizer.variables)}
        text = json.dumps(about | {"epochs": epochs})
        np.savez(one.path, about=np.frombuffer(text.encode(), np.uint8), **variables)
        one.states[n] = restored(one.path, one.run_id)
        assert one.states[n][0] == model.state(), "a sound checkpoint restores what was saved"
    return one


def damage(one: Saved, chance: Random, folder: Path) -> Iterator[Fault]:
    """Damage the newest checkpoint, or both."""
    place = folder / "checkpoints"
    shutil.copytree(one.folder, place)
    files = sorted(place.iterdir()) if chance.random() < 0.2 else [place / one.path.name]
    about = [f"{file.suffix}: {_damage(file, chance)}" for file in files]
    try:
        state = restored(place / one.path.name, one.run_id)
    except KbndError:
        return  # it does not fit, which is said
    if state is not None and state not in one.states.values():
        yield Fault("silent", f"{'; '.join(about)}: restored {_difference(state, one)}")
    if state is None and len(files) == 1:
        yield Fault("lost", f"{'; '.join(about)}: the checkpoint before was not read")


def restored(path: Path, run_id: str) -> Any:
    """What a run goes on from: the model's state, its epochs and sessions; None where there is no checkpoint."""
    stored = checkpoint.load(path, run_id=run_id)
    if stored is None:
        return None
    model = _model(0)
    checkpoint.restore(stored, model)
    return model.state(), stored.epochs, stored.session, stored.continued_from


def _model(seed: int) -> Model:
    random = np.random.default_rng(seed)
    shapes = [(5, 5, 1, 6), (6,), (120, 84), (84,), (2,)]
    weights = [Variable(random.normal(size=shape).astype("float32")) for shape in shapes[:-1]]
    generator = Variable(random.integers(0, 2**31, 2).astype("uint32"))
    momenta = [Variable(random.normal(size=shape).astype("float32")) for shape in shapes[:2]]
    step = Variable(np.array(seed, "int64"))
    return Model([*weights, generator], SimpleNamespace(build=lambda _: None, variables=[step, *momenta]))


def _damage(file: Path, chance: Random) -> str:
    """Damage the bytes of a file, or write it anew with another text or array in it."""
    if chance.random() < 0.6:
        about, content = damaged(file.read_bytes(), chance)
        file.write_bytes(content)
        return about
    with np.load(file) as stored:
        arrays = {key: stored[key] for key in stored.files}
    if chance.random() < 0.6:
        about = json.loads(arrays["about"].tobytes())
        path = chance.choice([path for path in leaves(about) if path[0] != "epochs" or len(path) < 3])
        value = chance.choice([value for value in HOSTILE if not is_name(value)])
        text = json.dumps(with_value(about, path, value))
        arrays["about"] = np.frombuffer(text.encode(), np.uint8)
        what = f"about {path} became {value!r:.60}"
    else:
        key = chance.choice(sorted(set(arrays) - {"about"}))
        other = chance.choice(("gone", "halves", "flat", "object"))
        if other == "gone":
            del arrays[key]
        elif other == "object":
            arrays[key] = np.array({"pickled": print}, dtype=object)
        else:
            arrays[key] = (
                np.frombuffer(arrays[key].tobytes(), "uint8") if other == "halves" else arrays[key].ravel()[:-1]
            )
        what = f"{key} became {other}"
    with zipfile.ZipFile(file, "w") as archive:
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w") as entry:
                np.lib.format.write_array(entry, array)
    return what


def _difference(state: Any, one: Saved) -> str:
    names = ("weights", "epochs", "session", "continued_from")
    expected = one.states[min(2, max(1, len(state[1])))]
    wrong = [name for name, mine, other in zip(names, state, expected, strict=True) if mine != other]
    return f"another {', '.join(wrong)}: " + "; ".join(
        f"{state[names.index(n)]!r:.80}" for n in wrong if n != "weights"
    )
