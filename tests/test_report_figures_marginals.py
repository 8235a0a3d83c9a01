"""The picture of a search: every finished trial has its place, no diverged one a score."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from synthetic_trials import NAMES, make_trials, with_status

from kbnd.analysis import importance
from kbnd.analysis.importance import Importances, importances
from kbnd.report.figures import marginals
from kbnd.report.figures.marginals import MARKS, draw_marginals, marginals_figure
from kbnd.report.frames import SearchFrames
from kbnd.report.scores import VAL_ACCURACY, VAL_LOSS, Score, time_to_accuracy


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance, "N_TREES", 10)
    monkeypatch.setattr(importance, "N_REPEATS", 1)


def importances_of(trials: pd.DataFrame) -> Importances:
    return importances(trials, NAMES, direction="max")


def search(trials: pd.DataFrame, **options: Any) -> SearchFrames:
    usual = {"trials": trials, "names": NAMES, "score": VAL_ACCURACY, "log_scaled": ["learning_rate"]}
    return SearchFrames(**{**usual, **options})


def figure_of(trials: pd.DataFrame, **options: Any) -> Figure:
    figure = marginals_figure(search(trials, **options))
    assert figure is not None
    return figure


def marks(axes: Axes, shapes: tuple[str, ...] = tuple(MARKS)) -> list[tuple[float, float]]:
    """Places of the marks of some shapes."""
    lines = [line for line in axes.lines if line.get_marker() in shapes]
    return [(float(np.asarray(line.get_xdata())[0]), float(np.asarray(line.get_ydata())[0])) for line in lines]


def black_lines(axes: Axes) -> list[Any]:
    return [line for line in axes.lines if line.get_marker() == "None" and line.get_color() == "#222222"]


def footer(figure: Figure) -> str:
    return figure.get_supxlabel().replace("\N{NO-BREAK SPACE}", " ")


def test_every_finished_trial_stands_at_its_value_and_score_in_every_panel() -> None:
    trials = make_trials(20, n_diverged=3)
    done = trials[trials["status"] == "done"]
    figure = figure_of(trials)
    assert len(figure.axes) == 3
    rate = figure.axes[0]
    assert rate.get_xscale() == "log"
    expected = sorted(zip(done["learning_rate"], 100 * done["score"], strict=True))
    assert np.allclose(sorted(marks(rate)), expected)
    low, high = rate.get_ylim()
    assert all(low < y < high for _, y in marks(rate))
    for axes in figure.axes:
        assert len(marks(axes)) == 17


def test_diverged_trials_are_crosses_below_every_score() -> None:
    trials = make_trials(20, n_diverged=3)
    figure = figure_of(trials)
    assert "diverged" in [label.get_text() for label in figure.axes[0].get_yticklabels()]
    for axes in figure.axes:
        crosses = marks(axes, ("x",))
        assert len(crosses) == 3
        assert max(y for _, y in crosses) < min(y for _, y in marks(axes))
        assert axes.get_ylim()[0] < min(y for _, y in crosses)
    assert not marks(figure_of(make_trials(20)).axes[0], ("x",))


def test_panels_are_ordered_by_importance_and_have_lines_where_the_forest_holds() -> None:
    trials = make_trials(30)[["dropout", "batch_norm", *make_trials(1).columns.drop(["dropout", "batch_norm"])]]
    ordered = importances(trials, ["batch_norm", "dropout", "learning_rate"], direction="max")
    figure = figure_of(trials, importances=ordered)
    assert figure.axes[0].get_xscale() == "log"
    assert [len(black_lines(axes)) for axes in figure.axes] == [1, 1, 3]
    assert "expected by a random forest (R2 = 0." in footer(figure)


def test_no_line_is_drawn_through_what_cannot_be_told() -> None:
    trials = make_trials(8)
    figure = figure_of(trials, importances=importances_of(trials))
    assert not any(black_lines(axes) for axes in figure.axes)
    assert "no line: the trials cannot tell what mattered" in footer(figure)


def test_the_footer_says_n_seeds_spread_and_what_is_missing() -> None:
    trials = with_status(make_trials(20, n_diverged=2), [1], "failed")
    n_done = int((trials["status"] == "done").sum())
    caption = footer(figure_of(trials))
    assert f"n = {n_done} trials" in caption
    assert "mark: mean over 2 seeds \N{PLUS-MINUS SIGN} SD" in caption
    assert "cross: diverged, 2 trials without a score" in caption
    assert "colour and shape: batch_norm" in caption
    assert "not drawn: 1 failed" in caption
    assert "SD" not in footer(figure_of(make_trials(20, n_seeds=1)))


@pytest.mark.parametrize(
    ("scores", "spacing"),
    [((0.2, 0.6), ""), ((0.95, 0.99), "scores on an axis that is logarithmic in the error")],
)
def test_an_axis_that_is_not_even_says_so(scores: tuple[float, float], spacing: str) -> None:
    trials = make_trials(8)
    figure = figure_of(trials.assign(score=np.linspace(*scores, len(trials)), score_sd=np.nan))
    assert (spacing or "n = 8 trials") in footer(figure)
    assert ("scores on an axis" in footer(figure)) == bool(spacing)


def test_categories_differ_in_shape_for_readers_without_colours() -> None:
    (*_, placement) = figure_of(make_trials(30)).axes
    shapes = {line.get_marker() for line in placement.lines} - {"None"}
    assert len(shapes) == 3
    labels = [label.get_text() for label in placement.get_xticklabels()]
    assert labels == ["none", "after\nactivation", "before\nactivation"]


def test_shorter_trainings_are_small_and_open() -> None:
    trials = make_trials(12).assign(epochs=[2] * 8 + [6] * 4)
    figure = figure_of(trials)
    faces = [line.get_markerfacecolor() for line in figure.axes[0].lines if line.get_marker() in MARKS]
    assert faces.count("white") == 8
    assert "small, open: fewer than 6 epochs" in footer(figure)


@pytest.mark.parametrize("score", [VAL_LOSS, time_to_accuracy(0.98, name="time_to_accuracy:0.98")])
def test_a_score_that_is_better_low_is_drawn_as_it_is(score: Score) -> None:
    figure = figure_of(make_trials(20, objective="val_loss", n_diverged=2), score=score)
    assert figure.get_supylabel().endswith("(lower is better)")
    assert "scores on an axis that is logarithmic" in footer(figure)
    assert marks(figure.axes[0], ("x",))


@pytest.mark.parametrize("names", [["dropout"], [*NAMES, "optimizer", "batch_size"]])
def test_any_number_of_hyperparameters_has_its_panels(names: list[str]) -> None:
    trials = make_trials(12).assign(optimizer="sgd", batch_size=[32, 64, 128] * 4)
    figure = figure_of(trials, names=names)
    assert sum(axes.axison for axes in figure.axes) == len(names)


def test_nothing_finished_gives_no_picture() -> None:
    assert draw_marginals(search(make_trials(5).assign(status="diverged"))) == {}


def test_a_data_note_stands_above_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marginals, "contents_of", lambda _, notes: {"svg": "\n".join(notes).encode()})
    pictures = draw_marginals(search(make_trials(5), data_note="Data: re-encoded."))
    assert pictures == {"marginals": {"svg": b"Data: re-encoded."}}


def test_one_trial_and_equal_scores_are_drawn() -> None:
    assert draw_marginals(search(make_trials(1)))
    for score in (0.0, 0.5, 1.0):
        assert len(marks(figure_of(make_trials(5).assign(score=score)).axes[0])) == 5


def test_the_same_trials_give_the_same_bytes_and_touch_no_global_style() -> None:
    trials, before = make_trials(12, n_diverged=2), dict(mpl.rcParams)
    frames = search(trials, importances=importances_of(trials))
    one, other = draw_marginals(frames), draw_marginals(frames)
    assert one == other
    assert dict(mpl.rcParams) == before
    assert one["marginals"]["png"].startswith(b"\x89PNG")
    assert ElementTree.fromstring(one["marginals"]["svg"]).tag.endswith("svg")


def test_ticks_of_a_few_numbers_never_touch() -> None:
    trials = make_trials(6).assign(dropout=[0.0, 0.1, 0.2, 0.5, 0.8, 0.8])
    trials["learning_rate"] = [0.00389, 0.00364, 0.00438, 0.00281, 0.195, 0.0019]
    figure = figure_of(trials)
    labels = {}
    for axes in figure.axes:
        figure.draw_without_rendering()
        ticks = [label for label in axes.get_xticklabels() if label.get_text()]
        labels[axes.get_title()] = {label.get_text() for label in ticks}
        boxes = sorted((label.get_window_extent() for label in ticks), key=lambda box: box.x0)
        assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))
    assert {"0", "0.1", "0.2", "0.5", "0.8"} <= labels["dropout"]
    assert "0.00389" not in labels["learning_rate"]
