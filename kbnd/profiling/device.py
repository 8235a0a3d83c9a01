"""The device that the current backend computes on: its kind, its names, and waiting until it has done its work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal


def device_kind() -> Literal["cpu", "gpu"]:
    """Return where the current backend computes; every accelerator counts as a GPU."""
    import keras

    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return "gpu" if tf.config.get_visible_devices("GPU") else "cpu"
    if backend == "jax":
        import jax

        return "cpu" if jax.default_backend() == "cpu" else "gpu"
    if backend == "torch":
        # Asked of a tensor, because Keras has its own rule (KERAS_TORCH_DEVICE, then what is available).
        return "cpu" if keras.ops.zeros(()).device.type == "cpu" else "gpu"
    return "cpu"


def devices() -> list[str]:
    """Return the names of the devices that the current backend sees."""
    import keras

    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return [device.name.removeprefix("/physical_device:") for device in tf.config.get_visible_devices()]
    if backend == "jax":
        import jax

        return [str(device) for device in jax.devices()]
    if backend == "torch":
        import torch

        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] or [device_kind()]
    return []


def synchronize(model: Any = None) -> None:
    """Wait until the device has done all that was asked of it.

    Costs microseconds where nothing is queued. To be called between steps, as from epoch- and test-level hooks: there
    Keras has handed the arrays of JAX's last step back to the model's variables, so that waiting for those waits for
    the step. (Inside an epoch they are taken away, and Keras' own `_jax_state` is None at several hooks.)

    Args:
        model: what was trained or evaluated; None waits for all that lives in the process.
    """
    import keras

    wait = _WAITS.get(keras.config.backend())
    if wait is not None:
        wait(model)


def _wait_for_tensorflow(model: Any) -> None:  # noqa: ARG001 (one signature for all)
    import tensorflow as tf

    # On a CPU a step has run when its call returns.
    if tf.config.list_logical_devices("GPU"):
        tf.test.experimental.sync_devices()


def _wait_for_jax(model: Any) -> None:
    import jax

    if model is None:
        jax.block_until_ready(jax.live_arrays())
        return
    variables = [*model.variables, *getattr(getattr(model, "optimizer", None), "variables", ())]
    # `value` would compute an initial value for a variable whose array is away, and costs four times as much.
    arrays = (getattr(variable, "_value", None) for variable in variables)
    jax.block_until_ready([a for a in arrays if isinstance(a, jax.Array) and not a.is_deleted()])


def _wait_for_torch(model: Any) -> None:  # noqa: ARG001 (one signature for all)
    import torch

    # On a CPU a step has run when its call returns.
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    elif torch.backends.mps.is_available():
        torch.mps.synchronize()


_WAITS: dict[str, Callable[[Any], None]] = {
    "tensorflow": _wait_for_tensorflow,
    "jax": _wait_for_jax,
    "torch": _wait_for_torch,
}
