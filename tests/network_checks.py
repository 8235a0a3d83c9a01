"""One strong check of a network as Keras builds it, fed by tables of cases: a test of networks is a table.

Each case is built under settings of Keras that no network may follow, so that formats are checked with every one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from kbnd.models import MODELS, build, cost, resolve
from kbnd.spec import ModelSpec

UNLAYERED = ("image", "flatten")
"""Layers of a Keras model that belong to no unit."""


@dataclass(frozen=True)
class Case:
    """A network and what is known of it.

    Attributes:
        spec: what is built.
        input_shape: (height, width, channels).
        classes: number of logits.
        n_trainable: parameters that are trained; None asks only that Keras and `cost` agree.
        n_total: all numbers in weights.
        shapes: of outputs, without the batch, by layer.
        layers: names of layers in their order, by what the names begin or end with.
        first: names of the first layers.
        last: names of the last layers.
        is_built_again: whether the function's own call, and the canonical spec where it is another one, are built too.
    """

    spec: ModelSpec
    input_shape: tuple[int, int, int]
    classes: int = 10
    n_trainable: int | None = None
    n_total: int | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    layers: Mapping[str, str] = field(default_factory=dict)
    first: str = ""
    last: str = ""
    is_built_again: bool = False

    def __str__(self) -> str:
        size = "x".join(map(str, self.input_shape))
        return f"{size} {self.spec.model_dump_json(exclude_defaults=True)}"


def network(spec: ModelSpec, input_shape: tuple[int, int, int], classes: int = 10) -> Any:
    """The Keras model of a spec, built once in a session: not to be changed."""
    return _network(spec.model_dump_json(), input_shape, classes)


@cache
def _network(text: str, input_shape: tuple[int, int, int], classes: int) -> Any:
    with unusual_settings():
        return build(ModelSpec.model_validate_json(text), input_shape=input_shape, classes=classes)


@contextmanager
def unusual_settings() -> Iterator[None]:
    """As if the user's keras.json asked for other formats."""
    import keras

    before = keras.config.image_data_format(), keras.config.dtype_policy()
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_image_data_format(before[0])
        keras.config.set_dtype_policy(before[1])


def check_network(case: Case) -> None:
    """Everything that is known of a case."""
    model = network(case.spec, case.input_shape, case.classes)
    check_formats(model, case)
    check_counts(model, case)
    check_layers(model, case)
    check_settings(model, case.spec)
    if case.is_built_again:
        check_same_layers(model, case)


def check_formats(model: Any, case: Case) -> None:
    """Images with channels last, float32 throughout, as many outputs as classes."""
    assert model.inputs[0].shape == (None, *case.input_shape)
    assert model.output_shape == (None, case.classes)
    assert {layer.compute_dtype for layer in [model, *model.layers[1:]]} == {"float32"}
    assert model.inputs[0].dtype == model.outputs[0].dtype == "float32"
    assert {getattr(layer, "data_format", "channels_last") for layer in model.layers} == {"channels_last"}


def check_counts(model: Any, case: Case) -> None:
    """Parameters and layer outputs: Keras', those of `cost`, and the published ones."""
    trainable = n_trainable(model)
    outputs = [layer.output for layer in layers(model)]
    counted = cost(case.spec, input_shape=case.input_shape, classes=case.classes)
    assert trainable == counted.n_parameters
    assert sum(int(np.prod(output.shape[1:])) for output in outputs) == counted.n_activations
    assert trainable == (trainable if case.n_trainable is None else case.n_trainable)
    assert model.count_params() == (model.count_params() if case.n_total is None else case.n_total)


def check_layers(model: Any, case: Case) -> None:
    """Output shapes, and names in their order."""
    assert {name: model.get_layer(name).output.shape[1:] for name in case.shapes} == case.shapes
    names = layer_names(model)
    for part, expected in case.layers.items():
        assert [name for name in names if name.startswith(part) or name.endswith(part)] == expected.split()
    first, last = case.first.split(), case.last.split()
    assert names[: len(first)] == first
    assert names[len(names) - len(last) :] == last


def check_settings(model: Any, spec: ModelSpec) -> None:
    """Rates, activation and settings of Batch Normalization reach the layers, and no layer is there without a plan."""
    plan = MODELS[spec.name].plan(spec)
    own = {name.removesuffix("_bn") for name in layer_names(model) if name.endswith("_bn")}
    assert own == plan.batch_norm
    rates = {layer.name: float(layer.rate.value) for layer in model.layers if layer.name.endswith("_dropout")}
    assert rates == {f"{unit}_dropout": float(np.float32(rate)) for unit, rate in plan.dropout.items()}
    for layer in model.layers:
        if layer.name.endswith("_bn"):
            assert (layer.momentum, layer.epsilon) == (spec.batch_norm_momentum, spec.batch_norm_epsilon)
            assert layer.axis == -1
        if layer.name.endswith("_activation"):
            assert layer.activation.__name__ == spec.options.get("activation", "relu")


def check_same_layers(model: Any, case: Case) -> None:
    """The function called by hand, under the user's own settings, and the canonical spec give the same layers."""
    architecture, spec = MODELS[case.spec.name], case.spec
    fields = spec.model_dump(exclude={"name", "options"}, exclude_unset=True)
    by_hand = architecture.builder(case.input_shape, case.classes, **fields, **spec.options)
    assert described(by_hand) == described(model)
    if resolve(spec) != spec:
        canonical = build(resolve(spec), input_shape=case.input_shape, classes=case.classes)
        assert described(canonical) == described(model)


def check_training(
    spec: ModelSpec, input_shape: tuple[int, int, int], *, classes: int = 4, epochs: int = 4, momentum: float = 0.0
) -> None:
    """Two sorts of images that one pixel tells apart are learned in a few steps."""
    import keras

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 32)
    images = rng.normal(0, 0.3, (32, *input_shape)) + np.where(labels, 1.0, -1.0)[:, None, None, None]
    keras.utils.set_random_seed(1)
    model = build(spec, input_shape=input_shape, classes=classes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    is_jitted = keras.backend.backend() == "jax"  # elsewhere that takes longer than these few steps
    model.compile(keras.optimizers.SGD(0.05, momentum=momentum), loss, jit_compile=is_jitted)
    history = model.fit(images.astype("float32"), labels, batch_size=8, epochs=epochs, verbose=0).history["loss"]
    assert float(history[-1]) < 0.7 * float(history[0])


def described(model: Any) -> list[tuple[str, dict[str, Any]]]:
    """Kinds and configs of the layers, in their order."""
    return [(type(layer).__name__, layer.get_config()) for layer in model.layers]


def layers(model: Any) -> list[Any]:
    """The layers that belong to units, in their order."""
    return [layer for layer in model.layers if layer.name not in UNLAYERED]


def layer_names(model: Any) -> list[str]:
    """Their names."""
    return [layer.name for layer in layers(model)]


def n_trainable(model: Any) -> int:
    """Numbers that are trained."""
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
