"""The order of a study's arms in a ledger, where one command trains them all and where several train a few each."""

from __future__ import annotations

from pathlib import Path

from kbnd.ledger import Ledger


def arms_after(folder: Path, *commands: str, n_seeds: int = 2) -> list[str]:
    """The arms that tables show after commands that each trained some, in the order given."""
    runs: dict[tuple[str, int], str] = {}
    with Ledger.open(folder / "kbnd.sqlite") as ledger:
        for command in commands:
            given = [(arm, seed) for arm in command.split() for seed in range(1, n_seeds + 1)]
            labels = [(arm, seed, 0, runs.setdefault((arm, seed), f"{len(runs):016x}")) for arm, seed in given]
            ledger.assign("grid", "0" * 16, labels)
        return ledger.arms("grid")


def test_arms_of_several_commands_stand_one_command_after_the_other(tmp_path: Path) -> None:
    assert arms_after(tmp_path, "r20 r20-ic r20-pre", "r110 r110-ic") == ["r20", "r20-ic", "r20-pre", "r110", "r110-ic"]


def test_an_arm_that_comes_along_again_keeps_its_place(tmp_path: Path) -> None:
    assert arms_after(tmp_path, "none bn both", "none none-slow", "bn") == ["none", "bn", "both", "none-slow"]


def test_a_command_that_names_every_arm_orders_them_anew(tmp_path: Path) -> None:
    assert arms_after(tmp_path, "bn none", "both", "none bn both") == ["none", "bn", "both"]
