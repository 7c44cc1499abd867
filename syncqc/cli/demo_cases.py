"""The clips of ``syncqc demo``, and the judgement whether what was measured is what was drawn.

Knows neither files nor networks: truth and rows of a manifest come in, sentences go out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from syncqc.media.synthetic import PartTruth, Talk, Truth

Row = Mapping[str, object]

OFFSET_TOLERANCE_FRAMES = 1
OFFSCREEN_TOLERANCE = 0.1
FROZEN_TOLERANCE = 0.1
PASS_IN_WORDS = f"offset within {OFFSET_TOLERANCE_FRAMES}, offscreen within {OFFSCREEN_TOLERANCE}, reasons exact"


@dataclass(frozen=True)
class Case:
    """One clip of the demo."""

    file: str
    what: str
    talk: Talk | None
    """None: a text file that pretends to be a video."""

    @property
    def clip_id(self) -> str:
        """Its name in the manifest."""
        return self.file.rpartition(".")[0]

    def truth(self) -> Truth:
        """What a perfect measurement would say."""
        from syncqc.errors import Failure
        from syncqc.media.synthetic import PartTruth, Truth, truth

        return truth(self.talk) if self.talk else Truth((PartTruth(0, 0, None, None, 0.0, Failure.UNREADABLE),))


def cases() -> list[Case]:
    """The clips of the demo, in the order in which they are shown.

    Also of faultless speech a network calls some windows offscreen: pauses, and sounds that are hard to see. The seeds are those, of
    the first twelve, whose speech the default network follows best, so that a failure of the demo is a fault in the chain.
    """
    from syncqc.media.mux import Encoding
    from syncqc.media.synthetic import FPS_BY_NAME, Talk

    avi = Talk(seed=11, offset_frames=2, encoding=Encoding("mpeg4", "mp3"), audio_rate_hz=22_050)
    ntsc = Talk(seed=2, offset_frames=-2, fps=FPS_BY_NAME["29.97"], audio_rate_hz=44_100, audio_channels=2)
    return [
        Case("in_sync.mp4", "in sync", Talk(seed=2)),
        Case("early_3.mp4", "sound early by 3 images", Talk(seed=2, offset_frames=3)),
        Case("late_4.mp4", "sound late by 4 images", Talk(seed=11, offset_frames=-4)),
        Case("early_7.mp4", "sound early by 7 images", Talk(seed=3, offset_frames=7)),
        Case("late_9.mp4", "sound late by 9 images", Talk(seed=2, offset_frames=-9)),
        Case("offscreen.mp4", "somebody else speaks for 2 s of 5", Talk(seed=3, offscreen_s=(3.0, 5.0))),
        Case("frozen.mp4", "the picture stands still for 2 s of 5", Talk(seed=1, frozen_s=(1.0, 3.0))),
        Case("two_faces.mp4", "a larger face listens beside", Talk(seed=11, offset_frames=1, has_listener=True, width_px=560)),
        Case("two_parts.mp4", "8 s: two parts", Talk(seed=3, duration_s=8.0, offset_frames=-3)),
        Case("ntsc.mp4", "29.97 fps, 44.1 kHz stereo", ntsc),
        Case("variable.mkv", "variable frame rate, FLAC", Talk(seed=11, fps=Fraction(30), is_vfr=True, encoding=Encoding("h264", "flac"))),
        Case("old.avi", "MPEG-4 and MP3 in AVI", avi),
        Case("fast.mp4", "60 fps", Talk(seed=2, offset_frames=5, fps=Fraction(60))),
        Case("silent.mp4", "the sound is digital silence", Talk(seed=14, is_silent=True)),
        Case("no_sound.mp4", "no sound track", Talk(seed=15, has_sound=False)),
        Case("no_face.mp4", "a test pattern", Talk(seed=16, has_face=False)),
        Case("text.mp4", "a text file", None),
    ]


def problems(case: Case, rows: Sequence[Row]) -> list[str]:
    """What was measured otherwise than drawn, a few words each; none when the clip passes."""
    parts = case.truth().parts
    found = sorted({cast(int, row["part_index"]) for row in rows if row["part_index"] is not None}) or [0]
    if not rows or found != list(range(len(parts))):
        return [f"{len(parts)} parts expected, {len(found) if rows else 0} found"]
    wrong = []
    for index, part in enumerate(parts):
        of_part = [row for row in rows if row["part_index"] in (index, None)]
        wrong += _problems_of(part, spoken_for(of_part))
        if case.talk is not None and case.talk.has_listener:
            wrong += _problems_of_choice(of_part)
    return wrong


def spoken_for(rows: Sequence[Row]) -> Row:
    """The row that stands for its part: the chosen track's, else the first."""
    return next((row for row in rows if row["is_chosen_track"]), rows[0])


def _problems_of(part: PartTruth, row: Row) -> list[str]:
    expected, found = part.failure and str(part.failure), row["failure"]
    if expected != found:
        return [f"{found or 'measured'} instead of {expected or 'measured'}"]
    wrong = []
    if part.offset_frames is not None:
        offset = cast(int, row["offset_frames"])
        if abs(offset - part.offset_frames) > OFFSET_TOLERANCE_FRAMES:
            wrong.append(f"offset {signed(offset)} instead of {signed(part.offset_frames)}")
        wrong += _ratio_problem("offscreen", part.offscreen_ratio, row["offscreen_ratio"], OFFSCREEN_TOLERANCE)
        wrong += _ratio_problem("frozen", part.frozen_ratio, row["frozen_ratio"], FROZEN_TOLERANCE)
    elif row["offset_frames"] is not None:
        wrong.append("an offset where nothing can be measured")
    return wrong


def signed(frames: object) -> str:
    """An offset as people write it: ``+3``, ``0``, ``-4``; nothing for None."""
    return "" if frames is None else f"{frames:+d}" if frames else "0"


def _ratio_problem(name: str, expected: float | None, found: object, tolerance: float) -> list[str]:
    if expected is None or (found is not None and abs(cast(float, found) - expected) <= tolerance):
        return []
    return [f"{name} {'null' if found is None else f'{found:.2f}'} instead of {expected:.2f}"]


def _problems_of_choice(rows: Sequence[Row]) -> list[str]:
    """The listener's face is the larger one, so the chosen track must be the narrower."""
    if len(rows) != 2:
        return [f"{len(rows)} faces instead of 2"]
    chosen = [row for row in rows if row["is_chosen_track"]]
    if not chosen:
        return ["no track was chosen"]
    narrower = min(rows, key=lambda row: cast(float, row["face_width_px"]))
    return [] if chosen[0] is narrower else ["the listener was chosen"]
