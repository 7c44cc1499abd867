"""A part's rows: what is merged, and where a failure stands."""

from __future__ import annotations

import numpy as np
import pytest

from syncqc.errors import Failure
from syncqc.manifest.row import Clip, Row, complete
from syncqc.stages.part import Part, Track

CLIP = Clip("a/b", "/data/a/b.mp4", dataset="made", speaker="a")
OF_THE_CLIP = CLIP.row()


def track(**row: object) -> Track:
    none = np.zeros(0, np.float32)
    return Track(0, np.zeros((7, 2, 4, 3), np.uint8), none.astype(np.int32), none, none, none, dict(row))


def part(*tracks: Track, **row: object) -> Part:
    return Part(CLIP, 1, 3, 125, 120, dict(row), tracks=list(tracks))


def test_a_track_lasts_as_long_as_its_crops() -> None:
    assert track().n_images == 7


def test_a_part_without_tracks_is_one_row() -> None:
    assert part(start_s=5.0, width_px=640).rows() == [{**OF_THE_CLIP, "part_index": 1, "n_parts": 3, "start_s": 5.0, "width_px": 640}]


def test_each_track_is_a_row_and_its_own_columns_win() -> None:
    rows = part(track(track_index=0, start_s=5.2), track(track_index=1), start_s=5.0, n_tracks=2).rows()
    assert [(row["track_index"], row["start_s"], row["n_tracks"], row["part_index"]) for row in rows] == [(0, 5.2, 2, 1), (1, 5.0, 2, 1)]


def test_rows_hold_columns_only_and_are_no_views_of_the_part() -> None:
    one = part(track(track_index=0), start_s=5.0)
    rows = one.rows()
    assert [complete(row)["start_s"] for row in rows] == [5.0]
    rows[0]["start_s"] = 9.0
    assert one.rows()[0]["start_s"] == 5.0


@pytest.mark.parametrize(
    ("tracks", "expected"),
    [
        ((), [("silent", "nothing to hear")]),
        ((track(), track()), [("silent", "nothing to hear")] * 2),
        ((track(), track(failure="too_short", detail="13 images")), [("silent", "nothing to hear"), ("too_short", "13 images")]),
    ],
    ids=["no tracks", "in every row", "a track's own stays"],
)
def test_where_a_failure_stands(tracks: tuple[Track, ...], expected: list[tuple[str, str]]) -> None:
    failed = part(*tracks, detail="decoding ends after 7.00 s")
    failed.fail(Failure.SILENT, "nothing to hear")
    rows: list[Row] = failed.rows()
    assert [(row["failure"], row["detail"]) for row in rows] == expected
    assert {type(row["failure"]) for row in rows} == {str}


def test_a_track_that_was_measured_before_its_part_failed_keeps_its_numbers_and_has_no_failure() -> None:
    broken = part(track(offset_frames=2), track())
    broken.fail(Failure.CRASHED, "the second one")
    assert [(row.get("offset_frames"), row.get("failure")) for row in broken.rows()] == [(2, None), (None, "crashed")]


def test_the_first_failure_stays() -> None:
    failed = part()
    failed.fail(Failure.NO_AUDIO, "no sound")
    failed.fail(Failure.NO_FACE, "no face")
    assert (failed.failure, failed.detail) == (Failure.NO_AUDIO, "no sound")


def test_without_a_failure_a_detail_is_kept_and_none_is_made_up() -> None:
    (row,) = part(detail="decoding ends after 7.00 s").rows()
    assert row["detail"] == "decoding ends after 7.00 s"
    assert "failure" not in row
