"""What is typed after `kbnd train` is what a run is asked to do."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from kbnd import cli, recipe
from kbnd.cli.options import builder_options
from kbnd.cli.train import FIELDS, READERS, train
from kbnd.errors import KbndError, UsageError
from kbnd.spec import TABLES, RunSpec
from kbnd.study import runner


class SeenError(KbndError):
    """Ends the command as soon as the spec is known."""

    exit_code = 99


@pytest.fixture
def spec_of(monkeypatch: pytest.MonkeyPatch):
    """The spec that a command line comes to; nothing is trained."""
    seen: list[RunSpec] = []

    def run_one(spec, settings, **callbacks):
        seen.append(spec)
        raise SeenError("seen")

    monkeypatch.setattr(runner, "run_one", run_one)

    def spec(*arguments: str) -> RunSpec:
        with pytest.raises(SystemExit) as end:
            cli.main(["train", *arguments])
        assert end.value.code == SeenError.exit_code
        return seen.pop()

    return spec


TYPED = {
    "--schedule step --milestones 2,4 --multipliers 0.1,.01": {
        "schedule": "step",
        "milestones": (2, 4),
        "multipliers": (0.1, 0.01),
    },
    "--schedule cosine": {"schedule": "cosine"},
    "--weight-decay 1e-4": {"weight_decay": 1e-4, "weight_decay_mode": "coupled"},
    "--weight-decay 0.01 --weight-decay-mode decoupled": {"weight_decay": 0.01, "weight_decay_mode": "decoupled"},
    "--initial-weights xavier_uniform --initial-gain 2": {"initial_weights": "glorot_uniform", "initial_gain": 2.0},
    "--augmentation crop_flip": {"augmentation": "crop_flip"},
    "--dropout 0.5 --dropout-schedule linear --dropout-schedule-epochs 3": {
        "dropout_schedule": "linear",
        "dropout_schedule_epochs": 3,
    },
}


@pytest.mark.parametrize("typed", TYPED)
def test_every_option_of_a_training_reaches_its_field(spec_of, typed: str) -> None:
    training, plain = spec_of(*typed.split()).train, spec_of().train
    assert {name: getattr(training, name) for name in TYPED[typed]} == TYPED[typed]
    assert training == plain.model_copy(update=TYPED[typed])


def test_every_option_of_a_recipe_fills_a_field_of_its_own() -> None:
    assert len(set(FIELDS.values())) == len(FIELDS)
    assert not [field for part, field in FIELDS.values() if field not in TABLES[part].model_fields]
    assert set(READERS) <= set(FIELDS) <= set(inspect.signature(train).parameters)


@pytest.mark.parametrize(("typed", "option"), [("--lr 0.05", "lr"), ("--batch-norm none", "batch-norm")])
def test_a_recipe_stands_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path, typed: str, option: str) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["train", "--recipe", "nowhere.toml", "--seed", "2", *typed.split()])
    assert end.value.code == UsageError.exit_code
    assert capsys.readouterr().err == (
        f"kbnd: --recipe says network, images and training: leave out --{option}, or change the file\n"
    )


def test_images_are_standardised_where_that_is_asked_for(spec_of) -> None:
    assert spec_of().data.standardise == "none"
    assert spec_of("--standardise", "per_channel").data.standardise == "per_channel"


def test_a_plain_command_has_the_identity_it_always_had(spec_of) -> None:
    canonical = spec_of().canonical()
    assert canonical["train"] == {"batch_size": 32, "epochs": 20}
    assert set(canonical["model"]) == {"name"}


def test_options_of_the_network_are_read_as_toml_values_or_else_as_texts(spec_of) -> None:
    texts = ["depth=20", "order=pre", "head=[512, 512]", "width=0.5", "is_wide=true", 'name="a=b"', "note=a=b"]
    assert builder_options(texts) == {
        "depth": 20,
        "order": "pre",
        "head": [512, 512],
        "width": 0.5,
        "is_wide": True,
        "name": "a=b",
        "note": "a=b",
    }
    assert builder_options(["a=1\nb = 2"]) == {"a": "1\nb = 2"}
    assert spec_of("--option", "activation=tanh").model.options == {"activation": "tanh"}


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["depth"], "an option reads KEY=VALUE, as depth=20, received 'depth'"),
        (["=20"], "an option reads KEY=VALUE, as depth=20, received '=20'"),
        (["depth="], "an option reads KEY=VALUE, as depth=20, received 'depth='"),
        (["depth=20", "depth=32"], "option 'depth' is given twice, allowed once"),
    ],
)
def test_an_option_that_cannot_be_read_is_refused(texts: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=f"^{sentence}$"):
        builder_options(texts)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("--option depth", "an option reads KEY=VALUE"),
        ("--option depht=20", "unknown option of lenet5 'depht'"),
        ("--milestones 2 --multipliers 0.1", "schedule 'step' needs milestones"),
        ("--schedule step --milestones two --multipliers 0.1", "milestones.0 should be a whole number, received 'two'"),
        ("--schedule step --milestones 4,2 --multipliers 0.1,0.1", "milestones should ascend, received [4, 2]"),
        ("--dropout-schedule early", "dropout_schedule_epochs above 0 belong together"),
        ("--weight-decay-mode decoupled", "needs a weight_decay above 0"),
        ("--augmentation mixup", "augmentation should be 'none' or 'crop_flip', received 'mixup'"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(
    capsys: pytest.CaptureFixture[str], typed: str, sentence: str
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["train", *typed.split()])
    assert end.value.code == UsageError.exit_code
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_a_recipe_brings_a_seed_that_had_no_part_in_its_choice(spec_of, capsys, tmp_path: Path) -> None:
    plain = spec_of()
    file = tmp_path / "best.toml"
    file.write_text(recipe.to_toml(plain, comments=["chosen", "by\nseed = 9"], seed=6))
    assert spec_of("--recipe", str(file)).seed == 6
    assert spec_of("--recipe", str(file), "--seed", "2") == plain.model_copy(update={"seed": 2})
    file.write_text(recipe.to_toml(plain))
    assert spec_of("--recipe", str(file)) == plain
    file.write_text("seed = 0\n" + recipe.to_toml(plain))
    with pytest.raises(SystemExit) as end:
        cli.main(["train", "--recipe", str(file)])
    assert end.value.code == UsageError.exit_code
    assert "seed should be a whole number from 1, received 0" in capsys.readouterr().err
