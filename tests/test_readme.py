"""What the README files tell a reader to type exists."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
import typer

from kbnd import cli
from kbnd.study.choices import Choices, decide
from kbnd.study.definition import read

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
STUDIES = (ROOT / "studies" / "README.md").read_text(encoding="utf-8")


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in fenced(README, "sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("kbnd ")]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_of_the_readme_has_these_options(words: list[str]) -> None:
    command = typer.main.get_command(cli.app)
    words = words[1:]
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    known = {option for param in command.params for option in param.opts}
    assert not hasattr(command, "commands")
    assert {word for word in words if word.startswith("--")} <= known


def test_every_script_of_the_readme_is_there_and_can_be_run() -> None:
    named = set(re.findall(r"\btools/[a-z_]+", README))
    assert {"tools/quickstart", "tools/test", "tools/check"} <= named
    assert not [name for name in named if not os.access(ROOT / name, os.X_OK)]


def test_every_link_of_the_readme_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_notebook_snippet_is_python() -> None:
    (snippet,) = fenced(README, "python")
    compile(snippet, "README.md", "exec")


def test_the_example_of_an_own_study_is_one(tmp_path: Path) -> None:
    (example,) = fenced(STUDIES, "toml")
    (tmp_path / "my.toml").write_text(example)
    experiment = decide(read(tmp_path / "my.toml"), Choices())
    assert list(experiment.arms) == ["none", "dense0.5", "conv0.2"]
