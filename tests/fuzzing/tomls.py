"""Damaged TOML files of studies, recipes and spaces: a sentence, or a plan in which every change shows.

Nobody can know that somebody meant 0.1 and wrote 0.2. But what a file says and nothing makes use of is dropped in
silence: where a value is another one, or new, and the file is accepted, what is planned must be another thing too.
"""

from __future__ import annotations

import math
import resource
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import tomli_w

from fuzzing.cases import Fault
from fuzzing.commands import bad_ends, kbnd
from fuzzing.computed import LEDGER, Computing
from fuzzing.drivers import new, without_backend
from fuzzing.hostile import HOSTILE
from fuzzing.mutations import at, changed, damaged, leaves, with_value
from fuzzing.texts import RECIPE, RESIDUAL_RECIPE, SPACE, STUDY
from kbnd import recipe as recipes_of_kbnd
from kbnd.errors import KbndError
from kbnd.execution import settings
from kbnd.study.choices import Choices, decide
from kbnd.study.definition import read
from kbnd.study.job import single_run
from kbnd.tuning.defaults import space_for

STUDIES = Path(__file__).parents[2] / "studies"
MOST_BYTES = 6 * 2**30
"""Of address space: what takes more is refused by the system, and ends in a traceback."""


@dataclass(frozen=True)
class Texts:
    """Sound files of one sort.

    Attributes:
        texts: by name.
        command: that is given a file, in a folder.
        plan: what is planned of a file.
        plans: of each of them, by name.
    """

    texts: dict[str, str]
    command: Callable[[Path, Path], tuple[Any, ...]]
    plan: Callable[[Path], Any]
    plans: dict[str, Any]


def studies(folder: Path) -> Texts:
    """The studies of this checkout, and a small one, for a dry run."""
    texts = {file.stem: file.read_text() for file in sorted(STUDIES.glob("*.toml"))} | {"computed": STUDY}
    return _sound(texts, _study_plan, folder, lambda file, _: ("study", file, "--dry-run", "--yes", "--json"))


def recipes(folder: Path) -> Texts:
    """Two recipes, for a training whose run is computed."""

    def command(file: Path, place: Path) -> tuple[Any, ...]:
        settings.executor = lambda *_, **__: Computing(place)
        return ("train", "--recipe", file, "--ledger", place / LEDGER, "--json")

    return _sound({"plain": RECIPE, "residual": RESIDUAL_RECIPE}, _recipe_plan, folder, command)


def spaces(folder: Path) -> Texts:
    """A space, for the dry run of a search."""

    def command(file: Path, place: Path) -> tuple[Any, ...]:
        return ("tune", "--space", file, "--ledger", place / LEDGER, "--dry-run", "--json")

    return _sound({"space": SPACE}, _space_plan, folder, command)


def damage(sound: Texts, chance: Random, folder: Path) -> Iterator[Fault]:
    """Damage a file, give it to its command, and see what is planned of it."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    is_small = "computed" in sound.texts and chance.random() < 0.6
    name = "computed" if is_small else chance.choice(sorted(sound.texts))
    about, content = _damaged(sound.texts[name], chance)
    file = folder / f"{name}.toml"
    file.write_bytes(content)
    ended = kbnd(*sound.command(file, folder))
    yield from (Fault(fault.kind, f"{name}, {about}: {fault.about}") for fault in bad_ends(ended))
    try:
        planned = sound.plan(file)
    except (KbndError, RecursionError, MemoryError):
        return
    if planned == sound.plans[name] and (extra := _new_leaves(sound.texts[name], file)):
        yield Fault("silent", f"{name}, {about}: accepted, but nothing came of {extra}")


def _sound(texts: dict[str, str], plan: Any, folder: Path, command: Any) -> Texts:
    """Plan each file and give one to its command, so that forks find everything imported."""
    without_backend()
    place, plans = new(folder / "sound"), {}
    for name, text in texts.items():
        file = place / f"{name}.toml"
        file.write_text(text)
        plans[name] = plan(file)
    ended = kbnd(*command(file, place))
    assert ended.code == 0, ended
    return Texts(texts, command, plan, plans)


def _study_plan(file: Path) -> Any:
    definition = read(file)
    return repr(definition), repr(decide(definition, Choices(arms=("all",))))


def _recipe_plan(file: Path) -> Any:
    return repr(single_run(recipes_of_kbnd.read(file)))


def _space_plan(file: Path) -> Any:
    return repr(space_for(file=file))


def _damaged(text: str, chance: Random) -> tuple[str, bytes]:
    """Damage a TOML file in its bytes, its values or its keys."""
    how = chance.random()
    if how < 0.3:
        return damaged(text.encode(), chance)
    if how < 0.36:
        return _with_line(text, chance)
    content = tomllib.loads(text)
    path = chance.choice([path for path in leaves(content) if isinstance(path[-1], str) or how < 0.8])
    old = at(content, path)
    if how < 0.75:
        value = chance.choice(_WRITABLE) if chance.random() < 0.5 else changed(old, chance)
        changed_content, about = with_value(content, path, value), f"{old!r:.60} became {value!r:.60}"
    elif not isinstance(path[-1], str) or how < 0.85:
        inner = {**old, "unknown": 1} if isinstance(old, dict) else [old] if isinstance(old, list) else {"x": old}
        changed_content, about = with_value(content, path, inner), f"became {inner!r:.60}"
    else:
        above = dict(at(content, path[:-1]))
        name = changed(path[-1], chance)
        above[name] = above.pop(path[-1])
        changed_content, about = with_value(content, path[:-1], above), f"is called {name!r}"
    return f"{'.'.join(map(str, path))} {about}", tomli_w.dumps(changed_content).encode()


_WRITABLE = (*(value for value in HOSTILE if value not in (None, "\ud7ff")), [], {}, [1], {"a": 1}, -0.0)


def _with_line(text: str, chance: Random) -> tuple[str, bytes]:
    """Put a hostile line somewhere."""
    deep = chance.choice((100, 5000, 100_000))
    line = chance.choice(
        (
            f"deep = {'[' * deep}{']' * deep}",
            f"deep = {'{a=' * deep}1{'}' * deep}",
            "seeds = " + "9" * 5000,
            f"{'a.' * deep}b = 1",
            "x = " + "1" * deep,
            "\x00",
            "learning_rate = 1e400",
            "[[arms]]",
            'name = "\\u0007"',
        )
    )
    lines = text.splitlines()
    place = chance.randrange(len(lines) + 1)
    return f"{line:.20}... at line {place + 1}", "\n".join([*lines[:place], line, *lines[place:], ""]).encode()


def _new_leaves(before: str, file: Path) -> str:
    """What a file says that its original does not, where it differs; numbers of equal value are alike."""
    old, new = tomllib.loads(before), tomllib.loads(file.read_text(encoding="utf-8"))
    kept = {path: _plain(at(old, path)) for path in leaves(old)}
    extra = [path for path in leaves(new) if _is_new(at(new, path), kept.get(path), old, path)]
    return ", ".join(f"{'.'.join(map(str, path))} = {at(new, path)!r:.40}" for path in extra[:3])


def _is_new(value: Any, former: Any, old: Any, path: tuple[Any, ...]) -> bool:
    """Whether a value stands for something: tables and lists stand for theirs, a name said twice is said once."""
    if isinstance(value, dict | list) or former == _plain(value):
        return False
    if path[-1] == "max" and "step" in at(old, path[:-1]):  # no step ends there
        return False
    try:
        return not (isinstance(path[-1], int) and value in at(old, path[:-1]))
    except (LookupError, TypeError):
        return True


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return type(value), value
    return "number", float(value) if math.isfinite(value) else repr(value)
