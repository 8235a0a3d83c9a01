"""Training on real MNIST: what a user relies on, on a few thousand images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kbnd import data
from kbnd.errors import DataMissingError
from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec
from kbnd.training import backend, run
from kbnd.training.task import Task

pytestmark = pytest.mark.backend


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[data.Dataset]:
    """3,000 training images of MNIST, from KBND_TEST_DATA or the network."""
    with pytest.MonkeyPatch.context() as patch:
        if prepared := os.environ.get("KBND_TEST_DATA"):
            patch.setenv("TFDS_DATA_DIR", str(Path(prepared).absolute()))
        patch.setenv("KBND_CACHE", str(tmp_path_factory.mktemp("cache")))
        try:
            yield data.load(DataSpec(name="mnist", n_train=3000), download=not prepared)
        except DataMissingError as missing:
            pytest.skip(f"no real MNIST: set KBND_TEST_DATA to a folder of prepared datasets ({missing})")


def trained(mnist: data.Dataset, model: ModelSpec):
    spec = RunSpec(model=model, data=mnist.spec, train=TrainSpec(epochs=2, batch_size=64))
    return run.train(Task(spec=spec, identity=backend.identity(mnist.fingerprint), session="test"), dataset=mnist)


@pytest.mark.real_data
def test_batch_norm_learns_digits_that_the_baseline_has_hardly_begun_to(mnist: data.Dataset) -> None:
    """SCIENCE of the reports in small: after 94 steps BN is far ahead of plain SGD from PyTorch's initial weights."""
    bn = trained(mnist, ModelSpec(name="lenet5", batch_norm="before_activation"))
    plain = trained(mnist, ModelSpec(name="lenet5"))
    assert (bn.status, plain.status) == ("done", "done")
    assert bn.n_test == 10_000
    assert bn.test_accuracy > 0.93
    assert bn.test_accuracy - plain.test_accuracy > 0.1
