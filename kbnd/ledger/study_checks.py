"""What the definitions and the labels of a study must satisfy, alone and beside the runs that they name."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from kbnd.ledger.rows import StudyInfo
from kbnd.ledger.values import is_id, is_name, is_text
from kbnd.spec import NAME_PATTERN

MOST_LABELS = 1_000_000
"""Labels of one definition of a study, each an arm with a seed: 39 arms with 25,000 seeds."""

MOST_ARMS = 100_000
"""Arms of one definition: as many as a search may have candidates."""


def problems_of_labels(study: Any, about: StudyInfo, labels: Any) -> Iterator[str]:
    """Yield one clause for each thing that cannot be true of a study."""
    if not is_name(study):
        yield f"the study name {study!r} does not match {NAME_PATTERN}"
    if not is_id(about.digest):
        yield f"the digest {about.digest!r} is not 16 hexadecimal digits"
    for name in ("title", "difference"):
        if not is_text(getattr(about, name)):
            yield f"the {name} should be printable text, received {getattr(about, name)!r:.80}"
    if not isinstance(about.is_by_validation, bool):
        yield f"is_by_validation should be bool, received {about.is_by_validation!r:.80}"
    if not (isinstance(about.baselines, Mapping) and all(map(is_name, chain.from_iterable(about.baselines.items())))):
        yield f"the baselines should map arms to arms, received {about.baselines!r:.80}"
    yield from _too_many(about, labels)
    for label in labels:
        match label:
            case [arm, int(seed), int(replicate), run_id] if is_name(arm) and is_id(run_id):
                if type(seed) is int and type(replicate) is int and 1 <= seed < 2**63 and 0 <= replicate < 2**63:
                    continue
        yield f"{label!r} is not an (arm, seed, replicate, run_id)"


def mislabelled(db: sqlite3.Connection, study: str | None = None) -> Iterator[str]:
    """Yield one sentence for each stored run that a label of a study (None is all) gives another seed or replicate."""
    query = """SELECT l.study, l.arm, l.seed, l.replicate, r.run_id, r.seed, r.replicate FROM labels l
        JOIN runs r ON r.run_id = l.run_id AND (l.seed <> r.seed OR l.replicate <> r.replicate)
        WHERE l.study = coalesce(?, l.study)"""
    for study_, arm, *label, run_id, seed, replicate in db.execute(query, (study,)):
        yield (
            f"study {study_}: arm {arm} has run {run_id!r:.40} as seed {label[0]}, replicate {label[1]}, but it is of "
            f"seed {seed!r:.40}, replicate {replicate!r:.40}"
        )


def _too_many(about: StudyInfo, labels: Sequence[Any]) -> Iterator[str]:
    n_arms = len({label[0] for label in labels if isinstance(label[:1], tuple) and isinstance(label[0], str)})
    for what, n, most in (
        ("labels", len(labels), MOST_LABELS),
        ("arms", n_arms, MOST_ARMS),
        ("baselines", len(about.baselines) if isinstance(about.baselines, Mapping) else 0, MOST_ARMS),
    ):
        if n > most:
            yield f"a definition should have up to {most:,} {what}, received {n:,}"
