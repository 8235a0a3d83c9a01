"""Saved kbnd models load in a fresh process: Keras is told of kbnd's layers as soon as both are imported.

Keras finds a custom layer only after its class was registered, which imports Keras, which `kbnd.models` must not do.
So the registration waits for Keras: at once if it is there, else when something imports it. With this,
`import kbnd.models` and `keras.models.load_model("x.keras")` work in any order and nothing is imported early.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

LAYERS = ("kbnd.layers", "kbnd.models.shortcuts")


def register() -> None:
    """Import kbnd's layers now if Keras is imported, else right after it will be."""
    if "keras" in sys.modules:
        _import_layers()
    elif not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder())


class _KerasFinder(MetaPathFinder):
    """Finds Keras once, as everyone else would, and lets `_ThenLayers` load it."""

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
            spec.loader = _ThenLayers(spec.loader)
        return spec


class _ThenLayers(Loader):
    """Loads a module with its own loader, puts that loader back, then imports kbnd's layers."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        _import_layers()


def _import_layers() -> None:
    for module in LAYERS:
        importlib.import_module(module)
