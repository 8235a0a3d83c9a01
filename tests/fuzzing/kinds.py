"""Every kind of fault that is tried, and how often by the whole script."""

from __future__ import annotations

from fuzzing import checkpoints, datasets, disks, inputs, kills, ledger_damage, ledgers, together, tomls, trained
from fuzzing.cases import Kind

KINDS: dict[str, Kind] = {
    "kill-study": Kind("SIGKILL to a study, which goes on", 250, kills.study, kills.kill_study),
    "kill-search": Kind("SIGKILL to a search of each oracle", 220, kills.searches, kills.kill_search),
    "ledger-values": Kind("a changed value of a ledger", 500, ledgers.original, ledger_damage.value_of_ledger),
    "ledger-bytes": Kind("damaged bytes of a ledger", 500, ledgers.original, ledger_damage.bytes_of_ledger),
    "lines-values": Kind("a changed value of a JSON-lines export", 250, ledgers.original, ledger_damage.value_of_lines),
    "lines-bytes": Kind("damaged bytes of a JSON-lines export", 250, ledgers.original, ledger_damage.bytes_of_lines),
    "checkpoint": Kind("a damaged checkpoint", 500, checkpoints.saved, checkpoints.damage),
    "study": Kind("a damaged study (TOML)", 500, tomls.studies, tomls.damage),
    "recipe": Kind("a damaged recipe (TOML)", 500, tomls.recipes, tomls.damage),
    "space": Kind("a damaged search space (TOML)", 500, tomls.spaces, tomls.damage),
    "dataset": Kind("a damaged file of a cached dataset", 500, datasets.cached, datasets.damage),
    "command-line": Kind("bad options of every command", 150, inputs.place, inputs.command_line),
    "python": Kind("bad arguments of public functions", 100, inputs.place, inputs.python),
    "full-disk": Kind("a disk that is full at a random size", 20, disks.roomy, disks.full, limit_s=300.0),
    "six-study": Kind("six drivers at once on one study", 20, together.drivers, together.six_on_a_study),
    "six-search": Kind("six drivers at once on one search", 20, together.searchers, together.six_on_a_search),
    "suspended": Kind("drivers suspended and taken over", 50, together.drivers, together.suspended),
    "trained": Kind("SIGKILL, twice, to real trainings", 15, trained.commands, trained.killed, limit_s=900.0),
    "trained-together": Kind("three drivers of real trainings", 4, trained.nothing, trained.together, limit_s=600.0),
}
"""Name -> kind, in the order in which they are tried."""
