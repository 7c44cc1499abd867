"""Whether a probability means what it says: what was seen against what was said, with how many stretches stand behind each bin.

Draws plain numbers; knows no clip, no network and no map. Matplotlib is imported inside and never opens a window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_IN = (3.6, 4.8)
_DPI = 120
_SEEN = "#1b7f79"
_COUNT = "#9aa0a6"
_FEW = 5
"""Bins of fewer stretches are hollow and grey: their share is next to chance."""


@dataclass(frozen=True)
class Panel:
    """One reliability diagram."""

    heading: str
    bins: Sequence[Mapping[str, float]]
    """Per bin that holds anything: `said` and `seen` (0-1), `n` stretches, and `low` and `high` of `seen` where they are known."""


def draw_reliability(panels: Sequence[Panel], title: str) -> Figure:
    """One figure with the diagrams side by side, and below each how many stretches are in its bins.

    Raises:
        ValueError: there is no panel.
    """
    if not panels:
        raise ValueError("a reliability figure needs at least one panel")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_PANEL_IN[0] * len(panels), _PANEL_IN[1]), dpi=_DPI, layout="constrained")
    grid = figure.add_gridspec(2, len(panels), height_ratios=(4, 1))
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", parse_math=False)
    for column, panel in enumerate(panels):
        diagram = figure.add_subplot(grid[0, column])
        _draw_diagram(diagram, panel)
        _draw_counts(figure.add_subplot(grid[1, column], sharex=diagram), panel)
        if column == 0:
            diagram.set_ylabel("share that belongs together")
    return figure


def _draw_diagram(axes: Axes, panel: Panel) -> None:
    axes.set_title(panel.heading, fontsize=9, parse_math=False)
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--")
    few = [one for one in panel.bins if one["n"] < _FEW]
    enough = [one for one in panel.bins if one["n"] >= _FEW]
    for bins, line, face, color in ((few, "none", "none", _COUNT), (enough, "-", _SEEN, _SEEN)):
        if bins:  # an empty line without clipping has no place, which upsets the layout
            at = [one["said"] for one in bins], [one["seen"] for one in bins]
            axes.plot(*at, marker="o", linestyle=line, markerfacecolor=face, color=color, linewidth=1.2, markersize=4, clip_on=False)
    known = [one for one in enough if "low" in one and "high" in one]
    axes.vlines([one["said"] for one in known], [one["low"] for one in known], [one["high"] for one in known], color=_SEEN, linewidth=1.2)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.tick_params(labelbottom=False)


def _draw_counts(axes: Axes, panel: Panel) -> None:
    axes.bar([one["said"] for one in panel.bins], [one["n"] for one in panel.bins], width=0.05, color=_COUNT)
    axes.set_xlabel("probability that was said")
    axes.set_ylabel("stretches", fontsize=8)
