"""Pictures of many arms: every name has its place, every row says what it is compared with."""

from __future__ import annotations

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from synthetic_runs import FACTORIAL, NETWORKS, make_epochs, make_many

from kbnd.analysis.compare import compare
from kbnd.analysis.timing import time_ratios
from kbnd.report.figures.arms import accuracy_figure, time_figure
from kbnd.report.figures.cost import cost_figure
from kbnd.report.figures.curves import MOST_PANELS, curves_figure, panels_of
from kbnd.report.figures.style import STYLE
from kbnd.report.frames import Frames

STUDIES = {"39 arms": dict.fromkeys(FACTORIAL, "none"), "12 arms x 2 baselines": NETWORKS}


Drawn = dict[str, Figure]


def frames_of(baselines: dict[str, str]) -> Frames:
    runs = make_many(baselines, seeds=2, n_epochs=3)
    against = {"baseline": next(iter(baselines)), "baselines": baselines, "arms": list(baselines)}
    comparison = compare(runs, **against, metrics=("test_accuracy",))
    return Frames(runs, make_epochs(runs), comparison, time_ratios(runs, **against))


@pytest.fixture(scope="module")
def drawn() -> dict[str, Drawn]:
    """The pictures of each study; drawing and laying them out takes most of this file's time."""
    return {name: draw_all(frames_of(baselines)) for name, baselines in STUDIES.items()}


@pytest.fixture(params=STUDIES)
def figures(request: pytest.FixtureRequest, drawn: dict[str, Drawn]) -> Drawn:
    return drawn[request.param]


def rendered(figure: Figure | None) -> Figure:
    """The figure with every text at its final place."""
    assert figure is not None
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    return figure


def boxes(texts: list) -> list[Bbox]:
    return [text.get_window_extent() for text in texts if text.get_text() and text.get_visible()]


def overlaps(found: list[Bbox]) -> int:
    return sum(one.overlaps(other) for i, one in enumerate(found) for other in found[i + 1 :])


def y_labels(axes: Axes) -> list[Bbox]:
    low, high = sorted(axes.get_ylim())
    shown = [tick.label1 for tick in axes.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    return boxes([label for label in shown if label.get_visible()])


def draw_all(frames: Frames) -> dict[str, Figure]:
    with mpl.rc_context(STYLE):
        return {
            "accuracy": rendered(accuracy_figure(frames, "test_accuracy")),
            "time": rendered(time_figure(frames.ratios)),
            "curves": rendered(curves_figure(frames.runs, frames.epochs, references=frames.references)),
            "cost": rendered(cost_figure(frames, "test_accuracy")),
        }


def test_no_name_touches_another_or_leaves_the_page(figures: Drawn) -> None:
    for name, figure in figures.items():
        for axes in figure.axes:
            assert overlaps(y_labels(axes)) == 0, name
            if name != "cost":
                assert overlaps(boxes(axes.texts)) == 0, name
            for box in y_labels(axes) + boxes(axes.texts):
                assert figure.bbox.x0 <= box.x0, name
                assert box.x1 <= figure.bbox.x1, name


def test_the_legend_stands_beside_the_points(figures: Drawn) -> None:
    axes = figures["cost"].axes[0]
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_window_extent().x0 >= axes.get_window_extent().x1


def test_titles_of_panels_end_before_the_next_panel(figures: Drawn) -> None:
    for axes in figures["curves"].axes:
        titles = [axes._left_title, *axes.artists]  # type: ignore[attr-defined]
        gap = 25  # pixels between two panels
        assert all(title.get_window_extent().x1 < axes.get_window_extent().x1 + gap for title in titles)


def test_long_titles_shrink_until_they_fit() -> None:
    long = "a-name-of-sixty-four-letters-which-is-the-longest-there-can-be-x"
    families = [f"deeper-dropout{p}" for p in ("", 0.2, 0.4, 0.6, 0.8)]
    arms = ["none", long, *families, *(f"x{'y' * i}" for i in range(9))]
    runs = make_many(arms, seeds=2, n_epochs=2)
    with mpl.rc_context(STYLE):
        figure = rendered(curves_figure(runs, make_epochs(runs), references=dict.fromkeys(arms, "none")))
    for axes, title in zip(figure.axes[:2], (figure.axes[0]._left_title, figure.axes[1].artists[0]), strict=True):  # type: ignore[attr-defined]
        assert title.get_window_extent().x1 < axes.get_window_extent().x1 + 25


def test_many_arms_share_panels_by_family_and_few_have_their_own() -> None:
    many = panels_of(dict.fromkeys(FACTORIAL, "none"))
    assert len(many) == 11
    assert many[0].members == {f"none-dense{p}": str(p) for p in (0.1, 0.2, 0.5, 0.8)}
    assert sum(len(panel.members) for panel in many) == 38
    few = dict(list(dict.fromkeys(FACTORIAL, "none").items())[: MOST_PANELS + 1])
    assert [panel.name for panel in panels_of(few)] == list(few)[1:]


def test_arms_of_one_family_but_other_baselines_share_no_panel() -> None:
    references = {f"net{i}": "net0" if i < 8 else "net8" for i in range(16)}
    assert [(len(panel.members), panel.reference) for panel in panels_of(references)] == [(7, "net0"), (7, "net8")]


def test_a_root_has_a_panel_of_its_own_only_where_it_stands_behind_no_other() -> None:
    references = {"r20": "r20", "r20-pre": "r20", "r32": "r32"}
    assert [(panel.name, panel.reference) for panel in panels_of(references)] == [("r20-pre", "r20"), ("r32", None)]
    assert [panel.name for panel in panels_of({"r20": "r20"})] == ["r20"]


def test_members_of_a_family_are_sorted_by_their_number() -> None:
    names = ["a", *(f"a-b{n}" for n in (16, 256, 4, 8)), *(f"x{'y' * i}" for i in range(9))]
    panel = panels_of(dict.fromkeys(names, "a"))[0]
    assert list(panel.members.values()) == ["4", "8", "16", "256"]


def test_every_row_and_panel_names_its_own_baseline(drawn: dict[str, Drawn]) -> None:
    figures = drawn["12 arms x 2 baselines"]
    expected = [f"to {baseline}" for arm, baseline in NETWORKS.items() if arm != baseline]
    assert [text.get_text() for text in figures["accuracy"].axes[1].texts] == expected
    assert [text.get_text() for text in figures["time"].axes[0].texts] == ["to r20-post", *expected]
    said = [text.get_text() for axes in figures["curves"].axes for text in axes.texts]
    assert said == [f"grey: {panel.reference}" for panel in panels_of(NETWORKS)]
    assert "ratio to r20-post" in figures["cost"].axes[0].get_xlabel()


def test_one_baseline_of_all_is_named_on_the_axis_alone(drawn: dict[str, Drawn]) -> None:
    figures = drawn["39 arms"]
    assert not [text for figure in ("accuracy", "time") for axes in figures[figure].axes for text in axes.texts]
    assert figures["accuracy"].axes[1].get_xlabel() == "arm minus none, pp"
    assert figures["time"].axes[0].get_xlabel() == "ratio to none, paired by block"


def test_costs_of_several_networks_share_one_axis(drawn: dict[str, Drawn]) -> None:
    """The ratio of an arm to the study's baseline, not to its own: r110b-post is not at 1."""
    runs = make_many(NETWORKS, seeds=2, n_epochs=3)
    axes = drawn["12 arms x 2 baselines"]["cost"].axes[0]
    places = sorted(float(np.asarray(line.get_xdata())[0]) for line in axes.lines if line.get_marker() != "None")
    ratios = time_ratios(runs, baseline="r20-post", arms=list(NETWORKS))
    assert places == pytest.approx(sorted(ratios.query("arm != 'r20-post (A/A)'")["ratio"]))


def test_networks_of_very_different_cost_get_a_logarithmic_axis() -> None:
    runs = make_many(["small", "large"], seeds=2)
    runs.loc[runs["arm"] == "large", "epoch_s"] *= 10
    against = {"baseline": "small", "arms": ["small", "large"]}
    frames = Frames(runs, make_epochs(runs), compare(runs, **against), time_ratios(runs, **against))
    assert rendered(cost_figure(frames, "test_accuracy")).axes[0].get_xscale() == "log"


@pytest.mark.parametrize(
    ("lowest", "highest"), [(0.11, 0.99), (0.05, 0.92), (0.3, 0.9995), (0.982, 0.991), (0.97, 0.98), (0.99, 0.992)]
)
def test_ticks_of_accuracy_never_crowd(lowest: float, highest: float) -> None:
    runs = make_many(["a", "b", "c", "d", "e"], seeds=2)
    epochs = make_epochs(runs)
    epochs["test_accuracy"] = lowest + (highest - lowest) * (epochs["epoch"] - 1) / 4
    with mpl.rc_context(STYLE):
        figure = rendered(curves_figure(runs, epochs, references=dict.fromkeys("abcde", "a")))
    found = y_labels(figure.axes[0])
    assert len(found) >= 3
    assert all(above.y0 - below.y1 > 0 for below, above in pairwise(sorted(found, key=lambda box: box.y0)))


def test_accuracies_far_from_perfect_get_a_linear_axis() -> None:
    runs = make_many(["a", "b"], seeds=2)
    epochs = make_epochs(runs).assign(val_accuracy=lambda frame: frame["epoch"] / 10)
    figure = curves_figure(runs, epochs, references={"a": "a", "b": "a"})
    assert figure is not None
    assert figure.axes[0].get_yscale() == "linear"
    assert figure.get_supylabel() == "Validation accuracy, %"


def test_a_family_says_how_many_runs_an_arm_lost() -> None:
    arms = FACTORIAL[: MOST_PANELS + 2]  # one more than have a panel each
    runs = make_many(arms, seeds=2)
    is_lost = (runs["arm"] == "none-dense0.8") & (runs["seed"] == 1)
    runs.loc[is_lost, "status"] = "diverged"
    figure = curves_figure(runs, make_epochs(runs), references=dict.fromkeys(arms, "none"))
    assert figure is not None
    words = [area.get_text() for area in figure.axes[0].artists[0].get_children()[0].get_children()]
    assert words == ["none-dense", "0.1", "0.2", "0.5", "0.8 (n=1, 1 diverged)"]
    assert "n = 2 where no other is given" in figure.get_supxlabel()
