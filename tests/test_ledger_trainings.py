"""Two trainings of one run, here and elsewhere: a known case under other circumstances, else a contradiction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ledger_records import SETTING, epoch, record

from kbnd.errors import UsageError
from kbnd.ledger import Ledger, Merged
from kbnd.report.runs import elsewhere_note
from kbnd.spec import RunSpec

HERE = {"machine": "m1", "n_threads": 2, "packages": {"kbnd": "0.1", "keras": "3.15.0", "tensorflow": "2.21.0"}}

ELSEWHERE: dict[str, dict[str, Any]] = {
    "threads": {"n_threads": 1},
    "machine": {"machine": "m2"},
    "version": {"packages": {**HERE["packages"], "keras": "3.15.1"}},
    "threads that are not known": {"n_threads": None},
}

THE_SAME: dict[str, dict[str, Any]] = {
    "nothing": {},
    "kbnd's own version": {"packages": {**HERE["packages"], "kbnd": "0.2"}},
    "load": {"load_average": [9.0, 9.0, 9.0]},
}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "kbnd.sqlite") as opened:
        yield opened


def trained(*, seed: int = 1, session: str = "s1", **changes: Any):
    return record(seed=seed, session=session, **{"environment": HERE, **changes})


@pytest.mark.parametrize("what", ELSEWHERE)
def test_another_circumstance_is_no_contradiction_and_the_run_here_stays(ledger: Ledger, what: str) -> None:
    ledger.finish(trained(test_accuracy=0.75))
    ledger.finish(trained(seed=2))
    there = {"session": "s2", "environment": {**HERE, **ELSEWHERE[what]}}
    epochs = (epoch(1), epoch(2, train_loss=0.50000001))
    others = [trained(test_accuracy=0.5, epochs=epochs, test_correct=b"\xc0", **there), trained(seed=2, **there)]
    merged = ledger.merge(others)
    assert merged == Merged(0, 0, 2, n_elsewhere=1, largest_difference=0.25)  # the other one has the same results
    assert ledger.get(others[0].run_id) == trained(test_accuracy=0.75)
    assert elsewhere_note(merged).endswith("those here stay, the largest difference of test accuracy is 25.00 pp")


@pytest.mark.parametrize("what", THE_SAME)
def test_equal_circumstances_with_other_results_are_a_contradiction(ledger: Ledger, what: str) -> None:
    ledger.finish(trained())
    other = trained(session="s2", epochs=(epoch(1), epoch(2, train_loss=9.0)), environment={**HERE, **THE_SAME[what]})
    with pytest.raises(UsageError, match=r"epoch 2 train_loss is 0\.5 in .* and 9\.0 in .*; nothing was imported"):
        ledger.merge([other])


def test_on_a_gpu_no_training_is_like_another(ledger: Ledger) -> None:
    run = trained()
    run_id = RunSpec(**run.spec).run_id(replace(SETTING, device="gpu"))
    here = replace(run, run_id=run_id, device="gpu")
    ledger.finish(here)
    assert ledger.merge([replace(here, session="s2", test_loss=0.3)]).n_elsewhere == 1


def test_one_training_may_differ_in_nothing_wherever_it_says_it_was(ledger: Ledger) -> None:
    ledger.finish(trained())
    with pytest.raises(UsageError, match="environment is"):
        ledger.merge([trained(environment={**HERE, "machine": "m2"})])


def test_what_a_spec_fixes_differs_nowhere(ledger: Ledger) -> None:
    ledger.finish(trained(n_parameters=61_990))
    with pytest.raises(UsageError, match="n_parameters is 61990"):
        ledger.merge([trained(session="s2", n_parameters=7, environment={**HERE, "n_threads": 1})])


def test_a_run_that_diverged_on_one_of_two_machines_has_no_difference_of_accuracy(ledger: Ledger) -> None:
    ledger.finish(trained())
    there = {**HERE, "machine": "m2"}
    merged = ledger.merge([trained(session="s2", status="diverged", test_accuracy=None, environment=there)])
    assert (merged.n_elsewhere, merged.largest_difference) == (1, None)
    assert "none has two test accuracies" in elsewhere_note(merged)
