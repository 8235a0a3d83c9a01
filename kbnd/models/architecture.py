"""What is known of a network before it is built: its options, whether a spec of it can be meant, its one spec.

| class                  | network                          | Batch Normalization and Dropout from               |
|------------------------|----------------------------------|----------------------------------------------------|
| `Architecture`         | a chain of units                 | placement, sites and rates of `ModelSpec`          |
| `ResidualArchitecture` | stem, residual blocks, head      | the option `order`, and one rate                   |

Both have the same methods; nothing here imports Keras before a builder is called.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kbnd.errors import UsageError, unknown
from kbnd.models.canonical import canonical_residual, canonical_spec
from kbnd.models.chains import Fitted, as_they_are
from kbnd.models.options import LayerOptions, PlacementOptions, options_of
from kbnd.models.placement import Placed, Plan, Unit, placed
from kbnd.models.residual import RULES, Block, Residual, parts, place_residual
from kbnd.models.sites import place
from kbnd.models.sizes import check_input, smallest_side
from kbnd.spec import ModelSpec

if TYPE_CHECKING:
    import keras

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Architecture:
    """A network that is a chain of units.

    Attributes:
        name: as in `ModelSpec.name`.
        builder: the public function; it loads Keras when it is called.
        units: its chain, from the options of its own.
        dataset: what the network is trained on by default.
        fitted: the chain for images of one shape.
        hint: what the network can do about a missing dense layer, for the error.
    """

    name: str
    builder: Callable[..., keras.Model]
    units: Callable[..., Sequence[Unit]]
    dataset: str
    fitted: Fitted = as_they_are
    hint: str = ""

    @property
    def options(self) -> dict[str, object]:
        """What `ModelSpec.options` may hold: the builder's arguments without a field of their own, and defaults."""
        return _options(self.builder)

    def plan(self, spec: ModelSpec) -> Plan:
        """Return where the layers of a spec stand.

        Raises:
            UsageError: the spec cannot be meant.
        """
        _check_options(spec, self.options)
        return place(spec.name, self._units(spec), options_of(spec, PlacementOptions), hint=self.hint)

    def canonical(self, spec: ModelSpec) -> ModelSpec:
        """Return the one spec of the network that a spec describes."""
        return canonical_spec(spec, self.plan(spec), self._units(spec), defaults=self.options)

    def parts(self, spec: ModelSpec, *, input_shape: Shape, classes: int) -> tuple[Placed | Block, ...]:
        """Return the units with their steps, in their order."""
        plan, units = self.plan(spec), self._units(spec)
        check_input(spec.name, units, input_shape, classes)
        return placed(self.fitted(units, input_shape), plan, classes)

    def smallest_side(self, spec: ModelSpec) -> int:
        """Return the smallest height (or width) of images that the network of a spec can be built for."""
        return smallest_side(self._units(spec))

    def arguments(self, spec: ModelSpec) -> dict[str, Any]:
        """Return what the builder is called with, beside the shape and the classes."""
        return {**options_of(spec, PlacementOptions), **_own_options(spec)}

    def _units(self, spec: ModelSpec) -> Sequence[Unit]:
        return self.units(**_own_options(spec))


@dataclass(frozen=True)
class ResidualArchitecture:
    """A residual network, whose Batch Normalization and Dropout stand where its order puts them.

    Attributes:
        name: as in `ModelSpec.name`.
        builder: the public function; it loads Keras when it is called.
        dataset: what the network is trained on by default.
    """

    name: str
    builder: Callable[..., keras.Model]
    dataset: str

    @property
    def options(self) -> dict[str, object]:
        """As `Architecture.options`; None for the depth, which has no default."""
        return _options(self.builder)

    def plan(self, spec: ModelSpec) -> Plan:
        """As `Architecture.plan`.

        Raises:
            UsageError: the spec cannot be meant.
        """
        _check_options(spec, self.options)
        return place_residual(self._network(spec), options_of(spec, LayerOptions))

    def canonical(self, spec: ModelSpec) -> ModelSpec:
        """As `Architecture.canonical`."""
        return canonical_residual(spec, self.plan(spec), defaults=self.options)

    def parts(self, spec: ModelSpec, *, input_shape: Shape, classes: int) -> tuple[Placed | Block, ...]:
        """Return stem, blocks, head and logits with their steps, in their order."""
        self.plan(spec)
        check_input(spec.name, (), input_shape, classes)
        return parts(self._network(spec), classes=classes)

    def smallest_side(self, spec: ModelSpec) -> int:  # noqa: ARG002 (one signature for all)
        """As `Architecture.smallest_side`: 1."""
        return smallest_side(())

    def arguments(self, spec: ModelSpec) -> dict[str, Any]:
        """As `Architecture.arguments`."""
        return {"dropout": spec.dropout, **options_of(spec, LayerOptions), **_own_options(spec)}

    def _network(self, spec: ModelSpec) -> Residual:
        if spec.batch_norm != "none" or spec.batch_norm_sites is not None:
            raise UsageError(
                f"{spec.name} has its Batch Normalization from the option order ({', '.join(RULES)}): leave "
                "batch_norm and batch_norm_sites out"
            )
        if not isinstance(spec.dropout, float) or spec.dropout_sites is not None:
            raise UsageError(f"{spec.name} has one dropout rate and its option order says where: name no sites")
        return Residual(**{"depth": None, **_own_options(spec), "dropout": spec.dropout})


def _options(builder: Callable[..., object]) -> dict[str, object]:
    fields = {*ModelSpec.model_fields, "input_shape", "classes"}
    parameters = inspect.signature(builder).parameters
    return {
        name: None if parameter.default is inspect.Parameter.empty else parameter.default
        for name, parameter in parameters.items()
        if name not in fields
    }


def _check_options(spec: ModelSpec, allowed: dict[str, object]) -> None:
    for option in spec.options:
        if option not in allowed:
            raise unknown(f"option of {spec.name}", option, allowed)


def _own_options(spec: ModelSpec) -> dict[str, Any]:
    """Return the options that belong to one network, such as a width or a depth."""
    return {name: value for name, value in spec.options.items() if name not in PlacementOptions.__annotations__}
