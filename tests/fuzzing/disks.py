"""Disks that are full at a random size: exit code 7 and a sentence, and when there is room again the command goes on.

Root has a disk in memory (tmpfs) of any size; others have a limit on the size of a file, which the system refuses
likewise.
"""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.cases import CrashError, Fault, HangError, isolated
from fuzzing.commands import Ended, bad_ends, kbnd
from fuzzing.computed import JOURNAL, LEDGER, Computing
from fuzzing.drivers import new, quicken_bayesian, with_light_keras
from fuzzing.kills import looked, tables_in, trained_again
from fuzzing.texts import STUDY
from kbnd.execution import settings

NO_SPACE_CODE = 7
ROOMY = "64m"
COMMAND_S = 100.0

COMMANDS: dict[str, tuple[str, ...]] = {
    "study": ("study", "../computed.toml", "--out", "out", "--json"),
    "search": (
        *(
            "tune",
            "--model",
            "lenet5",
            "--dataset",
            "digits",
            "--epochs",
            "3",
            "--oracle",
            "random",
            "--max-trials",
            "4",
        ),
        *("--seeds", "1", "--test-seeds", "1", "--out", "out", "--json"),
    ),
}


@dataclass(frozen=True)
class Roomy:
    """What commands leave where there is room, and how much they need.

    Attributes:
        tables: by command.
        n_bytes: on the disk at the end, by command.
    """

    tables: dict[str, Any]
    n_bytes: dict[str, int]


def roomy(folder: Path) -> Roomy:
    """Run each command where there is room, in this process once, so that forks find everything imported."""
    with_light_keras()
    quicken_bayesian()
    tables, n_bytes = {}, {}
    for name in COMMANDS:
        place = new(folder / "disks" / name)
        os.chdir(place)
        ended = _command(name, place)
        assert ended.code == 0, ended.err
        tables[name] = tables_in(place)
        n_bytes[name] = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    return Roomy(tables, n_bytes)


def full(roomy: Roomy, chance: Random, folder: Path) -> Iterator[Fault]:
    """Run a command where it finds no room at some moment; then give it room and run it again."""
    name = chance.choice(sorted(COMMANDS))
    disk = new(folder / "disk")
    n_bytes = int(roomy.n_bytes[name] * 10 ** chance.uniform(-2.3, 0.0))
    if how := _mounted(disk, n_bytes):
        limited, widen = (lambda: None), partial(_mounted, disk, None)
    else:
        how, limited, widen = "limit of a file's size", partial(_limit, n_bytes), (lambda: "")
    (disk / JOURNAL).symlink_to(f"../{JOURNAL}")  # the journal lies where there is room
    try:
        for fault in _full(roomy, name, disk, limited=limited, widen=widen):
            yield Fault(fault.kind, f"{name} on {n_bytes} bytes ({how}): {fault.about}")
    finally:
        subprocess.run(["umount", "--lazy", disk], stderr=subprocess.DEVNULL, check=False)


def _full(
    roomy: Roomy, name: str, disk: Path, *, limited: Callable[[], None], widen: Callable[[], Any]
) -> Iterator[Fault]:
    def first() -> Ended:
        limited()
        return _command(name, disk)

    try:
        ended = isolated(first, limit_s=COMMAND_S)
        yield from bad_ends(ended)
        if ended.code not in (0, NO_SPACE_CODE):
            yield Fault("traceback", f"exit code {ended.code}: {ended.sentence}")
        widen()
        yield from looked(disk)
        again = isolated(lambda: _command(name, disk), limit_s=COMMAND_S)
    except HangError:
        yield Fault("hang", "did not end")
        return
    except CrashError as error:
        yield Fault("traceback", str(error)[-400:])
        return
    if again.code != 0:
        yield Fault("traceback", f"with room again: exit code {again.code}: {again.err[-300:]}")
        return
    yield from looked(disk)
    yield from trained_again(disk)
    if tables_in(disk) != roomy.tables[name]:
        yield Fault("silent", "with room again: the tables differ")
    yield from (Fault("lost", f"litter: {file.name}") for file in disk.rglob("*.part"))


def _command(name: str, place: Path) -> Ended:
    """Run a command in a folder, whose runs are computed."""
    os.chdir(place)
    settings.executor = lambda *_, **__: Computing(place)
    (place.parent / "computed.toml").write_text(STUDY)
    return kbnd(*COMMANDS[name], "--ledger", LEDGER)


def _mounted(disk: Path, n_bytes: int | None) -> str:
    """Put a disk in memory over a folder, or make it roomy; empty where this user may not."""
    options = f"size={max(n_bytes // 1024, 8)}k" if n_bytes is not None else f"remount,size={ROOMY}"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
    is_root = os.getuid() == 0
    done = is_root and subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    return "tmpfs" if done else ""


def _limit(n_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
