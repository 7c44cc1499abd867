from __future__ import annotations

import pytest

from syncqc.cli.demo_cases import Case, Row, cases, problems, signed
from syncqc.errors import Failure
from syncqc.media.synthetic import Talk

IN_SYNC = Case("a.mp4", "", Talk(offset_frames=3))
OFFSCREEN = Case("a.mp4", "", Talk(offscreen_s=(3.0, 5.0)))
FROZEN = Case("a.mp4", "", Talk(frozen_s=(1.0, 3.0)))
TWO_PARTS = Case("a.mp4", "", Talk(duration_s=8.0))
TWO_FACES = Case("a.mp4", "", Talk(has_listener=True, width_px=560))
SILENT = Case("a.mp4", "", Talk(is_silent=True))
TEXT = Case("a.mp4", "", None)


def row(**columns: object) -> Row:
    measured = {
        "part_index": 0, "failure": None, "is_chosen_track": True, "offset_frames": 0, "offscreen_ratio": 0.05, "frozen_ratio": 0.0,
        "face_width_px": 100.0,
    }  # fmt: skip
    return {**measured, **columns}


def failed(failure: Failure, **columns: object) -> Row:
    return row(failure=str(failure), is_chosen_track=None, offset_frames=None, offscreen_ratio=None, **columns)


VERDICTS = {
    "as drawn": (IN_SYNC, [row(offset_frames=3)], []),
    "one image off is near enough": (IN_SYNC, [row(offset_frames=2)], []),
    "two images off": (IN_SYNC, [row(offset_frames=5)], ["offset +5 instead of +3"]),
    "wrong sign": (IN_SYNC, [row(offset_frames=-3)], ["offset -3 instead of +3"]),
    "offscreen near enough": (OFFSCREEN, [row(offscreen_ratio=0.49)], []),
    "offscreen too far": (OFFSCREEN, [row(offscreen_ratio=0.51)], ["offscreen 0.51 instead of 0.40"]),
    "offscreen missed": (OFFSCREEN, [row(offscreen_ratio=0.1)], ["offscreen 0.10 instead of 0.40"]),
    "offscreen null": (OFFSCREEN, [row(offscreen_ratio=None)], ["offscreen null instead of 0.40"]),
    "frozen": (FROZEN, [row(offscreen_ratio=0.41, frozen_ratio=0.4)], []),
    "frozen missed": (FROZEN, [row(offscreen_ratio=0.41)], ["frozen 0.00 instead of 0.40"]),
    "a reason instead of numbers": (IN_SYNC, [failed(Failure.NO_FACE)], ["no_face instead of measured"]),
    "the right reason": (SILENT, [failed(Failure.SILENT)], []),
    "another reason": (SILENT, [failed(Failure.NO_AUDIO)], ["no_audio instead of silent"]),
    "numbers instead of a reason": (SILENT, [row()], ["measured instead of silent"]),
    "an offset beside a reason": (SILENT, [row(failure="silent")], ["an offset where nothing can be measured"]),
    "unreadable": (TEXT, [failed(Failure.UNREADABLE, part_index=None)], []),
    "no row at all": (TEXT, [], ["1 parts expected, 0 found"]),
    "two parts": (TWO_PARTS, [row(), row(part_index=1)], []),
    "the second part is wrong": (TWO_PARTS, [row(), row(part_index=1, offset_frames=9)], ["offset +9 instead of 0"]),
    "a part is missing": (TWO_PARTS, [row()], ["2 parts expected, 1 found"]),
    "the talker was chosen": (TWO_FACES, [row(is_chosen_track=False, face_width_px=120.0, offset_frames=9), row()], []),
    "the listener was chosen": (TWO_FACES, [row(face_width_px=120.0), row(is_chosen_track=False)], ["the listener was chosen"]),
    "no track was chosen": (TWO_FACES, [row(is_chosen_track=None), row(is_chosen_track=None)], ["no track was chosen"]),
    "one face": (TWO_FACES, [row()], ["1 faces instead of 2"]),
}


@pytest.mark.parametrize(("case", "rows", "expected"), VERDICTS.values(), ids=VERDICTS)
def test_verdicts(case: Case, rows: list[Row], expected: list[str]) -> None:
    assert problems(case, rows) == expected


@pytest.mark.parametrize(("frames", "words"), [(3, "+3"), (0, "0"), (-4, "-4"), (None, "")])
def test_offsets_are_written_with_their_sign(frames: int | None, words: str) -> None:
    assert signed(frames) == words


def test_the_demo_holds_what_it_promises() -> None:
    known = cases()
    assert len({case.clip_id for case in known}) == len(known)
    offsets = {part.offset_frames for case in known for part in case.truth().parts}
    assert {0, 3, -4, 7, -9} <= offsets
    reasons = {part.failure for case in known for part in case.truth().parts}
    assert {Failure.SILENT, Failure.NO_AUDIO, Failure.NO_FACE, Failure.UNREADABLE} <= reasons
