"""Settings of the person's process that would change the numbers of a run, and what they are while it trains.

A run id names no setting of Keras or its backend, so each is the same in every run: it is set for the time of the run
and the person's own given back afterwards (`kbnd.training.holding`). What a backend reads of the environment once, when
it starts, is in `kbnd.training.variables`; threads are in `kbnd.profiling.threads`.

| setting of                | would change                                                                        |
|---------------------------|-------------------------------------------------------------------------------------|
| Keras: `floatx`, dtype policy | the dtype of metrics, optimizers and masks (97.00 for 94.33 % with float16)     |
| Keras: `epsilon`, image data format | what builders and losses take where nothing is said                       |
| Keras: most epochs, most steps | how long a run trains                                                          |
| Keras: `distribution`     | how a batch is split among devices, and so the order of its sums                    |
| TensorFlow: eager functions, clustering, determinism, TF32 | which kernels compute, and so the last bits        |
| JAX: x64, matmul precision, PRNG, threefry, `disable_jit` and others | masks, precision, last bits                 |
| JAX: debugging of NaN, promotion, ranks, transfers | a run that diverges would fail, or any run                 |
| PyTorch: default dtype and device, matmul precision, oneDNN, flushed denormals | dtypes, kernels, last bits        |
| PyTorch: autocast, gradients | precision; whether anything is learned                                           |
| PyTorch: global generator | nothing of a run, which seeds it: the person's is given back                        |
| NumPy: error state        | a harmless underflow would end a run                                                |

Measured and left alone, because it changes nothing on a CPU: deterministic algorithms of PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from kbnd.errors import UsageError
from kbnd.profiling.device import device_kind


@dataclass(frozen=True)
class Setting:
    """A setting of the whole process.

    Attributes:
        name: as its library calls it.
        value: while a run trains.
        get: returns the person's.
        put: sets it.
    """

    name: str
    value: Any
    get: Callable[[], Any]
    put: Callable[[Any], Any]


def settings_of(backend: str) -> tuple[Setting, ...]:
    """Return the settings of the process that matter on a backend."""
    return (*_keras(), *SETTINGS[backend]())


def contexts_of(backend: str) -> Iterator[AbstractContextManager]:
    """Yield the contexts that set what is a thread's own, for the thread that trains."""
    yield np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
    yield from CONTEXTS[backend]()


def check(backend: str) -> None:
    """Refuse what is neither set nor given back.

    Raises:
        UsageError: it names the setting and what to do.
    """
    import keras

    if keras.config.is_nnx_enabled():
        raise UsageError("keras.config.set_nnx_enabled makes layers of other classes: set it to False, then begin")
    if backend != "tensorflow":
        return
    import tensorflow as tf

    n_replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if n_replicas > 1:
        raise UsageError(
            f"a run trains on one device, and a strategy of tf.distribute with {n_replicas} replicas is in force, "
            "which would change its numbers: leave the scope of the strategy first"
        )
    options = [name for name, is_on in tf.config.optimizer.get_experimental_options().items() if is_on]
    if options:
        raise UsageError(
            f"tf.config.optimizer.set_experimental_options has {', '.join(options)}, which would change the numbers of "
            "runs: set it to False first"
        )


def _keras() -> tuple[Setting, ...]:
    from keras import config, distribution, dtype_policies

    float32 = dtype_policies.DTypePolicy("float32")
    return (
        Setting("floatx", "float32", config.floatx, config.set_floatx),
        Setting("epsilon", 1e-7, config.epsilon, config.set_epsilon),
        Setting("image_data_format", "channels_last", config.image_data_format, config.set_image_data_format),
        Setting("dtype_policy", float32, config.dtype_policy, config.set_dtype_policy),
        Setting("max_epochs", None, config.max_epochs, config.set_max_epochs),
        Setting("max_steps_per_epoch", None, config.max_steps_per_epoch, config.set_max_steps_per_epoch),
        Setting("distribution", None, distribution.distribution, distribution.set_distribution),
    )


def _tensorflow() -> tuple[Setting, ...]:
    from tensorflow import config

    tf32 = config.experimental
    return (
        Setting("functions_run_eagerly", False, config.functions_run_eagerly, config.run_functions_eagerly),
        Setting("optimizer.jit", "", config.optimizer.get_jit, lambda value: config.optimizer.set_jit(value or False)),
        *([Setting("op_determinism", False, *_determinism())] if device_kind() == "cpu" else []),
        Setting("tensor_float_32", True, tf32.tensor_float_32_execution_enabled, tf32.enable_tensor_float_32_execution),
    )


def _torch() -> tuple[Setting, ...]:
    import torch

    mkldnn = torch.backends.mkldnn
    return (
        Setting("default_dtype", torch.float32, torch.get_default_dtype, torch.set_default_dtype),
        Setting("default_device", torch.device("cpu"), torch.get_default_device, _put_default_device),
        *_float32_precisions(),
        Setting("mkldnn", True, lambda: mkldnn.enabled, lambda value: setattr(mkldnn, "enabled", value)),
        Setting("flush_denormal", False, _flushes_denormals, torch.set_flush_denormal),
    )


def _float32_precisions() -> tuple[Setting, ...]:
    """In two interfaces, of which the older one fails where the newer one was used; None is what it does not tell."""
    import torch

    def get() -> str | None:
        try:
            return torch.get_float32_matmul_precision()
        except RuntimeError:
            return None

    def put(value: str | None) -> None:
        if value is not None:
            torch.set_float32_matmul_precision(value)

    mkldnn, cudnn = torch.backends.mkldnn, torch.backends.cudnn
    newer = {
        "fp32_precision": (torch.backends, "none"),
        "mkldnn.fp32_precision": (mkldnn, "none"),
        "mkldnn.matmul.fp32_precision": (getattr(mkldnn, "matmul", None), "none"),
        "mkldnn.conv.fp32_precision": (getattr(mkldnn, "conv", None), "none"),
        "cudnn.conv.fp32_precision": (getattr(cudnn, "conv", None), "tf32"),
    }
    settings = [Setting("float32_matmul_precision", "highest", get, put)]
    for name, (of, value) in newer.items():
        if hasattr(of, "fp32_precision"):
            how = partial(getattr, of, "fp32_precision"), partial(setattr, of, "fp32_precision")
            settings.append(Setting(name, value, *how))
    return tuple(settings)


def _put_default_device(device: Any) -> None:
    import torch

    torch.set_default_device(None if device.type == "cpu" else device)  # `cpu` is what there is without one


def _flushes_denormals() -> bool:
    """Whether PyTorch takes the smallest numbers for 0, which it does not tell."""
    import torch

    return not (torch.tensor([1e-310], dtype=torch.float64) * 0.5).item()


def _determinism() -> tuple[Callable[[], bool], Callable[[bool], None]]:
    """How to ask for deterministic operations, and to set them; public are only `enable_op_determinism` and a variable.

    On a GPU, where their absence is what gives one run several results, they are the person's.
    """
    from tensorflow.python.framework import config

    return (
        config.is_op_determinism_enabled,
        lambda is_on: config.enable_op_determinism() if is_on else config.disable_op_determinism(),
    )


def _jax() -> tuple[Setting, ...]:
    import jax

    return tuple(
        Setting(name, value, partial(getattr, jax.config, name), partial(jax.config.update, name))
        for name, value in JAX_PROCESS.items()
        if hasattr(jax.config, name)
    )


SETTINGS: dict[str, Callable[[], tuple[Setting, ...]]] = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
"""Backend -> its settings of the whole process."""

JAX_PROCESS: dict[str, Any] = {
    "jax_enable_custom_prng": False, "jax_random_seed_offset": 0, "jax_disable_most_optimizations": False,
    "jax_optimization_level": "UNKNOWN", "jax_exec_time_optimization_effort": 0.0,
}  # fmt: skip
"""Option of JAX that no context manager sets -> its default; not every version has all."""

JAX_OPTIONS: dict[str, Any] = {
    "enable_x64": False, "default_matmul_precision": None, "default_prng_impl": "threefry2x32",
    "threefry_partitionable": True, "softmax_custom_jvp": False, "disable_jit": False, "default_device": None,
    "debug_nans": False, "debug_infs": False, "debug_key_reuse": False, "legacy_prng_key": "allow",
    "numpy_dtype_promotion": "standard", "numpy_rank_promotion": "allow", "transfer_guard": "allow",
}  # fmt: skip
"""Option of JAX, each a context manager of its thread -> its value while a run trains, which is JAX' default."""


def _jax_contexts() -> Iterator[AbstractContextManager]:
    import jax

    for name, value in JAX_OPTIONS.items():
        if hasattr(jax, name):
            yield getattr(jax, name)(value)


def _torch_contexts() -> Iterator[AbstractContextManager]:
    import torch

    yield torch.set_grad_enabled(True)
    for device in ("cpu", "cuda"):
        if torch.is_autocast_enabled(device):
            yield torch.autocast(device, enabled=False)
    yield torch.random.fork_rng(devices=[])


CONTEXTS: dict[str, Callable[[], Iterator[AbstractContextManager]]] = {
    "tensorflow": lambda: iter(()),
    "jax": _jax_contexts,
    "torch": _torch_contexts,
}
"""Backend -> what is set for the thread that trains alone."""
