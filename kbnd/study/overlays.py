"""Tables of changes laid over each other: those of a network, and those of its images; the later one wins.

- Where a table names another network, an option laid down before stays only if that network has an option of that
  name: a preset's `width` reaches all arms, the base network's `depth` no network without one. All other fields stay.
- Sites that arms share are for those of them that have Batch Normalization, or dropout, at all.
- Where another dataset is named, `n_validation` laid down before goes: it counts other images. `n_train` stays where
  that dataset has as many; of a smaller one all images are used, and the difference that is printed says so. What the
  network sees (`image_size`, `fit`, `standardise`) stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kbnd import data, models
from kbnd.models.options import DEFAULTS
from kbnd.models.sites import HOSTS
from kbnd.spec import DataSpec
from kbnd.study.variants import Changes


def over_models(*tables: Changes) -> Changes:
    """Return tables of `ModelSpec` fields laid over each other."""
    fields: Changes = {}
    for table in tables:
        options = fields.get("options", {})
        network = table.get("name", fields.get("name"))
        if network != fields.get("name") and isinstance(network, str) and network in models.MODELS:
            options = {name: value for name, value in options.items() if name in models.MODELS[network].options}
        own_options = table.get("options", {})
        if not isinstance(own_options, Mapping):
            return {**fields, **table}  # ModelSpec says what options should be
        fields = {**fields, **table, "options": {**options, **own_options}}
    return fields


def for_other_arms(own: Changes, said: Collection[str]) -> Changes:
    """Return what an arm need not say: that sites which it shares are for those that have something to place.

    Args:
        own: what the arm itself changes in the network.
        said: fields that the study changes in any network.
    """
    return {host: DEFAULTS[host] for setting, host in HOSTS.items() if setting not in own and host in said}


def over_data(before: Changes, after: Changes) -> Changes:
    """Return the fields of a `DataSpec` with others laid over them, which may name another dataset."""
    usual = before.get("name", DataSpec().name)
    if after.get("name", usual) == usual:
        return before | after
    kept = {field: value for field, value in before.items() if field != "n_validation"}
    if not _has_as_many(str(after["name"]), before.get("n_train"), after.get("n_validation")):
        kept.pop("n_train", None)
    return kept | after


def _has_as_many(dataset: str, n_train: object, n_validation: object) -> bool:
    """Whether a dataset has so many images for training; of one that nobody knows before it is read, it may."""
    entry = data.DATASETS.get(dataset)
    if entry is None or not isinstance(n_train, int):
        return True
    n_others = n_validation if isinstance(n_validation, int) else entry.n_validation
    return n_train <= entry.n_train - n_others
