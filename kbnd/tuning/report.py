"""What a search prints and writes: its plan before it begins, its files when it ends.

| file             | one row per                                                                         |
|------------------|-------------------------------------------------------------------------------------|
| `trials.csv`     | candidate                                                                           |
| `best.toml`      | the best recipe, for `kbnd train --recipe`                                          |
| `comparison.csv` | candidate and validation metric, against the best one, which was chosen for being it |

and `runs.csv` (with the hyperparameters of each run), `epochs.csv`, `claims.csv` (a search makes none), `tables.md`,
`tables.tex`, `report.html`, `environment.json` and `figures/marginals.*` as of a study.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kbnd.analysis.blinding import VALIDATION_METRICS
from kbnd.analysis.compare import COMPARISON_COLUMNS, compare
from kbnd.cost.images import images_of
from kbnd.records import arm_of
from kbnd.report.figures.marginals import draw_marginals
from kbnd.report.folder import Outputs, write_outputs
from kbnd.report.json_values import as_rows
from kbnd.report.machines import place_in_words
from kbnd.report.table import Table
from kbnd.tuning.budget import Budget
from kbnd.tuning.held import Stored
from kbnd.tuning.parameters import Choice, Hyperparameter
from kbnd.tuning.plan import SearchPlan
from kbnd.tuning.result import TuneResult
from kbnd.tuning.rounds import n_random_first
from kbnd.tuning.space import TABLES, Space
from kbnd.words import counted, rough_size, rough_time

FIRST = (
    *("model.batch_norm", "model.dropout"),
    *("train.epochs", "train.batch_size", "train.optimizer", "train.learning_rate", "train.initial_weights"),
)
"""Fields that a user would ask for first."""

ELSEWHERE = ("model.name", "model.options", "data.name", "data.n_train", "data.n_validation", "train.validation_curve")
"""Fields that have a row of their own, or change no candidate."""

LOG_SCALED = ("train.learning_rate", "train.weight_decay")
"""Hyperparameters whose listed values stand on a logarithmic axis."""


def plan_table(plan: SearchPlan, cost: Budget, *, rows_after: Sequence[tuple[str, str]] = ()) -> Table:
    """Return what would be searched and what it costs, with further rows such as `stored_rows`."""
    candidates = "as many candidates as the hours hold" if plan.is_endless else counted(cost.n_candidates, "candidate")
    budget = f"{candidates} x {counted(plan.seeds, 'seed')}"
    budget += "" if plan.is_endless else f", {counted(cost.n_epochs, 'epoch')} together"
    fresh = (
        f"then {counted(cost.n_fresh, 'fresh seed')} of the best recipe, tried on test once"
        if cost.n_fresh
        else "no test"
    )
    hours = [] if plan.max_hours is None else [("Until", f"{plan.max_hours:g} hours of training")]
    rows = [
        *plan_rows(plan),
        ("At most", f"{budget}; {fresh}"),
        *hours,
        *([] if plan.is_endless else [("Time, estimated", _time(cost))]),
        ("Memory, estimated", "" if cost.memory_bytes is None else f"about {rough_size(cost.memory_bytes)} a run"),
        *rows_after,
    ]
    notes = (
        f"An estimated time may be wrong by a factor of {cost.within:g}. Only validation images judge a candidate.",
    )
    return Table("What is searched", ("", ""), tuple(rows), notes, align="ll")


def plan_rows(plan: SearchPlan) -> list[tuple[str, str]]:
    """Return what varies in a search, what does not, and who proposes candidates."""
    space, varied = plan.space, plan.space.hyperparameters
    values = {space.names[path]: in_words(each, is_grid=plan.oracle == "grid") for path, each in varied.items()}
    options = space.model.get("options", {})
    further = further_fixed(plan)
    network = " ".join([space.model["name"], *(f"{key}={value}" for key, value in options.items())])
    return [
        ("Search", plan.name),
        ("Network", network),
        ("Data", _data_in_words(space)),
        *values.items(),
        ("Fixed", _settings_in_words(fixed(plan))),
        *([("", _settings_in_words(further))] if further else []),
        ("Oracle", f"{plan.oracle}, looking for {plan.objective.name}" + ", lagging runs given up" * plan.is_pruned),
        *([("", said)] if (said := _oracle_in_words(plan)) else []),
    ]


def _oracle_in_words(plan: SearchPlan) -> str:
    """What an oracle does that its name does not tell."""
    most, size = plan.max_trials or math.inf, plan.space.size
    if plan.oracle == "bayesian":
        n_random = n_random_first(plan.space)
        return (
            "all candidates are random: it learns from more" if most <= n_random else f"the first {n_random} at random"
        )
    if plan.oracle == "grid" and most < size:
        return f"the first {most} of {size:,} points, in order: what is listed last varies first"
    return ""


def stored_rows(plan: SearchPlan, cost: Budget, found: Stored | None, *, is_fresh: bool) -> list[tuple[str, str]]:
    """Return what a ledger holds of a search already, and what is left of its time."""
    if found is None:
        return [("In the ledger", "nothing of this search")]
    if is_fresh:
        return [("In the ledger", fresh_note(found))]
    held = f"{counted(found.n_ended, 'candidate')} that ended, {found.n_candidates} begun in all"
    held += ": all are kept, though fewer are asked for" * (found.n_candidates > (plan.max_trials or math.inf))
    rows = [("In the ledger", held)]
    if cost.seconds is not None and cost.n_epochs and not plan.is_endless:
        left = max(0.0, 1 - found.n_epochs / cost.n_epochs) * cost.seconds
        rows.append(("Time left, estimated", f"about {rough_time(left)}" if left else "none but for the fresh seeds"))
    return rows


def fresh_note(found: Stored) -> str:
    """Return what beginning a search anew leaves behind."""
    return (
        f"begun anew: {counted(found.n_candidates, 'candidate')} of before no longer shown, though the ledger keeps "
        "every run (another --name would show both); to go on with it later, leave out --fresh"
    )


def in_words(parameter: Hyperparameter, *, is_grid: bool = False) -> str:
    """Return the values of a hyperparameter as a user would write them."""
    if isinstance(parameter, Choice):
        return ", ".join(shortest(value) if isinstance(value, float) else str(value) for value in parameter.values)
    if is_grid:
        return ", ".join(f"{value:g}" for value in parameter.points())
    return f"{parameter.min:g} to {parameter.max:g}" + (", logarithmic" if parameter.log else "")


def shortest(value: float) -> str:
    """Return a number as briefly as it can be read back."""
    brief = f"{value:g}"
    return brief if float(brief) == value else str(value)


def fixed(plan: SearchPlan) -> dict[str, Any]:
    """Return what every candidate has in common of what a user would ask for first, by name."""
    space = plan.space
    shown = {path: TABLES[table].model_fields[name].default for path in FIRST for table, name in [path.split(".")]}
    given = _given(space)
    of_site = any(path.startswith("model.dropout.") for path in space.hyperparameters)
    left = {path for path in shown if path not in space.hyperparameters and not (of_site and path == "model.dropout")}
    if "model.options.order" in space.hyperparameters or "order" in space.model.get("options", {}):
        left.discard("model.batch_norm")
    found = {path.rpartition(".")[2]: given.get(path, shown[path]) for path in shown if path in left}
    sites = space.model.get("dropout", {}) if of_site else {}
    return found | {f"dropout.{site}": rate for site, rate in sites.items()}


def further_fixed(plan: SearchPlan) -> dict[str, Any]:
    """Return what else every candidate has in common, by name: everything that is not at its default."""
    found = {}
    for path, value in _given(plan.space).items():
        table, name = path.split(".")
        if path not in (*FIRST, *ELSEWHERE) and value != TABLES[table].model_fields[name].default:
            found[name] = value
    return found


def _given(space: Space) -> dict[str, Any]:
    return {f"{table}.{name}": value for table in TABLES for name, value in getattr(space, table).items()}


def _settings_in_words(settings: Mapping[str, Any]) -> str:
    lists = {name: map(str, value) for name, value in settings.items() if isinstance(value, (list, tuple))}
    said = {**settings, **{name: (" x " if name == "image_size" else " and ").join(v) for name, v in lists.items()}}
    return ", ".join(f"{name} {value}" for name, value in said.items())


def _data_in_words(space: Space) -> str:
    """The dataset and how many of its images are for what, where that is known without decoding."""
    name, images = str(space.data.get("name")), images_of(space.images)
    return (
        name if images is None else f"{name} ({images.n_train:,} training, {images.n_validation:,} validation images)"
    )


def is_logarithmic(path: str, parameter: Hyperparameter) -> bool:
    """Return whether a hyperparameter is shown on a logarithmic axis: by its range, or as learning rates are."""
    if isinstance(parameter, Choice):
        return path in LOG_SCALED and all(value > 0 for value in parameter.values)
    return parameter.log


def write(result: TuneResult, folder: Path) -> list[Path]:
    """Write every file of the output folder; raises as `kbnd.report.folder.write_outputs` does."""
    found, space = result.importances(), result.plan.space
    logarithmic = [space.names[path] for path, each in space.hyperparameters.items() if is_logarithmic(path, each)]
    outputs = Outputs(
        runs=result.runs,
        epochs=result.epochs,
        comparison=_comparison(result),
        tables=[_about(result), *result.tables(found=found, most_rows=None)],
        figures=draw_marginals(result.frames(found, log_scaled=logarithmic)),
        title=f"Search for {result.plan.objective.name} of {space.model['name']}: {result.name}",
        environments=result.environments,
        others={
            "trials.csv": result.trials.to_csv(index=False, lineterminator="\n"),
            "best.toml": None if result.best is None else result.recipe(),
        },
    )
    return write_outputs(folder, outputs)


def as_json(result: TuneResult) -> dict[str, Any]:
    """Return a search's result as JSON values."""
    best = None if result.best is None else result.best.canonical()
    return {
        "search": result.name,
        "objective": result.plan.objective.name,
        "best_trial": result.best_trial,
        "best": best,
        "trials": as_rows(result.to_frame()),
        "fresh": as_rows(result.fresh),
        "is_complete": result.is_complete,
    }


def _about(result: TuneResult) -> Table:
    """What was searched, and on what."""
    rows = plan_rows(result.plan)
    rows.append(("Seeds", f"{result.plan.seeds} for each candidate"))
    for run in result.runs.head(1).to_dict("records"):
        versions = f"{run['backend']} {run['backend_version']}, Keras {run['keras_version']} on {run['device']}"
        places = [place_in_words(found, run["device"]) for found in result.environments.values()]
        rows.append(("Backend", f"{versions} ({'; '.join(dict.fromkeys(places))})"))
    return Table("What was searched", ("", ""), tuple(rows), align="ll")


def _comparison(result: TuneResult) -> pd.DataFrame:
    """Every candidate that finished against the best one, by seed; nothing where none is best."""
    if result.best_trial is None:
        return pd.DataFrame(columns=list(COMPARISON_COLUMNS))
    best, finished = arm_of(result.best_trial), result.trials.loc[result.trials["status"] == "done", "trial"]
    arms = [best, *(arm for arm in finished.map(arm_of) if arm != best)]
    runs = result.runs[result.runs["arm"].isin(arms)]
    return compare(runs, baseline=best, arms=arms, metrics=VALIDATION_METRICS)


def _time(cost: Budget) -> str:
    if cost.seconds is None:
        return "cannot be told before the data are decoded"
    return f"about {rough_time(cost.seconds)}, one run after another"
