import copy
import pickle
import time
from types import SimpleNamespace

import numpy as np
import pytest
from recorded_meter import RecordedMeter

from kbnd.clock import CLOCK_TYPES
from kbnd.profiling import device, meters

pytestmark = pytest.mark.backend

IMAGES = np.random.default_rng(1).random((64, 4), np.float32)
LABELS = np.arange(64) % 3


@pytest.fixture
def keras():
    """The Keras of this process: not imported above, because collecting tests must import no backend."""
    import keras

    return keras


@pytest.fixture
def profiler(keras):
    """A new EpochProfiler."""
    from kbnd import EpochProfiler

    return EpochProfiler(n_images=len(IMAGES))


@pytest.fixture
def model(keras):
    """A tiny model, freshly compiled."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3)])
    compile_again(model, keras)
    return model


@pytest.fixture(scope="module")
def fitted():
    """A model that has a training and a validation step already, for tests that need no fresh one."""
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3)])
    compile_again(model, keras)
    fit(model, epochs=1)
    return model


def compile_again(model, keras):
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))


def fit(model, *callbacks, epochs=2, validation=True, **more):
    data = (IMAGES, LABELS) if validation else None
    model.fit(
        IMAGES, LABELS, batch_size=32, epochs=epochs, validation_data=data, verbose=0, callbacks=list(callbacks), **more
    )


def test_every_epoch_is_timed_and_nothing_goes_wrong(model, profiler):
    fit(model, profiler, epochs=3)
    assert profiler.faults == []
    assert [entry["epoch"] for entry in profiler.epochs] == [1, 2, 3]
    for entry in profiler.epochs:
        assert list(entry) == list(CLOCK_TYPES)
        assert entry["train_s"] > 0
        assert entry["val_s"] > 0
        assert entry["images_per_s"] == pytest.approx(len(IMAGES) / entry["train_s"])
        assert entry["peak_rss_bytes"] is None or entry["peak_rss_bytes"] > 10_000_000


def test_without_validation_its_time_is_unknown_not_zero(fitted, profiler):
    fit(fitted, profiler, validation=False)
    assert [entry["val_s"] for entry in profiler.epochs] == [None, None]
    assert profiler.summary()["val_s"] is None
    assert profiler.summary()["fit_s"] > 0


@pytest.mark.parametrize("slow", ["train_s", "val_s"])
def test_a_known_delay_is_found_in_its_own_window(keras, fitted, profiler, slow, monkeypatch):
    step_s, n_steps = 100.0, 3  # of a clock that is put forward: no busy machine adds as much to the other window
    ahead_s = 0.0
    ahead = SimpleNamespace(perf_counter=lambda: time.perf_counter() + ahead_s)
    monkeypatch.setattr("kbnd.profiling.profiler.time", ahead)

    class Delayed(keras.utils.PyDataset):
        def __init__(self, delay_s):
            super().__init__()
            self.delay_s = delay_s

        def __len__(self):
            return n_steps

        def __getitem__(self, step):
            nonlocal ahead_s
            ahead_s += self.delay_s
            return IMAGES[:32], LABELS[:32]

    train, validation = Delayed(step_s * (slow == "train_s")), Delayed(step_s * (slow == "val_s"))
    fitted.fit(train, validation_data=validation, epochs=2, shuffle=False, verbose=0, callbacks=[profiler])
    steady = profiler.epochs[1]  # in the first, Keras looks at batches to learn their shapes
    delay_s = n_steps * step_s
    quick = {"train_s": "val_s", "val_s": "train_s"}[slow]
    assert steady[slow] >= delay_s
    assert steady[quick] < step_s


def test_every_window_lies_between_two_stopwatches(keras, fitted, profiler):
    class Stopwatch(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.at = []

        def on_epoch_begin(self, epoch, logs=None):
            self.at.append({"epoch_begin": time.perf_counter()})

        def on_test_begin(self, logs=None):
            self.at[-1]["test_begin"] = time.perf_counter()

        def on_test_end(self, logs=None):
            self.at[-1]["test_end"] = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.at[-1]["epoch_end"] = time.perf_counter()

    before, after = Stopwatch(), Stopwatch()
    fit(fitted, before, profiler, after, epochs=3)
    for entry, early, late in zip(profiler.epochs, before.at, after.at, strict=True):
        # Exact, so without a tolerance: the profiler's edges lie between the hooks before and behind its own.
        assert (
            early["test_begin"] - late["epoch_begin"] <= entry["train_s"] <= late["test_begin"] - early["epoch_begin"]
        )
        assert early["test_end"] - late["test_begin"] <= entry["val_s"] <= late["test_end"] - early["test_begin"]
        assert 0 < entry["hook_s"] <= sum(late[hook] - early[hook] for hook in early)


def test_the_first_epoch_of_a_fresh_model_is_warmup_and_a_second_fit_has_none(keras, model, profiler):
    fit(model, profiler)
    assert [entry["is_warmup"] for entry in profiler.epochs] == [True, False]
    assert profiler.summary()["compile_s"] is not None
    fit(model, profiler)
    assert [entry["is_warmup"] for entry in profiler.epochs] == [False, False]
    assert profiler.summary()["compile_s"] == 0.0
    compile_again(model, keras)
    fit(model, profiler, validation=False, initial_epoch=1, epochs=3)
    assert [(entry["epoch"], entry["is_warmup"]) for entry in profiler.epochs] == [(2, True), (3, False)]


def test_an_epoch_whose_validation_is_the_first_is_warmup(model, profiler):
    fit(model, profiler, epochs=4, validation_freq=2)
    assert [entry["is_warmup"] for entry in profiler.epochs] == [True, True, False, False]
    assert [entry["val_s"] is None for entry in profiler.epochs] == [True, False, True, False]


def test_an_evaluation_outside_a_fit_is_harmless(model, profiler):
    model.evaluate(IMAGES, LABELS, verbose=0, callbacks=[profiler])
    fit(model, profiler)
    before = copy.deepcopy(profiler.epochs)
    model.evaluate(IMAGES, LABELS, verbose=0, callbacks=[profiler])
    assert profiler.epochs == before
    assert profiler.epochs[0]["is_warmup"]
    assert profiler.faults == []


def test_copies_made_before_during_and_after_a_fit_all_work(keras, fitted, profiler):
    copies = [copy.deepcopy(profiler)]

    class Copier(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            copies.append(copy.deepcopy(profiler))

    fit(fitted, profiler, Copier())
    copies += [copy.deepcopy(profiler), pickle.loads(pickle.dumps(profiler))]
    assert [len(c.epochs) for c in copies] == [0, 0, 1, 2, 2]
    assert all(c._model is None for c in copies)
    for c in copies:
        fit(fitted, c, validation=False)
        assert len(c.epochs) == 2
        assert c.faults == []


def test_only_plain_data_is_held(fitted, profiler):
    fit(fitted, profiler)
    state = {key: value for key, value in vars(profiler).items() if key != "_model"}
    assert pickle.loads(pickle.dumps(state)) == state


def test_the_model_is_never_asked_to_give_its_state(fitted, profiler):
    class Strict(type(profiler)):
        @property
        def model(self):
            raise AssertionError("reading self.model makes Keras synchronise JAX's state")

    strict = Strict()
    fit(fitted, strict)
    assert strict.faults == []
    assert strict.epochs[1]["train_s"] > 0


def test_there_is_no_hook_of_a_batch(keras, profiler):
    hooks = [name for name in dir(keras.callbacks.Callback) if "batch" in name]
    assert len(hooks) == 8
    for name in hooks:
        assert getattr(type(profiler), name) is getattr(keras.callbacks.Callback, name)


def test_a_broken_meter_costs_the_energy_alone(keras, fitted, profiler):
    class Broken:
        shortest_s = 0.0

        def energy_j(self):
            raise OSError("the GPU fell off the bus")

    profiler.meter = Broken()
    fit(fitted, profiler)
    assert profiler.faults == ["energy_j failed: OSError: the GPU fell off the bus"]
    assert [entry["energy_j"] for entry in profiler.epochs] == [None, None]
    assert all(entry["train_s"] > 0 for entry in profiler.epochs)


def test_a_device_that_cannot_be_waited_for_has_no_times(fitted, profiler, monkeypatch):
    def fail(model):
        raise RuntimeError("lost")

    monkeypatch.setattr(device, "synchronize", fail)
    fit(fitted, profiler)
    assert [(e["epoch"], e["train_s"], e["val_s"]) for e in profiler.epochs] == [(1, None, None), (2, None, None)]
    assert "RuntimeError: lost" in profiler.faults[0]
    assert profiler.to_frame()["train_s"].isna().all()


def test_a_fault_in_a_hook_leaves_a_blank_epoch(fitted, profiler, monkeypatch):
    monkeypatch.setattr(profiler, "_open_epoch", lambda epoch: 1 / 0)
    fit(fitted, profiler)
    assert [entry["epoch"] for entry in profiler.epochs] == [1, 2]
    assert profiler.epochs[0]["train_s"] is None
    assert "ZeroDivisionError" in profiler.faults[0]
    assert profiler.summary()["fit_s"] is None


class Ticks:
    """A clock that moves five seconds each time it is read."""

    now = -5.0

    def __call__(self):
        self.now += 5.0
        return self.now


def test_a_recorded_counter_gives_the_known_energy_of_each_epoch(keras, fitted):
    from kbnd import EpochProfiler

    meter = RecordedMeter(clock=Ticks())
    meter.shortest_s = 0.0  # the fit is far shorter than the recorded time
    profiler = EpochProfiler(meter=meter)
    fit(fitted, profiler, epochs=3)
    # Two readings an epoch: 0-5 s at 70 W, 10-15 s at 300 W, 20-25 s over the driver's reload.
    assert [entry["energy_j"] for entry in profiler.epochs] == [pytest.approx(350), pytest.approx(1500), None]
    assert profiler.epochs[1]["power_w"] == pytest.approx(1500 / profiler.epochs[1]["train_s"])
    assert profiler.summary()["energy_j"] is None


def test_a_counter_too_coarse_for_the_epoch_is_not_quoted(fitted):
    from kbnd import EpochProfiler

    profiler = EpochProfiler(meter=RecordedMeter(clock=Ticks()))
    fit(fitted, profiler, validation=False)
    assert profiler.epochs[1]["energy_j"] is None


def test_a_peak_that_other_fits_share_is_not_quoted(fitted, profiler, monkeypatch):
    monkeypatch.setattr(meters, "reset_peak_rss", lambda: False)
    monkeypatch.setattr(meters, "next_fit", lambda: 2)
    fit(fitted, profiler, validation=False)
    assert profiler.epochs[0]["peak_rss_bytes"] is None


def test_a_frame_has_one_typed_row_for_each_epoch(fitted, profiler):
    assert list(profiler.to_frame().columns) == list(CLOCK_TYPES)
    fit(fitted, profiler, validation=False)
    frame = profiler.to_frame()
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == CLOCK_TYPES
    assert len(frame) == 2
    assert frame["val_s"].isna().all()


def test_the_hooks_cost_far_less_than_half_a_percent_of_a_second(fitted, profiler):
    fit(fitted, profiler, epochs=8)
    assert np.median([entry["hook_s"] for entry in profiler.epochs]) < 0.005


def test_nothing_of_training_is_queued_when_its_window_closes(keras, model, profiler):
    if keras.config.backend() != "jax":
        pytest.skip("only JAX returns from a step before it has run")
    ready = []

    class Look(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            ready.append(all(variable._value.is_ready() for variable in self._model.variables))

    big = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(1500, "relu"), keras.layers.Dense(1500, "relu"), keras.layers.Dense(3)]
    )
    compile_again(big, keras)
    before, after = Look(), Look()
    fit(big, before, profiler, after, epochs=2)
    assert ready[1::2] == [True, True]
