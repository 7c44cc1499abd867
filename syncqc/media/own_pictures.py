"""The pictures of a file as they come, none repeated and none left out, made small, each with its time.

What looks for traces of coding must not read at another rate than the file's: which pictures are repeated or left out would itself
tell the time. Knows nothing of sound.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from syncqc.errors import ClipError, Failure
from syncqc.media.container import decoded_pictures, open_container, picture_length_s, picture_stream
from syncqc.media.probe import Facts
from syncqc.media.video import to_rgb

U8 = npt.NDArray[np.uint8]
_UNREDUCED_PX = 1 << 30


def own_pictures(path: str, facts: Facts, until_s: Fraction, side_px: int, *, is_reduced: bool) -> tuple[U8, list[Fraction], Fraction]:
    """The pictures that appear before `until_s`, `(n, side_px, side_px, 3)` RGB, their times after the first one, and when the last ends.

    The middle square of each picture; reduced until it is `side_px` wide, or as much of it at the file's own scale. A picture that is
    smaller is continued with its edge.

    Raises:
        ClipError: no picture can be decoded, or one is of a kind that cannot be converted.
        MemoryError: FFmpeg ran out of memory.
    """
    reformatter = VideoReformatter()
    pictures: list[U8] = []
    times_s: list[Fraction] = []
    end_s = Fraction(0)
    with open_container(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise ClipError(Failure.NO_VIDEO, "the file has no picture track")
        for frame, time_s in decoded_pictures(container, stream):
            after_s = time_s - facts.zero_s
            if after_s >= until_s:
                end_s = after_s
                break
            if after_s >= 0:
                end_s = after_s + picture_length_s(frame, stream)
                times_s.append(after_s)
                rgb = to_rgb(reformatter, frame, facts, side_px if is_reduced else _UNREDUCED_PX)
                pictures.append(middle_square(rgb, side_px))
    if not pictures:
        raise ClipError(Failure.UNREADABLE, "no picture can be decoded")
    return np.stack(pictures), times_s, end_s


def middle_square(picture: U8, side_px: int) -> U8:
    """A copy of the middle `(side_px, side_px, 3)` of the picture, which is continued with its edge where it is smaller."""
    height, width = picture.shape[:2]
    top, left = max(0, height - side_px) // 2, max(0, width - side_px) // 2
    cut = picture[top : top + side_px, left : left + side_px]
    lacks = side_px - cut.shape[0], side_px - cut.shape[1]
    around = [(lack // 2, lack - lack // 2) for lack in lacks]
    return np.pad(cut, (*around, (0, 0)), mode="edge")
