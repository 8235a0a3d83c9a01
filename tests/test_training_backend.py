import importlib.util
import json
import logging
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from kbnd import quiet
from kbnd.errors import UsageError
from kbnd.profiling import device
from kbnd.profiling.machine import environment
from kbnd.training import backend

MODULES_OF_BACKENDS = {"keras", "tensorflow", "jax", "torch"}


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A process that has imported no Keras, with all backends installed and no settings of its user."""
    for name in ("keras", *backend.BACKENDS):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace(origin=f"/{name}/__init__.py"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    # Set before it is deleted, so that what the test leaves in the environment is undone.
    for name in ("KERAS_BACKEND", *backend.QUIET):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return tmp_path


def import_keras(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(config=SimpleNamespace(backend=lambda: name)))


def test_tensorflow_is_the_default(fresh):
    assert backend.choose() == "tensorflow"
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def test_keras_json_is_heeded(fresh):
    (fresh / "keras.json").write_text(json.dumps({"backend": "torch"}))
    assert backend.choose() == "torch"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_an_unreadable_keras_json_is_none(fresh, text):
    (fresh / "keras.json").write_text(text)
    assert backend.choose() == "tensorflow"


def test_the_variable_comes_before_keras_json(fresh, monkeypatch):
    (fresh / "keras.json").write_text(json.dumps({"backend": "torch"}))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backend.choose() == "jax"


def test_what_is_asked_for_comes_before_the_variable(fresh, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backend.choose("torch") == "torch"
    assert os.environ["KERAS_BACKEND"] == "torch"


@pytest.mark.parametrize("library", ["jax", "keras"])
def test_a_file_that_hides_a_library_is_named(fresh, monkeypatch, library):
    here = fresh / f"{library}.py"
    packages = {name: f"/{name}/__init__.py" for name in MODULES_OF_BACKENDS}
    origins = packages | {library: str(here)}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace(origin=origins[name]))
    with pytest.raises(UsageError, match=rf"the file {here} hides the library {library}: rename it"):
        backend.choose("jax")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (AssertionError(), "does not start here: AssertionError; .* is set by JAX_PLATFORMS=cuda"),
        (RuntimeError("no such platform.\nMore."), "does not start here: no such platform; .*JAX_PLATFORMS=cuda"),
    ],
)
def test_a_backend_that_finds_no_device_is_one_sentence(fresh, monkeypatch, capfd, error, sentence):
    def start():
        raise error

    import_keras(monkeypatch, "jax")  # the real one would stay for all other tests
    monkeypatch.setattr(backend, "device_kind", start)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(UsageError, match=sentence):
        backend.load("jax")


def test_an_imported_keras_settles_it(fresh, monkeypatch):
    import_keras(monkeypatch, "jax")
    assert backend.choose() == backend.choose("jax") == "jax"


def test_another_backend_than_the_imported_one_is_refused(fresh, monkeypatch):
    import_keras(monkeypatch, "jax")
    with pytest.raises(UsageError, match=r"'torch' was asked for, but Keras is already imported with 'jax'"):
        backend.choose("torch")


def test_a_keras_on_a_foreign_backend_is_refused(fresh, monkeypatch):
    import_keras(monkeypatch, "openvino")
    with pytest.raises(UsageError, match=r"openvino.*choose from tensorflow, jax, torch"):
        backend.choose()


def test_a_misspelt_backend_gets_a_guess(fresh):
    with pytest.raises(UsageError, match=r"unknown backend 'pytorch' \(did you mean 'torch'\?\): choose from"):
        backend.choose("pytorch")


def test_a_bad_variable_is_named(fresh, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(UsageError, match=r"KERAS_BACKEND.*'theano'"):
        backend.choose()


def test_a_missing_backend_names_its_extra(fresh, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jax" else SimpleNamespace())
    with pytest.raises(UsageError, match=r"'jax' is not installed: pip install 'kbnd\[jax\]'.*tensorflow, torch"):
        backend.choose("jax")
    assert "KERAS_BACKEND" not in os.environ


def test_output_is_quiet_unless_the_user_wants_it(fresh, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    backend.choose()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


def test_choosing_imports_no_backend():
    script = (
        "import sys; from kbnd.profiling import machine; from kbnd.training import backend; import kbnd.training\n"
        "backend.choose(); backend.installed(); machine.environment()\n"
        f"print(sorted({MODULES_OF_BACKENDS} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_installed_names_every_backend():
    assert list(backend.installed()) == list(backend.BACKENDS)


def test_the_environment_is_json_without_paths():
    found = environment()
    assert json.loads(json.dumps(found)) == found
    assert "/" not in found["machine"]
    assert os.path.expanduser("~/") not in json.dumps(found)
    assert found["packages"]["kbnd"]
    assert found["n_cores"] >= found["n_cores_usable"] >= 1


def test_the_machine_stays_the_same_machine():
    assert environment()["machine"] == environment()["machine"]


def test_held_stderr_is_dropped_when_all_goes_well(capfd):
    with quiet.held_stderr():
        os.write(2, b"chatter")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_held_stderr_is_shown_when_it_explains_a_failure(capfd):
    def failing_import():
        with quiet.held_stderr():
            os.write(2, b"libcuda is broken")
            raise ImportError

    with pytest.raises(ImportError):
        failing_import()
    assert "libcuda is broken" in capfd.readouterr().err


def test_without_a_folder_for_temporary_files_nothing_is_held(capfd, no_temporaries):
    with quiet.held_stderr():
        os.write(2, b"chatter")
    assert capfd.readouterr().err == "chatter"


def test_only_the_warning_of_retracing_is_left_out_and_only_inside(monkeypatch):
    heard = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: heard.append(record.getMessage()))
    said = logging.getLogger("tensorflow")
    monkeypatch.setattr(said, "handlers", [handler])
    retraced = "5 out of the last 6 calls to <function f> triggered tf.function retracing. Tracing is expensive"
    with quiet.without_retracing_warnings():
        with quiet.without_retracing_warnings():  # a run within a run
            said.warning(retraced)
        said.warning(retraced)
        said.warning("%d NaNs", 3)
        said.error(retraced)
    said.warning(retraced)
    assert heard == ["3 NaNs", retraced, retraced]


@pytest.mark.backend
def test_the_identity_names_the_backend_that_runs():
    import keras

    chosen = backend.load()
    identity = backend.identity("f" * 64)
    assert chosen == identity.backend == keras.config.backend()
    assert keras.__version__.startswith(identity.keras_version + ".")
    assert backend.installed()[chosen].startswith(identity.backend_version + ".")
    assert identity.device == device.device_kind()
    assert device.devices()


@pytest.mark.backend
def test_after_waiting_no_array_of_jax_is_in_flight():
    import keras

    if keras.config.backend() != "jax":
        pytest.skip("only JAX returns from a step before it has run")
    import jax.numpy as jnp

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, use_bias=False)])
    slow = jnp.ones((1200, 1200))
    for _ in range(10):
        slow = slow @ slow / 1200
    model.trainable_variables[0].assign(slow[:4, :4])
    device.synchronize(model)
    assert slow[:4, :4].is_ready()
    assert all(variable._value.is_ready() for variable in model.variables)
