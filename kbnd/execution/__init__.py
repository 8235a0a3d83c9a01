"""Executors map tasks to finished run records; which one is used changes no number.

An executor takes an iterator of tasks and pulls the next only when it has a free place, so that a driver claims
a run in the ledger just before it is trained.
"""

from __future__ import annotations

EXECUTORS = ("inline",)
"""Names that `--executor` takes."""
