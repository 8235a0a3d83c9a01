import copy
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from recorded_meter import LOG, RecordedMeter

from kbnd.profiling import meters

BETWEEN_SAMPLES_S = 0.05


class Clock:
    """Seconds that pass only when told."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("window", json.loads(LOG.read_text())["truth"], ids=lambda w: f"{w['from_s']}-{w['to_s']}s")
def test_a_recorded_window_holds_its_known_energy(window):
    clock = Clock()
    meter = RecordedMeter(clock=clock)
    meter.energy_j()
    clock.now = window["from_s"] + BETWEEN_SAMPLES_S
    start = meter.energy_j()
    clock.now = window["to_s"] + BETWEEN_SAMPLES_S
    end = meter.energy_j()
    if window["energy_j"] is None:
        assert end < start  # the driver was reloaded
    else:
        assert end - start == pytest.approx(window["energy_j"])


def test_a_recording_stands_still_between_samples_as_the_counter_does():
    clock = Clock()
    meter = RecordedMeter(clock=clock)
    readings = set()
    for clock.now in (0.0, 0.03, 0.09):
        readings.add(meter.energy_j())
    assert readings == {5000.0}


def test_a_recording_knows_nothing_after_its_end():
    clock = Clock()
    meter = RecordedMeter(clock=clock)
    meter.energy_j()
    clock.now = 31.0
    assert meter.energy_j() is None


def test_a_copied_meter_reads_the_same():
    meter = RecordedMeter(clock=Clock())
    assert copy.deepcopy(meter).energy_j() == meter.energy_j()


class FakeNvml:
    """NVML of a machine with two GPUs; the second has no energy counter. A stand-in for a library absent here."""

    class NVMLError(Exception):
        pass

    def nvmlInit(self):  # noqa: N802 (NVML's names)
        pass

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        if index > 1:
            raise self.NVMLError("Invalid Argument")
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        return {"GPU-first": 0, "GPU-second": 1}[uuid]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802
        if handle == 1:
            raise self.NVMLError("Not Supported")
        return 123_456

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return "Fake"

    def nvmlSystemGetDriverVersion(self):  # noqa: N802
        return "1.2"


@pytest.fixture
def nvml(monkeypatch):
    """Return a switch that puts a module (or None) in place of pynvml."""

    def put(module):
        monkeypatch.setitem(sys.modules, "pynvml", module)
        meters._nvml.cache_clear()

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    yield put
    meters._nvml.cache_clear()


def test_nvml_counts_millijoules_and_the_meter_joules(nvml):
    nvml(FakeNvml())
    assert meters.nvml_meter().energy_j() == pytest.approx(123.456)
    assert meters.gpu() == {"name": "Fake", "driver": "1.2"}


@pytest.mark.parametrize(
    ("visible", "device"),
    [
        ("0", 0),
        ("GPU-first", "GPU-first"),
        ("0,1", 0),
        ("1", None),
        ("7", None),
        ("", None),
        ("-1", None),
        ("NoDevFiles", None),
        ("all", None),
        ("\N{SUPERSCRIPT TWO}", None),
        (" 0 ,-1", 0),
        (",0", None),
    ],
)
def test_the_meter_is_that_of_the_first_visible_gpu(nvml, monkeypatch, visible, device):
    nvml(FakeNvml())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    meter = meters.nvml_meter()
    assert (meter.device if meter else None) == device


def test_without_the_library_there_is_no_meter(nvml):
    nvml(None)  # makes the import fail
    assert meters.nvml_meter() is None
    assert meters.gpu() is None
    assert meters.NvmlMeter().energy_j() is None


def test_without_a_driver_there_is_no_meter(nvml):
    broken = FakeNvml()

    def fail():
        raise broken.NVMLError("Driver Not Loaded")

    broken.nvmlInit = fail
    nvml(broken)
    assert meters.nvml_meter() is None


def test_names_that_an_old_library_gives_as_bytes_are_text(nvml):
    old = FakeNvml()
    old.nvmlDeviceGetName = lambda handle: b"Fake \xff"
    old.nvmlSystemGetDriverVersion = lambda: b"1.2"
    nvml(old)
    assert meters.gpu() == {"name": "Fake \N{REPLACEMENT CHARACTER}", "driver": "1.2"}


def undecodable(*arguments):
    return b"\xff".decode()


FAULTS = {
    "nvmlInit": undecodable,
    "nvmlDeviceGetHandleByIndex": None,  # no such function: TypeError
    "nvmlDeviceGetName": undecodable,
    "nvmlSystemGetDriverVersion": undecodable,
    "nvmlDeviceGetTotalEnergyConsumption": lambda handle: b"123456",
    "NVMLError": None,
}
"""Function of NVML -> what takes its place in a library that does not do as it says."""


@pytest.mark.parametrize("function", FAULTS)
def test_a_faulty_library_measures_nothing_and_stops_nothing(nvml, function):
    faulty = FakeNvml()
    setattr(faulty, function, FAULTS[function])
    nvml(faulty)
    readings = meters.gpu(), meters.nvml_meter()
    assert None in readings or function == "NVMLError"
    assert json.dumps(readings[0])  # as it is stored with each run


def test_the_peak_of_resident_memory_sees_an_allocation():
    before = meters.peak_rss_bytes()
    block = bytearray(b"x" * 200_000_000)
    assert meters.peak_rss_bytes() >= min(before + 100_000_000, 200_000_000)
    del block


@pytest.mark.skipif(not meters.reset_peak_rss(), reason="this system cannot reset the peak of resident memory")
def test_a_reset_peak_forgets_what_was_freed():
    block = bytearray(b"x" * 200_000_000)
    high = meters.peak_rss_bytes()
    del block
    assert meters.reset_peak_rss()
    assert meters.peak_rss_bytes() < high - 100_000_000


def test_without_proc_the_peak_comes_from_the_resource_usage(monkeypatch):
    monkeypatch.setattr(meters, "Path", lambda name: Path("/nowhere") / name.lstrip("/"))
    assert not meters.reset_peak_rss()
    assert meters.peak_rss_bytes() > 10_000_000


def test_fits_are_counted():
    assert meters.next_fit() + 1 == meters.next_fit()


def test_an_unknown_backend_has_no_device_memory():
    assert meters.peak_device_bytes("numpy") is None
    assert not meters.reset_peak_device("numpy")


def test_a_torch_gpu_reports_and_resets_its_peak(monkeypatch):
    calls = []
    cuda = SimpleNamespace(
        is_available=lambda: True,
        max_memory_allocated=lambda: 77,
        reset_peak_memory_stats=lambda: calls.append("reset"),
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert meters.reset_peak_device("torch")
    assert calls == ["reset"]
    assert meters.peak_device_bytes("torch") == 77
