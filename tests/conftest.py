"""Settings that all tests share."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from kbnd.data import Dataset

pytest.register_assert_rewrite("network_checks")  # so that its failures show both sides

# A loaded machine is no failure of a property.
settings.register_profile("kbnd", deadline=None)
settings.load_profile("kbnd")

# Bits and golden numbers hold on CPUs: the tests, and the processes they start, see no other device.
os.environ.update(CUDA_VISIBLE_DEVICES="", JAX_PLATFORMS="cpu", KERAS_TORCH_DEVICE="cpu")

# JAX compiles each model anew, and slowly on a CPU: alike graphs of one test session are compiled once.
_JAX_CACHE = tempfile.TemporaryDirectory(prefix="kbnd-jax-")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _JAX_CACHE.name)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without backends, their test files are not even imported: Keras would come with them."""
    is_module = collection_path.suffix == ".py" and config.option.markexpr == "not backend"
    return True if is_module and "pytestmark = pytest.mark.backend" in collection_path.read_text() else None


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test writes into the checkout or reads the user's ledger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KBND_LEDGER", raising=False)
    backend = os.environ.get("KERAS_BACKEND")
    yield
    if backend is None:
        os.environ.pop("KERAS_BACKEND", None)


@pytest.fixture
def no_temporaries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without a folder for temporary files, as a container of which nothing can be written."""

    def nowhere(**_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", nowhere)


@pytest.fixture(scope="session")
def real_cache(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The cache of real datasets, each decoded once for all tests, and why others are missing.

    KBND_TEST_CACHE names one for several processes.
    """
    shared = os.environ.get("KBND_TEST_CACHE")
    return Path(shared) if shared else tmp_path_factory.mktemp("cache"), {}


@pytest.fixture(scope="module")
def real(real_cache: tuple[Path, dict[str, str]]) -> Iterator[Callable[..., Dataset]]:
    """Load a real dataset by name, from KBND_TEST_DATA or else the network; where neither has it, skip and say why."""
    from kbnd.data import load
    from kbnd.errors import DataMissingError
    from kbnd.spec import DataSpec

    prepared = os.environ.get("KBND_TEST_DATA")
    cache, missing = real_cache  # a dead network is asked once

    def loaded(name: str, **fields: int) -> Dataset:
        if name not in missing and not any("ConnectionError" in reason for reason in missing.values()):
            try:
                return load(DataSpec(name=name, **fields), download=not prepared)
            except DataMissingError as error:
                if "neither cached" not in str(error):  # it was there, but kbnd could not read it
                    raise
                missing[name] = str(error)
        reason = missing.get(name) or next(iter(missing.values()))
        pytest.skip(f"no real {name}: set KBND_TEST_DATA to a folder of prepared datasets ({reason})")

    with pytest.MonkeyPatch.context() as patch:
        if prepared:
            patch.setenv("TFDS_DATA_DIR", str(Path(prepared).absolute()))
        patch.setenv("KBND_CACHE", str(cache))
        yield loaded
