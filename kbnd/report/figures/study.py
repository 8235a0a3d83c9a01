"""The pictures of a study, drawn from the same frames as its tables.

| figure     | shows                                                                                   |
|------------|-----------------------------------------------------------------------------------------|
| `curves`   | one small panel for each arm, or family of arms: mean over seeds, its baseline in grey  |
| `accuracy` | every seed, mean, interval and published number; difference from its baseline           |
| `time`     | time as a ratio to its baseline with interval, the A/A noise floor as a band            |
| `cost`     | accuracy against time: up and to the left is better                                     |

A picture that has nothing to show is left out. The same frames give the same bytes: no dates, no random ids.
Colours are Okabe and Ito's, told apart by colour-blind readers, and doubled by position or label.
"""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
from matplotlib.figure import Figure

from kbnd.report.figures.arms import accuracy_figure, time_figure
from kbnd.report.figures.cost import cost_figure
from kbnd.report.figures.curves import curves_figure
from kbnd.report.figures.formats import contents_of
from kbnd.report.figures.style import STYLE
from kbnd.report.frames import Frames
from kbnd.report.tables.notes import data_notes, difference_notes

FIGURES: dict[str, Callable[[Frames, str], Figure | None]] = {
    "curves": lambda frames, _: curves_figure(frames.runs, frames.epochs, references=frames.references),
    "accuracy": accuracy_figure,
    "time": lambda frames, _: time_figure(frames.ratios),
    "cost": cost_figure,
}
"""What draws each picture from the frames and a metric; None where there is nothing to show."""


def draw(
    frames: Frames, *, metric: str = "test_accuracy", difference: str = "", data_note: str = ""
) -> dict[str, dict[str, bytes]]:
    """Return the contents of every picture by name and format (`svg`, `png`).

    Args:
        frames: of the study.
        metric: an accuracy, for `accuracy` and `cost`.
        difference: in words, what makes this another experiment than the source's; empty where nothing does.
        data_note: what must be said beside results on these images; usually nothing.
    """
    with mpl.rc_context(STYLE):
        figures = {name: figure_of(frames, metric) for name, figure_of in FIGURES.items()}
        notes = [*difference_notes(difference), *data_notes(data_note)]
        return {name: contents_of(figure, notes) for name, figure in figures.items() if figure is not None}
