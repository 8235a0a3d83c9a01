"""What a run says twice must be the same: an update by hand or a flipped bit seldom changes both.

| is stored                               | and follows from                                                         |
|-----------------------------------------|--------------------------------------------------------------------------|
| `test_accuracy`                         | the ones among the bits of `test_correct`, over `n_test`                 |
| `test_accuracy` of an epoch             | is a whole number of `n_test` images; likewise the other splits          |
| `val_loss`, `val_accuracy`              | the last epoch's, where validation images were evaluated after it        |
| times, memory and energy of the run     | `kbnd.clock.summarise` of its epochs                                     |
| `images_per_s` of an epoch              | its `train_s` and the images, as many in every epoch                     |
| `power_w` of an epoch                   | its `energy_j` and `train_s`                                             |
| `n_steps`                               | the images trained and the batch size                                    |
| `n_epochs` and the status               | the epochs that the spec asks for; which results there are               |
| versions of Keras and the backend       | the packages of the environment                                          |

Each holds for every run that a kbnd has stored, on any backend. What two evaluations of one network on a GPU may
differ in is compared with nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from kbnd.clock import CLOCK_FIELDS, rate, summarise
from kbnd.records import CUT_SHORT, FAILURES, HITS, EpochRecord, RunRecord
from kbnd.spec import RunSpec

_RELATIVE = 1e-9
"""Rounding of sums, which Python versions add in different ways; far below any time that a clock can tell."""

_OF_AN_IMAGE = 1e-4
"""Part of an image by which a share may miss a whole number of them."""

_TEST_RESULTS = ("test_accuracy", "test_loss", "test_correct", "n_test")
_LAST = ("val_loss", "val_accuracy")


def disagreements(record: RunRecord, spec: RunSpec) -> Iterator[str]:
    """Yield one clause for each thing that a run whose fields are right says twice, and not the same.

    Args:
        record: a finished run.
        spec: what its `spec` says.
    """
    yield from _predictions(record)
    yield from _last_epoch(record)
    yield from _clock(record)
    yield from _images(record, spec)
    yield from _ending(record, spec)
    yield from _versions(record)


def _predictions(record: RunRecord) -> Iterator[str]:
    bits, n = record.test_correct, record.n_test
    if bits is None or not n:
        return
    n_right = int.from_bytes(bits).bit_count()
    if int.from_bytes(bits) & ((1 << (8 * len(bits) - n)) - 1):
        yield f"test_correct says something of more than {n} test images"
    elif record.test_accuracy is not None and not _is_close(record.test_accuracy, n_right / n):
        yield f"test_accuracy is {record.test_accuracy} but test_correct has {n_right} of {n} images right"


def _last_epoch(record: RunRecord) -> Iterator[str]:
    if not record.epochs or record.status not in HITS:
        return
    for name in _LAST:
        last, final = getattr(record.epochs[-1], name), getattr(record, name)
        if last is not None and last != final:
            yield f"{name} is {final} but {last} after the last epoch"


def _clock(record: RunRecord) -> Iterator[str]:
    if not record.epochs:
        return
    clock = summarise([vars(epoch) for epoch in record.epochs])
    for name in CLOCK_FIELDS:
        value = getattr(record, name)
        if value is not None and not _is_close(value, clock[name]):
            yield f"{name} is {value} but its epochs give {clock[name]}"
    for epoch in record.epochs:
        power_w = rate(epoch.energy_j, epoch.train_s)
        if epoch.power_w is not None and not _is_close(epoch.power_w, power_w):
            yield f"power_w of epoch {epoch.epoch} is {epoch.power_w} but its energy and time give {power_w}"


def _images(record: RunRecord, spec: RunSpec) -> Iterator[str]:
    """What the numbers of images in each split must agree with."""
    trained = [n for epoch in record.epochs if (n := _n_trained(epoch)) is not None]
    if not all(math.isfinite(n) and _is_close(n, round(trained[0])) for n in trained):
        yield f"images_per_s and train_s of its epochs are of {sorted(set(trained))!r:.80} images"
        return
    n_trained = round(trained[0]) if trained else None
    n_steps = None if n_trained is None else math.ceil(n_trained / spec.train.batch_size)
    if record.n_steps is not None and n_steps not in (None, record.n_steps):
        yield f"n_steps is {record.n_steps} but {n_trained} images in batches of {spec.train.batch_size} are {n_steps}"
    n_evaluated = min(spec.train.n_train_eval, n_trained) if n_trained else spec.train.n_train_eval
    counts = {
        "test_accuracy": record.n_test,
        "val_accuracy": spec.data.n_validation,
        "train_eval_accuracy": n_evaluated if n_trained else None,
    }
    for name, n in counts.items():
        for epoch in record.epochs:
            share = getattr(epoch, name)
            if n and share is not None and abs(share * n - round(share * n)) > _OF_AN_IMAGE:
                yield f"{name} of epoch {epoch.epoch} is {share}, which is no share of {n} images"


def _ending(record: RunRecord, spec: RunSpec) -> Iterator[str]:
    """What the status says of the results."""
    n_asked, status = spec.train.epochs, record.status
    if record.n_epochs > n_asked or (status == "done" and record.n_epochs != n_asked):
        yield f"it is {status} after {record.n_epochs} of {n_asked} epochs"
    for name in _TEST_RESULTS:
        value = getattr(record, name)
        if value is None and status == "done":
            yield f"it is done but has no {name}"
        elif value is not None and status in (*CUT_SHORT, *FAILURES):
            yield f"it is {status} but has a {name}"
    if status == "done" and not (_is_finite(record) and all(map(_is_finite, record.epochs))):
        yield "it is done but a loss is infinite"


def _versions(record: RunRecord) -> Iterator[str]:
    packages = record.environment.get("packages")
    for package, stored in (("keras", record.keras_version), (record.backend, record.backend_version)):
        version = packages.get(package) if isinstance(packages, dict) else None
        if isinstance(version, str) and ".".join(version.split(".")[:2]) != stored:
            yield f"it ran with {package} {stored} but its environment says {version}"


def _n_trained(epoch: EpochRecord) -> float | None:
    return None if epoch.images_per_s is None or epoch.train_s is None else epoch.images_per_s * epoch.train_s


def _is_finite(part: RunRecord | EpochRecord) -> bool:
    losses = (getattr(part, name, None) for name in ("train_loss", "train_eval_loss", "val_loss", "test_loss"))
    return not any(loss is not None and math.isinf(loss) for loss in losses)


def _is_close(value: Any, expected: Any) -> bool:
    return expected is not None and math.isclose(value, expected, rel_tol=_RELATIVE, abs_tol=_RELATIVE)
