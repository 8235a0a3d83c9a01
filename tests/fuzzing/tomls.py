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
from fuzzing.drivers import without_backend
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
    """Sound files and what each is planned as, by name."""

    texts: dict[str, str]
    plans: dict[str, Any]


def studies(folder: Path) -> Texts:
    """The studies of this checkout, and a small one."""
    without_backend()
    texts = {file.stem: file.read_text() for file in sorted(STUDIES.glob("*.toml"))} | {"computed": STUDY}
    return _planned(texts, _study_plan, folder)


def recipes(folder: Path) -> Texts:
    """Two recipes."""
    without_backend()
    return _planned({"plain": RECIPE, "residual": RESIDUAL_RECIPE}, _recipe_plan, folder)


def spaces(folder: Path) -> Texts:
    """A space."""
    without_backend()
    return _planned({"space": SPACE}, _space_plan, folder)


def study(texts: Texts, chance: Random, folder: Path) -> Iterator[Fault]:
    """Ask for the dry run of a damaged study."""
    command = ("study", "{file}", "--dry-run", "--yes", "--json")
    name = "computed" if chance.random() < 0.6 else chance.choice(sorted(texts.texts))
    yield from _judged(texts, name, chance, folder, plan=_study_plan, command=command)


def recipe(texts: Texts, chance: Random, folder: Path) -> Iterator[Fault]:
    """Train a damaged recipe, whose run is computed."""
    settings.executor = lambda *_, **__: Computing(folder)
    command = ("train", "--recipe", "{file}", "--ledger", folder / LEDGER, "--json")
    yield from _judged(texts, chance.choice(sorted(texts.texts)), chance, folder, plan=_recipe_plan, command=command)


def space(texts: Texts, chance: Random, folder: Path) -> Iterator[Fault]:
    """Ask for the dry run of a search in a damaged space."""
    command = ("tune", "--space", "{file}", "--ledger", folder / LEDGER, "--dry-run", "--json")
    yield from _judged(texts, "space", chance, folder, plan=_space_plan, command=command)


def _planned(texts: dict[str, str], plan: Callable[[Path], Any], folder: Path) -> Texts:
    plans = {}
    for name, text in texts.items():
        file = folder / f"{name}.toml"
        file.write_text(text)
        plans[name] = plan(file)
    return Texts(texts, plans)


def _judged(
    texts: Texts, name: str, chance: Random, folder: Path, *, plan: Callable[[Path], Any], command: tuple[Any, ...]
) -> Iterator[Fault]:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    about, content = _damaged(texts.texts[name], chance)
    file = folder / f"{name}.toml"
    file.write_bytes(content)
    ended = kbnd(*(file if word == "{file}" else word for word in command))
    yield from (Fault(fault.kind, f"{name}, {about}: {fault.about}") for fault in bad_ends(ended))
    try:
        planned = plan(file)
    except (KbndError, RecursionError, MemoryError):
        return
    if planned == texts.plans[name] and (extra := _new_leaves(texts.texts[name], file)):
        yield Fault("silent", f"{name}, {about}: accepted, but nothing came of {extra}")


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
