"""Specs refuse what cannot be meant, in words for people."""

from __future__ import annotations

from typing import get_args

import pytest

from kbnd import data
from kbnd.errors import UsageError
from kbnd.spec import LARGEST, DataSpec, InitialWeights, ModelSpec, RunSpec, TrainSpec
from kbnd.training.initial import SCHEMES

NAMES = r"should be 1 to 64 letters, digits and the signs \. _ \+ -, received"


def run(**fields):
    return RunSpec(**({"model": ModelSpec(name="lenet5"), "data": DataSpec(), "train": TrainSpec()} | fields))


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (run, "seed"),
        (run, "replicate"),
        (TrainSpec, "batch_size"),
        (TrainSpec, "n_train_eval"),
        (DataSpec, "n_train"),
        (DataSpec, "n_validation"),
    ],
)
def test_a_count_is_at_most_what_a_ledger_can_hold(kind, field):
    assert getattr(kind(**{field: LARGEST}), field) == 2**63 - 1
    for above in (2**63, 10**30):
        with pytest.raises(UsageError, match=f"{field} should be less than or equal to {2**63 - 1}, received {above}"):
            kind(**{field: above})


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "le net"}, f"^name {NAMES} 'le net'$"),
        ({"name": ""}, f"^name {NAMES} ''$"),
        ({"dropout_sites": ["conv1", "conv!"]}, rf"^dropout_sites\.1 {NAMES} 'conv!'$"),
        ({"dropout": {"a b": 0.1}}, rf"^dropout\.a b {NAMES} 'a b'$"),
        ({"options": {"a b": 1}}, rf"^options\.a b {NAMES} 'a b'$"),
        ({"dropout": {"conv": 1.5}}, r"^dropout\.conv should be less than 1, received 1\.5$"),
        ({"dropout": 1.5}, r"^dropout should be less than 1, received 1\.5$"),
        ({"droput": 0.5}, r"^unknown field 'droput' \(did you mean 'dropout'\?\)$"),
        ({"name": "x" * 5000}, r"received 'x{99}\.\.\.$"),
    ],
)
def test_the_sentence_says_the_field_what_is_allowed_and_what_was_received(fields, sentence):
    with pytest.raises(UsageError, match=sentence):
        ModelSpec(**({"name": "lenet5"} | fields))


def test_the_schemes_of_initial_weights_that_a_spec_allows_are_those_that_can_be_drawn():
    assert set(get_args(InitialWeights)) == set(SCHEMES)


@pytest.mark.parametrize("name", ["digits", "cifar10", "folder:."])
def test_resolving_a_dataset_keeps_its_standardisation(name):
    assert data.resolve(DataSpec(name=name, standardise="per_channel")).standardise == "per_channel"


def test_an_unknown_scheme_is_refused_before_anything_trains():
    with pytest.raises(UsageError, match=r"initial_weights should be 'torch_default', .* received 'torch'"):
        TrainSpec(initial_weights="torch")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"schedule": "step", "milestones": [3, 5], "multipliers": [0.1, 0.01]}, "below the 5 epochs trained"),
        ({"dropout_schedule": "early", "dropout_schedule_epochs": 5}, "'early' would change nothing, received 5"),
        ({"dropout_schedule": "late", "dropout_schedule_epochs": 9}, "'late' would change nothing, received 9"),
    ],
)
def test_a_schedule_that_would_change_nothing_is_refused(fields, said):
    with pytest.raises(UsageError, match=said):
        TrainSpec(epochs=5, **fields)


def test_a_dropout_schedule_needs_dropout():
    train = TrainSpec(epochs=5, dropout_schedule="linear", dropout_schedule_epochs=5)
    for dropout in (0.0, {}, {"dense": 0.0}):
        with pytest.raises(UsageError, match="needs a network with dropout above 0"):
            RunSpec(model=ModelSpec(name="lenet5", dropout=dropout), data=DataSpec(), train=train)
    RunSpec(model=ModelSpec(name="lenet5", dropout={"dense": 0.5}), data=DataSpec(), train=train)
