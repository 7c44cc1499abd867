"""Images at 25 per second: image k is the frame on show at k/25 s after the first image, by presentation time.

Knows nothing of sound or faces. Decodes forwards once and holds one frame, so memory does not grow with length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from syncqc.errors import ClipError, Failure
from syncqc.media.container import decoded_pictures, open_container, picture_length_s, picture_stream, reason
from syncqc.media.probe import Facts, Upright, first_image_at

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Image = npt.NDArray[np.uint8]
Frame = TypeVar("Frame")


def image_scale(facts: Facts | Upright, max_short_side_px: int) -> float:
    """Pixels of a read image per pixel of the shown picture: 1, or less where its shorter side is over the limit."""
    return min(1.0, max_short_side_px / min(facts.width_px, facts.height_px))


def read_images(path: str, facts: Facts, max_short_side_px: int = 720, n_threads: int = 1) -> Iterator[Image]:
    """Yields images 0, 1, 2 ... as (height, width, 3) RGB, turned upright, with square pixels.

    As many as `facts.n_images`, fewer where decoding ends early: the caller counts. Repeated images are the same
    array, so treat them as read-only.

    Raises:
        ClipError: no picture can be decoded, or one is of a kind that cannot be converted.
        MemoryError: FFmpeg ran out of memory.
    """
    reformatter = VideoReformatter()
    shown: VideoFrame | None = None
    for frame in frames_on_show(_frames(path, facts.zero_s, n_threads), facts.n_images):
        if frame is not shown:
            shown, image = frame, to_rgb(reformatter, frame, facts, max_short_side_px)
        yield image
    if shown is None:
        raise ClipError(Failure.UNREADABLE, "no picture can be decoded")


def frames_on_show(frames: Iterable[tuple[Frame, Fraction, Fraction]], n_images: int, first_image: int = 0) -> Iterator[Frame]:
    """Yields, for k = `first_image` ... up to `n_images`, the frame that is on show at k/25 s.

    `frames` are (frame, when it appears, how long it stays) in s, rising, the first one on show at `first_image` or before it; a frame
    stays until the next one appears, and the last one for its own time, not until a promised end that was never decoded. A frame
    that appears up to half a millisecond late counts as in time: some containers round to milliseconds.
    """
    next_image = first_image
    shown: tuple[Frame, Fraction] | None = None
    for frame, start_s, length_s in frames:
        if shown is not None:
            end_image = min(n_images, first_image_at(start_s))
            while next_image < end_image:
                yield shown[0]
                next_image += 1
        if next_image >= n_images:
            return
        shown = frame, start_s + length_s
    if shown is not None:
        # The first frame is an image also where it claims to last no time.
        end_image = min(n_images, max(1, first_image_at(shown[1])))
        while next_image < end_image:
            yield shown[0]
            next_image += 1


def _frames(path: str, zero_s: Fraction, n_threads: int) -> Iterator[tuple[VideoFrame, Fraction, Fraction]]:
    """Decoded frames with their time after the zero, from 0, and their length."""
    with open_container(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise ClipError(Failure.NO_VIDEO, "the file has no picture track")
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = n_threads
        for frame, time_s in decoded_pictures(container, stream):
            if time_s >= zero_s:
                yield frame, time_s - zero_s, picture_length_s(frame, stream)


def to_rgb(reformatter: VideoReformatter, frame: VideoFrame, facts: Facts | Upright, max_short_side_px: int) -> Image:
    """The picture as (height, width, 3) RGB, turned upright, with square pixels.

    Raises:
        ClipError: it is of a kind that cannot be converted.
        MemoryError: FFmpeg ran out of memory.
    """
    scale = image_scale(facts, max_short_side_px)
    width, height = facts.width_px, facts.height_px
    if facts.rotation_deg % 180:
        width, height = height, width
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    try:
        rgb = np.asarray(reformatter.reformat(frame, width, height, "rgb24").to_ndarray(), np.uint8)
    except av.error.MemoryError as error:
        raise MemoryError from error
    except (av.error.FFmpegError, ValueError) as error:
        raise ClipError(Failure.UNREADABLE, f"a picture cannot be converted: {reason(error)}") from error
    turns = (facts.rotation_deg // 90) % 4
    return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb
