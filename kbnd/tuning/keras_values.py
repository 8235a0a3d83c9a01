"""Hyperparameters and their values as keras-tuner writes them, and back.

    Choice(values=([512], [1024]))  --encode-->  "[512]", "[1024]"  --decode-->  [512], [1024]

keras-tuner chooses among numbers of one kind or among texts; values of other kinds are handed to it as their JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_tuner import HyperParameters

from kbnd.spec import canonical_json
from kbnd.tuning.parameters import Choice, Hyperparameter


def hyperparameters_of(parameters: Mapping[str, Hyperparameter]) -> HyperParameters:
    """Return hyperparameters as keras-tuner knows them."""
    hyperparameters = HyperParameters()
    for path, parameter in parameters.items():
        declare(hyperparameters, path, parameter)
    return hyperparameters


def declare(into: HyperParameters, path: str, parameter: Hyperparameter) -> Any:
    """Declare one hyperparameter, and return its value in these hyperparameters as keras-tuner writes it."""
    if isinstance(parameter, Choice):
        return into.Choice(path, labels(parameter))
    sampling = "log" if parameter.log else "linear"
    return into.Float(path, parameter.min, parameter.max, sampling=sampling)


def labels(choice: Choice) -> list[Any]:
    """Return a choice's values as keras-tuner takes them: numbers of one kind, or texts; others as their JSON."""
    kinds = {type(value) for value in choice.values}
    is_plain = kinds in ({str}, {int}, {float})
    return list(choice.values) if is_plain else [canonical_json(value) for value in choice.values]


def decode(parameter: Hyperparameter, value: Any) -> Any:
    """Return the value that one of keras-tuner stands for."""
    return parameter.values[labels(parameter).index(value)] if isinstance(parameter, Choice) else value


def encode(parameter: Hyperparameter, value: Any) -> Any:
    """Return a value as keras-tuner writes it.

    Raises:
        ValueError: a choice does not have it.
    """
    return labels(parameter)[parameter.values.index(value)] if isinstance(parameter, Choice) else value
