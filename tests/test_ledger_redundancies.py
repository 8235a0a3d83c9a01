"""What a run says twice must be the same, and what was changed since it was finished is told from what was not."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from ledger_formats import older_ledger
from ledger_records import epoch, label, record

from kbnd.clock import CLOCK_FIELDS, summarise
from kbnd.errors import UsageError
from kbnd.ledger import Ledger
from kbnd.ledger.plain import digest_of_run
from kbnd.records import RunRecord, SearchEvent

FULL = {"images_per_s": 64.0, "energy_j": 30.0, "power_w": 20.0, "val_loss": 0.5, "val_accuracy": 0.5}
EPOCHS = tuple(epoch(i, peak_rss_bytes=2**33 + i, test_accuracy=0.25 * i, **FULL) for i in (1, 2, 3))


def full(**changes) -> RunRecord:
    """A run of 96 images with everything measured, as a training makes it; `changes` are made to it by hand."""
    clock = summarise([asdict(one) for one in EPOCHS])
    run = record(n_epochs=3, epochs=EPOCHS, **{name: clock[name] for name in CLOCK_FIELDS})
    packages = {"keras": "3.15.0", "tensorflow": "2.21.1", "torch": None}
    return replace(run, **{"n_steps": 1, "environment": {"machine": "m1", "packages": packages}, **changes})


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "kbnd.sqlite") as opened:
        yield opened


def test_a_run_as_it_was_trained_is_sound(ledger: Ledger) -> None:
    assert {getattr(full(), name) for name in ("fit_s", "epoch_s", "compile_s", "energy_j")} == {4.5, 1.5, 0.0, 90.0}
    ledger.finish(full())
    assert ledger.verify() == []
    assert ledger.notes() == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"test_accuracy": 0.99}, "test_accuracy is 0.99 but test_correct has 3 of 4 images right"),
        ({"test_correct": b"\xc0"}, "test_accuracy is 0.75 but test_correct has 2 of 4 images right"),
        ({"test_correct": b"\xe1"}, "test_correct says something of more than 4 test images"),
        ({"val_loss": 0.25}, "val_loss is 0.25 but 0.5 after the last epoch"),
        ({"val_accuracy": 0.75}, "val_accuracy is 0.75 but 0.5 after the last epoch"),
        ({"fit_s": 4.25}, "fit_s is 4.25 but its epochs give 4.5"),
        ({"steady_train_s": 1.5}, "steady_train_s is 1.5 but its epochs give 3.0"),
        ({"epoch_s": 1.25}, "epoch_s is 1.25 but its epochs give 1.5"),
        ({"compile_s": 0.25}, "compile_s is 0.25 but its epochs give 0.0"),
        ({"energy_j": 60.0}, "energy_j is 60.0 but its epochs give 90.0"),
        ({"peak_rss_bytes": 2**34}, "peak_rss_bytes is 17179869184 but its epochs give 8589934595"),
        ({"peak_device_bytes": 1}, "peak_device_bytes is 1 but its epochs give None"),
        ({"n_steps": 2}, "n_steps is 2 but 96 images in batches of 128 are 1"),
        ({"test_loss": None}, "it is done but has no test_loss"),
        ({"test_loss": float("inf")}, "it is done but a loss is infinite"),
        ({"status": "interrupted"}, "it is interrupted but has a test_accuracy"),
        ({"status": "failed"}, "it is failed but has a test_loss"),
        ({"epochs": EPOCHS[:2], "n_epochs": 2}, "it is done after 2 of 3 epochs"),
        ({"environment": {"packages": {"keras": "3.9.0"}}}, "ran with keras 3.15 but its environment says 3.9.0"),
        ({"environment": {"packages": {"tensorflow": "2.2"}}}, "tensorflow 2.21 but its environment says 2.2"),
    ],
)
def test_what_a_run_says_twice_and_not_the_same_is_named(ledger: Ledger, changes: dict, complaint: str) -> None:
    ledger.finish(full(**changes))
    assert any(complaint in sentence for sentence in ledger.verify())
    with Ledger.open(ledger.path.with_name("other.sqlite")) as other, pytest.raises(UsageError):
        other.import_(ledger.path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"images_per_s": 63.0}, "images_per_s and train_s of its epochs are of [94.5, 96.0] images"),
        ({"train_s": 3.0}, "of its epochs are of [96.0, 192.0] images"),
        ({"power_w": 21.0}, "power_w of epoch 2 is 21.0 but its energy and time give 20.0"),
        ({"test_accuracy": 0.51}, "test_accuracy of epoch 2 is 0.51, which is no share of 4 images"),
        ({"train_loss": float("inf")}, "it is done but a loss is infinite"),
    ],
)
def test_what_an_epoch_says_twice_and_not_the_same_is_named(ledger: Ledger, changes: dict, complaint: str) -> None:
    second = replace(EPOCHS[1], **changes)
    ledger.finish(full(epochs=(EPOCHS[0], second, EPOCHS[2])))
    sentences = "\n".join(ledger.verify())
    assert complaint in sentences


def test_a_flipped_bit_and_an_update_are_found_where_nothing_is_stored_twice(ledger: Ledger) -> None:
    ledger.finish(full(test_loss=0.07422))
    run_id = full().run_id
    for statement in (
        "UPDATE runs SET test_loss = 0.07403",
        "UPDATE runs SET wall_s = 7.0",
        "UPDATE runs SET error = 'none'",
        "UPDATE runs SET is_concurrent = 1",
        "UPDATE runs SET environment = replace(environment, 'm1', 'm2')",
        "UPDATE epochs SET train_loss = 0.07403 WHERE epoch = 2",
        "UPDATE epochs SET val_s = 0.5 WHERE epoch = 1",
        "UPDATE runs SET digest = '0000000000000000'",
    ):
        ledger._db.execute("SAVEPOINT tamper")
        ledger._db.execute(statement)
        (sentence,) = ledger.verify()
        assert sentence.startswith(f"run {run_id}: it was changed since it was finished: its digest was "), statement
        ledger._db.execute("ROLLBACK TO tamper")
    assert ledger.verify() == []


def test_an_import_tests_the_digests_that_an_export_carries(ledger: Ledger) -> None:
    ledger.finish(full(test_loss=0.07422))
    (file,) = ledger.export(ledger.path.with_name("runs.jsonl"))
    with Ledger.open(ledger.path.with_name("other.sqlite")) as other:
        assert other.import_(file).notes == ()
        assert other._db.execute("SELECT digest FROM runs").fetchall() == [(digest_of_run(ledger.records()[0]),)]
    ledger._db.execute("UPDATE runs SET test_loss = 0.07403")
    with Ledger.open(ledger.path.with_name("third.sqlite")) as other:
        for source in (ledger.path, ledger.export(file)[0]):
            with pytest.raises(UsageError, match="it was changed since it was finished"):
                other.import_(source)
        assert other.records() == []


def test_a_digest_is_of_values_not_of_how_they_are_held(ledger: Ledger) -> None:
    run = full(test_loss=np.float32(0.5), wall_s=-0.0)
    ledger.finish(run)
    ledger._db.execute("UPDATE runs SET environment = replace(environment, ':', ' :  ')")
    assert ledger.verify() == []
    assert digest_of_run(run) == digest_of_run(replace(run, test_loss=0.5, wall_s=0.0, block=None))
    assert digest_of_run(run) == digest_of_run(replace(run, energy_j=run.energy_j, epochs=tuple(run.epochs)))
    lost = record(n_epochs=1, status="diverged", test_loss=float("nan"), epochs=(epoch(1, train_loss=float("inf")),))
    ledger.finish(lost)
    assert ledger.verify() == []


def test_runs_from_before_digests_get_none_and_are_said_to_have_none(tmp_path: Path) -> None:
    with older_ledger(tmp_path / "old.sqlite", 4) as old:
        old.finish(record())
        info = old.begin_search("s", {})
        old.append_event(info, SearchEvent(1, "ask", 1, {"values": {}, "epochs": None, "run_ids": {}}, "2026-01-02"))
    note = "1 run and 1 search event from before digests: of them only what is stored twice can be checked"
    with Ledger.open(tmp_path / "old.sqlite") as ledger, Ledger.open(tmp_path / "new.sqlite") as new:
        for _ in range(2):
            assert (ledger.verify(), ledger.notes()) == ([], [note])
            assert new.import_(ledger.path).notes == (note,)
            assert (new.verify(), new.notes()) == ([], [note])
        ledger.finish(record(seed=2))
        assert ledger.notes() == [note]
        ledger._db.execute("UPDATE runs SET test_accuracy = 0.99")
        assert len(ledger.verify()) == 3  # the one with a digest is told twice


def test_times_beyond_all_numbers_are_a_sentence(ledger: Ledger) -> None:
    ledger.finish(record())
    ledger._db.execute("UPDATE epochs SET train_s = 1e308, images_per_s = 1e308")
    assert any("of its epochs are of [inf]" in problem for problem in ledger.verify())


def test_a_label_names_a_run_of_its_own_seed(ledger: Ledger) -> None:
    ledger.finish(record(seed=2))
    arm, _, replicate, run_id = label("bn", record(seed=2))
    ledger.assign("grid", "0" * 16, [(arm, 1, replicate, run_id)])
    complaint = f"study grid: arm bn has run '{run_id}' as seed 1, replicate 0, but it is of seed 2, replicate 0"
    assert ledger.verify() == [complaint]
    refuse(ledger, "but it is of seed 2, replicate 0; nothing was imported")


def test_an_entry_of_a_search_that_was_changed_is_found(ledger: Ledger) -> None:
    info = ledger.begin_search("s", {})
    body = {"values": {"lr": 0.1}, "epochs": None, "run_ids": {"1": record().run_id}}
    ledger.append_event(info, SearchEvent(1, "ask", 1, body, "2026-01-02"))
    assert ledger.verify() == []
    ledger._db.execute("UPDATE search_events SET body = replace(body, '0.1', '0.3')")
    (sentence,) = ledger.verify()
    assert sentence.startswith("search s, generation 1: event 1 was changed since it was stored: its digest was ")
    refuse(ledger, "event 1 was changed since it was stored")


def refuse(ledger: Ledger, complaint: str) -> None:
    with Ledger.open(ledger.path.with_name("new.sqlite")) as new, pytest.raises(UsageError, match=complaint):
        new.import_(ledger.path)
