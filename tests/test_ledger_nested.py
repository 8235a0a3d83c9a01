"""One schema of what is stored, applied on import, in verify and where it is read: nested fields, ranges, numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ledger_formats import unsealed
from ledger_records import label, record
from synthetic_runs import make_many

from kbnd import cli
from kbnd.analysis import compare
from kbnd.errors import UsageError
from kbnd.ledger import Ledger, Reader, study_checks
from kbnd.ledger.environments import DEEPEST, MOST_VALUES, problems_of_environment
from kbnd.profiling.machine import environment
from kbnd.report import comparison

NESTED: list[tuple[dict[str, Any], str]] = [
    ({"machine": [1]}, "machine should be a valid string, received [1]"),
    ({"cpu": 5}, "cpu should be a valid string, received 5"),
    ({"n_cores": True}, "n_cores should be a valid integer, received True"),
    ({"memory_bytes": -1}, "memory_bytes should be greater than or equal to 0, received -1"),
    ({"gpu": 5}, "gpu should be a valid dictionary, received 5"),
    ({"gpu": {"name": [1]}}, "gpu.name should be a valid string, received [1]"),
    ({"packages": ["keras"]}, "packages should be a valid dictionary, received ['keras']"),
    ({"packages": {"keras": 3}}, "packages.keras should be a valid string, received 3"),
    ({"threads": {"torch": [1]}}, "threads.torch should be a valid integer, received [1]"),
    ({"load_average": "low"}, "load_average should be a valid list, received 'low'"),
    ({"load_average": [1.0, 2.0, -3.0]}, "load_average.2 should be greater than or equal to 0, received -3.0"),
    ({"os": "x" * 1001}, "os should have at most 1000 characters"),
    ({"note": "x" * 1001}, "should hold up to 1,000 values, 8 deep, in texts of up to 1,000 characters"),
    ({"note": [0] * (MOST_VALUES + 1)}, "should hold up to 1,000 values"),
    ({f"note{i}": i for i in range(MOST_VALUES)}, "should hold up to 1,000 values"),
]


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 1


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "kbnd.sqlite") as opened:
        opened.merge([record()])
        opened.assign("grid", "0" * 16, [label("bn", record())])
        yield opened


def test_what_a_run_writes_of_its_machine_is_right() -> None:
    assert list(problems_of_environment(environment())) == []
    assert list(problems_of_environment({"later": {"field": [1, 2.5, None, True, "x"]}})) == []
    assert list(problems_of_environment({"deep": nested(DEEPEST - 1)})) == []
    assert list(problems_of_environment({"deep": nested(DEEPEST)})) != []


@pytest.mark.parametrize(("changes", "complaint"), NESTED)
def test_an_environment_of_a_stranger_is_refused_wherever_it_is_met(
    ledger: Ledger, tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    strange = record(environment={**record().environment, **changes})
    lines = unsealed(ledger.export(tmp_path / "runs.jsonl")[0])
    next(line["run"] for line in lines if "run" in line)["environment"] = strange.environment
    (tmp_path / "runs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    ledger._db.execute("UPDATE runs SET environment = ?", (json.dumps(strange.environment),))
    assert any(complaint in sentence for sentence in ledger.verify())
    with Ledger.open(tmp_path / "new.sqlite") as new:
        for source in (tmp_path / "runs.jsonl", ledger.path):
            with pytest.raises(UsageError) as refusal:
                new.import_(source)
            assert complaint in str(refusal.value)
        assert new.records() == []
    with pytest.raises(UsageError, match="environment"):
        ledger.get(strange.run_id)


def test_a_machine_that_is_no_text_is_one_sentence_in_every_table(ledger: Ledger, capsys) -> None:
    for value, complaint in (({"machine": [1]}, "environment.machine should be text"), ([], "should be an object")):
        ledger._db.execute("UPDATE runs SET environment = ?", (json.dumps(value),))
        for command in (["compare", str(ledger.path)], ["ledger", "list", str(ledger.path)]):
            with pytest.raises(SystemExit) as stop:
                cli.main(command)
            assert stop.value.code == 2
            assert f"run '{record().run_id}': " in (message := capsys.readouterr().err)
            assert complaint in message


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE runs SET test_accuracy = 1.5", r"test_accuracy should lie in \[0, 1\], received 1.5"),
        ("UPDATE runs SET fit_s = -1.0", "fit_s should not be negative, received -1.0"),
        ("UPDATE runs SET seed = 0", "seed should be at least 1, received 0"),
        ("UPDATE runs SET n_test = -4", "n_test should be at least 0, received -4"),
        ("UPDATE epochs SET train_accuracy = -0.5", r"train_accuracy should lie in \[0, 1\], received -0.5"),
    ],
)
def test_a_number_out_of_its_range_is_refused_by_the_tables_too(ledger: Ledger, statement: str, complaint: str) -> None:
    ledger._db.execute(statement)
    with Reader.open(ledger.path) as reader, pytest.raises(UsageError, match=f"run '{record().run_id}': {complaint}"):
        _ = reader.runs(), reader.epochs()


def test_a_definition_has_as_many_labels_and_arms_as_anyone_means(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_checks, "MOST_LABELS", 4)
    monkeypatch.setattr(study_checks, "MOST_ARMS", 2)
    allowed = [("a", 1, 0, "0" * 16), ("a", 2, 0, "1" * 16), ("b", 1, 0, "2" * 16), ("b", 2, 0, "3" * 16)]
    ledger.assign("big", "0" * 16, allowed)
    for labels, complaint in (
        ([*allowed, ("b", 3, 0, "4" * 16)], "a definition should have up to 4 labels, received 5"),
        ([*allowed[:3], ("c", 1, 0, "4" * 16)], "a definition should have up to 2 arms, received 3"),
    ):
        with pytest.raises(UsageError, match=complaint):
            ledger.assign("big", "1" * 16, labels)
    with pytest.raises(UsageError, match="a definition should have up to 2 baselines, received 3"):
        ledger.assign("big", "1" * 16, allowed, baselines={"a": "b", "b": "a", "c": "a"})


def test_a_comparison_has_as_many_arms_as_it_can_take(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MOST_ARMS", 2)
    arms = [label("bn", record()), ("more", 1, 0, "1" * 16), ("still", 1, 0, "2" * 16)]
    ledger.assign("grid", "0" * 16, arms)
    with pytest.raises(UsageError, match=r"has 3 arms, a comparison takes up to 2"):
        comparison.compare_ledger(ledger.path)
    monkeypatch.setattr(comparison, "MOST_ARMS", 3)
    assert comparison.compare_ledger(ledger.path).comparison["arm"].nunique() == 3


def test_each_arm_of_a_comparison_looks_at_its_own_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask for each arm looked at all rows once per arm and metric: 200,000 labels took minutes."""
    seen: list[int] = []
    lost = compare._lost
    monkeypatch.setattr(compare, "_lost", lambda mine: seen.append(len(mine)) or lost(mine))
    runs = make_many([f"arm{i}" for i in range(50)], seeds=2, control=False)
    compare.compare(runs, baseline="arm0")
    assert sum(seen) == len(runs)
