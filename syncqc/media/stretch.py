"""A stretch out of the middle of a file, without decoding all that comes before it: the same images as from the start.

Knows nothing of sound or faces. Decoding begins at a key frame before the stretch. Only containers with an index of times are sought in
(MP4 and QuickTime, Matroska and WebM); in all others, and where no key frame is found in time, decoding begins with the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.video.reformatter import VideoReformatter

from syncqc.clock import IMAGE_RATE_HZ
from syncqc.errors import ClipError, Failure
from syncqc.media.container import decoded_pictures, has_decoder, has_index, open_container, picture_length_s, picture_stream
from syncqc.media.probe import Upright, sidecar_start_s, upright
from syncqc.media.video import Image, frames_on_show, image_scale, to_rgb

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_EARLIER_S = (Fraction(0), Fraction(2), Fraction(12))
"""How far before the stretch a key frame is looked for, one after the other: of an open group of pictures it must be the one before."""

_Times = Iterator[tuple["VideoFrame", Fraction]]


@dataclass(frozen=True)
class Start:
    """Where the clocks of a file begin."""

    zero_s: Fraction
    """When the first image is shown, on the file's clock."""
    container_start_s: Fraction
    """The earliest time in the container; a sidecar's time 0 stands for it."""

    def sound_zero_s(self, audio_path: str | None, audio_start_s: Fraction = Fraction(0)) -> Fraction:
        """The time of the first image on the clock of the file that holds the sound; as `Facts.sound_zero_s`, without reading packets.

        `audio_path` is None where that is the video itself; `audio_start_s` is the time in it that belongs to the video's start.

        Raises:
            ClipError: the file with the sound cannot be opened.
        """
        if audio_path is None:
            return self.zero_s
        return self.zero_s - self.container_start_s + sidecar_start_s(audio_path) + audio_start_s


@dataclass(frozen=True)
class Stretch:
    """Images of a stretch and how they are to be understood."""

    images: Iterator[Image]
    """Each (height, width, 3), RGB. Repeated images are the same array, so treat them as read-only."""
    image_scale: float
    """Pixels of an image per pixel of the shown picture (1 or less)."""
    start: Start


def read_start(path: str) -> Start:
    """Where the clocks of the file begin; one picture is decoded.

    Raises:
        ClipError: the file cannot be opened, has no picture track, or no picture can be decoded.
        MemoryError: FFmpeg ran out of memory.
    """
    with open_container(path) as container:
        stream = _picture_stream(container)
        return _start(container, _first(decoded_pictures(container, stream))[1])


@contextmanager
def open_stretch(path: str, first_image: int, end_image: int, max_short_side_px: int = 720, n_threads: int = 1) -> Iterator[Stretch]:
    """Images [first_image, end_image) as `read_images` gives them, decoded as they are taken; fewer where decoding ends earlier.

    Raises:
        ClipError: the file cannot be opened or has no picture track; while they are taken: none of these images can be decoded.
        MemoryError: FFmpeg ran out of memory.
    """
    with ExitStack() as opened:
        container = opened.enter_context(open_container(path))
        stream = _picture_stream(container, n_threads)
        pictures = decoded_pictures(container, stream)
        first = _first(pictures)
        start, facts = _start(container, first[1]), upright(first[0], stream)
        frames: _Times | None = _after(first, pictures)
        if first_image > 0 and has_index(container):
            frames = _sought(container, stream, start.zero_s + Fraction(first_image, IMAGE_RATE_HZ))
        if frames is None:
            # A container in which seeking failed is in no known state.
            container = opened.enter_context(open_container(path))
            stream = _picture_stream(container, n_threads)
            frames = decoded_pictures(container, stream)
        timed = ((frame, time_s - start.zero_s, picture_length_s(frame, stream)) for frame, time_s in frames if time_s >= start.zero_s)
        shown = frames_on_show(timed, end_image, first_image)
        yield Stretch(_images(shown, facts, max_short_side_px, first_image), image_scale(facts, max_short_side_px), start)


def _picture_stream(container: InputContainer, n_threads: int = 1) -> VideoStream:
    stream = picture_stream(container)
    if stream is None:
        raise ClipError(Failure.NO_VIDEO, "the file has no picture track")
    if not has_decoder(stream):
        raise ClipError(Failure.UNREADABLE, "there is no decoder for the picture track")
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = n_threads
    return stream


def _first(pictures: _Times) -> tuple[VideoFrame, Fraction]:
    first = next(pictures, None)
    if first is None:
        raise ClipError(Failure.UNREADABLE, "no picture can be decoded")
    return first


def _start(container: InputContainer, zero_s: Fraction) -> Start:
    start_s = zero_s
    if container.start_time is not None:
        start_s = Fraction(container.start_time, av.time_base)
    return Start(zero_s, start_s)


def _images(frames: Iterator[VideoFrame], facts: Upright, max_short_side_px: int, first_image: int) -> Iterator[Image]:
    reformatter = VideoReformatter()
    shown: VideoFrame | None = None
    for frame in frames:
        if frame is not shown:
            shown, image = frame, to_rgb(reformatter, frame, facts, max_short_side_px)
        yield image
    if shown is None:
        raise ClipError(Failure.UNREADABLE, f"no picture can be decoded from {first_image / IMAGE_RATE_HZ:.2f} s on")


def _after(first: tuple[VideoFrame, Fraction], rest: _Times) -> _Times:
    yield first
    yield from rest


def _sought(container: InputContainer, stream: VideoStream, time_s: Fraction) -> _Times | None:
    """Pictures from a key frame on that is shown at `time_s` or before; None where none is found."""
    if not stream.time_base:
        return None
    for earlier_s in _EARLIER_S:
        try:
            container.seek(math.floor((time_s - earlier_s) / stream.time_base), stream=stream)
        except av.error.FFmpegError:
            return None
        frames = decoded_pictures(container, stream)
        for frame, shown_s in frames:
            # Pictures that are decoded after the key frame but shown before it may lean on what was not decoded.
            if frame.pts is None or shown_s > time_s:
                break
            if frame.key_frame:
                return _after((frame, shown_s), frames)
    return None
