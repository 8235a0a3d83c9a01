import math
from dataclasses import fields
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbnd.clock import CLOCK_FIELDS, CLOCK_TYPES, consumed, elapsed, rate, summarise, total
from kbnd.records import EpochRecord, RunRecord

SECONDS = st.floats(min_value=1e-3, max_value=1e4)


def epochs(train_s, *, n_warmup=1, **more):
    """Return clock entries with these training times, the first ones warm-ups."""
    blank = dict.fromkeys(CLOCK_TYPES)
    return [{**blank, "epoch": i + 1, "train_s": t, "is_warmup": i < n_warmup, **more} for i, t in enumerate(train_s)]


def test_an_epochs_clock_is_named_as_in_the_records():
    assert set(CLOCK_TYPES) <= {field.name for field in fields(EpochRecord)}
    assert set(CLOCK_FIELDS) <= {field.name for field in fields(RunRecord)}
    assert set(CLOCK_FIELDS) <= set(summarise([]))


@given(st.lists(SECONDS, min_size=2, max_size=20))
def test_warmup_counts_in_the_sum_and_never_in_the_median(times):
    found = summarise(epochs(times))
    assert found["fit_s"] == pytest.approx(sum(times))
    assert found["steady_train_s"] == pytest.approx(sum(times[1:]))
    assert found["epoch_s"] == median(times[1:])
    assert found["compile_s"] == max(0.0, times[0] - found["epoch_s"])


@given(st.lists(SECONDS, min_size=1, max_size=5), st.data())
def test_a_run_with_an_unmeasured_epoch_has_no_total(times, data):
    lost = data.draw(st.integers(0, len(times) - 1))
    found = summarise(epochs([None if i == lost else t for i, t in enumerate(times)]))
    assert found["fit_s"] is None


def test_a_run_of_warmup_alone_has_no_steady_time():
    found = summarise(epochs([3.0]))
    assert (found["fit_s"], found["epoch_s"], found["steady_train_s"], found["compile_s"]) == (3.0, None, None, None)


def test_a_reused_model_compiles_nothing_unless_an_epoch_was_not_timed():
    assert summarise(epochs([1.0, 2.0], n_warmup=0))["compile_s"] == 0.0
    assert summarise(epochs([None, 2.0], n_warmup=0))["compile_s"] is None


def test_nothing_measured_is_none_and_never_zero():
    assert {value for key, value in summarise([]).items() if not key.startswith("n_")} == {None}
    assert total([]) is None
    assert total([1.0, None]) is None
    assert rate(10, None) is None
    assert rate(10, 0.0) is None
    assert elapsed(None, 1.0) is None


def test_the_profilers_share_is_of_all_timed_work():
    found = summarise(epochs([9.0], val_s=1.0, hook_s=0.05))
    assert found["hook_share"] == pytest.approx(0.005)


def test_power_is_training_energy_over_training_time():
    found = summarise(epochs([2.0, 3.0], energy_j=250.0))
    assert (found["energy_j"], found["power_w"]) == (500.0, 100.0)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 100))
def test_a_counter_says_nothing_of_a_window_shorter_than_it_resolves(start, end, duration_s):
    growth = consumed(start, end, duration_s=duration_s, shortest_s=0.5)
    if duration_s < 0.5 or end <= start:
        assert growth is None
    else:
        assert math.isclose(growth, end - start)
