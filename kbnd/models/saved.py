"""Saved kbnd models load in a fresh process: Keras is told of kbnd's layers as soon as both are imported.

Keras finds a custom layer only where its class was registered: of a file's `module` and `class_name` it makes no use
outside its own packages (keras-team/keras#21429, #22779). To register imports Keras, which `kbnd.models` must not do,
and Python has no hook for what follows an import but a finder. So the registration waits for Keras: at once if it is
there, else when something imports it. `import kbnd.models` and `keras.models.load_model("x.keras")` work in any order.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


def register() -> None:
    """Import kbnd's layers now if Keras is imported, else right after it will be."""
    if "keras" in sys.modules:
        _import_layers()
    elif not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder())


class _KerasFinder(MetaPathFinder):
    """Finds Keras once, as everyone else would, and has its loader import kbnd's layers when it is done."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec("keras")
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _import_layers()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _import_layers() -> None:
    import kbnd.layers
    import kbnd.models.shortcuts  # noqa: F401
