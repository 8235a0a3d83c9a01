"""The Keras backend: choosing it before Keras is imported, loading it quietly, waiting for it, naming it.

Keras fixes its backend at its first import, so every entry to the run wing begins with `choose` or `load`.

| order of precedence         | why                                              |
|-----------------------------|--------------------------------------------------|
| the Keras already imported  | cannot be changed any more; another is an error  |
| the argument                | asked for here and now                           |
| `KERAS_BACKEND`             | Keras' own variable                              |
| `keras.json`                | the user's lasting choice                        |
| `tensorflow`                | always installed with kbnd                       |
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from kbnd import errors, home
from kbnd.errors import KbndError, UsageError
from kbnd.memory import LACKING, limit_note
from kbnd.profiling import threads
from kbnd.profiling.device import device_kind
from kbnd.profiling.machine import version
from kbnd.quiet import held_stderr
from kbnd.spec import Identity
from kbnd.training import variables

BACKENDS: dict[str, str | None] = {"tensorflow": None, "jax": "jax", "torch": "torch"}
"""Backend -> the extra that installs it; None comes with kbnd itself."""

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2"}
"""Set where the user has not: C++ log lines below an error are hidden (JAX's XLA reads the same variable)."""

DEVICES = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME", "KERAS_TORCH_DEVICE", "CUDA_VISIBLE_DEVICES", "XLA_FLAGS")
"""Variables that ask a backend for a device, which may not be there."""


def choose(backend: str | None = None) -> str:
    """Fix the backend that Keras will be imported with, importing nothing.

    Args:
        backend: `tensorflow`, `jax` or `torch`; None takes what is already settled (see the table above).

    Returns:
        The backend's name.

    Raises:
        UsageError: unknown, not installed (names the extra), hidden by a file of the same name, Keras is already
            imported with another, or with variables of the environment that change numbers.
    """
    home.folder()  # Keras and others look for it
    name, origin = (backend, "asked for") if backend is not None else _settled()
    if name not in BACKENDS:
        raise errors.unknown(f"backend ({origin})" if backend is None else "backend", name, BACKENDS)
    current = _imported()
    if current is not None and current != name:
        raise UsageError(
            f"backend {name!r} was asked for, but Keras is already imported with {current!r}: choose it before the "
            f"first import of Keras, for instance by KERAS_BACKEND={name}"
        )
    if current is None and not _is_installed(name):
        extra = BACKENDS[name]
        source = errors.how_to_install(extra) if extra else f"pip install {name}"
        present = ", ".join(name for name in BACKENDS if _is_installed(name)) or "none"
        raise UsageError(f"backend {name!r} is not installed: {source} (installed here: {present})")
    if current is None:
        for library in (name, "keras"):
            _check_not_hidden(library)
    if name in sys.modules:
        variables.check(name)
    else:
        variables.leave_out(name)
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    os.environ["KERAS_BACKEND"] = name
    return name


def load(backend: str | None = None, *, n_threads: int | None = None) -> str:
    """Choose the backend and import Keras with it, without the lines that C++ writes to stderr meanwhile.

    TensorFlow logs before it reads any setting, and once more when it first looks for a GPU; both happen in here.
    Held lines are shown where the import fails, and never held where `TF_CPP_MIN_LOG_LEVEL` is 0 or 1.

    Args:
        backend: as in `choose`.
        n_threads: that it shall compute with, as far as it is not too late for that; None is what it takes by itself.

    Returns:
        The backend's name.

    Raises:
        UsageError: as `choose`; or it does not start where the environment asks for a device, which may not be there.
        KbndError: it does not start, as where it is broken or lacks memory.
    """
    name = choose(backend)
    is_shown = os.environ["TF_CPP_MIN_LOG_LEVEL"] in ("0", "1") or _imported() is not None
    with _start_explained(name), nullcontext() if is_shown else held_stderr():
        if n_threads is not None:
            import keras  # noqa: F401 (its backend with it)

            threads.fix(name, n_threads)
        device_kind()
    return name


@contextmanager
def _start_explained(name: str) -> Iterator[None]:
    """Turn what a backend raises when it is imported, or finds no device, into one sentence."""
    try:
        yield
    except (*LACKING, OSError, RuntimeError, AssertionError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        asked = [f"{variable}={os.environ[variable]}" for variable in DEVICES if os.environ.get(variable)]
        setting = f"; what it shall compute on is set by {', '.join(asked)}" if asked else ""
        kind = UsageError if asked else KbndError
        raise kind(f"backend {name!r} does not start here: {reason}{setting}{limit_note()}") from error


def installed() -> dict[str, str | None]:
    """Return each backend's installed version, None where it is not installed; imports nothing."""
    return {name: version(name) if _is_installed(name) else None for name in BACKENDS}


def versions() -> tuple[str, str]:
    """Return major.minor of the current backend and of Keras."""
    return _minor(version(choose())), _minor(version("keras"))


def identity(fingerprint: str, *, device: str | None = None) -> Identity:
    """Return the setting of a run on the current backend with a dataset of this fingerprint.

    Args:
        fingerprint: of the dataset.
        device: `cpu` or `gpu`; None asks the backend, which is loaded for that.
    """
    backend_version, keras_version = versions()
    return Identity(
        backend=choose(),
        backend_version=backend_version,
        keras_version=keras_version,
        device=device or device_kind(),
        fingerprint=fingerprint,
    )


def _settled() -> tuple[str, str]:
    """The backend that nobody needs to ask for, and where it is settled."""
    current = _imported()
    if current is not None:
        return current, "of the Keras already imported"
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"], "from KERAS_BACKEND"
    settings = Path(os.environ.get("KERAS_HOME") or home.folder() / ".keras") / "keras.json"
    try:
        return json.loads(settings.read_text(encoding="utf-8"))["backend"], "from keras.json"
    except (OSError, ValueError, KeyError, TypeError):  # Keras, too, takes an unreadable one for none
        return "tensorflow", "by default"


def _imported() -> str | None:
    """The backend of the Keras that is imported, None where none is."""
    keras = sys.modules.get("keras")
    return keras.config.backend() if keras is not None and hasattr(keras, "config") else None


def _is_installed(module: str) -> bool:
    return module in sys.modules or importlib.util.find_spec(module) is not None


def _check_not_hidden(library: str) -> None:
    """Refuse a file that Python would import in place of a library, all of which are packages."""
    spec = None if library in sys.modules else importlib.util.find_spec(library)
    if spec is not None and spec.origin and Path(spec.origin).name == f"{library}.py":
        raise UsageError(f"the file {spec.origin} hides the library {library}: rename it, or start in another folder")


def _minor(text: str | None) -> str:
    return ".".join((text or "0.0").split(".")[:2])
