"""The networks by name, and what can be done with a spec of one: check it, name it, build it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kbnd.errors import UsageError, unknown
from kbnd.models import alexnets, cnns, lenet
from kbnd.models.architecture import Architecture, ResidualArchitecture
from kbnd.models.resnets import resnet
from kbnd.spec import ModelSpec

if TYPE_CHECKING:
    import keras

MODELS: dict[str, Architecture | ResidualArchitecture] = {
    "lenet5": Architecture(
        "lenet5", builder=lenet.lenet5, units=lambda: lenet.UNITS, dataset="mnist", fitted=lenet.fitted
    ),
    "alexnet": Architecture(
        "alexnet", builder=alexnets.alexnet, units=alexnets.alexnet_units, dataset="cifar10", hint=alexnets.HINT
    ),
    "alexnet_d2l": Architecture(
        "alexnet_d2l", builder=alexnets.alexnet_d2l, units=lambda: alexnets.D2L_UNITS, dataset="cifar10"
    ),
    "simple_cnn": Architecture("simple_cnn", builder=cnns.simple_cnn, units=cnns.simple_cnn_units, dataset="cifar10"),
    "deeper_cnn": Architecture("deeper_cnn", builder=cnns.deeper_cnn, units=cnns.deeper_cnn_units, dataset="cifar10"),
    "resnet": ResidualArchitecture("resnet", builder=resnet, dataset="cifar10"),
}


def check(spec: ModelSpec) -> None:
    """Refuse a network that cannot be built, before Keras is imported.

    Raises:
        UsageError: an unknown model, option, placement or site, or dropout where the network has no place for it.
    """
    find(spec.name).plan(spec)


def resolve(spec: ModelSpec) -> ModelSpec:
    """Return the one spec of a network: equal networks have equal specs, whatever they were written like.

    It is what a run is identified by; `kbnd.models.canonical` says how each field is written.

    Raises:
        UsageError: as `check`.
    """
    return find(spec.name).canonical(spec)


def smallest_side(spec: ModelSpec) -> int:
    """Return the smallest height (or width) of images that a network can be built for.

    Raises:
        UsageError: as `check`.
    """
    check(spec)
    return find(spec.name).smallest_side(spec)


def build(spec: ModelSpec, *, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Return the uncompiled network that a spec describes.

    Args:
        spec: name, placement, sites, rates and options.
        input_shape: (height, width, channels).
        classes: number of logits.

    Raises:
        UsageError: as `check`, or an image too small for the network.
    """
    check(spec)
    architecture = find(spec.name)
    return architecture.builder(input_shape, classes, **architecture.arguments(spec))


def named(text: object) -> tuple[str, dict[str, Any]]:
    """Return the network and the options that a name stands for: a residual network may carry its depth.

    | text         | network  | options                                 |
    |--------------|----------|-----------------------------------------|
    | `resnet20`   | `resnet` | `depth = 20`                            |
    | `resnet164b` | `resnet` | `depth = 164`, `block = "bottleneck"`   |
    | else         | itself   |                                         |

    Whether there is such a network, and whether the depth fits, is said by `check`.

    Raises:
        UsageError: a model, a function or whatever else is no name.
    """
    if not isinstance(text, str):
        name = getattr(text, "__name__", None) or type(text).__name__
        guess = f" (did you mean {name!r}?)" if name in MODELS else ""
        raise UsageError(
            f"model should be the name of a network, {', '.join(MODELS)}, received {name}{guess}: keras-tuner's own "
            "tuners, such as keras_tuner.RandomSearch, search functions that build a model"
        )
    match = re.fullmatch(r"resnet(\d{1,6})(b?)", text, flags=re.ASCII)
    if match is None:
        return text, {}
    return "resnet", {"depth": int(match[1]), **({"block": "bottleneck"} if match[2] else {})}


def find(name: str) -> Architecture | ResidualArchitecture:
    """Return the architecture of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name]
