"""The networks by name: plain builders of uncompiled Keras models, and a check that needs no Keras.

    from kbnd.models import lenet5
    model = lenet5((28, 28, 1), 10, batch_norm="before_activation", dropout=0.5)

Importing this package imports no backend: Keras starts when the first network is built.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kbnd.errors import UsageError, unknown
from kbnd.models import saved
from kbnd.models.canonical import canonical_spec
from kbnd.models.lenet import UNITS as LENET5_UNITS
from kbnd.models.lenet import lenet5
from kbnd.models.placement import Plan, Unit, place
from kbnd.spec import ModelSpec

if TYPE_CHECKING:
    import keras

__all__ = ["MODELS", "Architecture", "build", "check", "lenet5", "resolve"]


@dataclass(frozen=True)
class Architecture:
    """What is known of a network before it is built.

    Attributes:
        name: as in `ModelSpec.name`.
        builder: the public function; it loads Keras when it is called.
        units: its chain of units, given the options of a spec.
        dataset: what the network is trained on unless told otherwise.
    """

    name: str
    builder: Callable[..., keras.Model]
    units: Callable[..., Sequence[Unit]]
    dataset: str

    @property
    def options(self) -> dict[str, object]:
        """What `ModelSpec.options` may hold: the builder's arguments without a field of their own, and defaults."""
        taken = {*ModelSpec.model_fields, "input_shape", "classes"}
        parameters = inspect.signature(self.builder).parameters
        return {name: parameter.default for name, parameter in parameters.items() if name not in taken}


MODELS: dict[str, Architecture] = {
    "lenet5": Architecture("lenet5", builder=lenet5, units=lambda **_: LENET5_UNITS, dataset="mnist"),
}


def check(spec: ModelSpec) -> None:
    """Refuse a network that cannot be built, before Keras is imported.

    Raises:
        UsageError: an unknown model, option, placement or site, or dropout where the network has no place for it.
    """
    _plan(spec)


def resolve(spec: ModelSpec) -> ModelSpec:
    """Return the one spec of a network: equal networks have equal specs, whatever they were written like.

    It is what a run is identified by; `kbnd.models.canonical` says how each field is written.

    Raises:
        UsageError: as `check`.
    """
    architecture = _find(spec.name)
    plan = _plan(spec)
    return canonical_spec(spec, plan, architecture.units(**spec.options), defaults=architecture.options)


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
    return _find(spec.name).builder(
        input_shape,
        classes,
        batch_norm=spec.batch_norm,
        dropout=spec.dropout,
        batch_norm_sites=spec.batch_norm_sites,
        dropout_sites=spec.dropout_sites,
        batch_norm_momentum=spec.batch_norm_momentum,
        batch_norm_epsilon=spec.batch_norm_epsilon,
        **spec.options,
    )


def _find(name: str) -> Architecture:
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name]


def _plan(spec: ModelSpec) -> Plan:
    architecture = _find(spec.name)
    for option in spec.options:
        if option not in architecture.options:
            raise unknown(f"option of {spec.name}", option, architecture.options)
    return place(
        spec.name,
        architecture.units(**spec.options),
        batch_norm=spec.batch_norm,
        dropout=spec.dropout,
        batch_norm_sites=spec.batch_norm_sites,
        dropout_sites=spec.dropout_sites,
        activation=_activation(spec),
        batch_norm_momentum=spec.batch_norm_momentum,
        batch_norm_epsilon=spec.batch_norm_epsilon,
    )


def _activation(spec: ModelSpec) -> str:
    activation = spec.options.get("activation", "relu")
    if not isinstance(activation, str):
        raise UsageError(f"activation should be a name, received {activation!r}")
    return activation


saved.register()
