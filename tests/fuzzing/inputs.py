"""Bad input on command lines and in Python: one sentence with exit code 2, or the error that carries it.

Options are read off the commands themselves, so that a new one is tried from the day it is there. Executors compute
what they are given; nothing is trained and nothing is downloaded.
"""

from __future__ import annotations

import inspect
import os
import resource
import shutil
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import typer

import kbnd
from fuzzing.cases import Fault
from fuzzing.commands import bad_ends
from fuzzing.commands import kbnd as run
from fuzzing.computed import Computing
from fuzzing.drivers import experiment, new, study_driven, with_light_keras
from fuzzing.hostile import FILES, HOSTILE, OBJECTS, WORDS
from fuzzing.texts import RECIPE, SPACE, STUDY
from fuzzing.tomls import MOST_BYTES
from kbnd import data, models
from kbnd.cli import app
from kbnd.errors import KbndError
from kbnd.execution import settings
from kbnd.execution.executors import executor

UNTRIED = {
    "doctor": "starts every backend",
    "data prepare": "asks the network for names that it does not know",
    "--address": "asks the network",
    "--help": "is no input",
    "--fresh": "changes nothing of a dry run",
}
"""Command or option -> why it is left out."""

DRY = ("study", "tune")
"""Commands that are asked for a dry run."""

PATHS = ("ledger", "file", "recipe", "space", "out", "source", "target", "save_weights")
"""Parameters that are a file or folder."""


@dataclass(frozen=True)
class Place:
    """Files that exist, and every option of every command.

    Attributes:
        files: a folder with them.
        commands: words of a command -> its parameters.
    """

    files: Path
    commands: dict[str, list[Any]]


def place(folder: Path) -> Place:
    """Make the files."""
    with_light_keras()
    files = new(folder / "files")
    for name, text in (("study", STUDY), ("recipe", RECIPE), ("space", SPACE)):
        (files / f"{name}.toml").write_text(text)
    (files / "text").write_text("no TOML, no ledger")
    (files / "empty").touch()
    new(files / "folder" / "a")
    if not (files / "loop").is_symlink():  # made once for both kinds
        study_driven(files, experiment(files))
        (files / "loop").symlink_to("loop")
    return Place(files, dict(_commands(typer.main.get_command(app), ())))


def command_line(place: Place, chance: Random, folder: Path) -> Iterator[Fault]:
    """Call a command with one to three options that hold anything."""
    _enter(place, folder)
    names = sorted(place.commands)
    name = chance.choices(names, [len(place.commands[name]) for name in names])[0]  # what has more options, more often
    words = name.split()
    parameters = place.commands[name]
    words += [_word(one, chance) for one in parameters if one.param_type_name == "argument"]
    options = [one for one in parameters if one.param_type_name == "option" and one.opts[0] not in UNTRIED]
    for option in chance.sample(options, min(len(options), chance.choice((1, 1, 2, 3)))):
        words += [option.opts[0]] if option.is_flag else [option.opts[0], _word(option, chance)]
    words += ["--dry-run"] if name in DRY and "--dry-run" not in words else []
    yield from bad_ends(run(*words), allowed=(1,) if name == "ledger verify" else ())


def python(place: Place, chance: Random, folder: Path) -> Iterator[Fault]:
    """Call a function with one argument that holds anything."""
    _enter(place, folder)
    name = chance.choice(sorted(_CALLS))
    call, sound = _CALLS[name]
    field = chance.choice(_arguments(call))
    value = chance.choice((*HOSTILE, *OBJECTS, *WORDS))
    about = f"{name}({field} = {value!r:.60})"
    try:
        call(**{**sound, field: value})
    except KbndError as error:
        if not str(error) or len(str(error)) > 2000:
            yield Fault("traceback", f"{about}: no sentence: {str(error)!r:.200}")
    except TypeError as error:
        if "os.PathLike" not in str(error):  # a sentence of Python's own, which says what it expected
            yield _raised(about, error)
    except BaseException as error:  # noqa: BLE001 (this is what is looked for)
        yield _raised(about, error)


def _raised(about: str, error: BaseException) -> Fault:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/kbnd/" in frame.filename]
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return Fault("traceback", f"{about}: {type(error).__name__}: {error!s:.200} {where}")


def _enter(place: Place, folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    shutil.copytree(place.files, folder / "files", symlinks=True)
    os.chdir(folder / "files")
    os.environ.update(KBND_CACHE=str(folder / "cache"), TFDS_DATA_DIR=str(folder / "tfds"))

    def checked(*arguments: Any, **options: Any) -> Computing:
        executor(*arguments, **options)
        return Computing(folder)

    settings.executor = checked


def _word(parameter: Any, chance: Random) -> str:
    return chance.choice(FILES) if parameter.name in PATHS and chance.random() < 0.7 else chance.choice(WORDS)


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, list[Any]]]:
    """Every command that does something, by its words."""
    if inner_commands := getattr(command, "commands", None):
        for name, inner in inner_commands.items():
            yield from _commands(inner, (*words, name))
    elif " ".join(words) not in UNTRIED:
        yield " ".join(words), command.params


def _arguments(call: Callable[..., Any]) -> list[str]:
    fields = getattr(call, "model_fields", None)
    if fields:
        return sorted(fields)
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, one in inspect.signature(call).parameters.items() if one.kind in kinds and name != "self"]


def _model(**fields: Any) -> None:
    models.resolve(kbnd.ModelSpec(**fields))


_model.model_fields = kbnd.ModelSpec.model_fields  # type: ignore[attr-defined]


def _images(**fields: Any) -> None:
    data.load(kbnd.DataSpec(**fields), download=False)


_images.model_fields = kbnd.DataSpec.model_fields  # type: ignore[attr-defined]


def _tuned(**arguments: Any) -> None:
    kbnd.tune(**arguments)


_tuned.__signature__ = inspect.signature(kbnd.tune)  # type: ignore[attr-defined]

_CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "ModelSpec": (_model, {"name": "lenet5"}),
    "DataSpec": (_images, {"name": "digits"}),
    "TrainSpec": (kbnd.TrainSpec, {}),
    "RunSpec": (kbnd.RunSpec, {"model": {"name": "lenet5"}, "data": {"name": "digits"}, "train": {}}),
    "Reader.open": (kbnd.Reader.open, {"path": "kbnd.sqlite"}),
    "Ledger.open": (kbnd.Ledger.open, {"path": "kbnd.sqlite"}),
    "tune": (_tuned, {"model": "lenet5", "dataset": "digits", "oracle": "random", "max_trials": 2, "progress": False}),
}
"""Name -> function, and arguments with which it works."""
