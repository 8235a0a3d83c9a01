"""A whole number is one, a number is no text and no truth value, wherever it comes from: one rule for every field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from kbnd import cli, recipe
from kbnd.errors import UsageError, checked_whole
from kbnd.execution.settings import Settings
from kbnd.models.registry import MODELS, check
from kbnd.spec import DataSpec, ModelSpec, RunSpec, Spec, TrainSpec, fields
from kbnd.study.definition import Study
from kbnd.tuning.parameters import Range
from kbnd.tuning.space import Space

NO_WHOLE = (True, 1.0, "1", 1.5, None, [1], np.True_, np.float64(1.0))
NO_NUMBER = (True, "0.5", None, [0.5], np.True_, 10**400)
NO_FLAG = (0, 1, "true", "yes", None, np.True_)


def specs(kind: type[Spec] = Spec) -> Iterator[type[Spec]]:
    for below in kind.__subclasses__():
        yield below
        yield from specs(below)


def loose(schema: object, rule: object = None) -> Iterator[str]:
    """The kinds of numbers in one of pydantic's schemas that another rule than ours converts."""
    if isinstance(schema, list | tuple):
        for part in schema:
            yield from loose(part, rule)
    elif isinstance(schema, Mapping):
        kind = schema.get("type")
        rule = schema["function"].get("function") if kind == "function-before" else rule
        rules = {"int": rule is fields._whole, "float": rule is fields._number, "bool": schema.get("strict")}
        if isinstance(kind, str) and not rules.get(kind, True):
            yield kind
        for key, part in schema.items():
            if key not in ("metadata", "function"):
                yield from loose(part, rule)


@pytest.mark.parametrize("kind", sorted(specs(), key=lambda kind: kind.__name__))
def test_no_field_takes_numbers_by_another_rule(kind: type[Spec]) -> None:
    of_fields = kind.__pydantic_core_schema__
    assert not list(loose(of_fields)), "use Positive, Natural, Whole, Number, Flag of kbnd.spec"


def test_a_field_by_another_rule_would_be_seen() -> None:
    class Loose(BaseModel):
        n: list[int] | None
        x: dict[str, float]
        is_so: bool

    assert sorted(loose(Loose.__pydantic_core_schema__)) == ["bool", "float", "int"]


def test_the_specs_are_all_there() -> None:
    assert {ModelSpec, DataSpec, TrainSpec, RunSpec, Study, Space, Range} <= set(specs())


@pytest.mark.parametrize(
    ("field", "wrong", "sentence"),
    [
        ("epochs", NO_WHOLE, "should be a whole number, received "),
        ("learning_rate", NO_NUMBER, "should be a (finite )?number, received "),
        ("validation_curve", NO_FLAG, "should be true or false, received "),
    ],
)
def test_what_only_looks_like_it_is_refused(field: str, wrong: tuple[Any, ...], sentence: str) -> None:
    for value in wrong:
        with pytest.raises(UsageError, match=f"^{field} {sentence}"):
            TrainSpec(**{field: value})


def test_numbers_of_numpy_are_numbers() -> None:
    spec = TrainSpec(epochs=np.int64(3), batch_size=np.uint8(8), learning_rate=np.float32(0.5), momentum=0)
    assert spec == TrainSpec(epochs=3, batch_size=8, learning_rate=0.5)
    assert [type(value) for value in (spec.epochs, spec.batch_size, spec.learning_rate, spec.momentum)] == [
        int,
        int,
        float,
        float,
    ]


@pytest.mark.parametrize(
    ("value", "kept"),
    [(3, 3), (3.0, 3.0), (True, True), ("x", "x"), ([1, 2], [1, 2]), ([1, 2.5], [1.0, 2.5]), (np.int64(3), 3)],
)
def test_an_option_of_a_network_keeps_its_kind(value: object, kept: object) -> None:
    option = ModelSpec(name="resnet", options={"depth": value}).options["depth"]
    assert repr(option) == repr(kept)


@pytest.mark.parametrize(
    ("network", "option", "value"),
    [
        ("resnet", "depth", 20.0),
        ("resnet", "depth", "20"),
        ("alexnet", "head", [True, 512]),
        ("alexnet", "head", [512.0]),
        ("alexnet", "width", "1"),
    ],
)
def test_an_option_of_another_kind_is_refused(network: str, option: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"{option}.* should be"):
        check(ModelSpec(name=network, options={option: value}))


def test_no_option_of_a_network_takes_true_for_a_number() -> None:
    options = [(name, option) for name, network in MODELS.items() for option in network.options]
    for name, option in options:
        if not isinstance(MODELS[name].options[option], bool):
            depth = {"depth": 20} if name == "resnet" else {}
            with pytest.raises(UsageError, match=f"{option}|options"):
                check(ModelSpec(name=name, options={**depth, option: True}))


@pytest.mark.parametrize("value", NO_WHOLE)
def test_engine_and_callers_follow_the_same_rule(value: Any) -> None:
    for setting in ("checkpoint_every", "retime"):
        with pytest.raises(UsageError, match=f"{setting} should be a whole number from [01], received"):
            Settings(ledger=Path("no.sqlite"), **{setting: value}).check()
    with pytest.raises(UsageError, match="a count should be a whole number from 1, received"):
        checked_whole(value, "a count")


@pytest.mark.parametrize("line", ["seed = true", "seed = 1.0", 'seed = "1"', "[train]\nepochs = true"])
def test_a_recipe_follows_the_same_rule(tmp_path: Path, line: str) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(f'{line}\n[model]\nname = "lenet5"\n')
    with pytest.raises(UsageError, match=r"(seed|epochs) should be a whole number"):
        recipe.read(file)


def test_a_command_reads_lists_of_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    step = ("train", "--schedule", "step", "--epochs", "3", "--multipliers", "0.1", "--milestones")
    for text in ("1.0", "x", "true"):
        with pytest.raises(SystemExit) as stop:
            cli.main([*step, text])
        assert stop.value.code == 2
        assert "milestones.0 should be a whole number, received" in capsys.readouterr().err
