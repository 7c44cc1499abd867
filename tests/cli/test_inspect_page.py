from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from syncqc.cli.inspect_page import BEST, excerpt, shown_clip
from syncqc.cli.inspect_view import Matrices
from syncqc.engine.assemble import ClipResult
from syncqc.errors import ClipError, Failure, UsageError
from syncqc.manifest.row import Clip, Row
from syncqc.media import preview as preview_module
from syncqc.media.mux import MuxError
from syncqc.media.preview import Preview


def row(part: int, track: int | None, start_s: float, end_s: float, offset: int | None = 2, p: float = 0.9, **others: object) -> Row:
    measured: Row = {"offset_frames": offset, "probability_at_offset": p, "n_windows": 20, "onscreen": []}
    failed: Row = {"failure": "too_short", "detail": "the face is there for 2 images"}
    place: Row = {"part_index": part, "track_index": track, "start_s": start_s, "end_s": end_s, "duration_s": 10.0, "n_tracks": 2}
    return place | (failed if offset is None else measured) | others


def shown(monkeypatch: pytest.MonkeyPatch, rows: list[Row], track: int | None = None, clip: Clip | None = None, **others: object) -> object:
    """The page's content for these rows, without a video; how it was asked for is in `asked`."""
    monkeypatch.setattr(preview_module, "preview", lambda *asked: Preview("video/mp4", 0, 250, 64, 48, b"as it is", b"shifted"))
    cells = np.zeros((31, 20), "<f2")
    lines: list[Row] = [
        {"part_index": one["part_index"], "track_index": one["track_index"], "w": 15, "n_windows": 20, "matrix": cells.tobytes()}
        for one in rows
        if "failure" not in one
    ]
    result = ClipResult(clip or Clip("talk", "talk.mp4"), rows, others.get("face_lines", []), lines)  # type: ignore[arg-type]
    return shown_clip(Path("talk.mp4"), result, Matrices(lines, 0.1, 0, "a network"), track, 0.0, 10.0)


def test_faces_that_follow_each_other_are_shown_together_and_those_beside_by_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        row(0, 0, 0.0, 3.0, p=0.7),
        row(0, 1, 3.0, 5.0, p=0.9, is_chosen_track=True),
        row(0, 2, 1.0, 4.0, p=0.6),
        row(1, 0, 5.0, 10.0, is_chosen_track=True),
        row(1, 1, 5.0, 5.08, None),
    ]
    clip = shown(monkeypatch, rows, track=1)
    choices = [(choice.name, list(choice.faces)) for choice in clip.choices]  # type: ignore[attr-defined]
    assert choices == [
        (BEST, [0, 1, 3]),
        ("face 0 of each part (the largest)", [0, 3]),
        ("face 1 of each part", [1, 4]),
        ("face 2 of each part", [2]),
    ]
    assert clip.selected == 2  # type: ignore[attr-defined]
    assert clip.faces[4].why_not == "too_short: the face is there for 2 images"  # type: ignore[attr-defined]


def test_boxes_are_those_of_the_track(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        {"part_index": 0, "track_index": track, "image": image, "box_px": [float(track), 0.0, 9.0, 9.0]}
        for image in (5, 0)
        for track in (0, 1)
    ]
    clip = shown(monkeypatch, [row(0, 0, 0.0, 5.0), row(0, 1, 0.0, 5.0)], face_lines=lines)
    assert clip.faces[1].boxes_px == [(0, [1.0, 0.0, 9.0, 9.0]), (5, [1.0, 0.0, 9.0, 9.0])]  # type: ignore[attr-defined]


def test_the_sound_is_moved_by_the_offset_of_the_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def preview(*given: object) -> Preview:
        asked.append(given)
        return Preview("video/mp4", 0, 250, 64, 48, b"as it is", b"shifted")

    clip = Clip("talk", "talk.mp4", "/data/talk.wav", audio_start_s=1.5)
    result = ClipResult(clip, [row(0, 0, 0.0, 5.0, -3), row(1, 0, 5.0, 10.0, 8, p=0.2)], [], [])
    monkeypatch.setattr(preview_module, "preview", preview)
    page = shown_clip(Path("talk.mp4"), result, Matrices([], 0.1, 0), None, 2.0, 6.0)
    assert asked == [(Path("talk.mp4"), Path("/data/talk.wav"), 1.5, -3, 2.0, 6.0)]
    assert page.recording is not None
    assert page.recording.shifted == b"shifted"
    assert ("sound from", "talk.wav") in page.facts


@pytest.mark.parametrize(
    ("error", "why"),
    [
        pytest.param(ClipError(Failure.UNREADABLE, "cannot be opened: broken"), "cannot be opened: broken", id="unreadable"),
        pytest.param(MuxError("this ffmpeg writes no video"), "this ffmpeg writes no video", id="no encoder"),
    ],
)
def test_a_page_without_its_video_says_why(error: Exception, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def preview(*_: object) -> Preview:
        raise error

    monkeypatch.setattr(preview_module, "preview", preview)
    page = shown_clip(Path("t.mp4"), ClipResult(Clip("t", "t.mp4"), [row(0, 0, 0.0, 5.0)], [], []), Matrices([], 0.1, 0), None, 0.0, 5.0)
    assert (page.recording, page.why_no_recording) == (None, why)


def test_a_file_that_crashed_its_reader_is_not_opened_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_module, "preview", lambda *_: pytest.fail("it was opened"))
    rows: list[Row] = [{"part_index": 0, "failure": "crashed", "detail": "signal 11"}]
    page = shown_clip(Path("t.mp4"), ClipResult(Clip("t", "t.mp4"), rows, [], []), Matrices([], 0.1, 0), None, 0.0, 60.0)
    assert page.why_no_recording == "the file is not opened again (crashed: signal 11)"
    assert page.choices[0].verdict == "nothing was measured: crashed: signal 11"


@pytest.mark.parametrize(
    ("duration_s", "wanted", "got"),
    [
        pytest.param(5.041, (0.0, 60.0), (0.0, 5.08), id="to the end of the last image"),
        pytest.param(600.0, (0.0, 60.0), (0.0, 60.0), id="a minute of ten"),
        pytest.param(600.0, (30.01, 45.0), (30.0, 45.0), id="from an image on"),
        pytest.param(0.0, (0.0, 60.0), (0.0, 60.0), id="of unknown length"),
        pytest.param(1.0, (0.99, 61.0), (0.96, 1.0), id="the last image alone"),
        pytest.param(600.0, (0.47, 0.471), (0.44, 0.48), id="a moment within an image"),
        pytest.param(600.0, (0.0, 0.0001), (0.0, 0.04), id="less than a thousandth of a second"),
    ],
)
def test_excerpt(duration_s: float, wanted: tuple[float, float], got: tuple[float, float]) -> None:
    assert excerpt(duration_s, *wanted) == pytest.approx(got)


def test_an_excerpt_behind_the_end() -> None:
    with pytest.raises(UsageError, match=r"the clip lasts 5.00 s; --from 7 lies behind it"):
        excerpt(5.0, 7.0, 60.0)


def test_one_face_offers_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = shown(monkeypatch, [row(0, 0, 0.0, 5.0, n_tracks=1), row(1, None, 5.0, 10.0, None, n_tracks=None)])
    assert [(choice.name, list(choice.faces)) for choice in clip.choices] == [(BEST, [0, 1])]  # type: ignore[attr-defined]
