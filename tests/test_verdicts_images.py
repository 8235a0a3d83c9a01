"""Two sources of chance: the parts of the variance in known worlds."""

from __future__ import annotations

import numpy as np
import pytest

from kbnd.verdicts.images import spread


def gains(n: int, n_images: int, *, hardness: float, rng: np.random.Generator) -> np.ndarray:
    """What one of two equally good arms gained on the other; with `hardness` some images suit one, some the other."""
    taste = rng.normal(0, hardness, n_images)
    a = rng.random((n, n_images)) < 1 / (1 + np.exp(-2 - taste))
    b = rng.random((n, n_images)) < 1 / (1 + np.exp(-2 + taste))
    return a.astype(float) - b


def test_the_part_over_seeds_is_that_of_the_t_interval() -> None:
    d = gains(8, 500, hardness=0.5, rng=np.random.default_rng(1))
    parts = spread(d)
    assert parts.mean == pytest.approx(d.mean())
    assert parts.seeds == pytest.approx(d.mean(axis=1).var(ddof=1) / 8)


def test_images_add_the_variance_that_they_have() -> None:
    """Over many worlds the parts average to what was put in; none is added where images suit no arm."""
    rng = np.random.default_rng(2)
    worlds = [gains(10, 400, hardness=1.5, rng=rng) for _ in range(200)]
    taste = rng.normal(0, 1.5, 10**6)
    truth = np.var(1 / (1 + np.exp(-2 - taste)) - 1 / (1 + np.exp(-2 + taste))) / 400
    assert np.mean([spread(world).images for world in worlds]) == pytest.approx(truth, rel=0.1)
    plain = [gains(10, 400, hardness=0.0, rng=rng) for _ in range(200)]
    assert np.mean([spread(world).images for world in plain]) < 0.1 * truth
