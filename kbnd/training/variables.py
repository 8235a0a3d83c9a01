"""Variables of the environment that would change the numbers of a run, and that a backend reads once, when it starts.

A run id names none of them, and none can be given another value later. So they are left out of the environment, which
is said, before a backend is imported (workers of other processes inherit that), and refused where it is imported
already. What changes nothing that kbnd compares, such as where files are kept, is left alone.

| variable                                                   | would change                                       |
|------------------------------------------------------------|----------------------------------------------------|
| `TF_ENABLE_ONEDNN_OPTS=0`, `TF_DISABLE_MKL`, ...            | TensorFlow's kernels, and so the last bits         |
| `TF_XLA_FLAGS`, `TF_ENABLE_AUTO_MIXED_PRECISION...`         | which operations are fused, or their precision     |
| `XLA_FLAGS`, but for GPUs and dumps                         | fast arithmetic, instructions, optimization        |
| `JAX_NUM_CPU_DEVICES`, and XLA's flag for host devices      | JAX' threads; allowed where it is imported already |
| `ATEN_CPU_CAPABILITY`, `MKL_CBWR`, `ONEDNN_...`, `DNNL_...` | the processor's instructions, and so the last bits |
| `KERAS_NNX_ENABLED`                                         | the classes that layers are made of                |

Settings of a process that lives are `kbnd.training.settings`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from types import MappingProxyType

from kbnd.errors import UsageError

OF_THREADS = ("--xla_force_host_platform_device_count", "JAX_NUM_CPU_DEVICES")
"""What gives JAX several devices, of which a run takes one: its only effect is on the threads, which are recorded."""

ALLOWED_XLA = ("--xla_gpu_", "--xla_tpu_", "--xla_dump_", "--xla_hlo_profile")
"""What flags of XLA begin with that change no number of a CPU; bits of other devices are promised to nobody."""

_ONEDNN = ("MAX_CPU_ISA", "DEFAULT_FPMATH_MODE", "CPU_ISA_HINTS")
_OF_ALL = ("KERAS_NNX_ENABLED", *(f"{prefix}_{name}" for prefix in ("ONEDNN", "DNNL") for name in _ONEDNN))

VARIABLES: Mapping[str, tuple[str, ...]] = {
    "tensorflow": (
        *_OF_ALL,
        *("TF_ENABLE_ONEDNN_OPTS", "TF_DISABLE_MKL", "TF_SET_ONEDNN_FPMATH_MODE", "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS"),
        *("TF_XLA_FLAGS", "XLA_FLAGS"),
        *("TF_ENABLE_AUTO_MIXED_PRECISION", "TF_ENABLE_AUTO_MIXED_PRECISION_GRAPH_REWRITE"),
    ),
    "jax": (*_OF_ALL, "XLA_FLAGS", "JAX_NUM_CPU_DEVICES"),
    "torch": (*_OF_ALL, "ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE"),
}
"""Backend -> variables that it reads."""

HARMLESS: Mapping[str, tuple[str, ...]] = MappingProxyType({"TF_ENABLE_ONEDNN_OPTS": ("1",)})
"""Variable -> values that are what there is without it."""


def leave_out(backend: str) -> None:
    """Take what would change numbers out of the environment, and say so; before the backend is imported."""
    for name, (value, harmless) in _harmful(backend).items():
        if harmless:
            os.environ[name] = harmless
        else:
            del os.environ[name]
        warnings.warn(f"{name}={value} is left out: it would change numbers under the same run id", stacklevel=3)


def check(backend: str) -> None:
    """Refuse what would change numbers and cannot be left out, because the backend is imported.

    Raises:
        UsageError: it names the variables.
    """
    harmful = _harmful(backend, allowed_besides=OF_THREADS)
    if harmful:
        texts = ", ".join(f"{name}={value}" for name, (value, _) in harmful.items())
        raise UsageError(
            f"{texts} would change numbers under the same run id, and {backend} is imported already: start a process "
            "without that"
        )


def _harmful(backend: str, *, allowed_besides: tuple[str, ...] = ()) -> dict[str, tuple[str, str]]:
    """Variable -> the value that would change numbers, and what may stay of it."""
    harmful = {}
    for name in (name for name in VARIABLES[backend] if name not in allowed_besides):
        value = os.environ.get(name, "").strip()
        flags = value.split() if name == "XLA_FLAGS" else []
        allowed = " ".join(flag for flag in flags if flag.startswith((*ALLOWED_XLA, *allowed_besides)))
        if value and value not in HARMLESS.get(name, ()) and value != allowed:
            harmful[name] = (value, allowed)
    return harmful
