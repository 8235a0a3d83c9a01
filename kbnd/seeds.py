"""Sub-seeds by name: one seed of a run is turned into many independent ones without any call order.

    subseed(seed, purpose, name) = first 64 bits of SHA-256("seed/purpose/name")

A generator handed from layer to layer would give every later layer other numbers as soon as one layer is added.
Hashing the *name* of what is drawn keeps arms paired: adding a Batch Normalization layer shifts nothing else.

| purpose        | name         | what it seeds                                                 |
|----------------|--------------|---------------------------------------------------------------|
| `order`        | epoch        | order of the training images (`kbnd.data`)                    |
| `weights`      | layer/weight | initial weights (`kbnd.training.initial`)                     |
| `dropout`      | layer        | dropout masks of a layer, on TensorFlow and JAX               |
| `dropout`      | epoch        | all dropout masks of an epoch, on PyTorch                     |
| `augmentation` | epoch        | crop and flip of each training image                          |
| `arm order`    | pass, from 0 | order in which the arms of a block are trained (`kbnd.study`) |
"""

from __future__ import annotations

import hashlib

import numpy as np


def subseed(seed: int, purpose: str, name: str | int = "") -> int:
    """Return the 64-bit seed of one named purpose.

    Args:
        seed: the run's seed.
        purpose: what is drawn, such as ``"order"``; without a slash, so that two keys never share a text.
        name: which one of that kind, such as a layer name or an epoch.

    Returns:
        A whole number in [0, 2**64).

    Raises:
        ValueError: the purpose holds a slash.
    """
    if "/" in purpose:
        raise ValueError(f"a purpose has no slash, received {purpose!r}")
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}/{name}".encode()).digest()[:8], "big")


def generator(seed: int, purpose: str, name: str | int = "") -> np.random.Generator:
    """Return a fresh PCG64 generator for one named purpose (arguments as of `subseed`)."""
    return np.random.Generator(np.random.PCG64(subseed(seed, purpose, name)))
