from __future__ import annotations

from pathlib import Path

import pytest

from syncqc.report.map_figure import write_png
from syncqc.report.reliability_figure import Panel, draw_reliability

BINS = [{"said": 0.05, "seen": 0.1, "n": 40, "low": 0.02, "high": 0.2}, {"said": 0.95, "seen": 0.9, "n": 60}]


def test_each_panel_shows_its_bins_the_diagonal_the_known_ranges_and_the_counts() -> None:
    figure = draw_reliability([Panel("1-3 s", BINS), Panel("3-5 s", BINS[:1])], "mine")
    diagrams, counts = figure.axes[::2], figure.axes[1::2]
    assert [axes.get_title() for axes in diagrams] == ["1-3 s", "3-5 s"]
    diagonal, seen = diagrams[0].lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert seen.get_xydata().tolist() == [[0.05, 0.1], [0.95, 0.9]]
    (ranges,) = diagrams[0].collections
    assert [segment.tolist() for segment in ranges.get_segments()] == [[[0.05, 0.02], [0.05, 0.2]]]
    assert [bar.get_height() for bar in counts[0].patches] == [40, 60]
    assert [bar.get_height() for bar in counts[1].patches] == [40]


def test_bins_of_few_stretches_stand_apart_without_a_line_or_a_range() -> None:
    few = {"said": 0.5, "seen": 1.0, "n": 4, "low": 0.4, "high": 1.0}
    _, apart, seen = draw_reliability([Panel("all", [BINS[0], few, BINS[1]])], "mine").axes[0].lines
    assert apart.get_xydata().tolist() == [[0.5, 1.0]]
    assert apart.get_linestyle() == "None"
    assert seen.get_xydata().tolist() == [[0.05, 0.1], [0.95, 0.9]]


def test_the_figure_is_a_png(tmp_path: Path) -> None:
    path = tmp_path / "reliability.png"
    write_png(draw_reliability([Panel("all $1", [])], "a title with _ and $"), path)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_no_panel_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one panel"):
        draw_reliability([], "nothing")
