from __future__ import annotations

import numpy as np
import pytest

from syncqc.cli.inspect_strip import along_time, sparkline, speaker_bar, strips
from syncqc.cli.inspect_view import Matrices
from syncqc.clock import IMAGE_RATE_HZ
from syncqc.measure.active_speaker import onscreen_intervals_s
from syncqc.measure.sync import measure

Row = dict[str, object]
TAU = 0.1


def matrix(n: int, offset: int, speaks: slice, w: int = 15) -> np.ndarray:
    """Cosines (2 w + 1, n): high at the offset while the face speaks, low elsewhere."""
    cells = np.full((2 * w + 1, n), -0.4, np.float32)
    cells[w - offset, speaks] = 0.4
    return cells


def made(n: int, offset: int, speaks: slice, start_s: float = 0.0, part: int = 0) -> tuple[Row, Row]:
    """A row as it is measured from such a matrix, and the line that keeps the matrix."""
    cells = matrix(n, offset, speaks)
    found = measure(cells, np.isfinite(cells), TAU)
    assert found is not None
    place: Row = {"part_index": part, "track_index": 0}
    intervals = onscreen_intervals_s(found.onscreen_windows, round(start_s * IMAGE_RATE_HZ))
    row: Row = {"start_s": start_s, "offset_frames": found.offset_frames, "onscreen": intervals, "offscreen_ratio": found.offscreen_ratio}
    return place | row, place | {"w": 15, "n_windows": n, "matrix": cells.astype("<f2").tobytes()}


def test_probabilities_along_time_are_those_behind_the_number() -> None:
    row, line = made(96, 3, slice(40, 96))
    cells = matrix(96, 3, slice(40, 96))
    found = measure(cells, np.isfinite(cells), TAU)
    assert found is not None
    matrices = Matrices([line], TAU, 0)
    np.testing.assert_allclose(along_time(row, matrices.cells(row), matrices), found.window_probability, atol=2e-3)


def test_the_zero_of_the_network_is_not_taken_off_twice() -> None:
    row, line = made(96, 3, slice(0, 96))
    matrices = Matrices([line], TAU, zero_offset_frames=1)
    assert along_time(row | {"offset_frames": 2}, matrices.cells(row), matrices).min() > 0.9


@pytest.mark.parametrize(
    ("values", "per_character", "levels", "line"),
    [
        pytest.param([0.0, 0.13, 0.5, 1.0], 1, "▁▂▃▄▅▆▇█", "▁▂▅█", id="blocks"),
        pytest.param([0.0, 0.55, 0.99, 1.0], 1, "0123456789", "0599", id="ASCII is tenths"),
        pytest.param([0.0, 1.0, 1.0, 1.0, 0.0], 2, "0123456789", "590", id="means, the last of what is left"),
        pytest.param([np.nan, np.nan, np.nan, 1.0], 2, "▁▂▃▄▅▆▇█", " █", id="what was not measured"),
    ],
)
def test_sparkline(values: list[float], per_character: int, levels: str, line: str) -> None:
    assert sparkline(np.array(values), per_character, levels) == line


def test_the_bar_says_who_speaks_at_the_time_of_each_window() -> None:
    # the track begins at 5 s, so window 0 speaks for the image at 5.08 s
    row: Row = {"start_s": 5.0, "onscreen": [{"start_s": 5.16, "end_s": 5.24}]}
    probabilities = np.array([0.9, 0.9, 0.9, 0.9, 0.9, np.nan])
    assert speaker_bar(row, probabilities, 1) == "░░██░ "
    assert speaker_bar(row, probabilities, 2, "#. ") == ".#."


def test_the_share_of_the_bar_is_the_offscreen_ratio() -> None:
    row, line = made(96, 3, slice(40, 96), start_s=2.52)
    matrices = Matrices([line], TAU, 0)
    bar = speaker_bar(row, along_time(row, matrices.cells(row), matrices), 1)
    assert 0.3 < bar.count("░") / len(bar) < 0.5
    assert bar.count("░") / len(bar) == pytest.approx(row["offscreen_ratio"])


@pytest.mark.parametrize("is_ascii", [False, True])
@pytest.mark.parametrize(("width", "ms"), [(60, 120), (200, 40)])
def test_all_parts_have_one_scale_and_fit_the_terminal(width: int, ms: int, is_ascii: bool) -> None:
    long, short = made(121, 2, slice(0, 60)), made(30, 2, slice(0, 30), start_s=5.0, part=11)
    failed: Row = {"part_index": 12, "failure": "no_face", "start_s": 10.0}
    lines = [line.plain for line in strips([long[0], short[0], failed], Matrices([long[1], short[1]], TAU, 0), width, is_ascii=is_ascii)]
    assert lines[0].startswith(f"one character is {ms} ms")
    assert [line.split("  ")[0] for line in lines[2:]] == ["part 0, 0.0 s", "speaks", "part 11, 5.0 s", "speaks"]
    assert max(len(line) for line in lines[2:]) <= width
    drawn = [len(line[len("part 11, 5.0 s  ") :]) for line in lines[2:]]
    assert drawn == [-(-121 * 40 // ms)] * 2 + [-(-30 * 40 // ms)] * 2
    assert all(line.isascii() for line in lines) is is_ascii


def test_nothing_measured_gives_no_line() -> None:
    assert list(strips([{"part_index": 0, "failure": "silent"}], Matrices([], TAU, 0), 80)) == []
