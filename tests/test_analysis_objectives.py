"""What a search looks for: which number of a run it is, and what an oracle is given where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ledger_records import record

from kbnd.analysis.objectives import objective
from kbnd.records import EpochRecord, RunRecord


def test_times_measured_beside_other_runs_are_no_score() -> None:
    run = record(
        val_accuracy=0.9, epoch_s=2.0, epochs=tuple(EpochRecord(epoch=e, val_accuracy=0.3 * e) for e in (1, 2, 3))
    )
    timed = objective("time_to_accuracy:0.6")
    assert timed.of(run) == pytest.approx(4.0)
    assert timed.of(replace(run, is_concurrent=True)) is None
    assert timed.of(replace(run, continued_from="one")) is None
    assert timed.of(replace(run, epochs=run.epochs[:1])) is None


@pytest.mark.parametrize("name", ["val_accuracy", "val_loss"])
def test_as_many_right_images_in_other_seeds_are_the_same_score(name: str) -> None:
    def of(*n_right: int) -> list[RunRecord]:
        return [record(**{name: n / 300}) for n in n_right]

    assert (294 / 300 + 298 / 300) / 2 != (296 / 300 + 296 / 300) / 2  # in floats
    assert objective(name).score(of(294, 298)) == objective(name).score(of(296, 296)) == pytest.approx(296 / 300)
    assert objective(name).score(of(294, 297)) != objective(name).score(of(296, 296))


def test_a_candidate_that_misses_its_target_counts_as_worse_than_any_that_reached_it() -> None:
    timed = objective("time_to_accuracy:0.6")
    missed = record(fit_s=30.0)
    assert timed.worst([missed], [12.0, 20.0], n_classes=10) == 60.0
    assert timed.worst([missed], [80.0], n_classes=10) == 80.0
    assert objective("val_loss").worst([], [1.0], n_classes=10) > 2.3
    assert objective("val_accuracy").worst([], [0.4], n_classes=10) == 0.0


def test_energy_is_that_of_epochs_that_compiled_nothing() -> None:
    epochs = tuple(EpochRecord(epoch=e, energy_j=j, is_warmup=e == 1) for e, j in ((1, 900.0), (2, 100.0), (3, 120.0)))
    run = record(val_accuracy=0.66, energy_j=1120.0, epochs=epochs)
    assert objective("accuracy_per_joule").of(run) == pytest.approx(0.66 / (110 * 3))
    assert objective("accuracy_per_joule").of(replace(run, epochs=epochs[:1])) is None
