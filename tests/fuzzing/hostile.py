"""Values that nobody means: as values of files, as words of a command line, as objects of Python."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63 - 1, -(2**63), 1e308, math.inf, -math.inf, 1e-320, 1.5),
    *(
        "",
        " ",
        "none",
        "nan",
        "0",
        "\x1b[31mred",
        "\u202e",
        "é" * 300,
        "\ud7ff",
        "a\nb",
        "'; DROP TABLE runs; --",
        "{}",
        "[]",
    ),
    *("[" * 3000, "../../etc/passwd", "=1+1", "<script>", "x" * 70_000),
)
"""What nobody means."""


FILES = ("kbnd.sqlite", "study.toml", "recipe.toml", "space.toml", "text", "empty", "folder", "loop", "nowhere/x", ".")
WORDS = (
    *("", " ", "-1", "0", "1", "2", "1.5", "nan", "inf", "-inf", "1e400", "9" * 400, "1e-400", "0x10", "1_000", "True"),
    *(
        "none",
        "all",
        "conv",
        "conv1,conv9",
        "conv1,conv1",
        ",",
        ",,a",
        "=",
        "a=",
        "=a",
        "a=b",
        "depth=20",
        "depth=[" + "[" * 5000,
    ),
    *(
        "0..0.8",
        "0.8..0",
        "1e-4..1",
        "..",
        "0..",
        "..1",
        "0..inf",
        "0,nan",
        "0,0.5",
        "before_activation,after_activation",
    ),
    *(
        "lenet5",
        "resnet20",
        "resnet21",
        "resnet" + "9" * 300,
        "alexnet",
        "digits",
        "folder:",
        "folder:folder",
        "folder:nowhere",
    ),
    *(
        "processes:0",
        "processes:2",
        "processes:999999999999",
        "inline",
        "ray:x",
        "tensorflow",
        "numpy",
        "28x28",
        "0x0",
        "9" * 30 + "x1",
    ),
    *(
        "\x1b[31mred",
        "\u202eabc",
        "é" * 300,
        "x" * 5000,
        "../../x",
        "a\nb",
        "{}",
        "[]",
        "--",
        "-",
        "'; DROP TABLE runs",
    ),
)
OBJECTS = (
    *(
        object(),
        b"x",
        Path("x"),
        np.float32(0.5),
        np.array([1, 2]),
        [0.1, "x"],
        {"conv": 2.0},
        {1: 2},
        (1, 2),
        {3},
        1j,
        ...,
    ),
    *(range(3), lambda: None, [[1]], {"conv1": None}, float("nan"), [None]),
)
