"""What a search's log says is derived again from its runs: a changed number is named with both, an honest log never."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from ledger_records import SETTING, agreeing, epoch, record

from kbnd.analysis.derivation import contradictions
from kbnd.errors import UsageError
from kbnd.ledger import Ledger
from kbnd.records import RunRecord, SearchEvent

AT = "2026-01-02T03:04:05+00:00"
DEFINITION = {"objective": "val_accuracy", "seeds": 2, "prune": True, "setting": asdict(SETTING)}

Runs = dict[str, RunRecord]


def run(seed: int, dropout: float, accuracy: float | None, status: str = "done", n_epochs: int = 2) -> RunRecord:
    """A run whose validation accuracy was halfway to its last one after the first of two epochs."""
    curve = [] if accuracy is None else [accuracy / 2, accuracy][:n_epochs]
    epochs = tuple(epoch(number, val_accuracy=value) for number, value in enumerate(curve, start=1))
    ended = {"val_accuracy": accuracy} if status == "done" else {"test_accuracy": None, "test_correct": None}
    run = replace(record(seed=seed, dropout=dropout, status=status, **ended), epochs=epochs, n_epochs=len(epochs))
    return agreeing(run)


def logged(*candidates: tuple[dict[str, Any], list[RunRecord]]) -> tuple[list[SearchEvent], Runs]:
    """The log of candidates that were asked for and ended one after the other, and their runs by id."""
    log, runs = [], {}
    for ordinal, (end, records) in enumerate(candidates, start=1):
        ids = {str(each.seed): each.run_id for each in records}
        ask = {"values": {"train.learning_rate": 0.05}, "epochs": 2, "run_ids": ids}
        body = {"wall_s": 1.0, "sessions": {str(each.seed): each.session for each in records}, **end}
        log += [SearchEvent(len(log) + 1, "ask", ordinal, ask, AT), SearchEvent(len(log) + 2, "end", ordinal, body, AT)]
        runs |= {each.run_id: each for each in records}
    return log, runs


def done(score: float) -> dict[str, Any]:
    return {"status": "done", "score": score, "told": score}


def lost(status: str, told: float) -> dict[str, Any]:
    return {"status": status, "score": None, "told": told}


def honest() -> tuple[list[SearchEvent], Runs]:
    """Five candidates that are done, then one that diverged, one that failed, and one that lagged behind them."""
    finished = [(done(0.8), [run(1, 0.1 * i, 0.7), run(2, 0.1 * i, 0.9)]) for i in range(5)]
    return logged(
        *finished,
        (lost("diverged", 0.0), [run(1, 0.5, 0.1), run(2, 0.5, None, "diverged")]),
        (lost("failed", 0.0), [run(1, 0.6, 0.1), run(2, 0.6, None, "failed")]),
        (lost("pruned", 0.1), [run(1, 0.7, 0.2, "pruned", n_epochs=1)]),
    )


def denied(log: list[SearchEvent], runs: Runs, definition: Any = DEFINITION) -> list[str]:
    return list(contradictions(definition, log, runs.get))


def with_body(log: list[SearchEvent], number: int, **changes: Any) -> list[SearchEvent]:
    event = log[number - 1]
    return [*log[: number - 1], replace(event, body={**event.body, **changes}), *log[number:]]


def test_an_honest_log_is_denied_by_nothing() -> None:
    log, runs = honest()
    assert denied(log, runs) == []
    assert denied(log, {}) == [], "the log of a search that was imported alone"
    assert denied(log, runs, {"oracle": "of another kbnd"}) == []
    before = [replace(e, body={name: v for name, v in e.body.items() if name != "sessions"}) for e in log]
    assert denied(before, runs) == [], "a log of before sessions"


@pytest.mark.parametrize(
    ("event", "changes", "complaint"),
    [
        (2, done(0.99), "candidate 1: its score is 0.99 in the log, by its runs 0.8"),
        (4, {"told": 0.5}, "candidate 2: its score is 0.8, but the oracle was told 0.5"),
        (4, {"score": None, "told": 0.8}, "candidate 2: its score is None in the log, by its runs 0.8"),
        (4, lost("failed", 0.0), "candidate 2: its status is failed in the log, by its runs done"),
        (4, lost("diverged", 0.0), "candidate 2: its status is diverged in the log, by its runs done"),
        (12, done(0.95), "candidate 6: its status is done in the log, by its runs diverged"),
        (14, done(0.95), "candidate 7: its status is done in the log, by its runs failed"),
        (12, {"score": 0.9}, "candidate 6: its status is diverged and its score 0.9: only what is done has one"),
        (
            12,
            {"told": 0.7},
            "candidate 6: the oracle was told 0.7 in the log, by its runs and what was told before 0.0",
        ),
        (
            16,
            {"told": 0.2},
            "candidate 8: the oracle was told 0.2 in the log, by its runs and what was told before 0.1",
        ),
        (1, {"epochs": 3}, "candidate 1: its epochs is 3 in the log, 2 in run"),
        (1, {"values": {"train.learning_rate": 0.5}}, "candidate 1: its learning_rate is 0.5 in the log, 0.05 in run"),
        (1, {"values": {"train.optimizer": "best"}}, "candidate 1: its values make no run: "),
    ],
)
def test_what_was_changed_in_a_log_is_named_with_both_values(event: int, changes: Any, complaint: str) -> None:
    log, runs = honest()
    clauses = denied(with_body(log, event, **changes), runs)
    assert len(clauses) >= 1
    assert clauses[0].startswith(f"event {event}: {complaint}")


def test_runs_of_another_seed_or_setting_are_no_runs_of_a_candidate() -> None:
    log, runs = honest()
    first, second = log[0].body["run_ids"].values()
    swapped = with_body(log, 1, run_ids={"1": second, "2": first})
    assert denied(swapped, runs)[0].startswith(f"event 1: candidate 1: its seed is 1 in the log, 2 in run {second}")
    other = {**DEFINITION, "setting": {**asdict(SETTING), "backend": "jax"}}
    assert "its backend is 'jax' in the log, 'tensorflow' in run" in denied(log, runs, other)[0]


def test_a_candidate_is_pruned_by_a_rule_that_is_applied_again() -> None:
    log, runs = honest()
    better = {id: replace(r, epochs=(epoch(1, val_accuracy=0.4),)) for id, r in runs.items() if r.status == "pruned"}
    told = with_body(log, 16, told=0.4)
    assert denied(told, runs | better) == [
        "event 16: candidate 8: it was pruned, but no run of it lagged behind the candidates that had finished by then"
    ]
    assert "by a search that prunes nothing" in denied(log, runs, {**DEFINITION, "prune": False})[0]


def test_what_was_pruned_by_curves_of_other_trainings_is_believed() -> None:
    log, runs = honest()
    low = {id: replace(r, epochs=(epoch(1, val_accuracy=0.01), epoch(2, val_accuracy=0.02))) for id, r in runs.items()}
    done_elsewhere = {id: replace(r, session="s2") for id, r in low.items() if r.status == "done"}
    assert denied(log[:10] + renumbered(log[14:]), runs | done_elsewhere) == []
    same = {id: replace(r, session="s1") for id, r in done_elsewhere.items()}
    assert "no run of it lagged" in denied(log[:10] + renumbered(log[14:]), runs | same)[-1]


def renumbered(log: list[SearchEvent]) -> list[SearchEvent]:
    """Entries that follow the fifth candidate."""
    return [replace(event, event=11 + i, ordinal=6) for i, event in enumerate(log)]


def test_what_was_trained_again_since_says_nothing_of_what_was_before() -> None:
    log, runs = honest()
    again = {id: replace(r, session="s2", status="interrupted") for id, r in runs.items() if r.status == "pruned"}
    later = run(2, 0.6, 0.9)
    assert denied(log, {**runs, **again, later.run_id: replace(later, session="s2")}) == []


def test_only_what_was_disturbed_is_measured_again() -> None:
    timed = {**DEFINITION, "objective": "time_to_accuracy:0.5", "prune": False}
    one, two = (replace(run(1, 0.1, 0.75), replicate=i, run_id=str(i) * 16, epoch_s=2.0) for i in (7, 8))
    ask = {"values": {}, "epochs": None, "run_ids": {"1": one.run_id}}
    log = [
        SearchEvent(1, "ask", 1, ask, AT),
        SearchEvent(2, "again", 1, {"run_ids": {"1": two.run_id}}, AT),
        SearchEvent(3, "end", 1, {**done(8 / 3), "wall_s": 1.0, "sessions": {"1": "s1"}}, AT),
    ]
    beside = {one.run_id: replace(one, is_concurrent=True), two.run_id: two}
    assert denied(log, beside, timed) == [], "1 + 1 / 3 epochs of 2 s"
    assert "nothing else was trained beside its run 7777" in denied(log, beside | {one.run_id: one}, timed)[0]
    assert "seed 1 is measured again, which no search for val_accuracy does" in denied(log, beside)[0]
    assert "its score is 2.0 in the log, by its runs 2.6666" in denied(with_body(log, 3, **done(2.0)), beside, timed)[0]


def test_a_lost_candidate_counts_as_worse_than_guessing_among_any_number_of_classes() -> None:
    loss = {**DEFINITION, "objective": "val_loss"}
    failed = [run(1, 0.1, None, "failed")]
    for told, n_denied in ((4.605170185988092, 0), (1.3862943611198906, 0), (4.5, 1), (0.5, 1), (1e300, 1)):
        assert len(denied(*logged((lost("failed", told), failed)), loss)) == n_denied


@pytest.mark.parametrize("status", ["done", "diverged"])
def test_a_search_keeps_the_score_of_its_own_trainings_beside_runs_of_other_threads(
    status: str, tmp_path: Path
) -> None:
    log, runs = logged((done(0.8), [run(1, 0.1, 0.7), run(2, 0.1, 0.9)]))
    runs = {run_id: replace(r, environment={"n_threads": 2}) for run_id, r in runs.items()}
    again = replace(run(1, 0.1, 0.6, status), session="s2", environment={"n_threads": 1})
    with Ledger.open(tmp_path / "a.sqlite") as theirs, Ledger.open(tmp_path / "b.sqlite") as ours:
        theirs.merge(runs.values())
        info = theirs.begin_search("s", DEFINITION)
        assert all(theirs.append_event(info, event) for event in log)
        ours.merge([again])
        merged = ours.import_(theirs.path)
        assert (merged.n_added, merged.n_kept, merged.n_elsewhere, merged.n_events) == (1, 1, 1, 2)
        assert ours.search_events(info)[-1].body["score"] == 0.8
        assert ours.verify() == []
        changed = json.dumps(log[1].body | done(0.99))
        ours._db.execute("UPDATE search_events SET body = ? WHERE event = 2", (changed,))
        assert "event 2 was changed since it was stored" in ours.verify()[0]
        with Ledger.open(tmp_path / "new.sqlite") as new, pytest.raises(UsageError, match="nothing was imported"):
            new.import_(ours.export(tmp_path / "forged.jsonl")[0])


def test_verify_and_import_refuse_a_score_that_the_runs_deny(tmp_path: Path) -> None:
    log, runs = honest()
    with Ledger.open(tmp_path / "kbnd.sqlite") as ledger, Ledger.open(tmp_path / "other.sqlite") as other:
        ledger.merge(runs.values())
        info = ledger.begin_search("s", DEFINITION)
        for event in log:
            assert ledger.append_event(info, event)
        assert ledger.verify() == []
        other.import_(ledger.path)
        assert other.verify() == []
        body = json.dumps(log[1].body | done(0.99))
        ledger._db.execute("UPDATE search_events SET body = ? WHERE event = 2", (body,))
        complaint = "event 2: candidate 1: its score is 0.99 in the log, by its runs 0.8"
        assert ledger.verify() == [f"search s, generation 1: {complaint}"]
        file = ledger.export(tmp_path / "forged.jsonl")[0]
    with Ledger.open(tmp_path / "new.sqlite") as new:
        for source in (file, tmp_path / "kbnd.sqlite"):
            with pytest.raises(UsageError, match=rf"search s in .*: {complaint}; nothing was imported"):
                new.import_(source)
        assert new.records() == []
