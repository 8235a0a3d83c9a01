"""Bad input on the command line: one sentence, exit code 2, nothing trained, nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from study_files import write_tiny

from kbnd import cli

LENET_GRID = str(Path(__file__).parents[1] / "studies" / "lenet_grid.toml")


def kbnd(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    with pytest.raises(SystemExit) as stop:
        cli.main(list(arguments))
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "--model", "lenet"], "unknown model 'lenet' (did you mean 'lenet5'?)"),
        (["train", "--dataset", "mnits"], "mnits"),
        (["train", "--batch-norm", "before"], "batch_norm should be 'none', 'before_activation'"),
        (["train", "--backend", "theano"], "unknown backend 'theano'"),
        (["train", "--dropout", "1"], "dropout should be less than 1"),
        (["train", "--dropout", "-0.1"], "dropout should be greater than or equal to 0"),
        (["train", "--dropout", "0.5", "--dropout-sites", "pool"], "pool"),
        (["train", "--batch-norm-sites", "conv1"], "batch_norm_sites conv1 would change nothing"),
        (["train", "--dropout-sites", "conv"], "dropout_sites conv would change nothing: say a dropout rate too"),
        (["train", "--batch-norm", "before_weight", "--batch-norm-sites", "conv1,conv2"], "choose from conv, dense"),
        (["train", "--lr", "0"], "learning_rate should be greater than 0"),
        (["train", "--lr", "nan"], "learning_rate should be"),
        (["train", "--batch-size", "0"], "batch_size should be greater than or equal to 1"),
        (["train", "--epochs", "0"], "epochs should be greater than or equal to 1"),
        (["train", "--seed", "0"], "seed should be greater than or equal to 1"),
        (["train", "--seed", "1.5"], "--seed"),
        (["train", "--momentum", "0.9", "--optimizer", "adam"], "momentum belongs to optimizer 'sgd'"),
        (["train", "--n-train", "2000"], "received n_train 2,000"),
        (["study", LENET_GRID, "--preset", "tiny"], "unknown preset 'tiny': choose from faithful, scaled, smoke"),
        (["study", LENET_GRID, "--arms", "bn,dropuot0.1"], "group 'dropuot0.1' (did you mean 'dropout0.1'?)"),
        (["study", LENET_GRID, "--seeds", "0"], "seeds should be greater than or equal to 1"),
        (["study", LENET_GRID, "--dataset", "nonsense/../x"], "nonsense"),
        (["study", LENET_GRID, "--dataset", "digits", "--executor", "slurm"], "unknown executor 'slurm'"),
        (["study", "nowhere.toml"], "nowhere.toml"),
        (["compare", "nowhere.sqlite"], "nowhere.sqlite"),
        (["ledger", "list", "nowhere.sqlite"], "nowhere.sqlite"),
        (["data", "prepare", "nonsense!"], "nonsense!"),
        (["trian"], "trian"),
    ],
)
def test_bad_input_is_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    code, out, err = kbnd(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert sentence in err
    assert "Traceback" not in err
    if err.startswith("kbnd: "):
        assert err.count("\n") == 1
    assert not list(tmp_path.rglob("*.sqlite"))


def test_a_warning_of_kbnd_is_one_line_once_and_those_of_others_say_where_they_come_from() -> None:
    code = (
        "import warnings; from kbnd.cli import ending; from kbnd.models import logits_dropout\n"
        "def warn():\n"
        "    for line, file in enumerate([logits_dropout.__file__, logits_dropout.__file__, '/elsewhere/kbnd.py']):\n"
        "        warnings.warn_explicit('the loss has a floor', UserWarning, file, line)\n"
        "ending.exit_code_of(warn); warnings.warn_explicit('later', UserWarning, logits_dropout.__file__, 1)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours, *others = printed.stderr.splitlines()
    assert ours == "kbnd: warning: the loss has a floor"
    assert others[0] == "/elsewhere/kbnd.py:2: UserWarning: the loss has a floor"
    assert others[1].endswith("logits_dropout.py:1: UserWarning: later")  # as before, outside a command


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--model", "alexnet"],
            "alexnet needs images of at least 29x29, those of digits are 28x28: choose --dataset cifar10 or "
            "an image size of 29x29",
        ),
        (
            ["--model", "alexnet_d2l", "--dataset", "cifar10"],
            "alexnet_d2l needs images of at least 65x65, those of cifar10 are 32x32: choose an image size of 65x65",
        ),
        (
            ["--image-size", "8x40"],
            "lenet5 needs images of at least 28x28, those of digits are 8x40: choose --dataset mnist or "
            "an image size of 28x40",
        ),
    ],
)
def test_images_too_small_for_the_network_are_refused_before_anything_is_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    assert kbnd(capsys, "train", *arguments) == (2, "", f"kbnd: {sentence}\n")
    assert not list(tmp_path.rglob("*.sqlite"))


def test_a_ledger_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "notes.sqlite"
    file.write_text("these are my notes, " * 100)
    before = file.read_bytes()
    code, _, err = kbnd(capsys, "study", str(write_tiny(tmp_path)), "--ledger", str(file))
    assert code == 2
    assert "is not a ledger" in err
    assert file.read_bytes() == before


def test_an_output_folder_that_is_a_file_is_refused_before_training(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("mine")
    code, _, err = kbnd(capsys, "study", str(write_tiny(tmp_path)), "--out", str(tmp_path / "taken"))
    assert code == 2
    assert "output folder" in err
    assert (tmp_path / "taken").read_text() == "mine"
    assert not list(tmp_path.rglob("*.sqlite"))


def test_a_backend_that_is_not_installed_names_its_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from kbnd.training import backend

    monkeypatch.setattr(backend, "_is_installed", lambda name: name == "tensorflow")
    monkeypatch.setattr(backend, "_imported", lambda: None)
    code, _, err = kbnd(capsys, "train", "--backend", "jax")
    assert code == 2
    assert "kbnd[jax]" in err


def test_compare_needs_a_choice_where_a_ledger_holds_several(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from kbnd.ledger import Ledger

    with Ledger.open(tmp_path / "kbnd.sqlite") as ledger:
        for study in ("one", "two"):
            ledger.assign(study, "0" * 16, [("baseline", 1, 0, "a" * 16)])
    code, _, err = kbnd(capsys, "compare", str(tmp_path / "kbnd.sqlite"))
    assert code == 2
    assert "--study" in err
    assert "one, two" in err
