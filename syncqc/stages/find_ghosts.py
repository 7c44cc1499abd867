"""Whether the pictures of a clip carry the rhythm of key frames, their file's own or those of an earlier coding.

Knows nothing of faces, sound or networks. `FindGhosts` looks at the pictures of each part together with those of the parts before it,
`JudgeGhosts` says of the whole clip whether time can be read from its pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, cast

import numpy as np

from syncqc.clock import IMAGE_RATE_HZ
from syncqc.manifest import columns as c
from syncqc.manifest.row import Row
from syncqc.manifest.rules import MPEG4_CODECS
from syncqc.media.ghost import F32, Plane, block_changes, change_trace, repeated_share
from syncqc.media.ghost_period import MIN_IMAGES, find_period
from syncqc.stages.base import IMAGES, Closing, Payload, Stage
from syncqc.stages.part import Part

PARTS_TOGETHER = 12
"""Up to so many parts, a minute, are searched as one."""
_NEARLY = 0.06


@dataclass
class _Seen:
    """The traces of the parts of one clip since the last multiple of `PARTS_TOGETHER`."""

    clip_id: str
    plane: Plane | None = None
    traces: list[F32] = field(default_factory=list)
    images: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = field(default_factory=list)


@dataclass
class FindGhosts(Stage):
    """The period of what comes back in still areas, how strong and how probable by chance; and how many pictures are repeats."""

    _seen: _Seen | None = field(default=None, repr=False, compare=False)

    reads: ClassVar[tuple[c.Column | Payload, ...]] = (IMAGES, c.SOURCE_FPS, c.IS_VFR)
    writes: ClassVar[tuple[c.Column | Payload, ...]] = (c.GHOST_PERIOD_FRAMES, c.GHOST_STRENGTH, c.GHOST_P_VALUE, c.REPEATED_SHARE)

    def __call__(self, parts: list[Part]) -> list[Part]:
        """The parts with these columns; see `Stage`."""
        for part in parts:
            if part.failure is None and part.images is not None and len(part.images):
                self._look_at(part)
        return parts

    def _look_at(self, part: Part) -> None:
        assert part.images is not None
        if self._seen is None or self._seen.clip_id != part.clip.clip_id or part.part_index == 0:
            self._seen = _Seen(part.clip.clip_id)
        seen = self._seen
        if part.part_index % PARTS_TOGETHER == 0:
            seen.traces, seen.images = [], []
        is_vfr = bool(part.row.get("is_vfr"))
        fps = _even_fps(part)
        changes, seen.plane = block_changes(part.images, part.first_image, seen.plane)
        seen.traces.append(change_trace(changes, part.first_image, fps))
        seen.images.append(part.first_image + np.arange(len(changes), dtype=np.int64))
        ghost = find_period(np.concatenate(seen.traces), np.concatenate(seen.images), fps)
        part.row["repeated_share"] = None if is_vfr else repeated_share(changes, part.first_image, fps)
        if ghost is not None:
            part.row |= {
                "ghost_period_frames": ghost.period_frames,
                "ghost_strength": ghost.strength,
                "ghost_p_value": ghost.p_value,
            }


@dataclass
class JudgeGhosts(Closing):
    """`leak_video` and why, equal in all rows of a clip.

    A clip's p value is the smallest of its minutes (the last row of each speaks for all of it) times how many those are.
    """

    max_p_value: float = 0.005
    """From this p value on down something that comes back counts as found."""

    reads: ClassVar[tuple[c.Column, ...]] = (
        c.PART_INDEX, c.VIDEO_CODEC, c.KEY_FRAME_GAP_FRAMES, c.GOP_IS_REGULAR, c.GHOST_PERIOD_FRAMES, c.GHOST_P_VALUE,
    )  # fmt: skip
    writes: ClassVar[tuple[c.Column, ...]] = (c.LEAK_VIDEO, c.LEAK_VIDEO_REASON)

    def __call__(self, rows: list[Row]) -> list[Row]:
        """The same rows, further filled."""
        is_leaking, reason = self._judge(rows)
        return [{**row, "leak_video": is_leaking, "leak_video_reason": reason} for row in rows]

    def _judge(self, rows: list[Row]) -> tuple[bool | None, str | None]:
        own = next((row for row in rows if _has_regular_keys(row)), None)
        gap = None if own is None else _float(own, "key_frame_gap_frames")
        if own is not None and own.get("video_codec") in MPEG4_CODECS:
            return True, f"the file is {own['video_codec']} with a key frame every {gap:g} pictures"
        minutes = _last_of_minutes(rows)
        if not minutes:
            return None, f"fewer than {MIN_IMAGES} images could be compared"
        best = min(minutes, key=lambda row: _float(row, "ghost_p_value"))
        p_value = min(1.0, _float(best, "ghost_p_value") * len(minutes))
        if p_value > self.max_p_value:
            return False, None
        period = _float(best, "ghost_period_frames")
        what = f"something comes back every {period:g} pictures (p = {p_value:.1g})"
        if gap is not None and math.isclose(period, gap, rel_tol=_NEARLY):
            return True, f"{what}: the file's own key frames, every {gap:g} pictures"
        return True, f"{what}: the trace of an earlier coding"


def _even_fps(part: Part) -> float:
    """The file's pictures per second; 25 where they come unevenly or in steps that are not known: then images stand for pictures."""
    fps = part.row.get("source_fps")
    if part.row.get("is_vfr") or not isinstance(fps, float | int) or not fps > 0:
        return float(IMAGE_RATE_HZ)
    # Means of rounded times are a little off; a rate that is nearly 25 is 25.
    return float(IMAGE_RATE_HZ) if abs(fps - IMAGE_RATE_HZ) < _NEARLY else float(fps)


def _has_regular_keys(row: Row) -> bool:
    return row.get("gop_is_regular") is True and row.get("key_frame_gap_frames") is not None and _float(row, "key_frame_gap_frames") > 1


def _last_of_minutes(rows: list[Row]) -> list[Row]:
    """Of each `PARTS_TOGETHER` parts the last row with a p value."""
    last: dict[int, Row] = {}
    for row in sorted(rows, key=lambda row: int(cast(int, row["part_index"]))):
        if row.get("ghost_p_value") is not None:
            last[int(cast(int, row["part_index"])) // PARTS_TOGETHER] = row
    return list(last.values())


def _float(row: Row, name: str) -> float:
    return float(cast(float, row[name]))
