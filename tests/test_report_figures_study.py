"""Pictures: drawn from any study however poor, the same bytes each time, no global state touched."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from synthetic_runs import ARMS, make_epochs, make_runs, with_status

from kbnd.analysis.compare import compare
from kbnd.analysis.timing import time_ratios
from kbnd.report.figures import study as pictures
from kbnd.report.figures.arms import accuracy_figure, time_figure
from kbnd.report.figures.cost import cost_figure
from kbnd.report.figures.curves import curves_figure
from kbnd.report.figures.error_axis import SMALLEST_ERROR
from kbnd.report.figures.formats import contents_of
from kbnd.report.figures.study import FIGURES, draw
from kbnd.report.figures.style import GREY, colours, short_label
from kbnd.report.frames import Frames

FEW = ("baseline", "bn", "dropout0.5")


def frames(runs: pd.DataFrame, arms: tuple[str, ...] = FEW) -> Frames:
    published = {("bn", "test_accuracy"): 0.9883}
    comparison = compare(runs, baseline="baseline", arms=arms, metrics=("test_accuracy",), published=published)
    return Frames(runs, make_epochs(runs), comparison, time_ratios(runs, baseline="baseline", arms=arms))


def test_a_full_study_gives_four_pictures_twice_the_same() -> None:
    study = frames(make_runs(seeds=2, n_epochs=3, arms=FEW))
    before = dict(mpl.rcParams)
    one, other = draw(study), draw(study)
    assert set(one) == {"curves", "accuracy", "time", "cost"}
    assert one == other
    assert dict(mpl.rcParams) == before
    for formats in one.values():
        assert formats["png"].startswith(b"\x89PNG")
        assert ElementTree.fromstring(formats["svg"]).tag.endswith("svg")


def test_one_seed_and_one_epoch_leave_out_what_they_cannot_show() -> None:
    study = frames(make_runs(seeds=1, n_epochs=1, arms=FEW))
    assert time_figure(study.ratios) is None
    assert cost_figure(study, "test_accuracy") is None
    assert accuracy_figure(study, "test_accuracy") is not None


def test_nothing_finished_gives_no_picture() -> None:
    runs = make_runs(seeds=1, arms=FEW).assign(status="interrupted")
    assert draw(frames(runs)) == {}


def test_an_arm_that_diverged_has_an_empty_panel_and_row_that_say_so() -> None:
    runs = make_runs(seeds=2, arms=FEW)
    for seed in (1, 2):
        runs = with_status(runs, "dropout0.5", seed, "diverged")
    study = frames(runs)
    figure = curves_figure(runs, study.epochs, references=dict.fromkeys(FEW, "baseline"))
    assert figure is not None
    titles = [axes.get_title() + axes.get_title(loc="left") for axes in figure.axes]
    assert "dropout0.5  n=0, 2 diverged" in titles
    accuracy = accuracy_figure(study, "test_accuracy")
    assert accuracy is not None
    labels = [label.get_text() for label in accuracy.axes[0].get_yticklabels()]
    assert labels == ["baseline  n=2", "bn  n=2", "dropout0.5  n=0, 2 diverged"]


def test_curves_end_at_the_mean_accuracy_of_each_arm() -> None:
    runs = make_runs(seeds=5, arms=FEW)
    figure = curves_figure(runs, make_epochs(runs), references=dict.fromkeys(FEW, "baseline"))
    assert figure is not None
    first = runs[runs["replicate"] == 0]
    ends = 100 * first.groupby("arm")["test_accuracy"].mean()
    for axes, arm in zip(figure.axes, FEW[1:], strict=False):
        ends_of_lines = [np.asarray(line.get_ydata())[-1] for line in axes.lines]
        assert ends_of_lines == pytest.approx([ends["baseline"], ends[arm]])


def test_time_picture_shows_the_control_and_cost_needs_two_timed_arms() -> None:
    study = frames(make_runs(seeds=3, arms=FEW))
    figure = time_figure(study.ratios)
    assert figure is not None
    assert "baseline (A/A)  n=3" in [label.get_text() for label in figure.axes[0].get_yticklabels()]
    lonely = study.ratios.assign(n=[1, 0, 0, 0])
    assert time_figure(lonely) is None
    assert cost_figure(Frames(study.runs, study.epochs, study.comparison, lonely), "test_accuracy") is None


def footers(study: Frames) -> list[str]:
    """What stands below each picture, and above the last."""
    curves = curves_figure(study.runs, study.epochs, references=study.references)
    cost = cost_figure(study, "test_accuracy")
    below = (curves, accuracy_figure(study, "test_accuracy"), time_figure(study.ratios))
    return [*(figure.get_supxlabel() for figure in below if figure), cost.axes[0].get_title() if cost else ""]


def test_one_run_for_each_arm_has_no_interval_and_no_picture_speaks_of_one() -> None:
    one, several = (footers(frames(make_runs(seeds=n, arms=FEW))) for n in (1, 5))
    assert len(one) == len(several) == 4
    assert all("interval" in text and "no interval" not in text for text in several)
    assert [text.count("no interval") for text in one] == [1, 1, 1, 1]
    assert [text.count("one run per arm") for text in one] == [1, 1, 0, 1]
    assert "one block" in one[2]
    assert not any("95 %" in text or "mean" in text for text in one)


def test_the_band_of_another_arms_control_says_whose_it_is() -> None:
    ratios = time_ratios(make_runs(seeds=3, arms=FEW), baseline="bn")
    figure = time_figure(ratios)
    assert figure is not None
    assert figure.get_supxlabel().endswith("grey: noise floor of baseline (A/A)")
    assert figure.axes[0].get_xlabel() == "ratio to bn, paired by block"
    assert not figure.axes[0].texts
    unknown = time_figure(time_ratios(make_runs(seeds=3, arms=FEW, control=False), baseline="bn"))
    assert unknown is not None
    assert unknown.get_supxlabel().endswith("no noise floor was measured")


def test_a_row_of_other_blocks_has_no_band_that_is_not_its_own() -> None:
    arms = (*FEW, "bn+dropout0.5")
    runs = make_runs(seeds=3, arms=arms)
    apart = runs.assign(session=["s2" if arm.startswith("bn") else "s1" for arm in runs["arm"]])
    roots = {arm: "bn" for arm in arms if arm.startswith("bn")}
    figure = time_figure(time_ratios(apart, baseline="baseline", baselines=roots, arms=arms))
    assert figure is not None
    rows = [name.get_text().split("  ")[0] for name in figure.axes[0].get_yticklabels()]
    assert set(roots) < set(rows)
    bands = {rows[round(band.get_paths()[0].get_extents().y0 + 0.5)] for band in figure.axes[0].collections}
    assert bands == set(rows) - set(roots)


def test_perfect_accuracy_has_a_place_on_the_logarithmic_axis() -> None:
    epochs = make_epochs(make_runs(seeds=2, arms=FEW)).assign(val_accuracy=1.0)
    figure = curves_figure(make_runs(seeds=2, arms=FEW), epochs, references=dict.fromkeys(FEW, "baseline"))
    assert figure is not None
    low, high = figure.axes[0].get_ylim()
    assert low < 100 - SMALLEST_ERROR <= high < 100.1


def test_another_experiment_is_labelled_on_every_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "contents_of", lambda _, notes: {"svg": "\n".join(notes).encode()})
    study = frames(make_runs(seeds=2, arms=FEW))
    labelled = draw(study, difference="dataset digits instead of mnist", data_note="Data: re-encoded.")
    assert set(labelled) == set(FIGURES)
    label = b"A different experiment: dataset digits instead of mnist.\nData: re-encoded."
    assert all(formats["svg"] == label for formats in labelled.values())


def test_notes_stand_above_a_picture() -> None:
    plain, labelled = Figure(), Figure()
    assert len(contents_of(labelled, ["Data: re-encoded."])["svg"]) > len(contents_of(plain, [])["svg"])
    assert labelled.get_suptitle() == "Data: re-encoded."
    assert plain.get_suptitle() == ""


def test_drawing_imports_neither_pyplot_nor_scikit_learn_before_it_is_used() -> None:
    modules, heavy = (
        "kbnd.report.figures.study, kbnd.report.figures.marginals",
        {"matplotlib.pyplot", "sklearn", "keras"},
    )
    code = f"import {modules}, sys; sys.exit(bool({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ten_arms_share_four_colours_by_family() -> None:
    colour = colours(ARMS, "baseline")
    assert len(set(colour.values())) == 4
    assert colour["baseline"] == GREY
    assert colour["dropout0.1"] == colour["dropout0.8"] != colour["bn+dropout0.1"]
    assert short_label("bn+dropout0.5") == ("bn+dropout", "0.5")
    assert short_label("resnet110") == ("resnet", "110")
    assert short_label("bn") == ("bn", "")


def test_a_hostile_text_becomes_part_of_a_picture_that_can_be_read() -> None:
    """Warnings of missing glyphs are errors here."""
    hostile = "\x1b]0;x\x07\u202eevil\udcff\0"
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label=hostile)
    axes.set(xlabel=hostile, title=hostile)
    axes.set_yticks([0, 1], [hostile, "two\nlines"])
    axes.annotate(hostile, (0, 0))
    axes.legend()
    svg = contents_of(figure, [hostile])["svg"].decode()
    with_comments = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    comments = [node.text for node in ElementTree.fromstring(svg, with_comments).iter(ElementTree.Comment)]
    assert sum(r"\x1b]0;x\x07\u202eevil\udcff\x00" in str(comment) for comment in comments) >= 6
    assert "two" in svg
    assert svg.replace("\n", "").isprintable()
