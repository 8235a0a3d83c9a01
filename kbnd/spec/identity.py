"""Identity by content: one canonical JSON text of a value, and digests made from it.

Fields at their default are left out of the canonical text of a spec, so that an option added later does not change the
identity of runs that never used it. A *recipe* is a run without its seed and replicate.

| digest      | of                                                                                       |
|-------------|------------------------------------------------------------------------------------------|
| `recipe_id` | canonical spec without seed and replicate                                                |
| `run_id`    | canonical spec, backend and Keras (major.minor), device kind, data fingerprint, PROTOCOL |
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

PROTOCOL = "1"
"""Version of what a run *means*: raised when the same spec would give other numbers."""


@dataclass(frozen=True)
class Identity:
    """The setting of a run as far as it can change its numbers.

    Attributes:
        backend: `tensorflow`, `jax` or `torch`.
        backend_version: its major.minor.
        keras_version: Keras' major.minor.
        device: `cpu` or `gpu`.
        fingerprint: SHA-256 of the dataset's arrays.
    """

    backend: str
    backend_version: str
    keras_version: str
    device: str
    fingerprint: str


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of the canonical JSON text."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]
