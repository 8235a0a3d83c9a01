"""Variables of the environment that would change numbers: left out before a backend is imported, refused after it."""

from __future__ import annotations

import os

import pytest

from kbnd.errors import UsageError
from kbnd.training import variables


@pytest.fixture(autouse=True)
def _none_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {name for names in variables.VARIABLES.values() for name in names}:
        monkeypatch.setenv(name, "")  # so that what the test leaves is undone
        monkeypatch.delenv(name)


@pytest.mark.parametrize("backend", variables.VARIABLES)
def test_each_is_left_out_and_said_before_the_backend_is_imported(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in variables.VARIABLES[backend]:
        monkeypatch.setenv(name, "0")
        with pytest.warns(UserWarning, match=f"{name}=0 is left out: it would change numbers under the same run id"):
            variables.leave_out(backend)
        assert name not in os.environ
        variables.leave_out(backend)


@pytest.mark.parametrize("backend", variables.VARIABLES)
def test_each_is_refused_where_the_backend_is_imported(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variables.check(backend)
    for name in set(variables.VARIABLES[backend]) - {"JAX_NUM_CPU_DEVICES"}:
        with monkeypatch.context() as patch:
            patch.setenv(name, "0")
            with pytest.raises(UsageError, match=f"^{name}=0 would change numbers .* {backend} is imported already"):
                variables.check(backend)


def test_flags_of_xla_for_gpus_and_dumps_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = "--xla_gpu_deterministic_ops=true --xla_dump_to=there"
    monkeypatch.setenv("XLA_FLAGS", allowed)
    variables.check("jax")
    variables.leave_out("jax")
    assert os.environ["XLA_FLAGS"] == allowed
    monkeypatch.setenv("XLA_FLAGS", f"{allowed} --xla_force_host_platform_device_count=2")
    variables.check("jax")  # a notebook's several devices: a matter of threads
    with pytest.warns(UserWarning, match="device_count=2 is left out"):
        variables.leave_out("jax")
    assert os.environ["XLA_FLAGS"] == allowed


def test_what_a_backend_does_without_being_asked_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    variables.check("tensorflow")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    variables.check("jax")  # which does not read it
