"""Images at 25 per second: image k is the frame on show at k/25 s after the first image, by presentation time.

Knows nothing of sound or faces. Decodes forwards once and holds one frame, so memory does not grow with length.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt

from syncqc.clock import IMAGE_RATE_HZ
from syncqc.errors import ClipError, Failure
from syncqc.media.probe import HALF_MS, Facts, open_container, picture_stream

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Image = npt.NDArray[np.uint8]


def image_scale(facts: Facts, max_short_side_px: int) -> float:
    """Pixels of a read image per pixel of the shown picture: 1, or less where its shorter side is over the limit."""
    return min(1.0, max_short_side_px / min(facts.width_px, facts.height_px))


def read_images(path: str, facts: Facts, max_short_side_px: int = 720, n_threads: int = 1) -> Iterator[Image]:
    """Yields images 0, 1, 2 ... as (height, width, 3) RGB, turned upright, with square pixels.

    As many as `facts.n_images`, fewer where decoding ends early: the caller counts. Repeated images are the same
    array, so treat them as read-only.

    Raises:
        ClipError: no picture can be decoded.
    """
    next_image = 0
    shown: VideoFrame | None = None
    picture: Image | None = None
    for frame, time_s in _frames(path, facts.zero_s, n_threads):
        while shown is not None and next_image < facts.n_images and Fraction(next_image, IMAGE_RATE_HZ) + HALF_MS < time_s:
            picture = _to_rgb(shown, facts, max_short_side_px) if picture is None else picture
            yield picture
            next_image += 1
        shown, picture = frame, None
    if shown is None:
        raise ClipError(Failure.UNREADABLE, "no picture can be decoded")
    # The last frame is on show for its own duration, not until a promised end that was never decoded.
    last_s = _end_s(shown, facts)
    while next_image < facts.n_images and Fraction(next_image, IMAGE_RATE_HZ) + HALF_MS < max(last_s, Fraction(1, IMAGE_RATE_HZ)):
        picture = _to_rgb(shown, facts, max_short_side_px) if picture is None else picture
        yield picture
        next_image += 1


def _end_s(frame: VideoFrame, facts: Facts) -> Fraction:
    start = (frame.pts or 0) * (frame.time_base or Fraction(1)) - facts.zero_s
    ticks = frame.duration or 0
    length = ticks * (frame.time_base or Fraction(1))
    if length <= 0:
        length = 1 / Fraction(facts.source_fps or IMAGE_RATE_HZ).limit_denominator(100_000)
    return start + length + HALF_MS * 2


def _frames(path: str, zero_s: Fraction, n_threads: int) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Decoded frames with their time after the zero; times never go back. Broken packets are skipped."""
    last_s = Fraction(-1)
    with open_container(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise ClipError(Failure.NO_VIDEO, "the file has no picture track")
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = n_threads
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
                frames = packet.decode()
            except StopIteration:
                return
            except av.error.EOFError:
                return
            except av.error.InvalidDataError:
                continue
            except av.error.MemoryError as error:
                raise MemoryError from error
            except av.error.FFmpegError:
                return
            for frame in frames:
                if frame.pts is None or frame.time_base is None:
                    continue
                time_s = frame.pts * frame.time_base - zero_s
                if time_s > last_s and time_s >= 0:
                    last_s = time_s
                    yield frame, time_s


def _to_rgb(frame: VideoFrame, facts: Facts, max_short_side_px: int) -> Image:
    scale = image_scale(facts, max_short_side_px)
    width, height = facts.width_px, facts.height_px
    if facts.rotation_deg % 180:
        width, height = height, width
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    rgb = frame.to_ndarray(format="rgb24", width=width, height=height)
    turns = (facts.rotation_deg // 90) % 4
    return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb
