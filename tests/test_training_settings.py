"""The person's settings change no number of a run, and are theirs again after it, on the backend that is set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from patience import HANG_S

from kbnd import data
from kbnd.errors import UsageError
from kbnd.records import RunRecord
from kbnd.spec import DataSpec, ModelSpec, RunSpec, TrainSpec
from kbnd.training import backend, holding, settings
from kbnd.training.run import train
from kbnd.training.task import Task

pytestmark = pytest.mark.backend

NAME = backend.choose()

OTHERS: dict[str, Any] = {
    "floatx": "float16",
    "epsilon": 1e-3,
    "image_data_format": "channels_first",
    "dtype_policy": "mixed_bfloat16",
    "max_epochs": 1,
    "max_steps_per_epoch": 1,
    "functions_run_eagerly": True,
    "optimizer.jit": "autoclustering",
    "tensor_float_32": False,
    "float32_matmul_precision": "medium",
    "mkldnn": False,
    "flush_denormal": True,
    "fp32_precision": "tf32",
    "mkldnn.fp32_precision": "tf32",
    "mkldnn.matmul.fp32_precision": "bf16",
    "mkldnn.conv.fp32_precision": "bf16",
    "cudnn.conv.fp32_precision": "ieee",
    "op_determinism": True,
    "jax_enable_custom_prng": True,
    "jax_random_seed_offset": 3,
    "jax_disable_most_optimizations": True,
    "jax_optimization_level": "O0",
    "jax_exec_time_optimization_effort": -1.0,
}
"""Setting -> what a person may have instead."""

UNTRIED = ("distribution", "default_device", "default_dtype")
"""Settings whose other values are no plain ones; they are tried by `hostile`."""

JAX_OTHERS: dict[str, Any] = {
    "enable_x64": True,
    "default_matmul_precision": "bfloat16",
    "default_prng_impl": "rbg",
    "threefry_partitionable": False,
    "softmax_custom_jvp": True,
    "debug_nans": True,
    "legacy_prng_key": "error",
    "numpy_dtype_promotion": "strict",
    "numpy_rank_promotion": "raise",
}
"""Option of JAX -> likewise."""


def task(**changes: Any) -> Task:
    spec = RunSpec(
        model=ModelSpec(name="lenet5", batch_norm="before_activation", dropout=0.5),
        data=data.resolve(DataSpec(name="digits", n_train=64)),
        train=TrainSpec(epochs=2, batch_size=32, learning_rate=0.05, **changes),
        seed=1,
    )
    return Task(spec=spec, identity=backend.identity(data.fingerprint(spec.data)), session="test")


def numbers(record: RunRecord) -> list[Any]:
    losses = [(epoch.train_loss, epoch.train_accuracy) for epoch in record.epochs]
    return [record.status, record.error, losses, record.test_loss, (record.test_correct or b"").hex()]


@contextmanager
def hostile() -> Iterator[None]:
    """Every setting that a person of this process may have, all at once."""
    person = [setting for setting in settings.settings_of(NAME) if setting.name in OTHERS]
    before = [(setting, setting.get()) for setting in person]
    with ExitStack() as stack:
        stack.enter_context(np.errstate(all="raise"))
        if NAME == "jax":
            import jax

            for name, value in JAX_OTHERS.items():
                stack.enter_context(getattr(jax, name)(value))
        if NAME == "torch":
            import torch

            torch.set_default_dtype(torch.float64)
            stack.callback(torch.set_default_dtype, torch.float32)
            stack.enter_context(torch.autocast("cpu"))
            stack.enter_context(torch.no_grad())
        for setting in person:
            setting.put(OTHERS[setting.name])
        try:
            yield
        finally:
            for setting, value in reversed(before):
                setting.put(value)


def test_settings_of_the_process_change_no_number_of_a_run() -> None:
    usual = numbers(train(task()))
    with hostile():
        assert numbers(train(task())) == usual
    assert usual[0] == "done"


def test_each_setting_is_set_for_a_run_and_given_back() -> None:
    tried = {setting.name: setting for setting in settings.settings_of(NAME)}
    assert set(tried) <= {*OTHERS, *UNTRIED}
    with hostile():
        for name in tried.keys() & OTHERS.keys():
            assert tried[name].get() != tried[name].value, name
        with holding.of_a_run(NAME):
            for setting in tried.values():
                assert setting.get() == setting.value, setting.name
            assert np.geterr()["under"] == "ignore"
        for name in tried.keys() & OTHERS.keys():
            assert tried[name].get() != tried[name].value, name
        assert np.geterr()["under"] == "raise"
    assert keras.config.floatx() == "float32"


def test_the_last_of_several_runs_gives_the_settings_back() -> None:
    keras.config.set_epsilon(1e-3)
    begun, may_end = threading.Event(), threading.Event()

    def other() -> None:
        with holding.of_a_run(NAME):
            begun.set()
            may_end.wait(HANG_S)

    thread = threading.Thread(target=other)
    try:
        with holding.of_a_run(NAME):
            thread.start()
            assert begun.wait(HANG_S)
        assert keras.config.epsilon() == 1e-7
        may_end.set()
        thread.join()
        assert keras.config.epsilon() == 1e-3
    finally:
        may_end.set()
        keras.config.set_epsilon(1e-7)


@pytest.mark.skipif(NAME != "torch", reason="only PyTorch draws its masks from a generator of the process")
def test_the_generator_of_a_notebook_goes_on_where_it_was() -> None:
    import torch

    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train(task())
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.skipif(NAME != "tensorflow", reason="strategies are TensorFlow's")
def test_a_strategy_of_several_replicas_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    class Two:
        num_replicas_in_sync = 2

    with tf.distribute.MirroredStrategy(["CPU:0"]).scope(), holding.of_a_run(NAME):
        pass  # of one device it is no other training
    monkeypatch.setattr(tf.distribute, "get_strategy", Two)
    with pytest.raises(UsageError, match=r"a strategy of tf\.distribute with 2 replicas is in force"):
        train(task())


HOSTILE_ENVIRONMENT = {
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_ENABLE_X64": "1",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_DEBUG_NANS": "1",
    "XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_cpu_enable_fast_math=true",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "TF_DETERMINISTIC_OPS": "1",
    "KERAS_MAX_EPOCHS": "1",
    "KERAS_NNX_ENABLED": "1",
}

SCRIPT = """
import json
from kbnd.training import backend
backend.load()
from test_training_settings import numbers, task, train
print(json.dumps(numbers(train(task()))))
"""


def test_the_environment_of_a_person_changes_no_number_of_a_run(tmp_path: Path) -> None:
    keras_json = {"floatx": "float16", "epsilon": 1e-3, "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(keras_json))
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={
            **os.environ,
            **HOSTILE_ENVIRONMENT,
            "KERAS_HOME": str(tmp_path),
            "KERAS_BACKEND": NAME,
            "PYTHONPATH": paths,
        },
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == json.loads(json.dumps(numbers(train(task()))))
    assert "is left out: it would change numbers under the same run id" in done.stderr
