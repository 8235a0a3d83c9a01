"""What trained a run is said in words: cores and processor, or the GPU."""

from __future__ import annotations

import pytest

from kbnd.report.machines import place_in_words

CPU = {"n_cores_usable": 2, "cpu": "AMD EPYC"}


@pytest.mark.parametrize(
    ("environment", "device", "words"),
    [
        (CPU, "cpu", "2 cores of AMD EPYC"),
        ({**CPU, "n_cores_usable": 1, "gpu": {"name": "NVIDIA H200", "driver": "580"}}, "cpu", "1 core of AMD EPYC"),
        ({**CPU, "gpu": {"name": "NVIDIA H200", "driver": "580"}}, "gpu", "NVIDIA H200"),
        ({**CPU, "gpu": None}, "gpu", "a GPU whose name only kbnd[gpu] can tell"),
    ],
)
def test_a_gpu_is_named_where_it_trained(environment: dict, device: str, words: str) -> None:
    assert place_in_words(environment, device) == words
