"""Which runs may enter a comparison: the rules that keep unlike things apart, in one place.

| rule                                                                | why                                |
|---------------------------------------------------------------------|------------------------------------|
| status `done` and a finite value                                    | diverged runs are counted, no more |
| the first replicate, except for times                               | a replicate repeats the same seed  |
| one study, backend, device and dataset                              | masks and kernels differ           |
| one recipe for each arm, one run for each arm, seed, replicate      | an arm is one experiment           |
| times: one machine, session, block; nothing else running meanwhile  | machines drift                     |

Tables for people list a run that repeats another under a name of its own (`repeat_name`), so that who groups by arm
counts each seed once; whatever is computed of them takes both names for one arm (`own_arms`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from kbnd.errors import UsageError, unknown
from kbnd.records import is_own

_ONE_OF_EACH = {"study": "studies", "backend": "backends", "device": "devices", "dataset": "datasets"}
_REPEAT = r" \(A/A( \d+)?\)$"
_NEEDED = ("arm", "seed", "replicate", "status")


def repeat_name(arm: str, replicate: int) -> str:
    """Return what a run of an arm is listed as: `bn`, and its repetitions `bn (A/A)`, `bn (A/A 2)`, ...

    Searches by the clock number their runs otherwise, and repeat none of them.
    """
    if replicate == 0 or is_own(replicate):
        return arm
    return f"{arm} (A/A)" if replicate == 1 else f"{arm} (A/A {replicate})"


def with_repeat_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Return runs or epochs as people are given them: each repetition under the name of its own."""
    is_repeated = frame["arm"].notna() & (frame["replicate"] > 0)
    names = [
        repeat_name(*pair) for pair in zip(*(frame.loc[is_repeated, c] for c in ("arm", "replicate")), strict=True)
    ]
    return frame.assign(arm=frame["arm"].mask(is_repeated, pd.Series(names, frame.index[is_repeated], dtype=object)))


def own_arms(runs: pd.DataFrame) -> pd.DataFrame:
    """Return runs with the name of the arm itself for each repetition; no arm's own name has a blank in it."""
    own = runs["arm"].astype(str).str.replace(_REPEAT, "", regex=True)
    return runs.assign(arm=runs["arm"].where(runs["arm"].isna(), own))


def check_comparable(runs: pd.DataFrame) -> None:
    """Refuse runs that belong to different experiments.

    Raises:
        UsageError: there are no runs, a column is missing, or finished runs mix studies, backends, devices,
            datasets, or recipes within an arm, or hold one arm, seed and replicate twice.
    """
    require_columns(runs, _NEEDED)
    if runs.empty:
        raise UsageError("there are no runs to compare: train some first, or name another study")
    done = own_arms(runs[runs["status"] == "done"])
    for column, plural in _ONE_OF_EACH.items():
        values = sorted(done[column].dropna().astype(str).unique()) if column in done else []
        if len(values) > 1:
            raise UsageError(f"the runs mix {plural} {' and '.join(values)}, which are never compared: choose one")
    if "recipe_id" in done:
        mixed = done.groupby("arm")["recipe_id"].nunique()
        for arm in mixed.index[mixed > 1]:
            raise UsageError(f"arm {arm!r} mixes {mixed[arm]} recipes, which are different experiments: choose one")
    twice = done[done.duplicated(["arm", "seed", "replicate"])]
    if not twice.empty:
        arm, seed, replicate = twice.iloc[0][["arm", "seed", "replicate"]]
        raise UsageError(f"arm {arm!r} holds seed {seed}, replicate {replicate} twice: compare runs of one setting")


def arm_order(runs: pd.DataFrame, *, baseline: str, arms: Sequence[str] | None = None) -> list[str]:
    """Return every arm once: in the order asked for, or the baseline first and the others by name.

    Arms that were asked for and have no run stay in the list, so that a missing arm is seen to be missing.

    Raises:
        UsageError: the baseline is no arm of these runs.
    """
    present = set(runs["arm"])
    if baseline not in present and baseline not in (arms or ()):
        raise unknown("baseline arm", baseline, sorted(present))
    if arms is None:
        arms = [baseline, *sorted(present - {baseline})]
    return list(dict.fromkeys(arms))


def references(arms: Iterable[str], *, baseline: str, baselines: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return arm -> the arm it is compared with: its own baseline where it has one, else the study's.

    Raises:
        UsageError: a baseline of its own that is no arm here.
    """
    names = dict.fromkeys(arms)
    reference_of = {arm: (baselines or {}).get(arm, baseline) for arm in names} | {baseline: baseline}
    for reference in reference_of.values():
        if reference not in names:
            raise unknown("baseline arm", reference, list(names))
    return reference_of


def first_replicates(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the run of each arm and seed that has the lowest replicate: 0, but in searches by the clock."""
    runs = own_arms(runs)
    lowest = runs.groupby(["arm", "seed"], dropna=False)["replicate"].transform("min")
    return runs[runs["replicate"] == lowest]


def measured(runs: pd.DataFrame, metric: str, *, is_every_replicate: bool = False) -> pd.DataFrame:
    """Return the done runs that have a finite value of a metric, ordered by arm and seed.

    Args:
        runs: columns of runs.csv.
        metric: name of a column.
        is_every_replicate: keep every replicate, not the first one of each arm and seed alone.
    """
    require_columns(runs, (*_NEEDED, metric))
    runs = own_arms(runs) if is_every_replicate else first_replicates(runs)
    values = pd.to_numeric(runs[metric], errors="coerce")
    keep = (runs["status"] == "done") & np.isfinite(values)
    chosen = runs[keep].assign(**{metric: values[keep].astype(float)})
    return chosen.sort_values(["arm", "seed", "replicate"], kind="stable")


def require_columns(frame: pd.DataFrame, columns: Iterable[str]) -> None:
    """Refuse a frame that lacks one of the columns."""
    missing = [column for column in columns if column not in frame]
    if missing:
        raise unknown("column", missing[0], [str(column) for column in frame])
