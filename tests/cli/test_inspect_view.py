from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from syncqc.cli.inspect_view import (
    Matrices,
    at_each_moment,
    fitting_table,
    is_measured,
    map_parts,
    notes,
    offset_of_clip,
    reason,
    shown_rows,
    table_of,
    verdict,
)
from syncqc.errors import UsageError

Row = dict[str, object]


def row(part: int = 0, track: int | None = 0, offset: int | None = 2, p: float = 0.97, **others: object) -> Row:
    """A row as the engine gives it; with offset None one that was not measured."""
    start_s = 5.0 * part
    measured: Row = {
        "offset_frames": offset,
        "offset_ms": None if offset is None else 40.0 * offset,
        "is_offset_at_edge": False,
        "margin": 0.31,
        "probability_at_offset": p,
        "probability_in_sync": 0.99,
        "offscreen_ratio": 0.04,
        "onscreen": [{"start_s": start_s + 1, "end_s": start_s + 2}],
        "n_windows": 121,
    }
    failed: Row = {"failure": "no_face", "detail": "no face on 25 images looked at"}
    place: Row = {"part_index": part, "n_parts": 3, "track_index": track, "start_s": start_s, "end_s": start_s + 5, "speech_ratio": 0.8}
    return place | (failed if offset is None else measured) | others


def printed(rows: list[Row], shown: list[Row]) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table_of(rows, shown))
    return capture.get()


def test_one_row_per_part_the_chosen_one() -> None:
    rows = [row(0, 0, is_chosen_track=False), row(0, 1, is_chosen_track=True), row(1, 0, is_chosen_track=True), row(2, None, None)]
    assert shown_rows(rows, track=None) == [rows[1], rows[2], rows[3]]


def test_where_none_is_chosen_the_first_that_was_measured() -> None:
    rows = [row(0, 0, None), row(0, 1), row(0, 2)]
    assert shown_rows(rows, track=None) == [rows[1]]


def test_a_listed_face_that_was_not_measured_is_shown_rather_than_another() -> None:
    rows = [row(0, 0, is_chosen_track=False, is_listed_face=False), row(0, 1, None, is_listed_face=True)]
    assert shown_rows(rows, track=None) == [rows[1]]


def test_where_faces_follow_each_other_each_is_shown_while_it_is_there() -> None:
    rows = [
        row(0, 0, start_s=0.0, end_s=2.0, p=0.6),
        row(0, 1, start_s=2.0, end_s=5.0),
        row(0, 2, start_s=1.0, end_s=3.0),
        row(0, 3, None, start_s=0.0, end_s=0.2),
        row(1, None, None, start_s=None, end_s=None),
    ]
    assert at_each_moment(rows, [rows[1], rows[4]]) == [rows[0], rows[1], rows[4]]


def test_a_track_by_its_number() -> None:
    rows = [row(0, 0), row(0, 1), row(1, 0), row(2, 1)]
    assert shown_rows(rows, track=1) == [rows[1], rows[3]]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        pytest.param([row(0, 0), row(0, 1)], "no part of this clip has a face track 4; there are 0, 1", id="others"),
        pytest.param([row(0, None, None)], "no part of this clip has a face track 4; no face was found", id="none"),
    ],
)
def test_a_track_that_is_not_there(rows: list[Row], sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        shown_rows(rows, track=4)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        pytest.param([row(offset=2)], "the sound leads the picture by 2 images (80 ms)", id="early"),
        pytest.param(
            [row(offset=-1), row(1, offset=-1), row(2, None, None)], "the sound lags behind the picture by 1 image (40 ms)", id="late"
        ),
        pytest.param([row(offset=1), row(1, offset=0, n_windows=200)], "sound and picture are in time", id="the most windows decide"),
        pytest.param(
            [row(offset=1, clip_offset_frames=1), row(1, offset=0, n_windows=200)],
            "the sound leads the picture by 1 image (40 ms)",
            id="the offset of the clip comes first",
        ),
        pytest.param(
            [row(offset=3), row(1, offset=-1, n_windows=50)],
            "the sound leads the picture by 3 images (120 ms); it differs between parts, from -1 image (-40 ms) to +3 images (+120 ms)",
            id="drifting",
        ),
        pytest.param(
            [row(offset=30, is_offset_at_edge=True)],
            "the sound leads the picture by 30 images (1200 ms); it may be more: that is the edge of the search",
            id="edge",
        ),
        pytest.param(
            [row(offset=2), row(1, offset=-9, p=0.2)],
            "the sound leads the picture by 2 images (80 ms); in 1 of 2 measured parts sound and lips agree at no offset",
            id="a part without agreement has no say",
        ),
        pytest.param(
            [row(p=0.29), row(1, p=0.11)], "sound and lips agree at none of the offsets searched (probability 0.29 at best)", id="foreign"
        ),
        pytest.param([row(offset=None)], "nothing was measured", id="failed"),
    ],
)
def test_verdict(rows: list[Row], sentence: str) -> None:
    assert verdict(rows) == sentence


def test_table_shows_every_row_and_marks_the_drawn_ones() -> None:
    rows = [row(0, 0), row(0, 1, offset=-30, is_offset_at_edge=True, probability_in_sync=None), row(1, None, None)]
    lines = [" ".join(line.split()) for line in printed(rows, [rows[1], rows[2]]).splitlines()]
    assert lines[3:6] == [
        "0 0 0.0-5.0 +2 (+80 ms) 0.31 0.97 0.99 0.04 0.80",
        "0 1* 0.0-5.0 -30 (-1200 ms)! 0.31 0.97 - 0.04 0.80",
        "1 - 5.0-10.0 no_face - - - - 0.80",
    ]
    assert notes(rows) == ["* drawn, ! the edge of the search", "part 1: no_face: no face on 25 images looked at"]


def test_table_fits_a_narrow_terminal() -> None:
    console = Console(width=80)
    rows = [row(2, 0, offset=-12, is_offset_at_edge=True, start_s=3600.0, end_s=3605.0), row(2, 1, None, failure="memory_limit")]
    with console.capture() as capture:
        console.print(table_of(rows, rows))
    for whole in ("3600.0-3605.0", "-12 (-480 ms)!", "memory_limit", "0.80"):
        assert whole in capture.get()


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        pytest.param(100, [], id="wide"),
        pytest.param(60, ["left out for want of width: margin, speech"], id="60 columns"),
        pytest.param(48, ["left out for want of width: margin, speech, p in sync, offscreen"], id="48 columns"),
    ],
)
def test_a_narrow_terminal_does_without_columns_and_says_so(width: int, lines: list[str]) -> None:
    console = Console(width=width)
    rows = [row(0, 0), row(0, 1, offset=-12), row(1, None, None)]
    table, said = fitting_table(rows, rows, console)
    with console.capture() as capture:
        console.print(table)
    assert said == lines
    assert "…" not in capture.get()
    assert max(map(len, capture.get().splitlines())) <= width
    assert "-12 (-480 ms)" in capture.get()


@pytest.mark.parametrize(
    ("rows", "offset"),
    [
        pytest.param([row(offset=2), row(1, offset=-9, p=0.2)], 2, id="of the parts that agree"),
        pytest.param([row(offset=2, p=0.2)], None, id="none agrees"),
        pytest.param([row(offset=None)], None, id="nothing measured"),
    ],
)
def test_offset_of_the_clip(rows: list[Row], offset: int | None) -> None:
    assert offset_of_clip(rows) == offset


def test_nothing_measured_has_no_marks() -> None:
    assert notes([row(0, None, None)]) == ["part 0: no_face: no face on 25 images looked at"]


def test_what_is_unusual_in_a_measured_part_is_said_once() -> None:
    rows = [row(0, track, detail="the sound starts 0.5 s late") for track in (0, 1)]
    assert notes(rows) == ["* drawn", "part 0: the sound starts 0.5 s late"]


def test_what_a_list_points_at_and_a_picture_that_begins_frozen_get_a_line() -> None:
    rows = [row(0, 0, is_listed_face=False, frozen_start_s=1.04), row(0, 1, is_listed_face=True, frozen_start_s=1.04)]
    assert notes([*rows, row(1, frozen_start_s=0.0)]) == [
        "* drawn",
        "part 0: the picture stands still for its first 1.04 s",
        "part 0: track 1 is the face that was pointed at",
    ]


def test_reason_without_a_sentence() -> None:
    assert reason({"failure": "crashed"}) == "crashed"


def test_rows_become_parts_of_the_map() -> None:
    # w = 1, 2 windows; zero 1; cosine 0 is probability 0.5; one cell does not count
    cells = np.array([[0.0, 0.0], [0.0, np.nan], [5.0, -5.0]], "<f2")
    lines = [{"part_index": 1, "track_index": 0, "w": 1, "n_windows": 2, "matrix": cells.tobytes()}]
    measured, failed, nowhere = row(1), row(2, None, None), row(0, None, None, start_s=None, end_s=None)
    parts = map_parts([nowhere, measured, failed], Matrices(lines, tau=0.1, zero_offset_frames=1))
    assert [(part.start_s, part.end_s) for part in parts] == [(5.0, 10.0), (10.0, 15.0)]
    first, second = parts
    assert first.probability is not None
    np.testing.assert_allclose(first.probability, [[0.5, 0.5], [0.5, np.nan], [1.0, 0.0]], atol=1e-6)
    assert first.first_window_s == pytest.approx(5.08)
    assert (first.offset_frames, first.zero_offset_frames, list(first.onscreen_s)) == (2, 1, [(6.0, 7.0)])
    assert first.heading == "part 1 of 3, track 0: +2 images (+80 ms)\np at offset 0.97, p in sync 0.99, offscreen 0.04"
    assert (second.probability, second.heading) == (None, "part 2 of 3")
    assert second.reason == "no_face: no face on 25 images looked at"
    assert not is_measured(failed)
