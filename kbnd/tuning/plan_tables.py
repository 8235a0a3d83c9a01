"""What a search prints of its plan: what varies, what does not, who proposes candidates, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from kbnd.cost.images import images_of
from kbnd.report.machines import place_in_words
from kbnd.report.table import Table
from kbnd.report.tables.notes import placement_notes
from kbnd.spec import TABLES
from kbnd.tuning.budget import Budget
from kbnd.tuning.held import LogSummary
from kbnd.tuning.parameters import Choice, Hyperparameter
from kbnd.tuning.plan import SearchPlan
from kbnd.tuning.space import Space
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
    """Return what would be searched and what it costs, with further rows such as `log_rows`."""
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
    notes = [
        *placement_notes(_placements(plan.space)),
        f"An estimated time may be wrong by a factor of {cost.within:g}. Only validation images judge a candidate.",
    ]
    return Table("What is searched", ("", ""), tuple(rows), tuple(notes), align="ll")


def plan_rows(plan: SearchPlan) -> list[tuple[str, str]]:
    """Return what varies in a search, what does not, and who proposes candidates."""
    space, varied = plan.space, plan.space.hyperparameters
    has_points = plan.oracle.has_points
    values = {space.names[path]: in_words(parameter, has_points=has_points) for path, parameter in varied.items()}
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
        (
            "Oracle",
            f"{plan.oracle.name}, looking for {plan.objective.name}" + ", lagging runs given up" * plan.is_pruned,
        ),
        *([("", sentence)] if (sentence := plan.oracle.in_words(space, plan.max_trials)) else []),
    ]


def log_rows(plan: SearchPlan, cost: Budget, log: LogSummary | None, *, is_fresh: bool) -> list[tuple[str, str]]:
    """Return what a ledger holds of a search already, and what is left of its time."""
    if log is None:
        return [("In the ledger", "nothing of this search")]
    if is_fresh:
        return [("In the ledger", fresh_note(log))]
    candidates = f"{counted(log.n_ended, 'candidate')} that ended, {log.n_candidates} begun in all"
    candidates += ": all are kept, though fewer are asked for" * (log.n_candidates > (plan.max_trials or math.inf))
    rows = [("In the ledger", candidates)]
    if cost.seconds is not None and cost.n_epochs and not plan.is_endless:
        left = max(0.0, 1 - log.n_epochs / cost.n_epochs) * cost.seconds
        rows.append(("Time left, estimated", f"about {rough_time(left)}" if left else "none but for the fresh seeds"))
    return rows


def fresh_note(log: LogSummary) -> str:
    """Return what beginning a search anew leaves behind."""
    return (
        f"begun anew: {counted(log.n_candidates, 'candidate')} of before no longer shown, though the ledger keeps "
        "every run (another --name would show both); to go on with it later, leave out --fresh"
    )


def in_words(parameter: Hyperparameter, *, has_points: bool = False) -> str:
    """Return the values of a hyperparameter as a user would write them."""
    if isinstance(parameter, Choice):
        return ", ".join(shortest(value) if isinstance(value, float) else str(value) for value in parameter.values)
    if has_points:
        return ", ".join(f"{value:g}" for value in parameter.points())
    return f"{parameter.min:g} to {parameter.max:g}" + (", logarithmic" if parameter.log else "")


def shortest(value: float) -> str:
    """Return a number as briefly as it can be read back."""
    brief = f"{value:g}"
    return brief if float(brief) == value else str(value)


def fixed(plan: SearchPlan) -> dict[str, Any]:
    """Return what every candidate has in common of what a user would ask for first, by name."""
    space = plan.space
    usual = {path: TABLES[table].model_fields[name].default for path in FIRST for table, name in [path.split(".")]}
    fields = _fields(space)
    of_site = any(path.startswith("model.dropout.") for path in space.hyperparameters)
    left = {path for path in usual if path not in space.hyperparameters and not (of_site and path == "model.dropout")}
    if "model.options.order" in space.hyperparameters or "order" in space.model.get("options", {}):
        left.discard("model.batch_norm")
    values = {path.rpartition(".")[2]: fields.get(path, usual[path]) for path in usual if path in left}
    sites = space.model.get("dropout", {}) if of_site else {}
    return values | {f"dropout.{site}": rate for site, rate in sites.items()}


def further_fixed(plan: SearchPlan) -> dict[str, Any]:
    """Return what else every candidate has in common, by name: everything that is not at its default."""
    values = {}
    for path, value in _fields(plan.space).items():
        table, name = path.split(".")
        if path not in (*FIRST, *ELSEWHERE) and value != TABLES[table].model_fields[name].default:
            values[name] = value
    return values


def _placements(space: Space) -> Sequence[str]:
    """Where Batch Normalization may stand in a candidate."""
    varied = space.hyperparameters.get("model.batch_norm")
    return varied.points() if isinstance(varied, Choice) else [str(space.model.get("batch_norm"))]


def _fields(space: Space) -> dict[str, Any]:
    return {f"{table}.{name}": value for table in TABLES for name, value in getattr(space, table).items()}


def _settings_in_words(settings: Mapping[str, Any]) -> str:
    lists = {name: map(str, value) for name, value in settings.items() if isinstance(value, (list, tuple))}
    texts = {**settings, **{name: (" x " if name == "image_size" else " and ").join(v) for name, v in lists.items()}}
    return ", ".join(f"{name} {value}" for name, value in texts.items())


def _data_in_words(space: Space) -> str:
    """The dataset and how many of its images are for what, where that is known without decoding."""
    name, images = str(space.data.get("name")), images_of(space.images)
    return (
        name if images is None else f"{name} ({images.n_train:,} training, {images.n_validation:,} validation images)"
    )


def logarithmic_names(space: Space) -> list[str]:
    """Return the hyperparameters that are shown on a logarithmic axis: by their range, or as learning rates are."""
    return [space.names[path] for path, parameter in space.hyperparameters.items() if _is_logarithmic(path, parameter)]


def _is_logarithmic(path: str, parameter: Hyperparameter) -> bool:
    if isinstance(parameter, Choice):
        return path in LOG_SCALED and all(value > 0 for value in parameter.values)
    return parameter.log


def about_table(plan: SearchPlan, runs: pd.DataFrame, environments: Mapping[str, Any]) -> Table:
    """Return what was searched, and on what.

    Args:
        plan: of the search.
        runs: columns of runs.csv.
        environments: machine, versions and threads of each session that trained them.
    """
    rows = [*plan_rows(plan), ("Seeds", f"{plan.seeds} for each candidate")]
    for run in runs.head(1).to_dict("records"):
        versions = f"{run['backend']} {run['backend_version']}, Keras {run['keras_version']} on {run['device']}"
        places = [place_in_words(environment, run["device"]) for environment in environments.values()]
        rows.append(("Backend", f"{versions} ({'; '.join(dict.fromkeys(places))})"))
    return Table("What was searched", ("", ""), tuple(rows), align="ll")


def _time(cost: Budget) -> str:
    if cost.seconds is None:
        return "cannot be told before the data are decoded"
    return f"about {rough_time(cost.seconds)}, one run after another"
