"""Two trainings of one run, here and in another ledger: what they may differ in.

*Results* are losses, accuracies, predictions and how a run ended.

| they have                                              | may differ in                      | else              |
|--------------------------------------------------------|------------------------------------|-------------------|
| equal session and start: they are one                  | nothing                            | refused           |
| equal circumstances (`kbnd.circumstances`)             | times                              | refused           |
| other threads, machines or versions, or a GPU          | times and results, not in counts   | refused           |

So a run that was trained here and, with another number of threads, there is no contradiction.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kbnd.circumstances import are_equal
from kbnd.errors import UsageError
from kbnd.ledger.schema import EPOCH_FIELDS, RUN_FIELDS, encode
from kbnd.records import EpochRecord, RunRecord

_EXECUTION = ("session", "started_at")
_COUNTS = ("n_parameters", "n_test")
"""What a spec fixes wherever it is trained."""
_RESULTS = ("status", "n_epochs", "test_correct")


def has_other_results(ours: RunRecord, theirs: RunRecord, *, here: Path, source: str) -> bool:
    """Return whether another training of a run gave other results, as it may under other circumstances.

    Raises:
        UsageError: they differ in what they cannot differ in.
    """
    is_same_training = all(getattr(ours, name) == getattr(theirs, name) for name in _EXECUTION)
    may_differ = not (is_same_training or are_equal(ours, theirs))
    is_other = False
    for name, mine, other in _pairs(ours, theirs):
        if mine == other:
            continue
        field = name.rpartition(" ")[2]
        if is_same_training or field in _COUNTS or (_is_result(field) and not may_differ):
            raise UsageError(
                f"run {theirs.run_id} has two results: {name} is {mine!r:.60} in {here} and {other!r:.60} in {source}; "
                "nothing was imported"
            )
        is_other |= _is_result(field)
    return is_other


def accuracies_apart(ours: RunRecord, theirs: RunRecord) -> float | None:
    """How far the test accuracies of two trainings are apart; None where one of them has none."""
    if ours.test_accuracy is None or theirs.test_accuracy is None:
        return None
    return abs(ours.test_accuracy - theirs.test_accuracy)


def _is_result(name: str) -> bool:
    return name in _RESULTS or name.endswith(("_accuracy", "_loss"))


def _pairs(ours: RunRecord, theirs: RunRecord) -> Iterator[tuple[str, Any, Any]]:
    """Yield (name, value here, value there), as stored: NaN equals NaN."""
    yield from zip(RUN_FIELDS, encode(RUN_FIELDS, ours), encode(RUN_FIELDS, theirs), strict=True)
    none = EpochRecord(epoch=0)
    for i in range(max(len(ours.epochs), len(theirs.epochs))):
        mine, other = (record.epochs[i] if i < len(record.epochs) else none for record in (ours, theirs))
        for name, a, b in zip(EPOCH_FIELDS, encode(EPOCH_FIELDS, mine), encode(EPOCH_FIELDS, other), strict=True):
            yield f"epoch {i + 1} {name}", a, b
