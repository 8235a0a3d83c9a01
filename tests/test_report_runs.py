"""One run in words: what its columns are of, what it was asked to be, and nothing that is not so."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from ledger_records import SETTING, record

from kbnd.records import RunRecord
from kbnd.report.runs import run_table, spec_table
from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec


def run_of(**model: Any) -> RunRecord:
    spec = RunSpec(model=ModelSpec(name="lenet5", **model), data=DataSpec(), train=TrainSpec())
    return record(spec=spec.canonical(), run_id=spec.run_id(SETTING), recipe_id=spec.recipe_id)


@pytest.mark.parametrize(
    ("model", "is_on"),
    [
        ({}, False),
        ({"dropout": {"dense": 0.0}}, False),
        ({"dropout": 0.5}, True),
        ({"dropout": {"conv": 0.0, "dense": 0.1}}, True),
    ],
)
def test_dropout_is_spoken_of_where_there_is_some(model: dict[str, Any], is_on: bool) -> None:
    notes = " ".join(run_table(run_of(**model)).notes)
    assert ("dropout" in notes) == is_on
    assert ("means over the epoch, with dropout on;" in notes) == is_on


def test_before_weight_is_explained_where_it_is() -> None:
    of_placement = {
        placement: " ".join(run_table(run_of(batch_norm=placement)).notes)
        for placement in ("none", "before_activation", "before_weight")
    }
    assert [placement for placement, notes in of_placement.items() if "before_weight:" in notes] == ["before_weight"]


@pytest.mark.parametrize(("status", "words"), [("failed", 0), ("interrupted", 0), ("running", 0), ("done", 1)])
def test_a_run_that_was_not_evaluated_has_no_test_accuracy(status: Any, words: int) -> None:
    notes = " ".join(run_table(record(status=status, test_accuracy=None, n_test=None)).notes)
    assert "None" not in notes
    assert notes.count("test") == words  # of a candidate, that it is not shown


def test_a_spec_is_shown_with_its_defaults() -> None:
    rows = spec_table(run_of(dropout={"conv": 0.1, "dense1": 0.5}, options={"activation": "tanh"})).rows
    fields = {name: value for _, name, value in rows}
    every = {*ModelSpec.model_fields, *DataSpec.model_fields, *TrainSpec.model_fields, "seed", "replicate", "precision"}
    assert set(fields) == every
    assert fields["dropout"] == "conv 0.1, dense1 0.5"
    assert (fields["options"], fields["learning_rate"], fields["milestones"]) == ("activation tanh", "0.05", "none")
    assert (fields["validation_curve"], fields["test_curve"], fields["n_train"]) == ("yes", "no", "default")
    assert [part for part, _, _ in rows if part] == ["model", "data", "train", "run"]


def test_a_spec_that_this_version_does_not_know_is_shown_as_it_is_stored() -> None:
    strange = {**asdict(record())["spec"], "model": {"name": "lenet5", "wings": 2}, "data": "none at all"}
    rows = spec_table(record(spec=strange)).rows
    assert ("", "wings", "2") in rows
    assert ("data", "", "none at all") in rows
    assert run_table(record(spec={})).rows
