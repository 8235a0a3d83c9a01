"""The outputs of a study from a ledger alone: its metrics, baselines, tables and what is said beside them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ledger_records import SETTING, agreeing

from kbnd.analysis.blinding import METRICS
from kbnd.data.catalogue import COPIES, ORIGINALS
from kbnd.ledger import Ledger
from kbnd.records import EpochRecord, RunRecord
from kbnd.report.comparison import compare_ledger
from kbnd.report.figures import study as pictures
from kbnd.report.figures.study import FIGURES
from kbnd.report.frames import Frames
from kbnd.report.table import DASH, Table
from kbnd.spec import PROTOCOL, Identity, RunSpec
from kbnd.study import outputs
from kbnd.study.choices import Choices, decide
from kbnd.study.definition import Study
from kbnd.study.plan import plan
from kbnd.study.results import Results, gather
from kbnd.study.runner import Outcome

MNIST = replace(SETTING, fingerprint=ORIGINALS["mnist"])
JPEG = replace(SETTING, fingerprint=next(name for name, copy in COPIES.items() if "JPEG" in copy.label))
N_EPOCHS = 4

STUDY: dict[str, Any] = {
    "name": "nets",
    "title": "Two networks",
    "baseline": "plain",
    "seeds": 3,
    "model": {"name": "lenet5"},
    "data": {"name": "mnist"},
    "train": {"epochs": N_EPOCHS, "test_curve": True},
    "arms": [
        {"name": "plain"},
        {"name": "bn", "model": {"batch_norm": "before_activation"}},
        {"name": "other", "model": {"options": {"activation": "tanh"}}},
        {
            "name": "other-bn",
            "baseline": "other",
            "model": {"batch_norm": "before_activation", "options": {"activation": "tanh"}},
        },
        {"name": "extra", "group": "more", "model": {"dropout": 0.5}},
    ],
    "tables": [
        {
            "title": "Mean accuracy",
            "metric": "aulc",
            "columns": ["ReLU", "tanh"],
            "rows": [
                {"label": "plain", "arms": ["plain", "other"], "published": [0.9, 0.8]},
                {"label": "dropout", "arms": ["extra", "extra"], "published": [0.7, 0.7]},
                {"label": "mixed", "arms": ["bn", "extra"], "published": [0.7, 0.6]},
            ],
        }
    ],
    "claims": [
        {
            "id": "first",
            "statement": "BN is ahead after one epoch",
            "tests": [{"metric": "first_epoch_accuracy", "contrast": {"bn": 1, "plain": -1}, "rule": "superiority"}],
        },
        {
            "id": "time",
            "statement": "BN costs time",
            "tests": [{"metric": "epoch_s", "contrast": {"bn": 1, "plain": -1}, "rule": "time"}],
        },
    ],
}


def trained(spec: RunSpec, identity: Identity, *, arm: int, block: int | None, has_curve: bool) -> RunRecord:
    """A run as training would leave it: accuracy by arm and seed, and a curve that climbs to it by 0.1 an epoch."""
    last = 0.9 + arm / 100 + spec.seed / 1000
    n_epochs = spec.train.epochs
    curve = [last - 0.1 * (n_epochs - epoch) for epoch in range(1, n_epochs + 1)]
    epochs = tuple(
        EpochRecord(epoch=i, test_accuracy=value if has_curve else None, train_s=1.0 + arm, is_warmup=i == 1)
        for i, value in enumerate(curve, start=1)
    )
    fields = {name: getattr(identity, name) for name in ("backend", "backend_version", "keras_version", "device")}
    run = RunRecord(
        run_id=spec.run_id(identity),
        recipe_id=spec.recipe_id,
        spec=spec.canonical(),
        model=spec.model.name,
        dataset=spec.data.name,
        seed=spec.seed,
        replicate=spec.replicate,
        status="done",
        **fields,
        fingerprint=identity.fingerprint,
        protocol=PROTOCOL,
        session="s1",
        started_at="2026-01-02T03:04:05+00:00",
        block=block,
        environment={"machine": "m1"},
        epochs=epochs,
        n_epochs=n_epochs,
        test_accuracy=last,
        test_loss=1 - last,
        fit_s=4.0 + arm,
        epoch_s=1.0 + arm,
    )
    return agreeing(run)


def made(
    folder: Path,
    *,
    has_curve: bool = True,
    identity: Identity = MNIST,
    changes: dict[str, Any] | None = None,
    **choices: Any,
) -> Results:
    """Train a study in a moment and make its outputs."""
    study = Study(**{**STUDY, **(changes or {})})
    experiment = decide(study, Choices(**choices))
    planned = plan(experiment, identity=identity)
    order = [arm["name"] for arm in STUDY["arms"]]
    records = [
        trained(run.spec, identity, arm=order.index(run.arm), block=run.block, has_curve=has_curve) for run in planned
    ]
    with Ledger.open(folder / "kbnd.sqlite") as ledger:
        ledger.merge(list({record.run_id: record for record in records}.values()))
        labels = [(run.arm, run.spec.seed, run.spec.replicate, run.run_id) for run in planned]
        labels.sort(key=lambda label: list(experiment.arms).index(label[0]))
        about = {"title": experiment.title, "difference": experiment.difference}
        ledger.assign("nets", "0" * 16, labels, **about, baselines=experiment.baselines)
    outcome = Outcome("nets", "0" * 16, planned, len(planned))
    return gather(study, experiment, outcome, ledger=folder / "kbnd.sqlite")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The outputs of the study as it is; its ledger lies in a folder of its own."""
    return made(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def rooted(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The outputs of the study with a second root."""
    return made(tmp_path_factory.mktemp("rooted"), changes=ROOTED)


def titled(report: Results, start: str) -> Table:
    return next(table for table in report.tables if table.title.startswith(start))


def rows(comparison: pd.DataFrame, metric: str) -> pd.DataFrame:
    return comparison[comparison["metric"] == metric].set_index("arm")


def test_metrics_of_tables_and_claims_are_compared_beside_the_usual_ones(report: Results) -> None:
    assert list(dict.fromkeys(report.comparison["metric"])) == [*METRICS, "aulc", "first_epoch_accuracy"]
    first = rows(report.comparison, "first_epoch_accuracy")
    assert first.loc["plain", "mean"] == pytest.approx(0.902 - 0.3)
    assert first.loc["bn", "diff"] == pytest.approx(0.01)
    assert rows(report.comparison, "aulc").loc["plain", "published"] == 0.9
    assert set(report.runs) & {"aulc", "first_epoch_accuracy"} == set()  # runs.csv holds what was measured


def test_an_arm_stands_against_its_own_baseline_in_every_number(report: Results) -> None:
    for frame in (rows(report.comparison, "test_accuracy"), report.ratios.set_index("arm")):
        assert frame["baseline"].drop("plain (A/A)", errors="ignore").to_dict() == {
            "plain": "plain",
            "bn": "plain",
            "other": "plain",
            "other-bn": "other",
        }
    assert rows(report.comparison, "test_accuracy").loc["other-bn", "diff"] == pytest.approx(0.01)
    assert report.ratios.set_index("arm").loc["other-bn", "ratio"] == pytest.approx(4 / 3)


ROOTED = {"arms": [arm | {"baseline": "other"} if arm["name"] == "other" else arm for arm in STUDY["arms"]]}
"""The second network is a root."""


def test_a_root_stands_against_nothing_and_its_arms_against_it(rooted: Results) -> None:
    by_arm = rows(rooted.comparison, "test_accuracy")
    assert by_arm["baseline"].to_dict() == {"plain": "plain", "bn": "plain", "other": "other", "other-bn": "other"}
    assert by_arm.loc["other", ["n", "n_pairs"]].tolist() == [3, 0]
    assert by_arm.loc["other-bn", "diff"] == pytest.approx(0.01)
    assert rooted.ratios.set_index("arm")["ratio"].drop("bn").to_dict() == pytest.approx(
        {"plain": 1, "plain (A/A)": 1, "other": 1, "other-bn": 4 / 3}
    )
    table = titled(rooted, "Test accuracy: arms against their own baselines")
    assert [row[0] for row in table.rows if row[-1] == "reference"] == ["plain", "other"]
    frames = Frames(rooted.runs, rooted.epochs, rooted.comparison, rooted.ratios)
    assert all(figure_of(frames, "test_accuracy") is not None for figure_of in FIGURES.values())


def test_a_root_alone_is_the_baseline_of_its_network(tmp_path: Path) -> None:
    report = made(tmp_path, changes=ROOTED, arms=("other-bn",))
    assert list(dict.fromkeys(report.comparison["arm"])) == ["other", "other-bn"]
    assert report.ratios["arm"].tolist() == ["other", "other (A/A)", "other-bn"]


@pytest.mark.parametrize("name", ["report", "rooted"])
def test_kbnd_compare_gives_the_same_rows(name: str, request: pytest.FixtureRequest) -> None:
    outcome = request.getfixturevalue(name)
    again = compare_ledger(outcome.ledger)
    usual = outcome.comparison[outcome.comparison["metric"].isin(METRICS)].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.comparison, usual)
    pd.testing.assert_frame_equal(again.ratios, outcome.ratios)


def test_only_claims_metrics_without_a_table_of_their_own_get_the_compact_one(report: Results) -> None:
    table = titled(report, "Further metrics")
    assert table.columns == ("Arm", "Epoch 1, %")
    assert [row[0] for row in table.rows] == ["plain", "bn", "  minus plain"]


def test_a_published_table_shows_what_was_chosen(report: Results, tmp_path: Path) -> None:
    table = titled(report, "Mean accuracy, %")
    assert [row[0] for row in table.rows] == ["plain", "  published", "mixed", "  published"]
    assert table.rows[2][2] == DASH
    whole = titled(made(tmp_path, arms=("all",)), "Mean accuracy, %")
    assert [row[0] for row in whole.rows if not row[0].startswith(" ")] == ["plain", "dropout", "mixed"]


def test_without_curves_there_are_no_empty_rows_and_the_table_says_why(tmp_path: Path) -> None:
    report = made(tmp_path, has_curve=False)
    assert list(dict.fromkeys(report.comparison["metric"])) == list(METRICS)
    assert titled(report, "Mean accuracy").rows[0] == ("plain", "not measured", "not measured")
    assert not [table for table in report.tables if table.title.startswith("Further")]


def test_before_the_first_run_is_done_nothing_is_said_to_be_unrecorded(tmp_path: Path) -> None:
    study = Study(**STUDY)
    experiment = decide(study, Choices())
    planned = plan(experiment, identity=MNIST)
    lost = agreeing(replace(trained(planned[0].spec, MNIST, arm=0, block=1, has_curve=True), status="interrupted"))
    with Ledger.open(tmp_path / "kbnd.sqlite") as ledger:
        ledger.merge([lost])
        ledger.assign("nets", "0" * 16, [("plain", 1, lost.replicate, lost.run_id)])
    outcome = Outcome("nets", "0" * 16, planned, 0)
    report = gather(study, experiment, outcome, ledger=tmp_path / "kbnd.sqlite")
    assert titled(report, "Mean accuracy").notes[0] == "No run has finished yet."


def test_every_table_and_picture_says_what_is_different_and_of_which_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = made(tmp_path, identity=JPEG, epochs=N_EPOCHS - 1)
    note = "Data: CIFAR-10 (JPEG), re-encoded as JPEG: results compare among themselves, not with published CIFAR-10"
    assert all(any(said.startswith(note) for said in table.notes) for table in report.tables)
    assert all(table.title.endswith("(a different experiment)") for table in report.tables[1:])
    # A picture is its notes here: that they stand above it is what tests/test_report_figures_study.py looks at.
    monkeypatch.setattr(pictures, "contents_of", lambda _, notes: {"svg": "\n".join(notes).encode()})
    texts = {path.name: path.read_text() for path in outputs.write(report, tmp_path / "out") if path.suffix == ".svg"}
    assert sorted(texts) == ["accuracy.svg", "cost.svg", "curves.svg", "time.svg"]
    for text in texts.values():
        assert text.startswith("A different experiment: ")
        assert note in text


# What a narrower command leaves out


@pytest.fixture
def whole(report: Results, tmp_path: Path) -> Results:
    """The outputs of the study with their ledger in this test's folder, and their runs.csv in its `out`."""
    shutil.copy(report.ledger, tmp_path)
    (tmp_path / "out").mkdir()
    report.runs.to_csv(tmp_path / "out" / "runs.csv", index=False)
    return replace(report, ledger=tmp_path / report.ledger.name)


def test_a_narrower_command_says_what_its_files_no_longer_show(
    whole: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "FIGURES", {})
    out = tmp_path / "out"
    narrow = made(tmp_path, arms=("bn",), seeds=2)
    sentence = outputs.left_out(narrow, out)
    assert sentence.startswith(f"no longer in {out / 'runs.csv'}: 9 runs of nets; {whole.ledger} keeps them")  # of 15
    with pytest.warns(UserWarning, match="^no longer in .*: 9 runs of nets; "):
        outputs.write(narrow, out)
    assert outputs.left_out(narrow, out) == ""
    assert outputs.left_out(whole, out) == ""  # wider again


def test_a_study_that_was_edited_says_so_too(whole: Results, tmp_path: Path) -> None:
    edited = made(tmp_path, changes={"train": {**STUDY["train"], "learning_rate": 0.5}})
    assert set(edited.runs["run_id"]).isdisjoint(whole.runs["run_id"])
    assert "15 runs of nets" in outputs.left_out(edited, tmp_path / "out")


def test_runs_that_another_ledger_holds_are_not_said_to_be_kept(whole: Results, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    narrow = made(tmp_path / "other", arms=("bn",), seeds=2)
    assert narrow.ledger != whole.ledger
    assert "keeps 0 of them" in outputs.left_out(narrow, tmp_path / "out")


def test_files_of_something_else_are_no_matter(report: Results, tmp_path: Path) -> None:
    for text in ("", "a,b\n1,2\n", "study,run_id\nanother,x\n", "\0\1"):
        (tmp_path / "runs.csv").write_text(text)
        assert outputs.left_out(report, tmp_path) == "", text


def test_what_is_printed_says_title_and_claims(report: Results) -> None:
    assert outputs.as_json(report)["title"] == "Two networks"
    assert report.tables[0].notes[0] == "Claims that these arms can decide: first, time (2 of 2)."
