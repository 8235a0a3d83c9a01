"""The options that networks share: documented, typed and given their defaults once, and taken by every builder.

| class              | options of                                          |
|--------------------|-----------------------------------------------------|
| `LayerOptions`     | every network                                       |
| `PlacementOptions` | networks that are chains of units                   |

A builder reads `def lenet5(input_shape, classes, *, name="lenet5", **options: Unpack[PlacementOptions])`. `taking` lets
Python's signature of it, and with it `help`, completion and `Architecture.options`, show each option with its default;
`completed` refuses what is no option. A new option is a line in a class and in `DEFAULTS`, and what is done with it.

Reference: PEP 692, keyword arguments that are typed by a dictionary.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, cast, get_type_hints

from kbnd.errors import UsageError, check_batch_norm, unknown
from kbnd.spec import ModelSpec

ACTIVATIONS = ("relu", "tanh", "sigmoid", "leaky_relu", "elu", "selu", "gelu", "silu", "linear")


class LayerOptions(TypedDict, total=False):
    """How the layers of a network are set. Every builder takes these as keywords.

    Attributes:
        activation: name of the activation behind each weight layer but the logits, one of `ACTIVATIONS`.
        batch_norm_momentum: weight of the old moving statistics in their update, in [0, 1).
        batch_norm_epsilon: added to the variance, positive and finite.

    A builder raises `UsageError` where a value is none of these, and `TypeError` for a keyword that it does not take.
    """

    activation: str
    batch_norm_momentum: float
    batch_norm_epsilon: float


class PlacementOptions(LayerOptions, total=False):
    """Where Batch Normalization and Dropout stand in a chain of units. Builders of chains take these as keywords.

    Sites are kinds of units (`conv`, `dense`, `logits`) or single units (`conv1`), in any order.

    Attributes:
        batch_norm: order within the units that carry BN: `none`, `before_activation`, `after_activation` or
            `before_weight`, a row of `kbnd.models.placement.ORDER`. `before_weight` leaves the input image alone.
        batch_norm_sites: units with BN; None is every convolution.
        dropout: rate in [0, 1) at `dropout_sites`, or a mapping site -> rate in which a unit overrides its kind.
            Dropout stands behind the pooling of a convolution, under `before_weight` behind BN.
        dropout_sites: units with dropout; None is the hidden dense layers, or the keys of a mapping.
        activation, batch_norm_momentum, batch_norm_epsilon: as in `LayerOptions`.

    A builder raises `UsageError` for an unknown placement, site or activation, for a value out of range and where BN
    or dropout is asked for and the network has no place for it: also where one of several sites has none, and where
    sites are named and neither `batch_norm` nor `dropout` says what is to stand there. `TypeError` for a keyword that
    it does not take.
    """

    batch_norm: str
    batch_norm_sites: Sequence[str] | None
    dropout: float | Mapping[str, float]
    dropout_sites: Sequence[str] | None


FIELDS = [name for name in ModelSpec.model_fields if name in PlacementOptions.__annotations__]
DEFAULTS: dict[str, Any] = {**{name: ModelSpec.model_fields[name].default for name in FIELDS}, "activation": "relu"}
"""Of every option, in the order in which signatures show them; what is a field of a spec has the field's default."""

Builder = TypeVar("Builder", bound=Callable[..., Any])
Options = TypeVar("Options", bound=LayerOptions)


def taking(kind: type[LayerOptions]) -> Callable[[Builder], Builder]:
    """Return the decorator of a builder whose `**options` are of a kind: its signature names each with its default."""

    def with_signature(builder: Builder) -> Builder:
        signature = inspect.signature(builder)
        own = [it for it in signature.parameters.values() if it.kind is not inspect.Parameter.VAR_KEYWORD]
        types = get_type_hints(kind)
        shared = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=types[name])
            for name, default in DEFAULTS.items()
            if name in types
        ]
        builder.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
        return builder

    return with_signature


def completed(network: str, options: Options, kind: type[Options]) -> Options:
    """Return the options with the defaults of those that were left out.

    Raises:
        TypeError: a keyword that is no option, as Python says it of a function without `**options`.
    """
    for name in options:
        if name not in kind.__annotations__:
            raise TypeError(f"{network}() got an unexpected keyword argument {name!r}")
    return cast(Options, {**{name: DEFAULTS[name] for name in kind.__annotations__}, **options})


def options_of(spec: ModelSpec, kind: type[Options]) -> Options:
    """Return those of a spec's fields and options that are options of a kind, without fields that nobody set."""
    values = {**{name: getattr(spec, name) for name in spec.model_fields_set}, **spec.options}
    return cast(Options, {name: values[name] for name in kind.__annotations__ if name in values})


def check_layers(options: LayerOptions) -> None:
    """Refuse an unknown activation, and settings of Batch Normalization out of range.

    Raises:
        UsageError: it says which.
    """
    activation: object = options["activation"]
    if not isinstance(activation, str):
        raise UsageError(f"activation should be a name, received {activation!r}")
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    check_batch_norm(options["batch_norm_momentum"], options["batch_norm_epsilon"], prefix="batch_norm_")
